"""The augmentations of 2012, against a plain re-computation image by image."""

import numpy as np
import plain_augmentation
import pytest

from cuda_convnet.data import augmentation
from cuda_convnet.data.augmentation import Crops

BORDER = 3
SIZE = 14
INNER = SIZE - 2 * BORDER


@pytest.fixture(params=[(64, 32), (70, 32), (5, 32), (9, 1), (1, 32)], ids=lambda p: f"{p[0]}by{p[1]}")
def case(request):
    """Images, mean, crops and noise, for a number of images and a chunk."""
    count, chunk = request.param
    random = np.random.RandomState(count)
    images = random.randint(0, 256, (3, SIZE, SIZE, count)).astype(np.uint8)
    mean = (255 * random.rand(3, SIZE, SIZE)).astype(np.float32)
    crops = augmentation.draw_crops(random, count, BORDER, chunk, True)
    noise = augmentation.draw_color_noise(
        random, count, np.array([4.0, 90.0, 1000.0]), np.linalg.qr(random.randn(3, 3))[0]
    )
    return images, mean, crops, noise


def plain_crop(images, crops, i):
    """The crop of image i: (channels, inner, inner) float32."""
    chunk = i // crops.chunk
    y, x = crops.y[chunk], crops.x[chunk]
    picture = images[:, y : y + INNER, x : x + INNER, i].astype(np.float32)
    return picture[:, :, ::-1] if crops.reflect[chunk] else picture


def plain_training(images, mean, crops, noise, scale, i):
    """Image i as training sees it, one rounded step after the other."""
    picture = plain_crop(images, crops, i) - mean[:, BORDER:-BORDER, BORDER:-BORDER]
    picture = picture + (noise[:, i] * np.float32(scale))[:, None, None]
    return picture / np.float32(1.0 + scale)


def test_crops_are_those_of_each_images_chunk(case):
    images, _, crops, _ = case
    found = augmentation.training_images(images, np.zeros((1, 1, 1), np.float32), crops, BORDER)
    assert found.dtype == np.float32
    assert found.shape == (3, INNER, INNER, images.shape[-1])
    for i in range(images.shape[-1]):
        np.testing.assert_array_equal(found[..., i], plain_crop(images, crops, i))


@pytest.mark.parametrize("block", [1, 4000, 1 << 30])
def test_training_images_are_bit_for_bit_the_plain_ones(case, monkeypatch, block):
    monkeypatch.setattr(augmentation, "BLOCK_BYTES", block)
    images, mean, crops, noise = case
    found = augmentation.training_images(
        images, augmentation.crop_mean(mean, BORDER), crops, BORDER, noise, 0.1
    )
    for i in range(images.shape[-1]):
        np.testing.assert_array_equal(found[..., i], plain_training(images, mean, crops, noise, 0.1, i))


def test_training_images_are_the_steps_one_after_the_other(case):
    images, mean, crops, noise = case
    mean = augmentation.crop_mean(mean, BORDER)
    steps = plain_augmentation.crop(images, crops, BORDER)
    plain_augmentation.subtract_mean(steps, mean)
    np.testing.assert_array_equal(augmentation.training_images(images, mean, crops, BORDER), steps)
    plain_augmentation.add_color_noise(steps, noise, 0.1)
    np.testing.assert_array_equal(
        augmentation.training_images(images, mean, crops, BORDER, noise, 0.1), steps
    )


def test_without_noise_nothing_is_divided(case):
    images, mean, crops, noise = case
    mean = augmentation.crop_mean(mean, BORDER)
    np.testing.assert_array_equal(
        augmentation.training_images(images, mean, crops, BORDER, noise, 0.0),
        augmentation.training_images(images, mean, crops, BORDER),
    )


def test_the_mean_is_cropped_at_its_centre_wherever_the_crop_lies(case):
    images, mean, _, _ = case
    count = images.shape[-1]
    corner = Crops(np.zeros(count, int), np.zeros(count, int), np.ones(count, bool), 1)
    found = augmentation.training_images(images, augmentation.crop_mean(mean, BORDER), corner, BORDER)
    wanted = (
        images[:, :INNER, :INNER][:, :, ::-1].astype(np.float32)
        - mean[:, BORDER:-BORDER, BORDER:-BORDER, None]
    )
    np.testing.assert_array_equal(found, wanted)


def test_a_test_sees_the_centre(case):
    images, mean, _, _ = case
    found = augmentation.training_images(images, augmentation.crop_mean(mean, BORDER), None, BORDER)
    wanted = images.astype(np.float32) - mean[..., None]
    np.testing.assert_array_equal(found, wanted[:, BORDER:-BORDER, BORDER:-BORDER])


