"""local_pool.cu, local_pool_undo.cu and local_random_pool.cu, bit for bit."""

import numpy as np
import pytest
from beside import assert_as_numpy, assert_same_bits, replayed, result, unread, values

from cuda_convnet.engines.kernel_engine.launch_table import pooling as table
from cuda_convnet.engines.kernel_engine.launch_table.grids import MOST, check_size
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.regions import Line, Regions
from cuda_convnet.errors import EngineError

ARCHIVED = {"pool_max": 12, "pool_maxabs": 2, "pool_avg": 8, "pool_max_undo": 8, "pool_avg_undo": 6}
POOLINGS = ["pool_max", "pool_maxabs", "pool_avg"]
SCALES = [(0.0, 1.0), (0.0, 0.3), (1.0, 1.0), (0.5, -2.0)]

#      pixels, outputs of both directions, size, start, stride
GEOMETRIES = {
    "overlap": ((7, 7), (3, 3), 3, 0, 2),
    "oblong": ((6, 9), (3, 5), 3, -1, 2),
    "clipped": ((5, 5), (2, 2), 3, 0, 3),
    "apart": ((7, 8), (3, 2), 2, 0, 3),
    "dense": ((5, 4), (5, 4), 4, -2, 1),
    "whole": ((4, 4), (1, 1), 9, -2, 1),
    "inside": ((6, 6), (2, 2), 3, 1, 2),
    "tiles": ((9, 7), (9, 7), 6, -3, 1),
    "tile": ((8, 8), (3, 3), 6, 0, 1),
}
MAPS_AND_IMAGES = [(3, 33), (8, 1), (16, 64), (4, 128)]
KEY = (145, 2012)

geometries = pytest.mark.parametrize("geometry", GEOMETRIES)
counts = pytest.mark.parametrize(("maps", "images"), MAPS_AND_IMAGES)


def arrays_of(geometry, maps, images, grid=4):
    pixels, outputs, size_x, start, stride = GEOMETRIES[geometry]
    arrays = {
        "images": values(1, maps, *pixels, images, grid=grid),
        "targets": unread(maps, *outputs, images),
    }
    return arrays, {"size_x": size_x, "start": start, "stride": stride}


def line(pixels, outputs, size_x, start, stride):
    return Line(pixels, outputs, size_x, start, stride)


