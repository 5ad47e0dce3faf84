import numpy as np
import pytest
from plain import assert_close, assert_same_bits, random, regions, unread

from cuda_convnet.errors import EngineError

#             channels, y, x, images, out, size, start, stride
GEOMETRIES = [
    (3, 7, 7, 5, 3, 3, 0, 2),
    (2, 6, 6, 1, 3, 3, -1, 2),  # the first region starts outside; one image
    (1, 5, 5, 4, 2, 3, 0, 3),  # the last region is clipped
    (2, 7, 7, 3, 3, 2, 0, 3),  # pixels between regions
    (2, 5, 5, 3, 5, 4, -2, 1),  # as many regions as pixels
    (1, 4, 4, 2, 1, 9, -2, 1),  # one region, larger than the image
    (2, 3, 3, 2, 3, 1, 0, 1),
    (2, 6, 6, 2, 2, 3, 1, 2),  # the first pixels belong to no region
]


def pooled(images, out, size, start, stride, what):
    channels, height, width, count = images.shape
    rows, columns = (regions(n, out, size, start, stride) for n in (height, width))
    result = np.empty((channels, out, out, count), np.float32)
    for oy, ys in enumerate(rows):
        for ox, xs in enumerate(columns):
            pixels = [images[:, y, x] for y in ys for x in xs]
            result[:, oy, ox] = what(pixels)
    return result


def first_to_last(combine, start):
    def reduce(pixels):
        total = np.full_like(pixels[0], start)
        for pixel in pixels:
            total = combine(total, pixel)
        return total

    return reduce


def mean(pixels):
    return first_to_last(lambda a, b: a + b, 0)(pixels) / np.float32(len(pixels))


def max_abs(pixels):
    return first_to_last(lambda a, b: np.where(np.abs(a) > np.abs(b), a, b), 0)(pixels)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(
    ("operation", "what"),
    [("pool_max", first_to_last(np.maximum, -2e38)), ("pool_maxabs", max_abs), ("pool_avg", mean)],
)
def test_regions_are_pooled_in_raster_order(engine, geometry, operation, what):
    channels, height, width, count, out, size, start, stride = geometry
    images, targets = random(1, channels, height, width, count, grid=4), unread(channels, out, out, count)
    getattr(engine, operation)(images, targets, size_x=size, start=start, stride=stride)
    assert_same_bits(targets, pooled(images, out, size, start, stride, what))


def test_a_maximum_passes_over_nan_and_starts_from_a_finite_number(engine):
    images, targets = random(2, 1, 4, 4, 2), unread(1, 2, 2, 2)
    images[0, 0, 0, 0] = np.nan
    images[0, :2, :2, 1] = -np.inf
    engine.pool_max(images, targets, size_x=2, start=0, stride=2)
    assert targets[0, 0, 0, 0] == max(images[0, 0, 1, 0], images[0, 1, 0, 0], images[0, 1, 1, 0])
    assert targets[0, 0, 0, 1] == np.float32(-2e38)


def max_grads(images, grads, acts, size, start, stride):
    _, height, width, _ = images.shape
    result = np.zeros_like(images)
    for oy, ys in enumerate(regions(height, acts.shape[1], size, start, stride)):
        for ox, xs in enumerate(regions(width, acts.shape[2], size, start, stride)):
            for y in ys:
                for x in xs:
                    result[:, y, x] += grads[:, oy, ox] * (images[:, y, x] == acts[:, oy, ox])
    return result


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("scales", [(0, 1), (1, 1), (0.5, 2), (0, 0.3)])
def test_every_maximum_gets_the_whole_gradient(engine, geometry, scales):
    channels, height, width, count, out, size, start, stride = geometry
    images = random(3, channels, height, width, count, grid=2)  # many ties
    acts, grads = np.empty((channels, out, out, count), np.float32), random(4, channels, out, out, count)
    engine.pool_max(images, acts, size_x=size, start=start, stride=stride)
    before = random(5, *images.shape) if scales[0] else unread(*images.shape)
    targets = before.copy()
    engine.pool_max_undo(
        images,
        grads,
        acts,
        targets,
        size_x=size,
        start=start,
        stride=stride,
        scale_targets=scales[0],
        scale_output=scales[1],
    )
    result = np.float32(scales[1]) * max_grads(images, grads, acts, size, start, stride)
    assert_same_bits(targets, result if scales[0] == 0 else np.float32(scales[0]) * before + result)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("scale_targets", [0, 1])
