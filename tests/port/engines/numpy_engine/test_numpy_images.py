import numpy as np
import pytest
from plain import assert_close, assert_same_bits, random, unread, window_sum

from cuda_convnet.errors import EngineError


@pytest.mark.parametrize("scales", [(0, 1), (0, 0.5), (1, 1), (0.9, 0.3)])
def test_nails_are_the_pixels_they_stand_on(engine, scales):
    images, before = random(1, 2, 7, 7, 3), random(2, 2, 3, 3, 3)
    targets = before.copy() if scales[0] else unread(2, 3, 3, 3)
    engine.bed_of_nails(images, targets, start=1, stride=2, scale_targets=scales[0], scale_output=scales[1])
    seen = np.float32(scales[1]) * images[:, 1:7:2, 1:7:2]
    exact = np.float64(np.float32(scales[0])) * before + seen  # a product of two float32 is exact in float64
    assert_same_bits(targets, exact.astype(np.float32) if scales[0] else seen)


def test_between_the_nails_the_gradient_is_zero(engine):
    grads, targets = random(1, 2, 3, 3, 2), unread(2, 8, 8, 2)
    engine.bed_of_nails_undo(grads, targets, start=0, stride=3)
    expected = np.zeros_like(targets)
    expected[:, ::3, ::3] = grads
    assert_same_bits(targets, expected)


def test_a_gradient_of_nails_is_added_where_they_stand(engine):
    grads, before = random(1, 2, 3, 3, 2), random(2, 2, 8, 8, 2)
    targets = before.copy()
    engine.bed_of_nails_undo(grads, targets, start=0, stride=3, scale_targets=1)
    before[:, ::3, ::3] += grads
    assert_same_bits(targets, before)


def test_nails_outside_the_image_are_refused(engine):
    with pytest.raises(EngineError, match="3 nails from 2 on, every 3, do not stand on 8 pixels; 2 would"):
        engine.bed_of_nails(random(1, 1, 8, 8, 1), unread(1, 3, 3, 1), start=2, stride=3)