@pytest.mark.parametrize("operation", ARCHIVED)
def test_every_archived_case_is_reproduced_bit_for_bit(engine, operation, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == ARCHIVED[operation]
    assert [case for case in cases if not case.bitwise] == []


@pytest.mark.parametrize("operation", POOLINGS)
@geometries
@counts
def test_regions_are_pooled_in_raster_order(engine, operation, geometry, maps, images):
    arrays, where = arrays_of(geometry, maps, images)
    assert_as_numpy(engine, operation, arrays, **where)


@pytest.mark.parametrize("maps", [1, 2, 5, 6])
@pytest.mark.parametrize("geometry", ["overlap", "tiles"])
def test_any_number_of_maps_is_pooled(engine, geometry, maps):
    arrays, where = arrays_of(geometry, maps, 3)
    assert_as_numpy(engine, "pool_avg", arrays, **where)


@pytest.mark.parametrize("geometry", ["overlap", "tiles"])
def test_a_maximum_passes_over_nan_and_starts_from_a_finite_number(engine, geometry):
    arrays, where = arrays_of(geometry, 1, 3)
    arrays["images"][..., 0] = np.nan
    arrays["images"][:, 0, 0, 1] = np.nan
    arrays["images"][..., 2] = -np.inf
    pooled = result(engine, "pool_max", arrays, **where)
    assert (pooled[..., [0, 2]] == np.float32(-2e38)).all()
    assert np.isfinite(pooled).all()


@pytest.mark.parametrize("geometry", ["overlap", "tiles"])
@pytest.mark.parametrize("first", [-0.0, 0.0])
def test_of_two_zeros_the_first_is_the_maximum(engine, geometry, first):
    arrays, where = arrays_of(geometry, 2, 33)
    rows, columns = np.indices(arrays["images"].shape[1:3])
    arrays["images"][:] = np.float32(-first)
    arrays["images"][:, (rows % where["size_x"] == 0) & (columns % where["size_x"] == 0)] = np.float32(first)
    pooled = result(engine, "pool_max", arrays, **where)
    y, x = (line(*sizes, **where) for sizes in zip(*GEOMETRIES[geometry][:2], strict=True))
    begins_y, begins_x = ([way.clipped(region)[0] for region in range(way.regions)] for way in (y, x))
    taken = arrays["images"][:, begins_y][:, :, begins_x]
    assert len(np.unique(np.signbit(taken))) == 2
    assert_same_bits(pooled, taken)


def gradients(geometry, maps, images, scale_targets):
    arrays, where = arrays_of(geometry, maps, images, grid=2)  # many ties
    pooled = arrays["targets"].shape
    before = values(3, *arrays["images"].shape) if scale_targets else unread(*arrays["images"].shape)
    return arrays, where, values(2, *pooled), before


@geometries
@counts
@pytest.mark.parametrize("scales", SCALES, ids=str)
def test_every_maximum_gets_the_whole_gradient(engine, geometry, maps, images, scales):
    arrays, where, grads, before = gradients(geometry, maps, images, scales[0])
    acts = result(engine, "pool_max", arrays, **where)
    undone = {"images": arrays["images"], "max_grads": grads, "max_acts": acts, "targets": before}
    assert_as_numpy(engine, "pool_max_undo", undone, scale_targets=scales[0], scale_output=scales[1], **where)


def spread(pixels, grads, size_x, start, stride):
    """The gradient of average pooling: regions in raster order, one fused multiply-add each."""
    total = np.zeros((len(grads), *pixels, grads.shape[3]), np.float32)
    y, x = (line(p, o, size_x, start, stride) for p, o in zip(pixels, grads.shape[1:3], strict=True))
    for oy in range(y.regions):
        for ox in range(x.regions):
            rows, columns = slice(*y.clipped(oy)), slice(*x.clipped(ox))
            area = (rows.stop - rows.start) * (columns.stop - columns.start)
            seen = total[:, rows, columns]
            share = np.broadcast_to(grads[:, oy, ox][:, None, None], seen.shape)
            total[:, rows, columns] = fma(share, np.float32(1) / np.float32(area), seen)
    return total


@geometries
@counts
@pytest.mark.parametrize("scales", SCALES, ids=str)
def test_an_average_s_gradient_is_divided_by_the_clipped_area(engine, geometry, maps, images, scales):
    arrays, where, grads, before = gradients(geometry, maps, images, scales[0])
    pixels = arrays["images"].shape[1:3]
    scaled = np.float32(scales[1]) * spread(pixels, grads, **where)
    expected = fma(before, scales[0], scaled) if scales[0] else scaled
    undone = {"avg_grads": grads, "targets": before}
    ours = result(engine, "pool_avg_undo", undone, scale_targets=scales[0], scale_output=scales[1], **where)
    assert_same_bits(ours, expected)


@geometries
@counts
def test_random_pooling_takes_the_pixels_that_the_stream_names(engine, geometry, maps, images):
    arrays, where = arrays_of(geometry, maps, images, grid=None)
    assert_as_numpy(engine, "pool_rand", arrays, **where, key=KEY, counter=(1 << 64) - 1)


def test_each_pixel_of_a_region_is_taken_as_often_as_the_others(engine):
    images = np.broadcast_to(np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1), (2, 3, 4, 6000))
    arrays = {"images": np.ascontiguousarray(images), "targets": unread(2, 1, 2, 6000)}
    taken = result(engine, "pool_rand", arrays, size_x=3, start=0, stride=2, key=KEY, counter=5)
    for column, pixels in enumerate([[0, 1, 2, 4, 5, 6, 8, 9, 10], [2, 3, 6, 7, 10, 11]]):
        found, times = np.unique(taken[:, 0, column], return_counts=True)
        assert found.tolist() == pixels
        np.testing.assert_allclose(times / 12000, 1 / len(pixels), atol=0.012)


def test_random_pooling_is_a_function_of_key_and_counter(engine):
    arrays, where = arrays_of("overlap", 4, 64, grid=None)
    one, same, key, counter = (
        result(engine, "pool_rand", arrays, **where, key=k, counter=c)
        for k, c in [(KEY, 1), (KEY, 1), ((145, 2011), 1), (KEY, 1 << 64)]
    )
    assert_same_bits(one, same)
    assert 0 < (one == key).mean() < 0.3
    assert 0 < (one == counter).mean() < 0.3


def test_the_pixel_that_was_taken_gets_the_gradient(engine):
    arrays, where = arrays_of("apart", 4, 5, grid=None)
    acts = result(engine, "pool_rand", arrays, **where, key=KEY, counter=0)
    undone = {"images": arrays["images"], "max_grads": np.ones_like(acts), "max_acts": acts}
    grads = result(engine, "pool_max_undo", undone | {"targets": unread(*arrays["images"].shape)}, **where)
    assert grads.sum() == acts.size
    assert np.isin(arrays["images"][grads == 1], acts).all()


