"""Launches of img_acts: many colors, or a region of pixels, to a block."""

from __future__ import annotations

from cuda_convnet.engines.geometry import Geometry
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.grids import ImageBlocks, check_size, row_of

FILE = "img_acts.cu"
MANY_B_X, MANY_B_Y = 32, 4
MEDIUM_B = 16
REGION = 4
"""Pixels along each side of a block's region."""
FILTERS = 16
"""Rows of weights in a tile."""


def img_acts(geometry: Geometry, operation: str = "img_acts", *, unshared: bool = False) -> Launch:
    """The kernel for a geometry, with shared, unshared or sparse filters.

    cuda-convnet:src/cudaconv2/img_acts.cu. As there, groups of a multiple of 8 colors have blocks for one
    pixel and 8 or 16 of its colors, others blocks for 4x4 pixels and up to 4 colors; a thread takes more
    images as the minibatch is a multiple of 128, 64 or neither. Where the original wants a multiple of 16
    filters in each group, here the last of them may be fewer; where it wants more than 3 colors in each of
    several groups, and an even number of them, here a thread takes up to 3, or one of them. Raises
    EngineError for arrays of more values than an int counts.
    """
    _check_sizes(geometry, operation, unshared=unshared)
    colors = geometry.filter_channels
    few = ImageBlocks.of(geometry.images).per_thread
    sizes: tuple[int, ...]
    partial = geometry.filters // geometry.groups % FILTERS != 0
    if colors % (2 * MANY_B_Y) == 0:
        thread_images, thread_colors = few, 4 if colors % (4 * MANY_B_Y) == 0 else 2
        block = MANY_B_X, MANY_B_Y
        kernel, sizes = "img_acts_manycolor", (MANY_B_Y, MANY_B_X)
        block_colors, places = MANY_B_Y * thread_colors, geometry.img_y * geometry.img_x
    else:
        thread_images, thread_colors = 2 * few, next(some for some in (4, 2, 3, 1) if colors % some == 0)
        block = MEDIUM_B, MEDIUM_B
        kernel, sizes = "img_acts_mediumcolor", ()
        block_colors, places = thread_colors, -(-geometry.img_y // REGION) * -(-geometry.img_x // REGION)
    dealt = ImageBlocks(geometry.images, thread_images, block[0])
    template = (*sizes, thread_images, thread_colors, dealt.checked, partial)
    grid = row_of(dealt.blocks, geometry.groups * colors // block_colors, places)
    return Launch(FILE, kernel, template, grid, (*block, 1))


def _check_sizes(geometry: Geometry, operation: str, *, unshared: bool) -> None:
    """The last filters that a block asks for may lie beyond hid_acts; they are counted, too."""
    check_size(
        operation,
        hid_acts=(geometry.filters + FILTERS, geometry.modules, geometry.images),
        filters=(
            geometry.modules if unshared else 1,
            geometry.filter_channels,
            geometry.size**2,
            geometry.filters,
        ),
        targets=(
            geometry.over_sample,
            geometry.channels,
            geometry.img_y,
            geometry.img_x,
            geometry.images,
        ),
    )
