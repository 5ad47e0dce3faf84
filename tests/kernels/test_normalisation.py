"""response_norm.cu, norm_factors.cu, contrast_norm.cu, cross_map_norm.cu and cross_map_norm_undo.cu."""

import numpy as np
import pytest
from beside import NUMPY, assert_same_bits, replayed, result, unread, values

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.kernel_engine.launch_table import normalisation as table
from cuda_convnet.engines.kernel_engine.launch_table.grids import MOST
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.errors import EngineError

ARCHIVED = {
    "response_norm": 10,
    "response_norm_undo": 8,
    "contrast_norm": 5,
    "contrast_norm_undo": 4,
    "response_norm_cross_map": 8,
    "response_norm_cross_map_undo": 8,
    "response_norm_cross_map_mindiv": 5,
    "response_norm_cross_map_mindiv_undo": 5,
    "response_norm_cross_map_undo_v2": 5,
}
"""The archived operations and how many cases they have."""
OUTPUTS = {"response_norm": 2, "contrast_norm": 3, "response_norm_cross_map": 2}
SCALES = [(0.0, 1.0), (0.0, 0.3), (1.0, 1.0), (0.5, -2.0)]
SCALE, POWER, MIN_DIV = np.float32(0.3), 0.75, 2.0

#         channels, y, x, images; size_x
WITHIN = {
    "one pixel": ((1, 1, 1, 1), 3),
    "few maps": ((3, 4, 5, 33), 3),
    "eight maps": ((8, 5, 3, 128), 4),
    "many maps": ((16, 4, 3, 128), 5),
    "uneven maps": ((11, 3, 4, 40), 2),
    "no neighbours": ((16, 2, 2, 64), 1),
    "large, few maps": ((3, 5, 4, 7), 6),
    "tiles": ((4, 6, 9, 33), 6),
    "tiles of 64": ((8, 5, 5, 64), 7),
    "tiles of 128": ((4, 4, 4, 128), 9),
}
ACROSS = {
    "one pixel": ((1, 1, 1, 1), 1),
    "odd": ((16, 2, 3, 33), 5),
    "even": ((7, 3, 2, 128), 4),
    "whole": ((6, 2, 2, 40), 6),
    "uneven maps": ((13, 1, 3, 200), 9),
}
within = pytest.mark.parametrize(("shape", "size_x"), WITHIN.values(), ids=WITHIN)
across = pytest.mark.parametrize(("shape", "size_x"), ACROSS.values(), ids=ACROSS)
either = pytest.mark.parametrize("blocked", [False, True], ids=["window", "blocked"])
scaled = pytest.mark.parametrize("scales", SCALES, ids=str)


