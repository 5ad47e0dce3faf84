"""Unshared (local) filters: every module has filters of its own, so one product meets one module's images.

A panel holds the patches under some modules of one row as panel[channel, dy, dx, module, image], in the order
of the filters themselves, and numpy.matmul takes the modules one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cuda_convnet.engines.geometry import Connections, Geometry
from cuda_convnet.engines.numpy_engine.panels import ceil_div, inside, sample, spans
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.scaling import combine, scale_in_place
from cuda_convnet.engines.operations import HostArray

PANEL_FLOATS = 512 << 10  # 2 MiB per core
PANELS_AT_ONCE = 12
MOST_IMAGES = 128  # of one product
MOST_CHANNELS = 4  # whose image gradients one core adds up at a time


@dataclass(frozen=True)
class _Part:
    """Some modules of one row."""

    y: int
    x0: int
    x1: int

    @property
    def modules(self) -> int:
        return self.x1 - self.x0


@dataclass(frozen=True)
class Unshared:
    """The convolutions of one geometry.

    images (C, img_y, img_x, N), filters (modules, filter_channels, size, size, F), hid_acts (F, modules_y,
    modules_x, N).
    """

    pool: WorkerPool
    geometry: Geometry
    connections: Connections
    scale_targets: float
    scale_output: float

    def filter_acts(self, images: HostArray, filters: HostArray, targets: HostArray) -> None:
        """targets like hid_acts: each module's filters times the pixels under it."""

        def add(item: tuple[int, _Part]) -> None:
            group, part = item
            of_group = self.geometry.filters_of(group)
            acts = targets[of_group, part.y, part.x0 : part.x1]
            matrices = self._of(filters[..., of_group], part).transpose(0, 2, 1)
            for n0, n1 in self._image_blocks():
                sums = self.pool.scratch("sums", (acts.shape[0], part.modules, n1 - n0))
                np.matmul(
                    matrices, self._patches(images[..., n0:n1], group, part), out=sums.transpose(1, 0, 2)
                )
                combine(acts[..., n0:n1], sums, self.scale_targets, self.scale_output)

        self._map(add, self._taps * self._most_images)

    def weight_acts(self, images: HostArray, hid_acts: HostArray, targets: HostArray) -> None:
        """targets like filters: the sum over images of the pixels under a module times its hid_acts."""
        if self.geometry.images == 0:
            scale_in_place(targets, self.scale_targets)
            return

        def add(item: tuple[int, _Part]) -> None:
            group, part = item
            of_group = self.geometry.filters_of(group)
            hid = hid_acts[of_group, part.y, part.x0 : part.x1].transpose(1, 2, 0)
            sums = products = self.pool.scratch("sums", (part.modules, self._taps, hid.shape[2]))
            for n0, n1 in self._image_blocks():
                np.matmul(self._patches(images[..., n0:n1], group, part), hid[:, n0:n1], out=products)
                if products is not sums:
                    np.add(sums, products, out=sums)
                products = self.pool.scratch("more", sums.shape)
            combine(self._of(targets[..., of_group], part), sums, self.scale_targets, self.scale_output)

        self._map(add, self._taps * max(self._most_images, self.geometry.filters // self.geometry.groups))

    def img_acts(self, hid_acts: HostArray, filters: HostArray, targets: HostArray) -> None:
        """targets (over_sample, C, img_y, img_x, N).

        A core owns some channels of some images while it adds every module's share to them.
        """
        size = self.geometry.size

        def add(item: tuple[int, int, int, HostArray, int, int]) -> None:
            group, c0, c1, planes, n0, n1 = item
            of_group = self.geometry.filters_of(group)
            taps = (c1 - c0) * size**2
            planes = planes[..., n0:n1]
            scale_in_place(planes, self.scale_targets)
            for part in self._parts(taps * self._most_images):
                weights = filters[self._place(part), c0:c1, :, :, of_group].reshape(part.modules, taps, -1)
                hid = hid_acts[of_group, part.y, part.x0 : part.x1, n0:n1].transpose(1, 0, 2)
                shares = self.pool.scratch("sums", (taps, part.modules, n1 - n0))
                np.matmul(weights, hid, out=shares.transpose(1, 0, 2))
                if self.scale_output != 1:
                    np.multiply(shares, self.scale_output, out=shares)
                self._scatter(shares.reshape(c1 - c0, size, size, part.modules, n1 - n0), part, planes)

        items = [
            (group, c0, c1, planes, n0, n1)
            for group in range(self.geometry.groups)
            for c0, c1, planes in self._planes(targets, group)
            for n0, n1 in self._image_blocks()
        ]
        self.pool.map(add, items, at_once=PANELS_AT_ONCE)

    def _map(self, add: Callable[[tuple[int, _Part]], None], values: int) -> None:
        items = [(group, part) for group in range(self.geometry.groups) for part in self._parts(values)]
        self.pool.map(add, items, at_once=PANELS_AT_ONCE)

    def _planes(self, targets: HostArray, group: int) -> Iterator[tuple[int, int, HostArray]]:
        """The group's channels [c0, c1) in pieces, with the part of targets where their gradients belong."""
        channels = self.geometry.filter_channels
        if self.connections:
            sample = targets[self.geometry.sample_of(group)]
            for c, channel in enumerate(self.connections[group]):
                yield c, c + 1, sample[channel : channel + 1]
        else:
            planes = targets[0, self.geometry.channels_of(group)]
            for c0, c1 in spans(channels, ceil_div(channels, MOST_CHANNELS)):
                yield c0, c1, planes[c0:c1]

    @property
    def _taps(self) -> int:
        return self.geometry.filter_channels * self.geometry.size**2

    @property
    def _most_images(self) -> int:
        return max(1, min(MOST_IMAGES, self.geometry.images))

    def _image_blocks(self) -> list[tuple[int, int]]:
        return spans(self.geometry.images, ceil_div(self.geometry.images, MOST_IMAGES))

    def _parts(self, values: int) -> list[_Part]:
        """The modules in parts of one row that take at most PANEL_FLOATS, at `values` for each module."""
        across = spans(
            self.geometry.modules_x, ceil_div(self.geometry.modules_x, max(1, PANEL_FLOATS // values))
        )
        return [_Part(y, x0, x1) for y in range(self.geometry.modules_y) for x0, x1 in across]

    def _place(self, part: _Part) -> slice:
        first = part.y * self.geometry.modules_x
        return slice(first + part.x0, first + part.x1)

    def _of(self, filters: HostArray, part: _Part) -> HostArray:
        """The part's filters as matrices (modules, taps, F)."""
        return filters[self._place(part)].reshape(part.modules, self._taps, filters.shape[4])

    def _corner(self, part: _Part) -> tuple[int, int]:
        """The pixel at which the part's first module starts."""
        geometry = self.geometry
        return part.y * geometry.stride - geometry.padding, part.x0 * geometry.stride - geometry.padding

    def _patches(self, images: HostArray, group: int, part: _Part) -> HostArray:
        """The pixels under the part's modules as matrices (modules, taps, N)."""
        size, stride, count = self.geometry.size, self.geometry.stride, images.shape[3]
        panel = self.pool.scratch("panel", (self.geometry.filter_channels, size, size, part.modules, count))
        top, left = self._corner(part)
        if self.connections:
            for position, channel in enumerate(self.connections[group]):
                sample(panel[position : position + 1], images[channel : channel + 1], top, left, 1, stride)
        else:
            sample(panel, images[self.geometry.channels_of(group)], top, left, 1, stride)
        return panel.reshape(self._taps, part.modules, count).transpose(1, 0, 2)

    def _scatter(self, shares: HostArray, part: _Part, block: HostArray) -> None:
        """block (channels, img_y, img_x, N) += shares (channels, dy, dx, modules, N), each at its pixel."""
        size, stride = self.geometry.size, self.geometry.stride
        top, left = self._corner(part)
        for dy in range(max(0, -top), min(size, block.shape[1] - top)):
            for dx in range(size):
                first, last = inside(left + dx, stride, part.modules, block.shape[2])
                if first < last:
                    start = left + dx + stride * first
                    pixels = block[:, top + dy, start : start + stride * (last - first - 1) + 1 : stride]
                    np.add(pixels, shares[:, dy, dx, first:last], out=pixels)