def test_an_averages_gradient_is_divided_by_the_clipped_area(engine, geometry, scale_targets):
    channels, height, width, count, out, size, start, stride = geometry
    grads, before = random(6, channels, out, out, count), random(7, channels, height, width, count)
    targets = before.copy() if scale_targets else unread(*before.shape)
    engine.pool_avg_undo(grads, targets, size_x=size, start=start, stride=stride, scale_targets=scale_targets)
    plain = scale_targets * before.astype(np.float64)
    for oy, ys in enumerate(regions(height, out, size, start, stride)):
        for ox, xs in enumerate(regions(width, out, size, start, stride)):
            for y in ys:
                for x in xs:
                    plain[:, y, x] += grads[:, oy, ox] / (len(ys) * len(xs))
    assert_close(targets, plain, 6)


def test_images_larger_than_a_band_give_the_same_bits_with_any_number_of_threads():
    from cuda_convnet.engines import get_engine

    images, grads = random(8, 2, 61, 61, 100), random(9, 2, 30, 30, 100)
    results = []
    for threads in (1, 3):
        engine, acts, targets = get_engine("numpy", threads), unread(2, 30, 30, 100), unread(*images.shape)
        engine.pool_max(images, acts, size_x=3, start=0, stride=2)
        engine.pool_max_undo(images, grads, acts, targets, size_x=3, start=0, stride=2)
        results.append((acts, targets))
    for one, other in zip(*results, strict=True):
        assert_same_bits(one, other)
    assert_same_bits(results[0][1], max_grads(images, grads, results[0][0], 3, 0, 2))


@pytest.mark.parametrize(
    ("pooled_shape", "window", "message"),
    [
        ((2, 3, 3, 4), {"size_x": 3, "start": 0, "stride": 3}, "2 would fit"),
        ((2, 2, 2, 5), {"size_x": 3, "start": 0, "stride": 2}, "same channels and images"),
        ((3, 2, 2, 4), {"size_x": 3, "start": 0, "stride": 2}, "same channels and images"),
        ((2, 2, 2, 4), {"size_x": 0, "start": 0, "stride": 2}, "at least 1"),
        ((2, 2, 2, 4), {"size_x": 2, "start": -2, "stride": 2}, "outside"),
    ],
)
def test_regions_that_do_not_fit_are_refused(engine, pooled_shape, window, message):
    with pytest.raises(EngineError, match=message):
        engine.pool_max(random(0, 2, 5, 5, 4), unread(*pooled_shape), **window)


def test_gradients_of_another_shape_than_the_acts_are_refused(engine):
    images, acts = random(0, 2, 5, 5, 4), random(1, 2, 2, 2, 4)
    with pytest.raises(EngineError, match="max_grads"):
        engine.pool_max_undo(images, acts[:1].copy(), acts, images.copy(), size_x=3, start=0, stride=2)


def test_arrays_with_gaps_in_memory_are_refused(engine):
    with pytest.raises(EngineError, match="pool_max: images is float32, not in C order"):
        engine.pool_max(random(0, 2, 5, 5, 8)[..., ::2], unread(2, 2, 2, 4), size_x=3, start=0, stride=2)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_random_pooling_takes_the_pixel_that_a_word_of_the_stream_names(engine, geometry):
    channels, height, width, count, out, size, start, stride = geometry
    images, targets, counter = random(1, channels, height, width, count), unread(channels, out, out, count), 7
    engine.pool_rand(
        images, targets, size_x=size, start=start, stride=stride, key=(145, 2012), counter=counter
    )
    raw = np.random.Philox(key=np.array((145, 2012), np.uint64), counter=counter).random_raw(targets.size)
    words = [half for word in raw.tolist() for half in (word & 0xFFFFFFFF, word >> 32)]
    rows, columns = (regions(n, out, size, start, stride) for n in (height, width))
    for i, (c, oy, ox, n) in enumerate(np.ndindex(*targets.shape)):
        pixels = [images[c, y, x, n] for y in rows[oy] for x in columns[ox]]
        assert targets[c, oy, ox, n] == pixels[words[i] * len(pixels) // 2**32]
