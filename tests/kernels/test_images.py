"""Image operations, TICA and the norms of unshared filters, as kernels."""

import numpy as np
import pytest
from beside import NUMPY, assert_as_numpy, assert_same_bits, replayed, result, unread, values

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.kernel_engine.launch_table import images as table
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.errors import EngineError

ARCHIVED = {
    "bed_of_nails": 4,
    "bed_of_nails_undo": 4,
    "gaussian_blur": 5,
    "resize_bilinear": 4,
    "rgb_to_yuv": 3,
    "crop": 3,
    "reflect_horizontal": 3,
    "tica": 2,
    "tica_grad": 2,
}
SCALES = [(0.0, 1.0), (0.0, 0.3), (1.0, 1.0), (0.5, -2.0)]
SHAPES = [(3, 7, 9, 33), (8, 6, 6, 1), (16, 5, 5, 64), (4, 9, 8, 128)]
"""channels, y, x, images"""

scalings = pytest.mark.parametrize("scales", SCALES, ids=str)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def named(scales):
    return {"scale_targets": scales[0], "scale_output": scales[1]}


def before(scales, *shape):
    """Previous content, which must not be read where it counts for nothing."""
    return values(9, *shape) if scales[0] else unread(*shape)


def scaled(total, previous, scales):
    """targets = scale_targets * targets + scale_output * total, the first product not rounded."""
    total = np.float32(scales[1]) * total
    return fma(previous, scales[0], total) if scales[0] else total


