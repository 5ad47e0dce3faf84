"""Launches of image operations, TICA, and the normalisation of unshared filters.

cuda-convnet:src/cudaconv2/conv_util.cu. Where it wants multiples of 16 maps or filters, here a thread
takes one of numbers of them that are no multiple of its blocks'.
"""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.grids import WARP, ImageBlocks, row_of
from cuda_convnet.engines.kernel_engine.launch_table.pooling import B_Y, TILE, maps_per_thread

Shape = tuple[int, ...]
TICA_IMAGES = 4
"""That a thread takes, whatever the minibatch."""


def bed_of_nails(kernel: str, places: Shape, channels: int, images: int) -> Launch:
    """bedOfNails, one nail of (rows, columns) to a block, or bedOfNailsUndo, one pixel."""
    dealt, per_thread = ImageBlocks.of(images), maps_per_thread(channels, 2)
    return Launch(
        "bed_of_nails.cu",
        kernel,
        (B_Y, WARP, dealt.per_thread, per_thread, dealt.checked),
        row_of(dealt.blocks, *places, -(-channels // (B_Y * per_thread))),
        (WARP, B_Y, 1),
    )


def by_pixels(file: str, kernel: str, targets: Shape, *template: bool, planes: int = 1) -> Launch:
    """Four target pixels to a block, of one of `planes` planes."""
    _, height, width, images = targets
    dealt = ImageBlocks.of(images)
    return Launch(
        file,
        kernel,
        (dealt.per_thread, dealt.checked, *template),
        row_of(dealt.blocks, -(-height * width // B_Y), planes),
        (WARP, B_Y, 1),
    )


def crop(targets: Shape) -> Launch:
    return by_pixels("crop.cu", "crop", targets, planes=targets[0])


def reflect_horizontal(targets: Shape) -> Launch:
    return by_pixels("reflect_horizontal.cu", "reflectHorizontal", targets, planes=targets[0])


def rgb_to_yuv(targets: Shape) -> Launch:
    return by_pixels("rgb_to_yuv.cu", "rgbToYUV", targets)


def rgb_to_lab(targets: Shape, *, center: bool) -> Launch:
    return by_pixels("rgb_to_lab.cu", "rgbToLAB", targets, center)


def resize_bilinear(targets: Shape) -> Launch:
    """A tile of 4 x 4 target pixels to a block."""
    channels, height, width, images = targets
    dealt = ImageBlocks.of(images)
    return Launch(
        "resize_bilinear.cu",
        "resizeBilinear",
        (dealt.per_thread, dealt.checked),
        row_of(dealt.blocks, -(-height // TILE), -(-width // TILE), channels),
        (WARP, TILE * TILE, 1),
    )


def gaussian_blur(taps: int, lines: int, images: int) -> Launch:
    """A line of pixels to a thread."""
    return Launch(
        "gaussian_blur.cu",
        "gaussianBlur",
        (B_Y, WARP, taps // 2),
        row_of(ImageBlocks(images, 1).blocks, -(-lines // B_Y)),
        (WARP, B_Y, 1),
    )


def tica(kernel: str, targets: Shape) -> Launch:
    """tica or ticaGrad: one pixel to a block."""
    maps, height, width, images = targets
    dealt, per_thread = ImageBlocks(images, TICA_IMAGES), maps_per_thread(maps, 2)
    return Launch(
        "tica.cu",
        kernel,
        (B_Y, WARP, dealt.per_thread, per_thread, dealt.checked),
        row_of(dealt.blocks, height, width, -(-maps // (B_Y * per_thread))),
        (WARP, B_Y, 1),
    )


def normalize_local_weights(modules: int, filters: int) -> Launch:
    """4 or 2 filters to a thread for multiples of 128 or 64, else 1; blocks of 32 filters, or of 16."""
    width, height = (WARP, B_Y) if filters % 32 == 0 else (16, 8)
    per_thread = 4 if filters % 128 == 0 else 2 if filters % 64 == 0 else 1
    return Launch(
        "normalize_local_weights.cu",
        "normalizeLocalWeights",
        (height, width, per_thread, filters % (width * per_thread) != 0),
        row_of(-(-filters // (width * per_thread)), -(-modules // height)),
        (width, height, 1),
    )
