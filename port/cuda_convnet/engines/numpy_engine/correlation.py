"""Shared filters meeting panels: the products behind filter_acts and img_acts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from cuda_convnet.engines.numpy_engine.panels import (
    Block,
    Panel,
    Receive,
    Strip,
    Window,
    arrange,
    ceil_div,
    image_blocks,
    panel_shape,
    plan,
    spans,
)
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray

CACHE_FLOATS = 512 << 10  # 2 MiB: a product whose right side is about this large runs from a core's own cache
LEAST_COLUMNS, MOST_COLUMNS = 512, 1024  # of one product
MOST_FILTERS = 384  # more filters are taken in blocks, so that a block's sums stay in that cache too
SMALL_PRODUCT = 1 << 20  # multiply-adds that one core has done before a second has woken up
PANELS_AT_ONCE = 16  # panels of one core each that are in progress at most


@dataclass(frozen=True)
class Pixels:
    """What panels are filled from: source (channels, height, width, N), of which `channels` picks some."""

    pool: WorkerPool
    source: HostArray
    window: Window
    num_channels: int
    channels: list[int] | None

    @property
    def images(self) -> int:
        return int(self.source.shape[3])

    def few_products(self, num_filters: int) -> bool:
        """Whether the whole convolution is too little work for more than one core."""
        window = self.window
        columns = window.rows * window.columns * self.images
        return self.num_channels * window.size**2 * columns * num_filters < SMALL_PRODUCT

    def panels(self, strips: Iterable[Strip], *, per_core: bool) -> Iterator[Panel]:
        """The filled panels one after another, in the same memory (`per_core`: this thread's own)."""
        shapes = [panel_shape(self.window, strip, self.num_channels, self.images) for strip in strips]
        shape = (max(map(math.prod, shapes)),)
        memory = self.pool.scratch("panel", shape) if per_core else np.empty(shape, np.float32)
        for strip in strips:
            panel = Panel(self.window, strip, self.num_channels, self.images, memory)
            panel.fill(self.pool, self.source, self.channels)
            yield panel


def columns_of_product(taps: int) -> int:
    """How many columns a product of `taps` rows meets at a time."""
    return min(MOST_COLUMNS, max(LEAST_COLUMNS, CACHE_FLOATS // taps))


def correlate(
    pool: WorkerPool,
    source: HostArray,
    filters: HostArray,
    window: Window,
    receive: Receive,
    *,
    channels: list[int] | None = None,
    targets: HostArray | None = None,
) -> None:
    """sums[f, y, x, n] = sum over c, dy, dx of filters[c, dy, dx, f] times the pixel under that tap.

    source (channels, height, width, N), filters (C, size, size, F); `channels` picks C of the source's.
    The sums go block by block to `receive`, or straight to `targets` (F, rows, columns, N) where given.
    """
    num_channels, num_filters = filters.shape[0], filters.shape[3]
    if targets is not None:
        targets = targets.reshape(num_filters, window.rows * window.columns, targets.shape[3])
    blocks = image_blocks(source.shape[3], num_channels, window.size)
    for images in blocks:
        pixels = Pixels(pool, source[..., images], window, num_channels, channels)
        _correlate_images(pixels, filters, targets if len(blocks) == 1 else None, receive, images)


def _correlate_images(
    pixels: Pixels, filters: HostArray, targets: HostArray | None, receive: Receive, images: slice
) -> None:
    pool = pixels.pool
    cut = plan(pixels.window, pixels.num_channels, pixels.images)
    matrices = arrange(filters, cut.strips[0])
    groups, taps, num_filters = matrices.shape
    filter_blocks = spans(num_filters, ceil_div(num_filters, MOST_FILTERS))
    columns = columns_of_product(taps)
    small = pixels.few_products(num_filters)

    def multiply(panel: Panel, block: Block, f0: int, f1: int) -> None:
        shape = (f1 - f0, block.y1 - block.y0, block.x1 - block.x0, panel.images)
        matrix_shape = (shape[0], math.prod(shape[1:]))
        final = None if targets is None else targets[f0:f1, panel.place(block)].reshape(matrix_shape)
        sums = pool.scratch("sums", matrix_shape) if final is None or groups > 1 else final
        np.matmul(matrices[0, :, f0:f1].T, panel.operand(block, 0), out=sums)
        for group in range(1, groups):
            more = pool.scratch("more", matrix_shape)
            np.matmul(matrices[group, :, f0:f1].T, panel.operand(block, group), out=more)
            np.add(sums, more, out=sums if final is None or group < groups - 1 else final)
        if final is None:
            receive(sums.reshape(shape), f0, panel.strip.y + block.y0, panel.strip.x + block.x0, images)

    def multiply_strips(strips: tuple[Strip, ...]) -> None:
        for panel in pixels.panels(strips, per_core=cut.per_core):
            items = [(panel, block, *span) for block in panel.blocks(columns) for span in filter_blocks]
            pool.map(lambda item: multiply(*item), items, small=small)

    if cut.per_core:
        pool.map(lambda strip: multiply_strips((strip,)), cut.strips, small=small, at_once=PANELS_AT_ONCE)
    else:
        multiply_strips(cut.strips)