def forward(size):
    return range(-(size // 2), size - size // 2)


def mirrored(size):
    return range(size // 2 - size + 1, size // 2 + 1)


def in_range(length, offset):
    """Where i and i + offset both exist, and the latter."""
    low, high = max(0, -offset), max(0, length - max(0, offset))
    return slice(low, max(low, high)), slice(low + offset, max(low, high) + offset)


def windows(array, offsets, add):
    """For each pixel the sum over its window, from 0, in raster order."""
    sums = np.zeros_like(array)
    for dy in offsets:
        for dx in offsets:
            (y, to_y), (x, to_x) = in_range(array.shape[1], dy), in_range(array.shape[2], dx)
            sums[:, y, x] = add(sums[:, y, x], array[:, to_y, to_x])
    return sums


def channels(array, size, offsets, add, *, blocked):
    """For each channel the sum over its window, or its block, of channels, from 0, ascending."""
    sums = np.zeros_like(array)
    count = len(array)
    for f in range(count):
        first = f // size * size if blocked else f + offsets.start
        for other in range(max(0, first), min(count, first + size)):
            sums[f] = add(sums[f], array[other])
    return sums


def add_square(total, value):
    return fma(value, value, total)


def accumulated(targets, gradient, scale_targets, scale_output):
    """The gradient, scaled and added to what is there."""
    scaled = np.float32(scale_output) * gradient
    return fma(targets, scale_targets, scaled) if scale_targets else scaled


def outputs(engine, operation, images, *names, **scalars):
    """What a normalisation writes, by name."""
    held = {name: engine.from_host(unread(*images.shape)) for name in names}
    getattr(engine, operation)(engine.from_host(images), **held, **scalars)
    return {name: engine.to_host(array) for name, array in held.items()}


def assert_within(operation, output, expected, ours, **call):
    bound = OPERATIONS[operation].bound("kernels", output, {**call, "original": expected})
    assert bound.share(difference(expected, ours)) <= 1


def gradient_arrays(shape, scale_targets, *, denoms=None):
    return {
        "out_grads": values(2, *shape),
        "denoms": 1 + values(3, *shape) ** 2 if denoms is None else denoms,
        "images": values(1, *shape),
        "acts": values(4, *shape),
        "targets": values(5, *shape) if scale_targets else unread(*shape),
    }


def factors_of(arrays, power):
    """The terms of a gradient's sums, rounded where the kernel rounds."""
    combined = np.float32(-2) * SCALE * np.float32(power)
    return combined * arrays["out_grads"] * arrays["acts"] / arrays["denoms"]


def options(size_x, scales=None, **more):
    given = {"size_x": size_x, "scale": float(SCALE), "power": POWER, **more}
    return given if scales is None else given | {"scale_targets": scales[0], "scale_output": scales[1]}


@pytest.mark.parametrize("operation", ARCHIVED)
def test_every_archived_case_is_reproduced(engine, operation, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == ARCHIVED[operation] * OUTPUTS.get(operation.removesuffix("_mindiv"), 1)
    assert [case for case in cases if not case.ok] == []


@within
def test_rnorm_sums_squares_in_raster_order(engine, shape, size_x):
    images = values(1, *shape)
    found = outputs(engine, "response_norm", images, "denoms", "targets", **options(size_x))
    denoms = fma(windows(images, forward(size_x), add_square), SCALE, np.ones_like(images))
    assert_same_bits(found["denoms"], denoms)
    targets = (images * denoms.astype(np.float64) ** -POWER).astype(np.float32)
    assert_within("response_norm", "targets", targets, found["targets"], size_x=size_x, power=POWER)


@within
def test_cnorm_sums_squares_about_the_mean_of_the_same_window(engine, shape, size_x):
    images = values(1, *shape)
    names = ("mean_diffs", "denoms", "targets")
    found = outputs(engine, "contrast_norm", images, *names, **options(size_x))
    area = windows(np.ones_like(images), forward(size_x), np.add)
    diffs = images - windows(images, forward(size_x), np.add) / area
    denoms = fma(windows(diffs, forward(size_x), add_square), SCALE, np.ones_like(images))
    assert_same_bits(found["mean_diffs"], diffs)
    assert_same_bits(found["denoms"], denoms)
    targets = (images * denoms.astype(np.float64) ** -POWER).astype(np.float32)
    assert_within("contrast_norm", "targets", targets, found["targets"], size_x=size_x, power=POWER)


@within
@scaled
def test_the_gradient_of_rnorm_sums_the_mirrored_window_in_raster_order(engine, shape, size_x, scales):
    ones = np.ones(shape, np.float32)  # whose powers are exact
    arrays = gradient_arrays(shape, scales[0], denoms=ones)
    sums = windows(factors_of(arrays, POWER), mirrored(size_x), np.add)
    gradient = fma(arrays["images"], sums, arrays["out_grads"])
    given = (0.0, 1.0) if size_x >= 6 and shape[0] % 4 == 0 else scales
    expected = accumulated(arrays["targets"], gradient, *given)
    assert_same_bits(result(engine, "response_norm_undo", arrays, **options(size_x, scales)), expected)


@within
def test_the_gradient_of_rnorm_divides_by_the_denominators(engine, shape, size_x):
    arrays = gradient_arrays(shape, 0.0)
    sums = windows(factors_of(arrays, POWER), mirrored(size_x), np.add)
    powers = arrays["out_grads"] * arrays["denoms"].astype(np.float64) ** -POWER
    expected = (arrays["images"] * sums.astype(np.float64) + powers).astype(np.float32)
    ours = result(engine, "response_norm_undo", arrays, **options(size_x))
    assert_within("response_norm_undo", "targets", expected, ours, size_x=size_x)


@pytest.mark.parametrize(("maps", "ignored"), [(4, True), (8, True), (6, False)])
def test_large_windows_of_maps_in_fours_ignore_the_scales_of_the_gradient(engine, maps, ignored):
    arrays = gradient_arrays((maps, 4, 5, 3), 1.0)
    alone = result(engine, "response_norm_undo", arrays, **options(6))
    scaled = result(engine, "response_norm_undo", arrays, **options(6, (0.5, 2.0)))
    assert (scaled == alone).all() == ignored


def test_the_gradient_of_cnorm_is_that_of_rnorm_with_the_differences_for_images(engine):
    arrays = gradient_arrays((16, 3, 4, 33), 1.0)
    rnorm = result(engine, "response_norm_undo", arrays, **options(3, (1.0, 1.0)))
    arrays["mean_diffs"] = arrays.pop("images")
    assert_same_bits(result(engine, "contrast_norm_undo", arrays, **options(3, (1.0, 1.0))), rnorm)


@across
@either
@pytest.mark.parametrize("min_div", [1.0, MIN_DIV])
def test_cmrnorm_sums_squares_of_ascending_maps(engine, shape, size_x, blocked, min_div):
    images = values(1, *shape)
    call = options(size_x, blocked=blocked, min_div=min_div)
    found = outputs(engine, "response_norm_cross_map", images, "denoms", "targets", **call)
    sums = channels(images, size_x, forward(size_x), add_square, blocked=blocked)
    denoms = fma(sums, SCALE, np.full_like(images, min_div))
    assert_same_bits(found["denoms"], denoms)
    targets = (images * denoms.astype(np.float64) ** -POWER).astype(np.float32)
    assert_within("response_norm_cross_map", "targets", targets, found["targets"], size_x=size_x, power=POWER)


@across
@either
@scaled
def test_the_gradient_of_cmrnorm_sums_the_mirrored_window_of_ascending_maps(
    engine, shape, size_x, blocked, scales
):
    arrays = gradient_arrays(shape, scales[0], denoms=np.ones(shape, np.float32))
    sums = channels(factors_of(arrays, POWER), size_x, mirrored(size_x), np.add, blocked=blocked)
    gradient = fma(arrays["images"], sums, arrays["out_grads"])
    expected = accumulated(arrays["targets"], gradient, *scales)
    call = options(size_x, scales, blocked=blocked)
    assert_same_bits(result(engine, "response_norm_cross_map_undo", arrays, **call), expected)


@across
@either
def test_the_gradient_of_cmrnorm_divides_by_the_denominators(engine, shape, size_x, blocked):
    arrays = gradient_arrays(shape, 0.0)
    sums = channels(factors_of(arrays, POWER), size_x, mirrored(size_x), np.add, blocked=blocked)
    powers = arrays["out_grads"] * arrays["denoms"].astype(np.float64) ** -POWER
    expected = (arrays["images"] * sums.astype(np.float64) + powers).astype(np.float32)
    ours = result(engine, "response_norm_cross_map_undo", arrays, **options(size_x, blocked=blocked))
    assert_within("response_norm_cross_map_undo", "targets", expected, ours, size_x=size_x)


@across
@either
@scaled
def test_the_gradient_of_2014_recovers_the_denominators(engine, shape, size_x, blocked, scales):
    arrays = gradient_arrays(shape, scales[0])
    del arrays["denoms"]
    arrays["images"][0, 0, 0, 0] = 0  # acts of 0 are not divided by it
    forward_call = options(size_x, blocked=blocked, min_div=MIN_DIV)
    names = ("denoms", "targets")
    arrays["acts"] = outputs(engine, "response_norm_cross_map", arrays["images"], *names, **forward_call)[
        "targets"
    ]
    call = options(size_x, scales, blocked=blocked, min_div=MIN_DIV)
    operation = "response_norm_cross_map_undo_v2"
    expected, ours = result(NUMPY, operation, arrays, **call), result(engine, operation, arrays, **call)
    bound = OPERATIONS[operation].bound("numpy", "targets", {**call, "original": ours})
    assert bound.share(difference(ours, expected)) <= 1


@pytest.mark.parametrize("operation", ["response_norm_undo", "response_norm_cross_map_undo"])
def test_gradients_leave_the_acts_as_they_are(engine, operation):
    arrays = gradient_arrays((4, 3, 3, 5), 0.0)
    held = {name: engine.from_host(array) for name, array in arrays.items()}
    getattr(engine, operation)(**held, **options(3))
    assert_same_bits(engine.to_host(held["acts"]), arrays["acts"])


def test_of_no_images_nothing_is_normalised(engine):
    images = np.empty((3, 2, 2, 0), np.float32)
    assert outputs(engine, "response_norm", images, "denoms", "targets", **options(3))["targets"].size == 0


@pytest.mark.parametrize("size_x", [0, 8])
def test_a_window_across_maps_must_be_as_small_as_the_channels(engine, size_x):
    with pytest.raises(EngineError, match=f"size_x {size_x} must be between 1 and the 7 channels"):
        outputs(
            engine, "response_norm_cross_map", values(1, 7, 2, 2, 2), "denoms", "targets", **options(size_x)
        )


def test_a_window_within_a_map_has_a_pixel(engine):
    with pytest.raises(EngineError, match="size_x 0 must be at least 1"):
        outputs(engine, "response_norm", values(1, 7, 2, 2, 2), "denoms", "targets", **options(0))


def test_arrays_of_other_shapes_are_refused(engine):
    arrays = gradient_arrays((4, 3, 3, 5), 0.0)
    with pytest.raises(EngineError, match=r"acts .* must have the shape of images"):
        result(engine, "response_norm_undo", {**arrays, "acts": arrays["acts"][:2].copy()}, **options(3))
    with pytest.raises(EngineError, match=r"images \(4, 45\) must be \(channels, y, x, images\)"):
        outputs(engine, "response_norm", values(1, 4, 45), "denoms", "targets", **options(3))


@pytest.mark.parametrize(
    ("maps", "size_x", "instance"),
    [
        ((3, 8, 8, 128), 5, "responseNorm<1, 128, 1, 3, false>"),
        ((8, 8, 8, 100), 5, "responseNorm<1, 128, 1, 8, true>"),
        ((64, 8, 8, 128), 5, "responseNorm<4, 32, 4, 2, false>"),
        ((12, 8, 8, 128), 5, "responseNorm<4, 32, 4, 1, false>"),
        ((64, 8, 8, 64), 6, "responseNormTiles<8, 8, 4, false>"),
        ((4, 8, 8, 65), 6, "responseNormTiles<8, 8, 4, true>"),
        ((18, 8, 8, 128), 6, "responseNorm<4, 32, 4, 1, false>"),
    ],
)
def test_the_kernel_follows_from_the_window_the_maps_and_the_images(maps, size_x, instance):
    assert table.response_norm(table.Maps(*maps), size_x).instance == instance


@pytest.mark.parametrize(
    ("images", "size_x", "instance"),
    [
        (128, 5, "responseNormUndo<4, 32, 2, 2, false>"),
        (96, 5, "responseNormUndo<4, 32, 1, 2, false>"),
        (33, 5, "responseNormUndo<4, 32, 1, 2, true>"),
        (128, 9, "responseNormUndoTiles<16, 8, 4, false>"),
        (64, 9, "responseNormUndoTiles<16, 4, 4, false>"),
        (33, 9, "responseNormUndoTiles<16, 2, 4, true>"),
    ],
)
def test_a_gradients_threads_take_images_as_they_divide(images, size_x, instance):
    assert table.response_norm_undo(table.Maps(16, 4, 4, images), size_x).instance == instance


def test_arrays_that_int_cannot_index_are_refused():
    table.Maps(1, 1, 1, MOST)
    with pytest.raises(EngineError, match="normalisation"):
        table.Maps(2, 1, 1, MOST)
