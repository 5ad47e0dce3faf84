"""Panels meeting hidden activities: the products behind weight_acts of shared filters."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.numpy_engine.correlation import (
    CACHE_FLOATS,
    PANELS_AT_ONCE,
    Pixels,
    columns_of_product,
)
from cuda_convnet.engines.numpy_engine.panels import (
    Block,
    Panel,
    Strip,
    Window,
    ceil_div,
    image_blocks,
    plan,
    spans,
    unarrange,
)
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.scaling import combine, scale_in_place
from cuda_convnet.engines.operations import HostArray

WORK_ITEMS = 32  # pieces of work that let a handful of cores end together
PARTIAL_FLOATS = 4 << 20  # 16 MiB of sums that wait to be added up
LANES = 16  # sequences of strips, each with sums of its own


def weight_sums(
    pool: WorkerPool,
    source: HostArray,
    hid_acts: HostArray,
    targets: HostArray,
    window: Window,
    *,
    partial_sum: int,
    scale_targets: float,
    scale_output: float,
    channels: list[int] | None = None,
) -> None:
    """targets[chunk, c, dy, dx, f]: the sum of pixel times hid_acts over the chunk's modules and all images.

    source (channels, height, width, N), hid_acts (F, rows, columns, N), targets (chunks, C, size, size, F),
    chunks of `partial_sum` consecutive modules; `channels` picks C of the source's.
    """
    chunks, num_channels, size, _, num_filters = targets.shape
    by_module = hid_acts.reshape(num_filters, window.rows * window.columns, source.shape[3])
    blocks = image_blocks(source.shape[3], num_channels, size)
    if not blocks:
        scale_in_place(targets, scale_targets)
    for images in blocks:
        pixels = Pixels(pool, source[..., images], window, num_channels, channels)
        scale = scale_targets if images is blocks[0] else 1.0
        sums = _Sums(pixels, by_module[..., images], targets, scale, scale_output)
        in_lanes = chunks == 1 and targets.size * LANES <= PARTIAL_FLOATS
        cut = plan(window, num_channels, pixels.images, per_core=in_lanes)
        if cut.per_core:
            sums.add_lanes([cut.strips[first:last] for first, last in spans(len(cut.strips), LANES)])
        else:
            for panel in pixels.panels(cut.strips, per_core=False):
                sums.add_panel(panel, partial_sum)


class _Sums:
    """Adds up products of panels and hid_acts (F, modules, N) in targets (chunks, C, size, size, F)."""

    def __init__(
        self,
        pixels: Pixels,
        hid_acts: HostArray,
        targets: HostArray,
        scale_targets: float,
        scale_output: float,
    ) -> None:
        self._pixels = pixels
        self._pool = pixels.pool
        self._hid_acts = hid_acts
        self._targets = targets
        self._scale_targets = scale_targets
        self._scale_output = scale_output
        self._begun: set[int] = set()  # chunks of which targets hold something already
        self._num_filters = targets.shape[4]
        self._small = pixels.few_products(self._num_filters)

    def add_lanes(self, lanes: list[tuple[Strip, ...]]) -> None:
        """Each lane of strips is one core's and has sums of its own, which are added in the lanes' order."""
        waiting = np.empty(
            (len(lanes), self._targets.size // self._num_filters, self._num_filters), np.float32
        )

        def add_lane(number: int) -> None:
            first = True
            for panel in self._pixels.panels(lanes[number], per_core=True):
                for _, blocks in panel.chunks(self._hid_acts.shape[1], columns_of_product(panel.taps)):
                    self._add_blocks(panel, blocks, 0, (0, self._num_filters), waiting[number], first)
                first = False

        self._pool.map(add_lane, range(len(lanes)), small=self._small, at_once=PANELS_AT_ONCE)
        self._add_waiting(waiting, 0, 0, (0, self._num_filters), lanes[0][0], self._scale_targets)

    def add_panel(self, panel: Panel, partial_sum: int) -> None:
        """All cores share the panel: each takes some blocks of a chunk, for one group of taps."""
        groups, taps, num_filters = panel.groups_of_taps, panel.taps, self._num_filters
        chunks = panel.chunks(partial_sum, columns_of_product(taps))
        filter_blocks = spans(num_filters, ceil_div(taps * num_filters, CACHE_FLOATS))
        parts = ceil_div(WORK_ITEMS, len(chunks) * groups * len(filter_blocks))
        parts = max(1, min(parts, PARTIAL_FLOATS // (len(chunks) * groups * taps * num_filters)))
        scales = {chunk: 1.0 if chunk in self._begun else self._scale_targets for chunk, _ in chunks}
        self._begun.update(scales)
        waiting = np.empty((len(chunks), groups, parts, taps, num_filters) if parts > 1 else 0, np.float32)

        def add_part(item: tuple[int, int, tuple[int, int], int, tuple[int, int]]) -> None:
            index, group, (f0, f1), part, (first, last) = item
            chunk, blocks = chunks[index]
            if parts > 1:
                sums = waiting[index, group, part, :, f0:f1]
            else:
                sums = self._pool.scratch("sums", (taps, f1 - f0))
            self._add_blocks(panel, blocks[first:last], group, (f0, f1), sums, True)
            if parts == 1:
                self._finish(sums, chunk, group, (f0, f1), panel.strip, scales[chunk])

        def add_parts(item: tuple[int, int, tuple[int, int]]) -> None:
            index, group, (f0, f1) = item
            chunk, blocks = chunks[index]
            arrived = waiting[index, group, : len(spans(len(blocks), parts)), :, f0:f1]
            self._add_waiting(arrived, chunk, group, (f0, f1), panel.strip, scales[chunk])

        whole = [
            (index, group, filter_block)
            for index in range(len(chunks))
            for group in range(groups)
            for filter_block in filter_blocks
        ]
        cut = [
            (index, group, filter_block, part, span)
            for index, group, filter_block in whole
            for part, span in enumerate(spans(len(chunks[index][1]), parts))
        ]
        self._pool.map(add_part, cut, small=self._small)
        if parts > 1:
            self._pool.map(add_parts, whole, small=self._small)

    def _add_blocks(
        self,
        panel: Panel,
        blocks: list[Block],
        group: int,
        filters: tuple[int, int],
        sums: HostArray,
        first: bool,
    ) -> None:
        """sums (taps, filters) += the blocks' products; the first are written, not added."""
        f0, f1 = filters
        for block in blocks:
            hid_acts = self._hid_acts[f0:f1, panel.place(block)].reshape(f1 - f0, -1)
            products = sums if first else self._pool.scratch("more", (panel.taps, f1 - f0))
            np.matmul(panel.operand(block, group), hid_acts.T, out=products)
            if not first:
                np.add(sums, products, out=sums)
            first = False

    def _add_waiting(
        self, waiting: HostArray, chunk: int, group: int, filters: tuple[int, int], strip: Strip, scale: float
    ) -> None:
        sums = waiting[0]
        for more in waiting[1:]:
            np.add(sums, more, out=sums)
        self._finish(sums, chunk, group, filters, strip, scale)

    def _finish(
        self, sums: HostArray, chunk: int, group: int, filters: tuple[int, int], strip: Strip, scale: float
    ) -> None:
        into, result = unarrange(sums, group, self._targets[chunk][..., slice(*filters)], strip)
        combine(into, result, scale, self._scale_output)
