"""Shared filters, group by group: which panels and which products the three convolutions are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cuda_convnet.engines.geometry import Connections, Geometry
from cuda_convnet.engines.numpy_engine.correlation import correlate
from cuda_convnet.engines.numpy_engine.panels import Window, ceil_div, inside
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.scaling import combine
from cuda_convnet.engines.numpy_engine.weight_sums import weight_sums
from cuda_convnet.engines.operations import HostArray


@dataclass(frozen=True)
class Shared:
    """The convolutions of one geometry.

    images (C, img_y, img_x, N), filters (filter_channels, size, size, F), hid_acts (F, modules_y, modules_x,
    N).
    """

    pool: WorkerPool
    geometry: Geometry
    connections: Connections
    scale_targets: float
    scale_output: float

    def filter_acts(self, images: HostArray, filters: HostArray, targets: HostArray) -> None:
        """targets like hid_acts."""
        for group in range(self.geometry.groups):
            filters_of_group = self.geometry.filters_of(group)
            acts = targets[filters_of_group]

            def receive(
                sums: HostArray, f: int, y: int, x: int, which: slice, acts: HostArray = acts
            ) -> None:
                count, rows, columns, _ = sums.shape
                into = acts[f : f + count, y : y + rows, x : x + columns, which]
                combine(into, sums, self.scale_targets, self.scale_output)

            pixels, channels = self._seen_by(group, images)
            correlate(
                self.pool,
                pixels,
                filters[..., filters_of_group],
                self._modules,
                receive,
                channels=channels,
                targets=acts if self._plain else None,
            )

    def weight_acts(
        self, images: HostArray, hid_acts: HostArray, targets: HostArray, partial_sum: int
    ) -> None:
        """targets (chunks, filter_channels, size, size, F)."""
        for group in range(self.geometry.groups):
            filters_of_group = self.geometry.filters_of(group)
            pixels, channels = self._seen_by(group, images)
            weight_sums(
                self.pool,
                pixels,
                hid_acts[filters_of_group],
                targets[..., filters_of_group],
                self._modules,
                partial_sum=partial_sum,
                scale_targets=self.scale_targets,
                scale_output=self.scale_output,
                channels=channels,
            )

    def img_acts(self, hid_acts: HostArray, filters: HostArray, targets: HostArray) -> None:
        """targets (over_sample, C, img_y, img_x, N).

        The pixel at u = pixel + padding takes part in modules u // stride - j, under taps u % stride +
        stride * j. So pixels of equal u % stride are themselves a correlation, of stride 1, of hid_acts with
        every stride-th tap of the turned filters; the stride * stride of these are so many more filters.
        """
        geometry = self.geometry
        stride, padding = geometry.stride, geometry.padding
        reach = ceil_div(geometry.size, stride)
        first = padding // stride
        rows, columns = (
            (pixels - 1 + padding) // stride - first + 1 for pixels in (geometry.img_y, geometry.img_x)
        )
        window = Window(reach, 1, first - (reach - 1), first - (reach - 1), rows, columns)
        for group in range(geometry.groups):
            filters_of_group = geometry.filters_of(group)

            def receive(sums: HostArray, f: int, y: int, x: int, which: slice, group: int = group) -> None:
                corner = (stride * (first + y) - padding, stride * (first + x) - padding)
                self._scatter(sums, f, corner, targets[..., which], group)

            straight = self._plain and stride == 1 and not self.connections
            correlate(
                self.pool,
                hid_acts[filters_of_group],
                _turned(filters[..., filters_of_group], stride),
                window,
                receive,
                targets=targets[0, geometry.channels_of(group)] if straight else None,
            )

    @property
    def _plain(self) -> bool:
        return self.scale_targets == 0 and self.scale_output == 1

    @property
    def _modules(self) -> Window:
        geometry = self.geometry
        return Window(
            geometry.size,
            geometry.stride,
            -geometry.padding,
            -geometry.padding,
            geometry.modules_y,
            geometry.modules_x,
        )

    def _seen_by(self, group: int, images: HostArray) -> tuple[HostArray, list[int] | None]:
        if self.connections:
            return images, self.connections[group]
        return images[self.geometry.channels_of(group)], None

    def _scatter(
        self, sums: HostArray, f: int, corner: tuple[int, int], targets: HostArray, group: int
    ) -> None:
        """Takes sums (from filter f on, rows, columns, N) of `_turned` filters to the pixels they are of."""
        channels, stride = self.geometry.filter_channels, self.geometry.stride
        for phase in range(stride * stride):
            c0, c1 = max(0, f - phase * channels), min(channels, f + sums.shape[0] - phase * channels)
            if c0 >= c1:
                continue
            top, left = corner[0] + phase // stride, corner[1] + phase % stride
            y0, y1 = inside(top, stride, sums.shape[1], self.geometry.img_y)
            x0, x1 = inside(left, stride, sums.shape[2], self.geometry.img_x)
            if y0 == y1 or x0 == x1:
                continue
            rows = slice(top + stride * y0, top + stride * (y1 - 1) + 1, stride)
            columns = slice(left + stride * x0, left + stride * (x1 - 1) + 1, stride)
            for planes, c in self._planes(targets, group, c0, c1):
                at = phase * channels + c - f
                result = sums[at : at + planes.shape[0], y0:y1, x0:x1]
                combine(planes[:, rows, columns], result, self.scale_targets, self.scale_output)

    def _planes(self, targets: HostArray, group: int, c0: int, c1: int) -> Iterator[tuple[HostArray, int]]:
        """Where the gradients of the group's channels [c0, c1) belong, and each piece's first channel."""
        if not self.connections:
            start = self.geometry.channels_of(group).start
            yield targets[0, start + c0 : start + c1], c0
            return
        sample = targets[self.geometry.sample_of(group)]
        for c in range(c0, c1):
            channel = self.connections[group][c]
            yield sample[channel : channel + 1], c


def _turned(filters: HostArray, stride: int) -> HostArray:
    """filters (C, size, size, F) as those (F, reach, reach, stride * stride * C) that meet hid_acts."""
    channels, size, _, count = filters.shape
    reach = ceil_div(size, stride)
    padded = filters
    if reach * stride > size:
        padded = np.zeros((channels, reach * stride, reach * stride, count), np.float32)
        padded[:, :size, :size] = filters
    taps = padded.reshape(channels, reach, stride, reach, stride, count)[:, ::-1, :, ::-1]
    turned = taps.transpose(5, 1, 3, 2, 4, 0)
    return turned.reshape(count, reach, reach, stride * stride * channels)
