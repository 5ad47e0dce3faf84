"""Max, maxabs, average and random pooling, and their gradients.

Every pixel or region adds and compares in the original's order, so that all but pool_avg_undo (whose
original fuses its products) are equal to it in every bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from cuda_convnet.engines.numpy_engine.blocks import mask_scratch, quiet, spans
from cuda_convnet.engines.numpy_engine.fma import combine_exactly
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.updates import random_words
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.engines.regions import Line, Regions
from cuda_convnet.engines.shapes import distinct, same_shapes

LOWEST = np.float32(-2e38)  # from which the original's maxima start
SMALL = 1 << 16  # entries that are not worth the waking of other cores
BAND = 1 << 18  # entries of a band of rows, the unit of work
GROUP = 1 << 16  # entries of a group of small channels, which are worked on together

Place: TypeAlias = tuple[slice, slice, slice]  # of channels, rows and columns


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

    def pool_rand(
        self,
        images: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        start: int,
        stride: int,
        key: tuple[int, int],
        counter: int,
    ) -> None:
        regions = Regions.of("pool_rand", images, targets, size_x=size_x, start=start, stride=stride)
        rows, columns = (
            np.array([line.clipped(region) for region in range(line.regions)], np.int64).reshape(-1, 2)
            for line in (regions.y, regions.x)
        )
        first_y, first_x = rows[:, 0, None, None], columns[:, 0, None]
        width = columns[:, 1, None] - first_x
        pixels = (rows[:, 1, None, None] - first_y) * width
        words = random_words(targets.size, key, counter).reshape(targets.shape)
        cases = np.arange(images.shape[3])

        def work(channel: int) -> None:
            taken = words[channel].astype(np.int64) * pixels >> 32
            y, x = np.divmod(taken, width)
            targets[channel] = images[channel][first_y + y, first_x + x, cases]

        self.pool.map(work, range(len(images)), small=targets.size <= SMALL)

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
        distinct("pool_max_undo", {"targets": targets}, max_grads=max_grads, max_acts=max_acts)
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