@pytest.mark.parametrize("operation", [*POOLINGS, "pool_rand"])
def test_regions_outside_the_image_are_refused(engine, operation):
    arrays = {"images": values(1, 1, 8, 8, 1), "targets": unread(1, 4, 4, 1)}
    stream = {"key": KEY, "counter": 0} if operation == "pool_rand" else {}
    with pytest.raises(EngineError, match="some lie outside the 8 pixels; 3 would fit"):
        result(engine, operation, arrays, size_x=3, start=0, stride=3, **stream)


def test_gradients_of_another_shape_are_refused(engine):
    arrays, where = arrays_of("overlap", 2, 3)
    grads, acts = unread(2, 3, 3, 4), arrays["targets"]
    undone = {"images": arrays["images"], "max_grads": grads, "max_acts": acts, "targets": arrays["images"]}
    with pytest.raises(EngineError, match=r"max_grads .* must have the shape of max_acts"):
        result(engine, "pool_max_undo", undone, **where)


def test_of_no_images_nothing_is_pooled(engine):
    arrays, where = arrays_of("overlap", 4, 0)
    assert result(engine, "pool_max", arrays, **where).shape == (4, 3, 3, 0)


def regions(size_x, start, stride, pixels=10, outputs=5):
    both = line(pixels, outputs, size_x, start, stride)
    return Regions(both, both)


#                 maps, images, template, blocks
@pytest.mark.parametrize(
    ("maps", "images", "template", "blocks"),
    [
        (96, 128, (4, 32, 4, 2, False), 1 * 12),
        (64, 64, (4, 32, 2, 2, False), 1 * 8),
        (16, 192, (4, 32, 2, 2, False), 3 * 2),
        (12, 96, (4, 32, 1, 1, False), 3 * 3),
        (3, 100, (4, 32, 1, 1, True), 4 * 1),
        (8, 1, (4, 32, 1, 2, True), 1 * 1),
    ],
)
def test_regions_are_dealt_by_the_rules_of_2012(maps, images, template, blocks):
    launch = table.local_pool("MaxPooler", regions(3, 0, 2), maps, images)
    assert launch.instance.startswith("localPool<MaxPooler, ")
    assert launch.template[1:] == template
    assert launch.grid == (blocks * 25, 1, 1)
    assert launch.block == (32, 4, 1)


@pytest.mark.parametrize(
    ("maps", "images", "template", "blocks"),
    [
        (16, 256, (8, 8, 4, False), 4 * 4),
        (6, 64, (8, 4, 3, False), 2 * 2),
        (10, 33, (8, 4, 2, True), 2 * 5),
        (5, 31, (8, 4, 1, True), 1 * 5),
    ],
)
def test_large_regions_at_every_pixel_are_dealt_in_tiles(maps, images, template, blocks):
    launch = table.local_pool("AvgPooler", regions(6, -3, 1, 10, 10), maps, images)
    assert launch.kernel == "localPoolTiles"
    assert launch.template[1:] == template
    assert launch.grid == (blocks * 9, 1, 1)
    assert launch.block == (8, 16, 1)


@pytest.mark.parametrize(("size_x", "stride"), [(5, 1), (6, 2), (9, 3)])
def test_other_regions_are_not(size_x, stride):
    assert table.local_pool("AvgPooler", regions(size_x, 0, stride), 16, 128).kernel == "localPool"


@pytest.mark.parametrize(
    ("kernel", "maps", "per_thread"),
    [
        ("localMaxUndo", 16, 2),
        ("localMaxUndo", 12, 1),
        ("localAvgUndo", 32, 4),
        ("localAvgUndo", 24, 2),
        ("localAvgUndo", 3, 1),
    ],
)
def test_gradients_have_a_block_for_each_pixel(kernel, maps, per_thread):
    launch = table.local_pool_undo(kernel, regions(3, 0, 2), maps, 128)
    assert launch.template == (4, 32, 4, per_thread, False)
    assert launch.grid == (100 * -(-maps // (4 * per_thread)), 1, 1)


def test_what_int_cannot_count_is_refused():
    check_size("pool_max", images=(2, MOST // 2))
    with pytest.raises(
        EngineError,
        match=f"^pool_max: images of {MOST + 1} values are more than the {MOST} .*; take smaller arrays$",
    ):
        check_size("pool_max", targets=(1,), images=(2, (MOST + 1) // 2))
    assert MOST + 511 < 2**31  # where a thread past the last image may look whether it has one