def test_the_ten_views_are_five_positions_and_then_their_mirror_images(case):
    images, mean, _, _ = case
    mean = augmentation.crop_mean(mean, BORDER)
    assert (augmentation.num_views(True), augmentation.num_views(False)) == (10, 5)
    far = 2 * BORDER
    positions = [(0, 0), (0, far), (BORDER, BORDER), (far, 0), (far, far)]
    for view, (y, x) in enumerate(positions):
        found = augmentation.view_images(images, mean, BORDER, view)
        mirrored = augmentation.view_images(images, mean, BORDER, 5 + view)
        assert found.flags.c_contiguous
        assert mirrored.flags.c_contiguous
        for i in range(images.shape[-1]):
            picture = images[:, y : y + INNER, x : x + INNER, i].astype(np.float32)
            np.testing.assert_array_equal(found[..., i], picture - mean)
            np.testing.assert_array_equal(mirrored[..., i], picture[:, :, ::-1] - mean)


def test_a_scalar_mean_is_the_mean_of_the_whole_mean_image(case):
    images, mean, crops, _ = case
    scalar = augmentation.scalar_mean(mean)
    assert scalar.shape == (1, 1, 1)
    np.testing.assert_allclose(scalar, mean.astype(np.float64).mean(), rtol=1e-7)
    found = augmentation.training_images(images, scalar, crops, BORDER)
    np.testing.assert_array_equal(found, plain_augmentation.crop(images, crops, BORDER) - scalar[0, 0, 0])


def test_crops_reach_every_position_and_reflect_half_the_time():
    crops = augmentation.draw_crops(np.random.RandomState(1), 320_000, 2, 32, True)
    assert len(crops.y) == len(crops.x) == len(crops.reflect) == 10_000
    places, counts = np.unique(crops.y * 5 + crops.x, return_counts=True)
    assert len(places) == 25
    assert counts.min() > 300
    assert counts.max() < 500
    assert 0.47 < crops.reflect.mean() < 0.53


def test_the_last_chunk_may_be_shorter():
    assert len(augmentation.draw_crops(np.random.RandomState(1), 33, 2, 32, True).y) == 2
    assert len(augmentation.draw_crops(np.random.RandomState(1), 32, 2, 32, True).y) == 1


@pytest.mark.parametrize("chunk", [1, 5, 8, 32])
def test_crops_that_are_cut_are_those_of_their_images(chunk):
    crops = augmentation.draw_crops(np.random.RandomState(1), 100, 3, chunk, True)
    for start, stop in [(0, 100), (0, 7), (8, 16), (32, 100), (12, 60), (99, 100), (31, 33)]:
        cut, seen = crops.cut(start, stop), start
        for run in cut.runs(stop - start):
            assert start + run.images.start == seen
            seen = start + run.images.stop
            whole = np.arange(start + run.images.start, seen) // chunk
            np.testing.assert_array_equal(crops.y[whole], run.y)
            np.testing.assert_array_equal(crops.x[whole], run.x)
            np.testing.assert_array_equal(crops.reflect[whole], run.reflect)
        assert seen == stop
    again = crops.cut(12, 60).cut(9, 40)
    assert [run[1:] for run in again.runs(31)] == [run[1:] for run in crops.cut(21, 52).runs(31)]


def test_without_reflection_nothing_is_reflected():
    crops = augmentation.draw_crops(np.random.RandomState(1), 1000, 2, 1, False)
    assert not crops.reflect.any()
    np.testing.assert_array_equal(
        crops.y, augmentation.draw_crops(np.random.RandomState(1), 1000, 2, 1, True).y
    )


def test_colour_noise_has_the_covariance_of_the_colours():
    random = np.random.RandomState(3)
    vectors = np.linalg.qr(random.randn(3, 3))[0]
    values = np.array([25.0, 400.0, 10_000.0])
    noise = augmentation.draw_color_noise(random, 200_000, values, vectors)
    assert noise.dtype == np.float32
    assert noise.shape == (3, 200_000)
    along = vectors.T @ np.cov(noise.astype(np.float64), bias=True) @ vectors
    np.testing.assert_allclose(np.diag(along), values, rtol=0.02)
    assert np.abs(along - np.diag(np.diag(along))).max() < 20


def test_colour_noise_is_the_sum_over_components():
    random = np.random.RandomState(3)
    vectors, values = np.linalg.qr(random.randn(3, 3))[0], np.array([2.0, 3.0, 500.0])
    noise = augmentation.draw_color_noise(np.random.RandomState(5), 7, values, vectors)
    draws = np.random.RandomState(5).randn(3, 7)
    np.testing.assert_allclose(noise, vectors @ (np.sqrt(values)[:, None] * draws), rtol=2e-6, atol=1e-5)


def test_grey_images_get_noise_of_brightness():
    images = np.full((1, 4, 4, 3), 100, np.uint8)
    noise = augmentation.draw_color_noise(np.random.RandomState(5), 3, np.array([9.0]), np.array([[1.0]]))
    found = augmentation.training_images(images, np.zeros((1, 4, 4), np.float32), None, 0, noise, 0.5)
    np.testing.assert_allclose(found[0, 2, 2], (100 + 0.5 * noise[0]) / 1.5, rtol=1e-6)
