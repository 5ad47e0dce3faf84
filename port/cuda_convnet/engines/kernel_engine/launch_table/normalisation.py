"""Launches of the normalisations (cuda-convnet:src/cudaconv2/conv_util.cu).

Where the original wants a multiple of 16 channels, here a thread takes one of numbers of them that are no
multiple of its blocks'.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.grids import WARP, check_size, row_of
from cuda_convnet.engines.kernel_engine.launch_table.matrices import elementwise
from cuda_convnet.engines.kernel_engine.launch_table.pooling import B_Y, TILE, maps_per_thread
from cuda_convnet.engines.normalisation import in_tiles

TILE_CHANNELS = 4
"""Of a block that has a tile of pixels."""
FEW_CHANNELS = 8
FEW_WIDTH = 128


@dataclass(frozen=True)
class Maps:
    """The sizes of the arrays (channels, img_y, img_x, images) of a normalisation.

    EngineError where kernels cannot count their entries.
    """

    channels: int
    img_y: int
    img_x: int
    images: int

    def __post_init__(self) -> None:
        check_size("normalisation", images=astuple(self))

    @property
    def pixels(self) -> int:
        return self.img_y * self.img_x

    @property
    def tiles(self) -> int:
        return -(-self.img_y // TILE) * -(-self.img_x // TILE)


def response_norm(maps: Maps, size_x: int) -> Launch:
    """Windows from 6 pixels on, of channels in fours, in tiles; of up to 8 channels all to a thread."""
    if in_tiles(maps.channels, size_x):
        return _in_tiles("responseNormTiles", maps, width=8, images=8)
    if maps.channels <= FEW_CHANNELS:
        return _at_pixels("responseNorm", maps, 1, FEW_WIDTH, 1, max(1, maps.channels))
    return _at_pixels("responseNorm", maps, B_Y, WARP, 4, maps_per_thread(maps.channels, 2))


def response_norm_undo(maps: Maps, size_x: int) -> Launch:
    """As response_norm; threads take more images where the minibatch is a multiple of 128 or 64."""
    if in_tiles(maps.channels, size_x):
        images = 8 if maps.images % 128 == 0 else 4 if maps.images % 64 == 0 else 2
        return _in_tiles("responseNormUndoTiles", maps, width=16, images=images)
    images = 2 if maps.images % 64 == 0 else 1
    return _at_pixels("responseNormUndo", maps, B_Y, WARP, images, maps_per_thread(maps.channels, 2))


def _in_tiles(kernel: str, maps: Maps, *, width: int, images: int) -> Launch:
    check = maps.images % (width * images) != 0
    grid = row_of(-(-maps.images // (width * images)), maps.tiles, maps.channels // TILE_CHANNELS)
    return Launch(
        "response_norm.cu", kernel, (width, images, TILE_CHANNELS, check), grid, (width, TILE * TILE, 1)
    )


def _at_pixels(kernel: str, maps: Maps, y: int, x: int, images: int, channels: int) -> Launch:
    check = maps.images % (x * images) != 0
    grid = row_of(-(-maps.images // (x * images)), maps.pixels, -(-maps.channels // (y * channels)))
    return Launch("response_norm.cu", kernel, (y, x, images, channels, check), grid, (x, y, 1))


def mean_differences(maps: Maps) -> Launch:
    """What contrast normalisation begins with."""
    return _one_pixel("contrast_norm.cu", "meanDifferences", maps)


def cross_map(kernel: str, maps: Maps, *, blocked: bool) -> Launch:
    """crossMapNorm, or one of its gradients, crossMapNormUndo and crossMapNormUndoV2."""
    file = "cross_map_norm.cu" if kernel == "crossMapNorm" else "cross_map_norm_undo.cu"
    return _one_pixel(file, kernel, maps, blocked)


def _one_pixel(file: str, kernel: str, maps: Maps, *flags: bool) -> Launch:
    """A block for each pixel of 128 images and 4 channels."""
    images = 4
    check = maps.images % (WARP * images) != 0
    grid = row_of(-(-maps.images // (WARP * images)), maps.pixels, -(-maps.channels // B_Y))
    return Launch(file, kernel, (B_Y, WARP, images, check, *flags), grid, (WARP, B_Y, 1))


def norm_factors(count: int) -> Launch:
    """For arrays of `count` entries."""
    return elementwise("norm_factors.cu", "normFactors", count)
