"""What the arrays of image operations must agree on, checked once before any arithmetic."""

from __future__ import annotations

from math import prod

import numpy as np

from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import same_shapes
from cuda_convnet.errors import EngineError


def check_images(operation: str, images: Array, targets: Array) -> None:
    """EngineError unless both are (channels, y, x, images) with the same channels and images."""
    if len(images.shape) != 4 or len(targets.shape) != 4 or images.shape[::3] != targets.shape[::3]:
        raise EngineError(
            f"{operation}: {images.shape} and {targets.shape} must be (channels, y, x, images) with the same "
            "channels and images"
        )


def check_nails(operation: str, images: Array, sampled: Array, *, start: int, stride: int) -> None:
    """EngineError unless nails from `start` on, every `stride`, as many as `sampled` has, stand on pixels."""
    check_images(operation, images, sampled)
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
    taps, size = prod(filter.shape), images.shape[2 if horiz else 1]
    if taps not in (3, 5, 7, 9) or size < taps:
        raise EngineError(
            f"{operation}: {taps} taps over {size} pixels; 3, 5, 7 or 9 are possible, and no more than pixels"
        )
    return taps


def check_resize(operation: str, images: Array, targets: Array) -> None:
    """EngineError unless images have the neighbours that interpolation needs."""
    check_images(operation, images, targets)
    if min(images.shape[1:3]) < 2:
        raise EngineError(f"{operation}: images {images.shape} must have at least 2 pixels in each direction")


def resize_centre(size: int, target: int, scale: float) -> np.float32:
    """Where the first of `target` pixels, `scale` pixels apart, lies in a line of `size`, centres aligned."""
    return np.float32(size * 0.5 - target * 0.5 * float(np.float32(scale)))


def check_colours(operation: str, images: Array, targets: Array) -> None:
    """EngineError unless both are images of 3 channels, in two arrays."""
    check_images(operation, images, targets)
    same_shapes(operation, images=images, targets=targets)
    if images.shape[0] != 3 or images is targets:
        raise EngineError(
            f"{operation}: images {images.shape} must have 3 channels, and targets be another array"
        )


def check_crop(operation: str, images: Array, targets: Array, *, start_y: int, start_x: int) -> None:
    """EngineError unless targets are a part of the images."""
    check_images(operation, images, targets)
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
    if images is targets:
        raise EngineError(f"{operation}: targets must be another array than images")


def check_tica(operation: str, images: Array, *, size_x: int, **others: Array) -> None:
    """EngineError unless all arrays are images of one shape, and the window has a pixel."""
    for other in others.values():
        check_images(operation, images, other)
    same_shapes(operation, images=images, **others)
    if size_x < 1:
        raise EngineError(f"{operation}: size_x {size_x} must be at least 1")


def check_local_weights(operation: str, weights: Array) -> tuple[int, int, int]:
    """The modules, the weights of one filter, and the filters of (modules, ..., filters)."""
    if len(weights.shape) < 3:
        raise EngineError(f"{operation}: {weights.shape} must be (modules, ..., filters)")
    return weights.shape[0], prod(weights.shape[1:-1]), weights.shape[-1]
