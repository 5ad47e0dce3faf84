"""What the arrays and windows of normalisations must agree on, and where the original ignores scales."""

from __future__ import annotations

from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import same_shapes
from cuda_convnet.errors import EngineError

WIDE = 6
"""The smallest window that the original sums in tiles of pixels."""


def check_within_maps(operation: str, size_x: int, **arrays: Array) -> None:
    """EngineError unless all arrays are (channels, y, x, images) of one shape, and the window has a pixel."""
    _check_images(operation, **arrays)
    if size_x < 1:
        raise EngineError(f"{operation}: size_x {size_x} must be at least 1")


def check_across_maps(operation: str, size_x: int, **arrays: Array) -> None:
    """EngineError unless all arrays are (channels, y, x, images) of one shape, of size_x channels or more."""
    _check_images(operation, **arrays)
    channels = next(iter(arrays.values())).shape[0]
    if not 0 < size_x <= channels:
        raise EngineError(f"{operation}: size_x {size_x} must be between 1 and the {channels} channels")


def _check_images(operation: str, **arrays: Array) -> None:
    same_shapes(operation, **arrays)
    name, array = next(iter(arrays.items()))
    if len(array.shape) != 4:
        raise EngineError(f"{operation}: {name} {array.shape} must be (channels, y, x, images)")


def in_tiles(channels: int, size_x: int) -> bool:
    """Whether the original sums windows within a map in tiles of 4 x 4 pixels and 4 channels."""
    return size_x >= WIDE and channels % 4 == 0


def undo_scales(channels: int, size_x: int, scale_targets: float, scale_output: float) -> tuple[float, float]:
    """The scales that the gradient of a normalisation within maps has.

    In tiles the original's flag is inverted: where it is told to scale and add, it overwrites.
    """
    return (0.0, 1.0) if in_tiles(channels, size_x) else (scale_targets, scale_output)
