"""Scaling a picture to a square: its shorter side to the size asked for, and the centre cut out.

The arithmetic is that of OpenCV's `resize`, with which cuda-convnet2 made its batches: area averaging to
reduce, cubic convolution to enlarge, in floating point, rounded once. Both are products with a sparse matrix
of weights per axis. Of photographs, fewer than one value in 7,000 differs from OpenCV's, by one level (of
those halved exactly one in seven: there alone OpenCV rounds halves up). Pillow, which takes longer, has no
such average: the nearest of its filters lie 0.8 levels away on average, from 500x375 pixels (Hamming,
bilinear), and others up to 2.8 (box).

Answers to `DecoderThread::makeJPEG` in `cuda-convnet2:make-data/pyext/src/pyext.cpp`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

CUBIC = -0.75  # the slope of the cubic kernel at 1, as in OpenCV; others take -0.5
BLOCK_FLOATS = 1 << 17  # of a picture's rows as float32 at a time: they stay in cache, and take little memory


def central_square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Scale the shorter side of (height, width, channels) uint8 to `size` and cut out the central square.

    Sizes are rounded and the square's corner is found as in the original; only what the square needs is
    computed. Returns (size, size, channels) uint8 in C order.
    """
    height, width, channels = pixels.shape
    shorter = min(height, width)
    row_floats = channels * max(shorter, size) ** 2 // size  # of the inputs of one row of outputs
    rows = _axis(height, shorter, size, min(size, max(1, BLOCK_FLOATS // row_floats)))
    (columns,) = _axis(width, shorter, size, size)
    square = np.empty((size, size, channels), np.uint8)
    for block in rows:
        picture = pixels[block.inputs, columns.inputs]
        count, wide = block.weights.shape[0], picture.shape[1]
        if shorter == size:
            square[block.outputs] = picture
            continue
        scaled = block.weights @ picture.reshape(len(picture), -1).astype(np.float32)
        # Products run along contiguous memory if the axis that they sum over comes first.
        turned = np.ascontiguousarray(scaled.reshape(count, wide, channels).transpose(1, 2, 0))
        levels = columns.weights @ turned.reshape(wide, -1)
        np.rint(levels, out=levels)
        if shorter < size:  # cubic convolution overshoots
            np.clip(levels, 0, 255, out=levels)
        square[block.outputs] = levels.reshape(size, channels, count).transpose(2, 0, 1)
    return square


@dataclass(frozen=True)
class _Block:
    """Outputs along an axis, the inputs that they need, and the weights (outputs, inputs)."""

    outputs: slice
    inputs: slice
    weights: csr_array


@lru_cache(1024)
def _axis(length: int, shorter: int, size: int, step: int) -> tuple[_Block, ...]:
    """An axis of `length` pixels, of which `size` central ones are kept after scaling, `step` in a block."""
    scaled = math.floor(size / shorter * length + 0.5)
    start = (scaled - size) // 2
    positions = np.arange(start, start + size)
    taps, weights = (_area if shorter > size else _cubic)(positions, length / scaled)
    taps = np.clip(taps, 0, length - 1)
    blocks = []
    for first in range(0, size, step):
        outputs = slice(first, min(first + step, size))
        used = weights[outputs] != 0
        inputs = taps[outputs][used]
        low, high = int(inputs.min()), int(inputs.max()) + 1
        ends = np.concatenate([[0], used.sum(axis=1).cumsum()])
        parts = weights[outputs][used].astype(np.float32)
        matrix = csr_array((parts, inputs - low, ends), shape=(len(used), high - low))
        blocks.append(_Block(outputs, slice(low, high), matrix))
    return tuple(blocks)


def _area(positions: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels an output covers, and the share of it that each covers."""
    left = positions[:, None] * scale
    taps = np.floor(left).astype(np.int64) + np.arange(math.ceil(scale) + 1)
    overlap = np.minimum(left + scale, taps + 1) - np.maximum(left, taps)
    return taps, np.where(overlap > 1e-9 * scale, overlap, 0) / scale


def _cubic(positions: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The four pixels around an output's centre, and their weights; beyond the edge its pixel repeats."""
    centre = (positions[:, None] + 0.5) * scale - 0.5
    taps = np.floor(centre).astype(np.int64) + np.arange(-1, 3)
    x = np.abs(centre - taps)
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * CUBIC - 4 * CUBIC
    return taps, np.where(x <= 1, near, far)
