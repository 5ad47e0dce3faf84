"""Launches of pooling and its gradients.

cuda-convnet:include/cudaconv2/conv_util.cuh and src/cudaconv2/conv_util.cu. Where gradients want a multiple
of 16 maps there, here a thread takes one map of numbers of them that are no multiple of its blocks'.
"""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.grids import WARP, ImageBlocks, row_of
from cuda_convnet.engines.regions import Regions

B_Y = 4
"""Maps, or groups of them, of a block."""
TILE = 4
"""Regions along each side of a block's tile."""
TILE_WIDTH = 8
LARGE = 6
"""Pixels along each side of regions that are pooled by tiles, if there is one at every pixel."""


def maps_per_thread(maps: int, most: int) -> int:
    """How many maps a thread takes, so that blocks come out even; else 1."""
    return next((some for some in (4, 2) if some <= most and maps % (B_Y * some) == 0), 1)


def local_pool(pooler: str, regions: Regions, maps: int, images: int) -> Launch:
    """Large regions at every pixel by tiles, others one to a block; `pooler` is a type of the file."""
    if regions.x.stride == 1 and regions.x.size >= LARGE:
        dealt = ImageBlocks(images, 8 if images % 128 == 0 else 4, TILE_WIDTH)
        per_thread = next(some for some in (4, 3, 2, 1) if maps % some == 0)
        tiles = -(-regions.y.regions // TILE), -(-regions.x.regions // TILE)
        return Launch(
            "local_pool.cu",
            "localPoolTiles",
            (pooler, TILE_WIDTH, dealt.per_thread, per_thread, dealt.checked),
            row_of(dealt.blocks, *tiles, maps // per_thread),
            (TILE_WIDTH, TILE * TILE, 1),
        )
    dealt, per_thread = ImageBlocks.of(images), maps_per_thread(maps, 2)
    return Launch(
        "local_pool.cu",
        "localPool",
        (pooler, B_Y, WARP, dealt.per_thread, per_thread, dealt.checked),
        row_of(dealt.blocks, regions.y.regions, regions.x.regions, -(-maps // (B_Y * per_thread))),
        (WARP, B_Y, 1),
    )


def local_random_pool(regions: Regions, maps: int, images: int) -> Launch:
    """One region to a block, a thread for each image and map."""
    dealt = ImageBlocks(images, 1)
    return Launch(
        "local_random_pool.cu",
        "localRandomPool",
        (B_Y, WARP),
        row_of(dealt.blocks, regions.y.regions, regions.x.regions, -(-maps // B_Y)),
        (WARP, B_Y, 1),
    )


def local_pool_undo(kernel: str, regions: Regions, maps: int, images: int) -> Launch:
    """localMaxUndo or localAvgUndo: one pixel to a block."""
    dealt, per_thread = ImageBlocks.of(images), maps_per_thread(maps, 2 if kernel == "localMaxUndo" else 4)
    return Launch(
        "local_pool_undo.cu",
        kernel,
        (B_Y, WARP, dealt.per_thread, per_thread, dealt.checked),
        row_of(dealt.blocks, regions.y.pixels, regions.x.pixels, -(-maps // (B_Y * per_thread))),
        (WARP, B_Y, 1),
    )
