"""Sums over pixels: exact, and the same whichever way they are taken."""

import itertools

import numpy as np
import pytest

from cuda_convnet.data import statistics
from cuda_convnet.data.statistics import PixelSums


def images_like(shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def exact(images):
    """The sums in Python's whole numbers."""
    values = images.astype(object)
    channels = values.transpose(1, 0, 2, 3).reshape(images.shape[1], -1)
    return values.sum(axis=0), channels @ channels.T


@pytest.mark.parametrize("shape", [(1, 3, 5, 4), (7, 3, 16, 9), (40, 1, 8, 8), (3, 4, 6, 6)])
@pytest.mark.parametrize("block", [2, 7, 64, 1 << 16])
def test_sums_are_exact(monkeypatch, shape, block):
    for name in ("BLOCK", "EXACT_VALUES", "EXACT_PRODUCTS"):
        monkeypatch.setattr(statistics, name, block)
    images = images_like(shape)
    pixels, products = exact(images)
    last = np.ascontiguousarray(images.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    pictures = (np.ascontiguousarray(image.transpose(1, 2, 0)) for image in images)
    for sums in (PixelSums.of(images), PixelSums.of(last), PixelSums.of_pictures(pictures, shape[1:])):
        assert sums.images == shape[0]
        assert (sums.pixels.dtype, sums.products.dtype) == (np.int64, np.int64)
        np.testing.assert_array_equal(sums.pixels, pixels.astype(np.int64))
        np.testing.assert_array_equal(sums.products, products.astype(np.int64))


def test_white_images_overflow_nothing():
    white = np.full((600, 3, 256, 1), 255, np.uint8)
    sums = PixelSums.of(white)
    assert (sums.pixels == 600 * 255).all()
    assert (sums.products == 600 * 256 * 255 * 255).all()
    picture = np.full((600, 400, 3), 255, np.uint8)
    sums = PixelSums.of_pictures([picture, picture], (3, 600, 400))
    assert (sums.products == 2 * 600 * 400 * 255 * 255).all()
    pixel = np.full((1, 1, 3), 255, np.uint8)
    sums = PixelSums.of_pictures(itertools.repeat(pixel, 70_000), (3, 1, 1))
    assert (sums.pixels == 70_000 * 255).all()
    assert (sums.products == 70_000 * 255 * 255).all()


def test_sums_of_parts_add_up_to_the_sums_of_the_whole():
    images = images_like((30, 3, 8, 8))
    parts, whole = PixelSums.of(images[:11]) + PixelSums.of(images[11:]), PixelSums.of(images)
    assert parts.images == whole.images
    np.testing.assert_array_equal(parts.pixels, whole.pixels)
    np.testing.assert_array_equal(parts.products, whole.products)


def test_no_pictures_have_sums_of_zero():
    sums = PixelSums.of_pictures([], (3, 4, 4))
    assert sums.images == 0
    assert not sums.pixels.any()