@pytest.mark.parametrize("horiz", [False, True])
@pytest.mark.parametrize("taps", [3, 5, 7, 9])
@pytest.mark.parametrize("scales", [(0, 1), (1, 0.5)])
def test_a_blur_is_a_convolution_with_zeros_around(engine, horiz, taps, scales):
    half = np.arange(1, taps // 2 + 2, dtype=np.float32)
    taps = np.concatenate([half, half[-2::-1]]) / 10
    images, before = random(1, 2, 9, 9, 3), random(2, 2, 9, 9, 3)
    targets = before.copy() if scales[0] else unread(*images.shape)
    engine.gaussian_blur(
        images, taps[None], targets, horiz=horiz, scale_targets=scales[0], scale_output=scales[1]
    )
    axis = 2 if horiz else 1
    plain = np.apply_along_axis(np.convolve, axis, images.astype(np.float64), taps, "same")
    assert_close(targets, scales[0] * before.astype(np.float64) + scales[1] * plain, 8)


def test_a_blur_never_reads_the_last_tap(engine):
    images, targets = random(1, 1, 6, 6, 2), unread(1, 6, 6, 2)
    engine.gaussian_blur(images, np.array([[0.25, 0.5, np.nan]], np.float32), targets, horiz=True)
    assert np.isfinite(targets).all()


@pytest.mark.parametrize("taps", [1, 4, 11])
def test_other_numbers_of_taps_are_refused(engine, taps):
    with pytest.raises(EngineError, match="3, 5, 7 or 9"):
        engine.gaussian_blur(random(1, 1, 9, 9, 1), unread(1, taps), unread(1, 9, 9, 1), horiz=True)


@pytest.mark.parametrize(("size", "target", "scale"), [(8, 6, 8 / 6), (5, 9, 0.5), (6, 6, 1.0), (7, 3, 2.5)])
def test_resizing_interpolates_between_four_pixels(engine, size, target, scale):
    images, targets = random(1, 2, size, size, 3), unread(2, target, target, 3)
    engine.resize_bilinear(images, targets, scale=scale)
    where = np.clip(np.arange(target) * scale + size / 2 - target / 2 * scale, 0, size - 1.01)
    below, above = np.floor(where).astype(int), where - np.floor(where)
    rows = images[:, below] * (1 - above)[:, None, None] + images[:, below + 1] * above[:, None, None]
    plain = rows[:, :, below] * (1 - above)[:, None] + rows[:, :, below + 1] * above[:, None]
    assert_close(targets, plain, 20 + size)  # positions are rounded too


def test_a_single_pixel_cannot_be_resized(engine):
    with pytest.raises(EngineError, match="at least 2 pixels"):
        engine.resize_bilinear(random(1, 1, 1, 1, 1), unread(1, 4, 4, 1), scale=0.25)


def test_yuv_of_white_is_bright_and_without_colour(engine):
    white, targets = np.ones((3, 1, 1, 1), np.float32), unread(3, 1, 1, 1)
    engine.rgb_to_yuv(white, targets)
    np.testing.assert_allclose(targets.ravel(), [1, 0, 0], atol=1e-6)


@pytest.mark.parametrize("center", [False, True])
def test_lab_of_white_and_black(engine, center):
    images = np.array([[1, 0]] * 3, np.float32).reshape(3, 1, 1, 2)
    targets = unread(3, 1, 1, 2)
    engine.rgb_to_lab(images, targets, center=center)
    middle = 50 if center else 0
    np.testing.assert_allclose(targets[0].ravel(), [100 - middle, -middle], atol=1e-3)
    np.testing.assert_allclose(targets[1:], 0, atol=1e-3)


def test_other_than_three_channels_are_no_colours(engine):
    with pytest.raises(EngineError, match="3 channels"):
        engine.rgb_to_yuv(random(1, 4, 2, 2, 1), unread(4, 2, 2, 1))


def test_a_crop_starts_where_it_is_told(engine):
    images, targets = random(1, 2, 6, 8, 3), unread(2, 4, 5, 3)
    engine.crop(images, targets, start_y=2, start_x=1)
    assert_same_bits(targets, images[:, 2:6, 1:6])


@pytest.mark.parametrize("start", [(3, 0), (0, 4), (-1, 0)])
def test_a_crop_must_lie_in_the_image(engine, start):
    with pytest.raises(EngineError, match="do not lie in 6x8"):
        engine.crop(random(1, 2, 6, 8, 3), unread(2, 4, 5, 3), start_y=start[0], start_x=start[1])


def test_a_reflection_exchanges_left_and_right(engine):
    images, targets = random(1, 2, 3, 5, 4), unread(2, 3, 5, 4)
    engine.reflect_horizontal(images, targets)
    assert_same_bits(targets, images[:, :, ::-1])


def test_tica_is_the_reciprocal_of_the_root_of_the_squares_around(engine):
    images, targets = random(1, 2, 5, 5, 3), unread(2, 5, 5, 3)
    engine.tica(images, targets, size_x=3, scale_output=2.0)
    assert_close(targets, 2 / (0.001 + np.sqrt(window_sum(images.astype(np.float64) ** 2, 3))), 10)


def test_the_gradient_of_tica_takes_a_root_when_it_is_added(engine):
    images, ticas, before = random(1, 2, 5, 5, 3), np.abs(random(2, 2, 5, 5, 3)), random(3, 2, 5, 5, 3)
    alone, added = unread(*images.shape), before.copy()
    engine.tica_grad(images, ticas, alone, size_x=3, scale_output=2.0)
    engine.tica_grad(images, ticas, added, size_x=3, scale_targets=1.0, scale_output=2.0)
    total = window_sum(ticas, 3)
    assert_close(alone, -2 * images * total, 10)
    assert_close(added, before - 2 * images * np.sqrt(total), 10)
