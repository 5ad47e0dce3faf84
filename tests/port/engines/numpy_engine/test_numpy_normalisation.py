import numpy as np
import pytest
from plain import (
    assert_close,
    assert_same_bits,
    channel_sum,
    group,
    mirror,
    random,
    regions,
    response_undo,
    unread,
    window,
    window_sum,
)

from cuda_convnet.errors import EngineError

SHAPE = (7, 5, 4, 3)
POWERS = [0.75, 0.5, 1.0, 0.6]


def wide(array):
    return array.astype(np.float64)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 9])
@pytest.mark.parametrize("power", POWERS)
def test_rnorm_divides_by_the_squares_around_in_the_same_map(engine, size, power):
    images, denoms, targets = random(1, *SHAPE), unread(*SHAPE), unread(*SHAPE)
    engine.response_norm(images, denoms, targets, size_x=size, scale=0.2, power=power)
    plain = 1 + 0.2 * window_sum(wide(images) ** 2, size)
    assert_close(denoms, plain, 4 + size)
    assert_close(targets, images * plain**-power, 10 + size)


@pytest.mark.parametrize("scales", [(0, 1), (1, 1), (0.5, 2)])
@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_the_gradient_of_rnorm_looks_through_the_mirrored_window(engine, size, scales):
    images, denoms, acts, grads = (
        random(2, *SHAPE),
        1 + random(3, *SHAPE) ** 2,
        random(4, *SHAPE),
        random(5, *SHAPE),
    )
    before = random(6, *SHAPE)
    targets = before.copy() if scales[0] else unread(*SHAPE)
    engine.response_norm_undo(
        grads,
        denoms,
        images,
        acts,
        targets,
        size_x=size,
        scale=0.1,
        power=0.75,
        scale_targets=scales[0],
        scale_output=scales[1],
    )
    factor = -2 * 0.1 * 0.75 * wide(grads) * acts / denoms
    plain = response_undo(wide(images), window_sum(factor, size, mirror), grads, denoms, 0.75)
    assert_close(targets, scales[0] * wide(before) + scales[1] * plain, 25)


def test_the_gradient_of_rnorm_is_the_derivative(engine):
    images = random(7, 2, 4, 4, 1).astype(np.float64)
    grads = random(8, 2, 4, 4, 1)

    def objective(values):
        return (grads * values * (1 + 0.3 * window_sum(values**2, 3)) ** -0.75).sum()

    numeric = np.zeros_like(images)
    for place in np.ndindex(images.shape):
        step = np.zeros_like(images)
        step[place] = 1e-5
        numeric[place] = (objective(images + step) - objective(images - step)) / 2e-5
    single = images.astype(np.float32)
    denoms, acts, targets = (unread(*images.shape) for _ in range(3))
    engine.response_norm(single, denoms, acts, size_x=3, scale=0.3, power=0.75)
    engine.response_norm_undo(grads, denoms, single, acts, targets, size_x=3, scale=0.3, power=0.75)
    np.testing.assert_allclose(targets, numeric, atol=1e-5)


@pytest.mark.parametrize(("channels", "ignores_scales"), [(4, True), (8, True), (6, False)])
def test_large_windows_over_channels_in_fours_ignore_the_scales_of_the_gradient(
    engine, channels, ignores_scales
):
    shape = (channels, 7, 7, 2)
    images, denoms, acts, grads = (
        random(2, *shape),
        1 + random(3, *shape) ** 2,
        random(4, *shape),
        random(5, *shape),
    )
    alone, added = unread(*shape), random(6, *shape)
    before = added.copy()
    call = {"size_x": 6, "scale": 0.1, "power": 0.75}
    engine.response_norm_undo(grads, denoms, images, acts, alone, **call)
    engine.response_norm_undo(grads, denoms, images, acts, added, scale_targets=0.5, scale_output=2.0, **call)
    assert_same_bits(added, alone if ignores_scales else np.float32(0.5) * before + 2 * alone)


def test_the_acts_of_a_gradient_are_left_as_they_are(engine):
    images, denoms, acts, grads = (
        random(2, *SHAPE),
        1 + random(3, *SHAPE) ** 2,
        random(4, *SHAPE),
        random(5, *SHAPE),
    )
    before = acts.copy()
    engine.response_norm_undo(grads, denoms, images, acts, unread(*SHAPE), size_x=3, scale=0.1, power=0.75)
    engine.response_norm_cross_map_undo(
        grads, denoms, images, acts, unread(*SHAPE), size_x=3, scale=0.1, power=0.75
    )
    assert_same_bits(acts, before)


