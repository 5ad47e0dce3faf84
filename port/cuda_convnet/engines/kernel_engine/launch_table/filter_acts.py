"""Launches of filter_acts.cu (cuda-convnet:src/cudaconv2/filter_acts.cu, `_filterActs`)."""

from __future__ import annotations

from cuda_convnet.engines.geometry import Geometry
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.grids import ImageBlocks, row_of

FILE = "filter_acts.cu"
B_Y = 4
"""Threads of a block along the filters; along the images they are a warp."""


def filter_acts(geometry: Geometry, *, sparse: bool) -> Launch:
    """The kernel for a geometry, `sparse` where color_indices list the channels of each group.

    The rules of 2012: a thread has 4, 2 or 1 images, and 8 filters where a group has a multiple of 32 of
    them, else 4; up to 3 channels are summed as one, more in pairs. The original asserts an even number of
    channels and a multiple of 16 filters in each group; here the last pair and the last block may be
    incomplete. Raises EngineError where the grid would be too large.

    Products are fused with sums where a thread has one image, and rounded before where it has more: so it is
    in the archived activations, whose compiler multiplied the images of a thread as a vector.
    """
    filters_per_group = geometry.filters // geometry.groups
    images = ImageBlocks.of(geometry.images)
    filters = 8 if filters_per_group % 32 == 0 else 4
    colors = geometry.filter_channels if geometry.filter_channels <= 3 else 2
    filter_blocks = -(-filters_per_group // (B_Y * filters))
    check = images.checked or filters_per_group % (B_Y * filters) != 0
    return Launch(
        FILE,
        "filter_acts_sparse" if sparse else "filter_acts",
        (images.per_thread, filters, colors, images.per_thread == 1, check),
        row_of(images.blocks, filter_blocks, geometry.groups, geometry.modules),
        (images.width, B_Y, 1),
    )