@pytest.mark.parametrize("operation", ARCHIVED)
def test_every_archived_case_is_reproduced_bit_for_bit(engine, operation, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == ARCHIVED[operation]
    assert [case for case in cases if not case.bitwise] == []


@pytest.mark.parametrize(("operation", "count"), [("rgb_to_lab", 6), ("normalize_local_weights", 4)])
def test_every_archived_case_is_reproduced_within_its_bound(engine, operation, count, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == count
    assert [case for case in cases if not case.ok] == []


@shapes
@scalings
@pytest.mark.parametrize(("start", "stride"), [(0, 2), (1, 3), (2, 1)])
def test_nails_are_the_pixels_they_stand_on(engine, shape, scales, start, stride):
    channels, height, width, images = shape
    outputs = channels, -(-(height - start) // stride), -(-(width - start) // stride), images
    where = {"start": start, "stride": stride}
    arrays = {"images": values(1, *shape), "targets": before(scales, *outputs)}
    assert_as_numpy(engine, "bed_of_nails", arrays, **where, **named(scales))
    arrays = {"grads": values(2, *outputs), "targets": before(scales, *shape)}
    assert_as_numpy(engine, "bed_of_nails_undo", arrays, **where, **named(scales))


def test_pixels_after_the_last_nail_get_no_gradient(engine):
    arrays = {"grads": values(1, 2, 2, 1, 5), "targets": unread(2, 8, 8, 5)}
    assert_as_numpy(engine, "bed_of_nails_undo", arrays, start=0, stride=2)


def blurred(images, taps, axis):
    """Pixels in ascending order, one fused multiply-add each; what a line's first pixels give comes first."""
    radius, size = taps.size // 2, images.shape[axis]
    seen = np.moveaxis(images, axis, 0)
    total = np.zeros_like(seen)
    for pixel in range(size):
        for target in range(max(0, pixel - radius), min(size, pixel + radius + 1)):
            tap = radius + pixel - target if pixel < radius else radius - (pixel - target)
            weight = taps[0 if tap == taps.size - 1 else tap]
            total[target] = fma(seen[pixel], weight, total[target])
    return np.moveaxis(total, 0, axis)


@pytest.mark.parametrize("horiz", [False, True])
@pytest.mark.parametrize("count", [3, 5, 7, 9])
@scalings
def test_a_blur_adds_pixels_in_their_order(engine, horiz, count, scales):
    images, taps = values(1, 3, 9, 10, 33), values(2, count)
    previous = before(scales, *images.shape)
    arrays = {"images": images, "filter": taps[None], "targets": previous}
    ours = result(engine, "gaussian_blur", arrays, horiz=horiz, **named(scales))
    assert_same_bits(ours, scaled(blurred(images, taps, 2 if horiz else 1), previous, scales))


def test_a_blur_never_reads_the_last_tap(engine):
    taps = np.array([[0.25, 0.5, np.nan]], np.float32)
    arrays = {"images": values(1, 1, 6, 6, 2), "filter": taps, "targets": unread(1, 6, 6, 2)}
    assert np.isfinite(result(engine, "gaussian_blur", arrays, horiz=True)).all()


@pytest.mark.parametrize("horiz", [False, True])
def test_images_can_be_blurred_in_place(engine, horiz):
    images, taps = values(1, 5, 7, 8, 3), np.array([1, 2, 3, 2, 1], np.float32) / 9
    held = engine.from_host(images)
    engine.gaussian_blur(held, engine.from_host(taps), held, horiz=horiz)
    assert_same_bits(engine.to_host(held), blurred(images, taps, 2 if horiz else 1))


def interpolated(images, targets, scale):
    """Differences are rounded, products are not."""
    below, above = [], []
    for size, target in zip(images.shape[1:3], targets, strict=True):
        centre = np.full(target, size * 0.5 - target * 0.5 * float(np.float32(scale)), np.float32)
        place = fma(np.arange(target, dtype=np.float32), scale, centre)
        place = np.clip(place, np.float32(0), np.float32(size) - np.float32(1.01))
        below.append(np.floor(place).astype(int))
        above.append(place)
    left = (np.floor(above[1] + np.float32(1)) - above[1])[:, None]
    down = (above[0] - np.floor(above[0]))[:, None, None]

    def between(a, b, share):
        return fma(a - b, np.broadcast_to(share, a.shape), b)

    top, low = (images[:, below[0] + i][:, :, below[1]] for i in (0, 1))
    top_right, low_right = (images[:, below[0] + i][:, :, below[1] + 1] for i in (0, 1))
    upper, lower = between(top, top_right, left), between(low, low_right, left)
    return between(lower, upper, down)


@shapes
@pytest.mark.parametrize(("target", "scale"), [((6, 6), 1.25), ((9, 13), 0.5), ((3, 2), 2.5), ((6, 6), 0.1)])
def test_resizing_interpolates_between_four_pixels(engine, shape, target, scale):
    images = values(1, *shape)
    arrays = {"images": images, "targets": unread(shape[0], *target, shape[3])}
    ours = result(engine, "resize_bilinear", arrays, scale=scale)
    assert_same_bits(ours, interpolated(images, target, scale))


@pytest.mark.parametrize("images", [1, 33, 64, 128])
def test_colours_are_weighted_sums(engine, images):
    arrays = {"images": values(1, 3, 5, 6, images), "targets": unread(3, 5, 6, images)}
    assert_as_numpy(engine, "rgb_to_yuv", arrays, bitwise=False)
    arrays["images"] = np.abs(arrays["images"]) / 4
    for center in (False, True):
        assert_as_numpy(engine, "rgb_to_lab", arrays, bitwise=False, center=center)


@shapes
def test_a_crop_starts_where_it_is_told(engine, shape):
    channels, height, width, images = shape
    arrays = {"images": values(1, *shape), "targets": unread(channels, height - 2, width - 3, images)}
    assert_as_numpy(engine, "crop", arrays, start_y=1, start_x=3)
    assert_as_numpy(engine, "crop", arrays, start_y=2, start_x=0)


@shapes
def test_a_reflection_exchanges_left_and_right(engine, shape):
    images = values(1, *shape)
    ours = result(engine, "reflect_horizontal", {"images": images, "targets": unread(*shape)})
    assert_same_bits(ours, np.ascontiguousarray(images[:, :, ::-1]))


def window_sums(size_x, squares_of=None, terms=None):
    """The sum over each pixel's window in raster order: of squares, fused, or of terms."""
    given = terms if squares_of is None else squares_of
    height, width = given.shape[1:3]
    total = np.zeros_like(given)
    for y in range(height):
        for x in range(width):
            for wy in range(max(0, y - size_x // 2), min(height, y - size_x // 2 + size_x)):
                for wx in range(max(0, x - size_x // 2), min(width, x - size_x // 2 + size_x)):
                    seen, so_far = given[:, wy, wx], total[:, y, x]
                    total[:, y, x] = so_far + seen if squares_of is None else fma(seen, seen, so_far)
    return total


TICA_SHAPES = pytest.mark.parametrize("shape", [(3, 4, 6, 33), (16, 3, 3, 128)], ids=str)


@TICA_SHAPES
@scalings
@pytest.mark.parametrize("size_x", [1, 2, 5])
def test_tica_is_the_reciprocal_of_the_root_of_the_squares_around(engine, shape, scales, size_x):
    images, previous = values(1, *shape), before(scales, *shape)
    length = (0.001 + np.sqrt(window_sums(size_x, squares_of=images)).astype(np.float64)).astype(np.float32)
    ours = result(engine, "tica", {"images": images, "targets": previous}, size_x=size_x, **named(scales))
    assert_same_bits(ours, scaled(1 / length, previous, scales))


@TICA_SHAPES
@scalings
@pytest.mark.parametrize("size_x", [1, 2, 5])
def test_the_gradient_of_tica_takes_a_root_when_it_is_added(engine, shape, scales, size_x):
    images, ticas, previous = values(1, *shape), np.abs(values(2, *shape)), before(scales, *shape)
    factor = window_sums(size_x, terms=ticas)
    factor = np.sqrt(factor) if scales[0] else factor
    arrays = {"images": images, "ticas": ticas, "targets": previous}
    ours = result(engine, "tica_grad", arrays, size_x=size_x, **named(scales))
    expected = np.float32(scales[1]) * -images * factor
    assert_same_bits(ours, fma(previous, scales[0], expected) if scales[0] else expected)


@pytest.mark.parametrize("filters", [1, 16, 32, 33, 64, 128])
def test_unshared_filters_are_scaled_back_to_the_norm(engine, filters):
    weights = values(1, 9, 2, 3, 3, filters) * np.linspace(0.1, 2, filters, dtype=np.float32)
    squares = np.zeros((9, filters), np.float32)
    for weight in weights.reshape(9, 18, filters).transpose(1, 0, 2):
        squares = fma(weight, weight, squares)
    lengths = np.sqrt(squares)
    factors = np.where(lengths > 4, np.float32(4) / lengths, np.float32(1))[:, None, None, None]
    held, theirs = engine.from_host(weights), weights.copy()
    engine.normalize_local_weights(held, norm=4.0)
    ours = engine.to_host(held)
    assert_same_bits(ours, weights * factors)
    bound = OPERATIONS["normalize_local_weights"].bound(
        "numpy", "weights", {"weights": weights, "original": ours}
    )
    NUMPY.normalize_local_weights(theirs, norm=4.0)
    assert bound.share(difference(ours, theirs)) <= 1


@pytest.mark.parametrize(
    ("operation", "arrays", "scalars", "message"),
    [
        ("bed_of_nails", ((1, 8, 8, 1), (1, 3, 3, 1)), {"start": 2, "stride": 3}, "2 would"),
        ("resize_bilinear", ((1, 1, 1, 1), (1, 4, 4, 1)), {"scale": 0.25}, "at least 2 pixels"),
        ("rgb_to_yuv", ((4, 2, 2, 1), (4, 2, 2, 1)), {}, "3 channels"),
        ("rgb_to_lab", ((3, 2, 2, 1), (3, 2, 2, 2)), {"center": True}, "same channels and images"),
        ("crop", ((2, 6, 8, 3), (2, 4, 5, 3)), {"start_y": 3, "start_x": 0}, "do not lie in 6x8"),
        ("reflect_horizontal", ((2, 6, 8, 3), (2, 6, 7, 3)), {}, "must have the shape"),
        ("tica", ((2, 6, 8, 3), (2, 6, 8, 3)), {"size_x": 0}, "size_x 0 must be at least 1"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(engine, operation, arrays, scalars, message):
    images, targets = (unread(*shape) for shape in arrays)
    with pytest.raises(EngineError, match=f"{operation}: .*{message}"):
        result(engine, operation, {"images": images, "targets": targets}, **scalars)


@pytest.mark.parametrize("taps", [1, 4, 11])
def test_other_numbers_of_taps_are_refused(engine, taps):
    arrays = {"images": values(1, 1, 9, 9, 1), "filter": unread(1, taps), "targets": unread(1, 9, 9, 1)}
    with pytest.raises(EngineError, match="3, 5, 7 or 9"):
        result(engine, "gaussian_blur", arrays, horiz=True)


def test_images_cannot_be_reflected_in_place(engine):
    held = engine.from_host(values(1, 1, 4, 4, 2))
    with pytest.raises(EngineError, match="another array"):
        engine.reflect_horizontal(held, held)


def test_weights_without_modules_are_no_unshared_filters(engine):
    with pytest.raises(EngineError, match="modules"):
        engine.normalize_local_weights(engine.from_host(values(1, 4, 4)), norm=1.0)


@pytest.mark.parametrize(
    ("images", "template"),
    [(256, (4, False)), (192, (2, False)), (96, (1, False)), (100, (1, True)), (1, (1, True))],
)
def test_images_are_dealt_by_the_rules_of_2012(images, template):
    blocks = -(-images // (32 * template[0]))
    assert table.crop((3, 5, 7, images)).template == template
    assert table.crop((3, 5, 7, images)).grid == (blocks * 9 * 3, 1, 1)
    assert table.rgb_to_lab((3, 5, 7, images), center=True).instance.endswith(", true>")
    assert table.rgb_to_yuv((3, 5, 7, images)).grid == (blocks * 9, 1, 1)
    assert table.resize_bilinear((3, 5, 9, images)).grid == (blocks * 2 * 3 * 3, 1, 1)
    assert table.bed_of_nails("bedOfNails", (5, 9), 16, images).grid == (blocks * 5 * 9 * 2, 1, 1)


@pytest.mark.parametrize(
    ("filters", "template", "grid"),
    [
        (128, (4, 32, 4, False), 1 * 3),
        (192, (4, 32, 2, False), 3 * 3),
        (96, (4, 32, 1, False), 3 * 3),
        (48, (8, 16, 1, False), 3 * 2),
        (20, (8, 16, 1, True), 2 * 2),
    ],
)
def test_unshared_filters_are_dealt_by_the_rules_of_2012(filters, template, grid):
    launch = table.normalize_local_weights(9, filters)
    assert launch.template == template
    assert launch.grid == (grid, 1, 1)
