"""The regions of a pooling, checked against its arrays before any arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cuda_convnet.engines.operations import Array, HostArray
from cuda_convnet.engines.shapes import check_arrays, distinct
from cuda_convnet.errors import EngineError


@dataclass(frozen=True)
class Line:
    """Regions along one direction: region o covers `size` pixels from start + o * stride, clipped."""

    pixels: int
    regions: int
    size: int
    start: int
    stride: int

    def seen(self, offset: int) -> tuple[slice, slice]:
        """The regions whose pixel at `offset` lies in the image, and these pixels."""
        first = max(0, -((self.start + offset) // self.stride))
        last = min(self.regions, (self.pixels - 1 - self.start - offset) // self.stride + 1)
        if last <= first:
            return slice(0, 0), slice(0, 0)
        pixel = self.start + offset + first * self.stride
        return slice(first, last), slice(pixel, pixel + (last - first - 1) * self.stride + 1, self.stride)

    def clipped(self, region: int) -> tuple[int, int]:
        """The first pixel of a region and the one after its last."""
        start = self.start + region * self.stride
        return max(0, start), min(self.pixels, start + self.size)

    def lengths(self) -> HostArray:
        """How many pixels each region has."""
        ends = [self.clipped(region) for region in range(self.regions)]
        return np.array([end - start for start, end in ends], np.float32)


@dataclass(frozen=True)
class Regions:
    """The regions of a pooling, checked against its arrays; `y` and `x` are the two directions."""

    y: Line
    x: Line

    @classmethod
    def of(
        cls, operation: str, images: Array, pooled: Array, *, size_x: int, start: int, stride: int
    ) -> Regions:
        """images (channels, y, x, N) and pooled (channels, regions_y, regions_x, N), two arrays.

        EngineError if they do not fit.
        """
        check_arrays(operation, images=images, pooled=pooled)
        distinct(operation, {"pooled": pooled}, images=images)
        if len(images.shape) != 4 or len(pooled.shape) != 4 or images.shape[::3] != pooled.shape[::3]:
            raise EngineError(
                f"{operation}: images {images.shape} and regions {pooled.shape} must be (channels, y, x, "
                "images) with the same channels and images"
            )
        if size_x < 1 or stride < 1:
            raise EngineError(f"{operation}: size_x {size_x} and stride {stride} must be at least 1")
        lines = [Line(images.shape[axis], pooled.shape[axis], size_x, start, stride) for axis in (1, 2)]
        for line in lines:
            if line.regions and (start + size_x <= 0 or start + (line.regions - 1) * stride >= line.pixels):
                fit = max(0, -(-(line.pixels - start) // stride))
                raise EngineError(
                    f"{operation}: of {line.regions} regions of {size_x} pixels from {start} on, every "
                    f"{stride}, some lie outside the {line.pixels} pixels; {fit} would fit"
                )
        return cls(*lines)

    def within(self, first: int, last: int) -> Regions:
        """The regions of rows `first` to `last` alone."""
        y = self.y
        return Regions(replace(y, regions=last - first, start=y.start + first * y.stride), self.x)