@pytest.mark.parametrize("size", [3, 4])
def test_cnorm_takes_squares_about_the_local_mean_but_divides_the_image_itself(engine, size):
    images = random(9, *SHAPE)
    mean_diffs, denoms, targets = (unread(*SHAPE) for _ in range(3))
    engine.contrast_norm(images, mean_diffs, denoms, targets, size_x=size, scale=0.2, power=0.75)
    area = np.outer(*([len(r) for r in regions(n, n, size, -(size // 2), 1)] for n in SHAPE[1:3]))
    plain = images - window_sum(images, size) / area[:, :, None]
    assert_close(mean_diffs, plain, 6)
    plain_denoms = 1 + 0.2 * window_sum(plain**2, size)
    assert_close(denoms, plain_denoms, 10 + size)
    assert_close(targets, images * plain_denoms**-0.75, 16 + size)


def test_the_gradient_of_cnorm_is_that_of_rnorm_about_the_mean(engine):
    diffs, denoms, acts, grads = (
        random(2, *SHAPE),
        1 + random(3, *SHAPE) ** 2,
        random(4, *SHAPE),
        random(5, *SHAPE),
    )
    one, other = unread(*SHAPE), unread(*SHAPE)
    engine.contrast_norm_undo(grads, denoms, diffs, acts, one, size_x=3, scale=0.1, power=0.75)
    engine.response_norm_undo(grads, denoms, diffs, acts, other, size_x=3, scale=0.1, power=0.75)
    assert_same_bits(one, other)


@pytest.mark.parametrize("size", [1, 2, 5, 7])
@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize(("power", "min_div"), [(0.75, 2.0), (0.6, 1.0)])
def test_cmrnorm_divides_by_the_squares_of_neighbouring_maps(engine, size, blocked, power, min_div):
    images, denoms, targets = random(1, *SHAPE), unread(*SHAPE), unread(*SHAPE)
    engine.response_norm_cross_map(
        images, denoms, targets, size_x=size, scale=0.2, power=power, min_div=min_div, blocked=blocked
    )
    plain = min_div + 0.2 * channel_sum(wide(images) ** 2, size, group if blocked else window)
    assert_close(denoms, plain, 4 + size)
    assert_close(targets, images * plain**-power, 10 + size)


@pytest.mark.parametrize("size", [1, 2, 5, 7])
@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("scales", [(0, 1), (1, 1), (0.5, 2)])
def test_the_gradient_of_cmrnorm_looks_through_the_mirrored_window_of_maps(engine, size, blocked, scales):
    images, denoms, acts, grads = (
        random(2, *SHAPE),
        1 + random(3, *SHAPE) ** 2,
        random(4, *SHAPE),
        random(5, *SHAPE),
    )
    before = random(6, *SHAPE)
    targets = before.copy() if scales[0] else unread(*SHAPE)
    engine.response_norm_cross_map_undo(
        grads, denoms, images, acts, targets,
        size_x=size, scale=0.1, power=0.75, blocked=blocked, scale_targets=scales[0], scale_output=scales[1],
    )  # fmt: skip
    factor = -2 * 0.1 * 0.75 * wide(grads) * acts / denoms
    plain = response_undo(
        wide(images), channel_sum(factor, size, group if blocked else mirror), grads, denoms, 0.75
    )
    assert_close(targets, scales[0] * wide(before) + scales[1] * plain, 25)


def test_the_gradients_of_2012_and_2014_agree_where_the_acts_are_the_operations_own(engine):
    images, grads = random(2, *SHAPE), random(5, *SHAPE)
    images[0, 0, 0] = 0  # acts of zero must not be divided by
    denoms, acts, old, new = (unread(*SHAPE) for _ in range(4))
    call = {"size_x": 5, "scale": 0.1, "power": 0.75}
    engine.response_norm_cross_map(images, denoms, acts, min_div=2.0, **call)
    engine.response_norm_cross_map_undo(grads, denoms, images, acts, old, **call)
    engine.response_norm_cross_map_undo_v2(grads, images, acts, new, min_div=2.0, **call)
    assert_close(new, old, 40)


def test_large_images_give_the_same_bits_with_any_number_of_threads():
    from cuda_convnet.engines import get_engine

    images = random(3, 6, 40, 40, 64)
    results = []
    for threads in (1, 3):
        denoms, targets = unread(*images.shape), unread(*images.shape)
        get_engine("numpy", threads).response_norm_cross_map(
            images, denoms, targets, size_x=5, scale=0.1, power=0.75
        )
        results.append((denoms, targets))
    assert_same_bits(results[0][0], results[1][0])
    assert_same_bits(results[0][1], results[1][1])
    assert_close(results[0][0], 1 + 0.1 * channel_sum(wide(images) ** 2, 5), 10)


@pytest.mark.parametrize("size", [0, 8])
def test_a_window_across_maps_must_be_as_small_as_the_channels(engine, size):
    images = random(1, *SHAPE)
    with pytest.raises(EngineError, match="between 1 and the 7 channels"):
        engine.response_norm_cross_map(images, images.copy(), images.copy(), size_x=size, scale=1, power=1)


def test_denominators_of_another_shape_are_refused(engine):
    images = random(1, *SHAPE)
    with pytest.raises(EngineError, match=r"denoms .* must have the shape of images"):
        engine.response_norm(images, images[:1].copy(), images.copy(), size_x=3, scale=1, power=1)
