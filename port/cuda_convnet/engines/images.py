"""What the arrays of image operations must agree on, checked once before any arithmetic."""

from __future__ import annotations

from math import prod

import numpy as np

from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_arrays, distinct, same_shapes
from cuda_convnet.errors import EngineError


def check_images(operation: str, images: Array, targets: Array) -> None:
    """EngineError unless both are (channels, y, x, images) with the same channels and images."""
    check_arrays(operation, images=images, targets=targets)
    if len(images.shape) != 4 or len(targets.shape) != 4 or images.shape[::3] != targets.shape[::3]:
        raise EngineError(
            f"{operation}: {images.shape} and {targets.shape} must be (channels, y, x, images) with the same "
            "channels and images"
        )


def check_nails(operation: str, images: Array, sampled: Array, *, start: int, stride: int) -> None:
    """EngineError unless nails from `start` on, every `stride`, as many as `sampled` has, stand on pixels."""
    check_images(operation, images, sampled)
    distinct(operation, {"sampled": sampled}, images=images)
    if stride < 1 or start < 0:
        raise EngineError(f"{operation}: stride {stride} must be at least 1 and start {start} at least 0")
    for pixels, count in zip(images.shape[1:3], sampled.shape[1:3], strict=True):
        if start + (count - 1) * stride >= pixels:
            raise EngineError(
                f"{operation}: {count} nails from {start} on, every {stride}, do not stand on {pixels} "
                f"pixels; {max(0, -(-(pixels - start) // stride))} would"
            )


def check_blur(operation: str, images: Array, filter: Array, targets: Array, *, horiz: bool) -> int:
    """The taps of the filter; EngineError unless they are 3, 5, 7 or 9, and no more than pixels."""
    check_images(operation, images, targets)
    same_shapes(operation, images=images, targets=targets)
    check_arrays(operation, filter=filter)
    distinct(operation, {"targets": targets}, filter=filter)
    taps, size = prod(filter.shape), images.shape[2 if horiz else 1]
    if taps not in (3, 5, 7, 9) or size < taps:
        raise EngineError(
            f"{operation}: {taps} taps over {size} pixels; 3, 5, 7 or 9 are possible, and no more than pixels"
        )
    return taps


def check_resize(operation: str, images: Array, targets: Array) -> None:
    """EngineError unless images have the neighbours that interpolation needs; targets are another array."""
    check_images(operation, images, targets)
    distinct(operation, {"targets": targets}, images=images)
    if min(images.shape[1:3]) < 2:
        raise EngineError(f"{operation}: images {images.shape} must have at least 2 pixels in each direction")


def resize_centre(size: int, target: int, scale: float) -> np.float32:
    """Where the first of `target` pixels, `scale` pixels apart, lies in a line of `size`, centres aligned."""
    return np.float32(size * 0.5 - target * 0.5 * float(np.float32(scale)))


def check_colours(operation: str, images: Array, targets: Array) -> None:
    """EngineError unless both are images of 3 channels, in two arrays."""
    check_images(operation, images, targets)
    same_shapes(operation, images=images, targets=targets)
    distinct(operation, {"targets": targets}, images=images)
    if images.shape[0] != 3:
        raise EngineError(f"{operation}: images {images.shape} must have 3 channels")


def check_crop(operation: str, images: Array, targets: Array, *, start_y: int, start_x: int) -> None:
    """EngineError unless targets have the shape of a part of the images, and are another array."""
    check_images(operation, images, targets)
    distinct(operation, {"targets": targets}, images=images)
    _, height, width, _ = targets.shape
    if min(start_y, start_x) < 0 or start_y + height > images.shape[1] or start_x + width > images.shape[2]:
        raise EngineError(
            f"{operation}: {height}x{width} pixels from ({start_y}, {start_x}) on do not lie in "
            f"{images.shape[1]}x{images.shape[2]}"
        )


def check_reflection(operation: str, images: Array, targets: Array) -> None:
    """EngineError unless both are images of one shape, in two arrays."""
    check_images(operation, images, targets)
    same_shapes(operation, images=images, targets=targets)
    distinct(operation, {"targets": targets}, images=images)


def check_tica(operation: str, targets: Array, *, size_x: int, **read: Array) -> None:
    """EngineError unless all are images of one shape, targets another array, and the window has a pixel."""
    for other in read.values():
        check_images(operation, other, targets)
    same_shapes(operation, **read, targets=targets)
    distinct(operation, {"targets": targets}, **read)
    if size_x < 1:
        raise EngineError(f"{operation}: size_x {size_x} must be at least 1")


def check_local_weights(operation: str, weights: Array) -> tuple[int, int, int]:
    """The modules, the weights of one filter, and the filters of (modules, ..., filters)."""
    check_arrays(operation, weights=weights)
    if len(weights.shape) < 3:
        raise EngineError(f"{operation}: {weights.shape} must be (modules, ..., filters)")
    return weights.shape[0], prod(weights.shape[1:-1]), weights.shape[-1]
