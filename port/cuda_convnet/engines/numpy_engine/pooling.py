"""Max, maxabs and average pooling, and their gradients.

Every pixel or region adds and compares in the original's order, so that all but pool_avg_undo (whose
original fuses its products) are equal to it in every bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from cuda_convnet.engines.numpy_engine.blocks import flat, mask_scratch, quiet, same_shapes, spans
from cuda_convnet.engines.numpy_engine.fma import combine_exactly
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.errors import EngineError

LOWEST = np.float32(-2e38)  # from which the original's maxima start
SMALL = 1 << 16  # entries that are not worth the waking of other cores
BAND = 1 << 18  # entries of a band of rows, the unit of work
GROUP = 1 << 16  # entries of a group of small channels, which are worked on together

Place: TypeAlias = tuple[slice, slice, slice]  # of channels, rows and columns


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
        cls, operation: str, images: HostArray, pooled: HostArray, *, size_x: int, start: int, stride: int
    ) -> Regions:
        """images (channels, y, x, N) and pooled (channels, regions_y, regions_x, N);

        EngineError if they do not fit.
        """
        flat(operation, images)
        flat(operation, pooled)
        if images.ndim != 4 or pooled.ndim != 4 or images.shape[::3] != pooled.shape[::3]:
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


class PoolingOperations:
    """The poolings of the NumPy engine; the engine supplies `pool`."""

    pool: WorkerPool

    def pool_max(
        self, images: HostArray, targets: HostArray, *, size_x: int, start: int, stride: int
    ) -> None:
        regions = Regions.of("pool_max", images, targets, size_x=size_x, start=start, stride=stride)

        def work(channels: slice, first: int, last: int) -> None:
            source, target = images[channels], targets[channels, first:last]
            columns = self.pool.scratch("pooled columns", (len(source), last - first, *source.shape[2:]))
            self._maxima(regions.within(first, last).y, source, columns, axis=1)
            self._maxima(regions.x, columns, target, axis=2)
            np.fmax(LOWEST, target, out=target)

        self._in_bands(work, targets)

    @staticmethod
    def _maxima(line: Line, values: HostArray, out: HostArray, axis: int) -> None:
        """The maximum of each region along one axis; NaN is passed over."""
        there, here = np.moveaxis(values, axis, 0), np.moveaxis(out, axis, 0)
        for offset in range(line.size):
            where, seen = line.seen(offset)
            if offset == 0 and where == slice(0, line.regions):
                np.copyto(here, there[seen])
            else:
                if offset == 0:
                    out.fill(LOWEST)
                np.fmax(here[where], there[seen], out=here[where])

    def pool_maxabs(
        self, images: HostArray, targets: HostArray, *, size_x: int, start: int, stride: int
    ) -> None:
        regions = Regions.of("pool_maxabs", images, targets, size_x=size_x, start=start, stride=stride)

        def combine(target: HostArray, pixels: HostArray) -> None:
            np.copyto(target, pixels, where=~(np.abs(target) > np.abs(pixels)))

        self._in_raster_order(combine, regions, images, targets)

    def pool_avg(
        self, images: HostArray, targets: HostArray, *, size_x: int, start: int, stride: int
    ) -> None:
        regions = Regions.of("pool_avg", images, targets, size_x=size_x, start=start, stride=stride)
        area = regions.y.lengths()[:, None, None] * regions.x.lengths()[:, None]

        def combine(target: HostArray, pixels: HostArray) -> None:
            np.add(target, pixels, out=target)

        self._in_raster_order(combine, regions, images, targets, area)

    def _in_raster_order(
        self,
        combine: Callable[[HostArray, HostArray], None],
        regions: Regions,
        images: HostArray,
        targets: HostArray,
        area: HostArray | None = None,
    ) -> None:
        """Combine each region's pixels one after the other, from 0 on; then divide by `area`."""

        def work(channels: slice, first: int, last: int) -> None:
            line, target = regions.within(first, last).y, targets[channels, first:last]
            target.fill(0)
            for offset_y in range(line.size):
                out_y, seen_y = line.seen(offset_y)
                for offset_x in range(regions.x.size):
                    out_x, seen_x = regions.x.seen(offset_x)
                    combine(target[:, out_y, out_x], images[channels, seen_y, seen_x])
            if area is not None:
                np.divide(target, area[first:last], out=target)

        self._in_bands(work, targets)

    def _in_bands(self, work: Callable[[slice, int, int], None], arrays: HostArray) -> None:
        """Call work(channels, first, last) for bands of the rows of arrays (channels, rows, ...).

        A band is some rows of one channel, or all rows of several small ones.
        """
        channels, rows = arrays.shape[:2]
        entries = max(1, int(np.prod(arrays.shape[2:])))
        together = max(1, GROUP // max(1, rows * entries))
        step = max(1, rows) if together > 1 else max(1, BAND // entries)
        quietly = quiet(work)
        bands = [(group, span) for group in spans(channels, together) for span in spans(rows, step)]
        self.pool.map(
            lambda band: quietly(band[0], band[1].start, band[1].stop), bands, small=arrays.size <= SMALL
        )

    def pool_max_undo(
        self,
        images: HostArray,
        max_grads: HostArray,
        max_acts: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        same_shapes("pool_max_undo", max_acts=max_acts, max_grads=max_grads)
        same_shapes("pool_max_undo", images=images, targets=targets)
        regions = Regions.of("pool_max_undo", images, max_acts, size_x=size_x, start=start, stride=stride)

        def add(seen: Place, out: Place, total: HostArray) -> None:
            grads = max_grads[out]
            hits = mask_scratch(self.pool, "maxima", grads.shape)
            np.equal(images[seen], max_acts[out], out=hits)
            share = self.pool.scratch("shares of maxima", grads.shape)
            np.multiply(hits, grads, out=share)
            np.add(total, share, out=total)

        self._undo(add, regions, targets, scale_targets, scale_output)

    def pool_avg_undo(
        self,
        avg_grads: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        regions = Regions.of("pool_avg_undo", targets, avg_grads, size_x=size_x, start=start, stride=stride)
        inverse = 1 / (regions.y.lengths()[:, None, None] * regions.x.lengths()[:, None])

        def add(seen: Place, out: Place, total: HostArray) -> None:
            grads = avg_grads[out]
            share = self.pool.scratch("shares of averages", grads.shape)
            np.multiply(grads, inverse[out[1:]], out=share)
            np.add(total, share, out=total)

        self._undo(add, regions, targets, scale_targets, scale_output)

    def _undo(
        self,
        add: Callable[[Place, Place, HostArray], None],
        regions: Regions,
        targets: HostArray,
        scale_targets: float,
        scale_output: float,
    ) -> None:
        """To each pixel add what its regions give it, in raster order of the regions.

        `add(seen, out, total)` adds to `total` what the regions `out` give to the pixels `seen`,
        one each.
        """
        in_place = scale_targets == 0 and scale_output == 1

        def work(channels: slice, first: int, last: int) -> None:
            target = targets[channels, first:last]
            total = target if in_place else self.pool.scratch("gradients of a band", target.shape)
            total.fill(0)
            # Pixels that are later in a region belong to earlier ones of their regions: offsets descend.
            band = replace(regions.y, pixels=last - first, start=regions.y.start - first)
            for offset_y in reversed(range(band.size)):
                out_y, seen_y = band.seen(offset_y)
                rows = slice(seen_y.start + first, seen_y.stop + first, seen_y.step)
                for offset_x in reversed(range(regions.x.size)):
                    out_x, seen_x = regions.x.seen(offset_x)
                    place = channels, rows, seen_x
                    add(place, (channels, out_y, out_x), total[:, seen_y, seen_x])
            if not in_place:
                combine_exactly(target, total, scale_targets, scale_output)

        self._in_bands(work, targets)
