"""Scaling agrees with its definition, written out here pixel by pixel in float64."""

import math

import numpy as np
import pytest

from cuda_convnet.data.imagenet import resampling
from cuda_convnet.data.imagenet.resampling import central_square

SIZES = [(25, 19), (19, 25), (17, 16), (32, 32), (48, 40), (200, 161), (16, 300), (500, 33)]
SMALL = [(15, 16), (9, 30), (30, 9), (2, 3), (1, 1), (1, 40), (40, 1)]


def picture(width, height, channels=3):
    """Noise over a slope, with black and white for edges to overshoot at."""
    random = np.random.RandomState(width * 1000 + height)
    slope = np.linspace(0, 255, width)[None, :, None] + np.linspace(-60, 60, height)[:, None, None]
    noise = random.randint(-40, 41, (height, width, channels))
    levels = np.clip(slope + noise, 0, 255).astype(np.uint8)
    levels[: height // 3, : width // 3] = 0
    levels[height // 2 :, width // 2 :] = 255
    return levels


def area(line, scale, position):
    """The mean of what lies between two places, parts of pixels by their part."""
    left, right = position * scale, (position + 1) * scale
    total = np.zeros(line.shape[1:])
    for i in range(int(left), min(len(line), math.ceil(right))):
        total += line[i] * (min(right, i + 1) - max(left, i))
    return total / scale


def cubic(line, scale, position):
    """Keys's cubic convolution with a = -0.75, edge pixels repeating."""
    centre = (position + 0.5) * scale - 0.5
    total = np.zeros(line.shape[1:])
    for i in range(math.floor(centre) - 1, math.floor(centre) + 3):
        x, a = abs(centre - i), -0.75
        weight = (a + 2) * x**3 - (a + 3) * x**2 + 1 if x <= 1 else a * (x**3 - 5 * x**2 + 8 * x - 4)
        total += line[min(max(i, 0), len(line) - 1)] * weight
    return total


def expected(levels, size):
    """Everything scaled, then the centre cut out."""
    shorter = min(levels.shape[:2])
    how = area if shorter > size else cubic
    scaled = levels.astype(np.float64)
    for axis in (0, 1):
        line = scaled.swapaxes(0, axis)
        length = math.floor(line.shape[0] * (size / shorter) + 0.5)
        start = (length - size) // 2
        line = np.stack([how(line, line.shape[0] / length, start + i) for i in range(size)])
        scaled = line.swapaxes(0, axis)
    return np.clip(scaled, 0, 255)


@pytest.mark.parametrize(("width", "height"), SIZES + SMALL)
def test_it_is_rounded_once_from_the_exact_average_or_cubic(width, height):
    levels = picture(width, height)
    exact = expected(levels, 16)
    assert np.abs(central_square(levels, 16) - exact).max() <= 0.5 + 1e-3


def test_the_size_itself_is_only_cut():
    levels = picture(23, 16)
    np.testing.assert_array_equal(central_square(levels, 16), levels[:, 3:19])
    levels = picture(16, 24)
    np.testing.assert_array_equal(central_square(levels, 16), levels[4:20])


def test_one_level_stays_one_level():
    for width, height in SIZES + SMALL:
        for level in (0, 1, 127, 255):
            assert (central_square(np.full((height, width, 3), level, np.uint8), 16) == level).all()


@pytest.mark.parametrize(("width", "height"), [(200, 161), (500, 33), (33, 500)])
def test_pieces_give_the_same_bits_as_the_whole(width, height, monkeypatch):
    levels = picture(width, height)
    whole = central_square(levels, 16)
    monkeypatch.setattr(resampling, "BLOCK_FLOATS", 5000)
    np.testing.assert_array_equal(central_square(levels, 16), whole)
    monkeypatch.setattr(resampling, "BLOCK_FLOATS", 1)
    np.testing.assert_array_equal(central_square(levels, 16), whole)


def test_only_the_centre_is_computed():
    long = np.zeros((16, 4_000_000, 3), np.uint8)
    long[:, 1_999_992:2_000_008] = picture(16, 16)
    np.testing.assert_array_equal(central_square(long, 16), picture(16, 16))
    assert central_square(long[:1], 16).shape == (16, 16, 3)


def test_squares_lie_in_c_order():
    for width, height in ((20, 30), (16, 30), (5, 5)):
        assert central_square(picture(width, height), 16).flags.c_contiguous
