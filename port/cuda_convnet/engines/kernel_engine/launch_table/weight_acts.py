"""Launches of weight_acts.cu (cuda-convnet:src/cudaconv2/weight_acts.cu, `_weightActs`)."""

from __future__ import annotations

from dataclasses import dataclass

from cuda_convnet.engines.geometry import Geometry
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.grids import row_of

FILE = "weight_acts.cu"
CASES = 32
"""Images that a block takes to shared memory at a time."""


@dataclass(frozen=True)
class Tiles:
    """A block of x by y threads, each with so many pixels and colours of so many filters."""

    y: int
    x: int
    pixels: int
    colors: int
    filters: int


def tiles(filters_per_group: int, filter_channels: int) -> Tiles:
    """The tiles of 2012.

    The original asserts that filters per group are a multiple of 16, and channels above 3 a multiple of 4;
    others get the same tiles, and waste what hangs over.

    >>> tiles(128, 48)
    Tiles(y=4, x=32, pixels=1, colors=8, filters=2)
    """
    if filter_channels <= 3:
        if filters_per_group % 32 == 0:
            return Tiles(4, 32, 8 if filter_channels == 1 else 5, filter_channels, 1)
        return Tiles(8, 16, 5 if filter_channels == 1 else 2, filter_channels, 1)
    colors = 8 if filter_channels % 8 == 0 else 4
    if filters_per_group % 64 == 0:
        return Tiles(4, 32, 1, colors, 2)
    return Tiles(8, 16, 1, colors, 2 if filters_per_group % 32 == 0 else 1)


def weight_acts(geometry: Geometry, partial_sum: int, *, sparse: bool) -> Launch:
    """Chunks of `partial_sum` modules, of shared or unshared filters."""
    filters_per_group = geometry.filters // geometry.groups
    tile = tiles(filters_per_group, geometry.filter_channels)
    filter_tile = tile.x * tile.filters
    chunks = geometry.modules // partial_sum
    pixel_tiles = -(-(geometry.size**2) // (tile.y * tile.pixels))
    color_tiles = -(-geometry.filter_channels // tile.colors)
    filter_tiles = -(-filters_per_group // filter_tile) * geometry.groups
    check = bool(
        geometry.images % CASES or filters_per_group % filter_tile or geometry.filter_channels % tile.colors
    )
    return Launch(
        FILE,
        "conv_weight_acts_sparse" if sparse else "conv_weight_acts",
        (tile.y, tile.x, tile.pixels, tile.colors, tile.filters, CASES, check),
        row_of(chunks, pixel_tiles, color_tiles, filter_tiles),
        (tile.x, tile.y, 1),
    )
