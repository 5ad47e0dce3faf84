"""Panels: the pixels that filters see, laid out so that one matrix product meets many modules.

A convolution is a product of filters (taps, F) with a matrix whose column (module, image) holds the pixels
under that module. Written out in full (im2col), that matrix repeats every pixel size * size times. With
images last it need not. If rows of pixels are laid out as

    panel[pixel row, channel, x, image]

then for one horizontal tap dx the pixels under one row of modules already are a matrix: size * channels
rows of equal stride, whose columns begin at x = dx. Each pixel is copied once, and the products over dx are
added (`expand == 1`). Where that gives few rows, or modules are not one pixel apart, the horizontal taps are
written out as well, and one product remains (`expand == size`). Where a row of modules has few columns,
because images are few, the vertical taps are written out too, so that a product spans many rows (`patches`).

Panels are cut by geometry alone, never by the number of threads, and hold at most PANEL_FLOATS values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray

PANEL_FLOATS = 6 << 20  # 24 MiB: most of run 145's layers fit whole
CORE_PANEL_FLOATS = 640 << 10  # 2.5 MiB: a panel that one core fills and multiplies while it is in its cache
CORE_STRIPS = 16  # strips of that kind that a layer is cut into at least, so that cores end together
CORE_COLUMNS = 256  # and the columns of a product that they leave room for
COPY_FLOATS = 128 << 10  # a piece of a larger panel that one core fills at a time
MOST_IMAGES = 1024  # more images are taken in blocks
FEW_COLUMNS = 192  # a product narrower than this spends its time on rearranging the filters
FEW_TAPS = 96  # products with fewer rows than this spend theirs on adding up


# receives (sums (filters, rows, columns, images), first filter, first row, first column, which images);
# the sums are scratch that it may overwrite
Receive = Callable[[HostArray, int, int, int, slice], None]


@dataclass(frozen=True)
class Window:
    """Square windows of `size` pixels, `stride` apart; window (0, 0) starts at pixel (top, left)."""

    size: int
    stride: int
    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Block:
    """Windows that one product meets, in raster order from (y0, x0) up to, not including, (y1 - 1, x1).

    Except among patches, a block lies within one row of windows.
    """

    y0: int
    y1: int
    x0: int
    x1: int


@dataclass(frozen=True)
class Strip:
    """The windows that one filling of a panel serves, and how the panel is laid out."""

    y: int
    x: int
    rows: int
    columns: int
    expand: int  # horizontal taps written out: 1 or size
    patches: bool  # vertical taps written out


@dataclass(frozen=True)
class Plan:
    """All strips of a window. `per_core`: each is for one core, else all cores share one after the other."""

    strips: tuple[Strip, ...]
    per_core: bool


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def spans(length: int, parts: int) -> list[tuple[int, int]]:
    """[0, length) in at most `parts` nearly equal consecutive spans, none of them empty."""
    parts = max(1, min(parts, length))
    edges = [length * part // parts for part in range(parts + 1)]
    return list(pairwise(edges)) if length else []


def image_blocks(images: int, channels: int, size: int) -> list[slice]:
    """The images in blocks whose narrowest panel fits PANEL_FLOATS."""
    most = min(MOST_IMAGES, max(1, PANEL_FLOATS // (channels * size * size)))
    return [slice(n0, n1) for n0, n1 in spans(images, ceil_div(images, most))]


@lru_cache(maxsize=1024)
def plan(window: Window, channels: int, images: int, *, per_core: bool = True) -> Plan:
    """Cuts the windows into strips whose panels fit, such that little is copied twice."""
    size = window.size
    patch_row = size * size * channels * window.columns * images
    if window.columns * images < FEW_COLUMNS and window.rows > 1 and patch_row <= PANEL_FLOATS:
        rows = spans(window.rows, ceil_div(window.rows, PANEL_FLOATS // patch_row))
        return Plan(tuple(Strip(y0, 0, y1 - y0, window.columns, size, True) for y0, y1 in rows), False)
    expand = 1 if window.stride == 1 and size * channels >= FEW_TAPS else size
    cut = None
    if per_core and expand == size:
        whole = size * channels * window.columns * images * ((window.rows - 1) * window.stride + size)
        limit = min(CORE_PANEL_FLOATS, whole // CORE_STRIPS)
        cut = _cut(window, channels * expand * images, 0, limit, ceil_div(CORE_COLUMNS, images))
    per_core = cut is not None
    if cut is None:
        beside = size - 1 if expand < size else 0
        cut = _cut(window, channels * expand * images, beside, PANEL_FLOATS, 1) or (
            window.columns,
            window.rows,
        )
    across, down = cut
    strips = [
        Strip(y0, x0, y1 - y0, x1 - x0, expand, False)
        for x0, x1 in spans(window.columns, across)
        for y0, y1 in spans(window.rows, down)
    ]
    return Plan(tuple(strips), per_core)


def _cut(window: Window, pixel: int, beside: int, limit: int, narrowest: int) -> tuple[int, int] | None:
    """Into how many strips across and down, for the least copying with panels of at most `limit` values.

    A pixel takes `pixel` values; strips hold `beside` more of them than columns, and `narrowest` columns at
    least. None when nothing fits.
    """
    cuts: list[tuple[int, int, int]] = []
    for across in range(1, max(1, window.columns // narrowest) + 1):
        widest = ceil_div(window.columns, across) + beside
        rows = (limit // (pixel * widest) - window.size) // window.stride + 1
        if rows > 0:
            down = ceil_div(window.rows, rows)
            copied_rows = (window.rows - down) * window.stride + down * window.size
            cuts.append(((window.columns + across * beside) * copied_rows, across, down))
    return min(cuts)[1:] if cuts else None


def panel_shape(
    window: Window, strip: Strip, channels: int, images: int
) -> tuple[int, int, int, int, int, int]:
    """Patches (dy, channel, dx, row, column, image), else (pixel row, channel, dx, 1, x, image)."""
    if strip.patches:
        return window.size, channels, strip.expand, strip.rows, strip.columns, images
    beside = window.size - 1 if strip.expand < window.size else 0
    pixel_rows = (strip.rows - 1) * window.stride + window.size
    return pixel_rows, channels, strip.expand, 1, strip.columns + beside, images


class Panel:
    """The pixels under the windows of one strip, as matrices (taps, columns) for products.

    The matrices of the `groups_of_taps` are met by filters in turn and the products added; the taps of each
    are in the order (dy, channel, dx).
    """

    def __init__(self, window: Window, strip: Strip, channels: int, images: int, memory: HostArray) -> None:
        self.window = window
        self.strip = strip
        self.channels = channels
        self.images = images
        self.groups_of_taps = window.size // strip.expand
        self.taps = window.size * channels * strip.expand
        shape = panel_shape(window, strip, channels, images)
        self.values = math.prod(shape)
        self._array: HostArray = memory[: self.values].reshape(shape)
        self._matrix = self._array.reshape(math.prod(shape[:3]), math.prod(shape[3:]))

    def fill(self, pool: WorkerPool, source: HostArray, channels: list[int] | None) -> None:
        """Copies from source (channels, y, x, images); `channels` picks some of them, None means all."""
        window, strip = self.window, self.strip
        top = window.top + strip.y * window.stride
        left = window.left + strip.x * window.stride
        step_y = window.stride if strip.patches else 1

        def fill_rows(piece: tuple[int, int]) -> None:
            if strip.patches:
                parts = [(self._array[dy].transpose(0, 2, 1, 3, 4), top + dy) for dy in range(*piece)]
            else:
                parts = [(self._array[slice(*piece), :, :, 0].transpose(1, 0, 2, 3, 4), top + piece[0])]
            for under, first in parts:
                if channels is None:
                    sample(under, source, first, left, step_y, window.stride)
                    continue
                for position, channel in enumerate(channels):
                    one = source[channel : channel + 1]
                    sample(under[position : position + 1], one, first, left, step_y, window.stride)

        pieces = spans(self._array.shape[0], ceil_div(self.values, COPY_FLOATS))
        pool.map(fill_rows, pieces)

    def blocks(self, columns: int) -> list[Block]:
        """The strip's windows in blocks of about `columns` columns of a product."""
        strip = self.strip
        if strip.patches:
            parts = ceil_div(strip.rows * strip.columns * self.images, columns)
            return [Block(y0, y1, 0, strip.columns) for y0, y1 in spans(strip.rows, parts)]
        across = spans(strip.columns, max(1, round(strip.columns * self.images / columns)))
        return [Block(y, y + 1, x0, x1) for y in range(strip.rows) for x0, x1 in across]

    def chunks(self, length: int, columns: int) -> list[tuple[int, list[Block]]]:
        """The blocks, of at most `columns` columns, of each chunk of `length` consecutive windows."""
        strip, wide = self.strip, self.window.columns
        if strip.patches:
            runs = [(0, strip.y * wide, (strip.y + strip.rows) * wide)]
        else:
            starts = [(strip.y + y) * wide + strip.x for y in range(strip.rows)]
            runs = [(y, start, start + strip.columns) for y, start in enumerate(starts)]
        most = max(1, columns // self.images)
        found: dict[int, list[Block]] = {}
        for y, first, last in runs:
            for chunk in range(first // length, (last - 1) // length + 1):
                begin, end = max(first, chunk * length), min(last, (chunk + 1) * length)
                for part0, part1 in spans(end - begin, ceil_div(end - begin, most)):
                    y0, x0 = divmod(begin + part0 - first, strip.columns)
                    y1, x1 = divmod(begin + part1 - 1 - first, strip.columns)
                    found.setdefault(chunk, []).append(Block(y + y0, y + y1 + 1, x0, x1 + 1))
        return sorted(found.items())

    def place(self, block: Block) -> slice:
        """Where a block lies among all windows in raster order."""
        strip, wide = self.strip, self.window.columns
        first = (strip.y + block.y0) * wide + strip.x + block.x0
        return slice(first, (strip.y + block.y1 - 1) * wide + strip.x + block.x1)

    def operand(self, block: Block, group: int) -> HostArray:
        """The matrix (taps, columns) of a block for one group of taps."""
        images, strip = self.images, self.strip
        if strip.patches:
            first = (block.y0 * strip.columns + block.x0) * images
            return self._matrix[:, first : ((block.y1 - 1) * strip.columns + block.x1) * images]
        row = block.y0 * self.window.stride * self.channels * strip.expand
        return self._matrix[row : row + self.taps, (block.x0 + group) * images : (block.x1 + group) * images]


def sample(targets: HostArray, source: HostArray, top: int, left: int, step_y: int, step_x: int) -> None:
    """targets[c, r, j, x, n] = source[c, top + step_y * r, left + j + step_x * x, n], 0 outside it."""
    _, height, width, _ = source.shape
    _, rows, shifts, columns, _ = targets.shape
    y0, y1 = inside(top, step_y, rows, height)
    targets[:, :y0] = 0
    targets[:, y1:] = 0
    if y0 == y1:
        return
    targets, top = targets[:, y0:y1], top + step_y * y0
    source = source[:, top : top + step_y * (y1 - y0 - 1) + 1 : step_y]
    starts = [left + j for j in range(shifts)]
    ranges = [inside(start, step_x, columns, width) for start in starts]
    x0, x1 = max(first for first, _ in ranges), min(last for _, last in ranges)
    if x0 < x1:
        stride_c, stride_y, stride_x, stride_n = source.strides
        shape = (source.shape[0], y1 - y0, shifts, x1 - x0, source.shape[3])
        strides = (stride_c, stride_y, stride_x, step_x * stride_x, stride_n)
        np.copyto(
            targets[:, :, :, x0:x1],
            as_strided(source[:, :, left + step_x * x0 :], shape, strides, writeable=False),
        )
    else:
        x0 = x1 = columns
    for first, last in ((0, x0), (x1, columns)):
        if first < last:
            for j, (begin, end) in enumerate(ranges):
                begin = min(max(begin, first), last)
                end = max(min(end, last), begin)
                edge = targets[:, :, j]
                edge[:, :, first:begin] = 0
                edge[:, :, end:last] = 0
                if begin < end:
                    pixel = starts[j] + step_x * begin
                    seen = source[:, :, pixel : pixel + step_x * (end - begin - 1) + 1 : step_x]
                    np.copyto(edge[:, :, begin:end], seen)


def inside(start: int, step: int, count: int, length: int) -> tuple[int, int]:
    """The indices i in [0, count) with 0 <= start + step * i < length, as a half-open range."""
    first = min(count, max(0, ceil_div(-start, step)))
    return first, max(first, min(count, ceil_div(length - start, step)))


def arrange(filters: HostArray, strip: Strip) -> HostArray:
    """filters (C, size, size, F) as matrices (groups_of_taps, taps, F) that meet a panel's operands."""
    channels, size, _, count = filters.shape
    if strip.expand == size:
        return np.ascontiguousarray(filters.transpose(1, 0, 2, 3)).reshape(1, size * channels * size, count)
    return np.ascontiguousarray(filters.transpose(2, 1, 0, 3)).reshape(size, size * channels, count)


def unarrange(sums: HostArray, group: int, filters: HostArray, strip: Strip) -> tuple[HostArray, HostArray]:
    """The way back for a group of taps: a view of `filters` (C, size, size, F), sums (taps, F) like it."""
    channels, size, _, count = filters.shape
    if strip.expand == size:
        return filters, sums.reshape(size, channels, size, count).transpose(1, 0, 2, 3)
    return filters[:, :, group], sums.reshape(size, channels, count).transpose(1, 0, 2)
