import numpy as np
import pytest
from plain import assert_close, assert_same_bits, random, unread

from cuda_convnet.errors import EngineError

SHAPES = [(1, 1), (7, 5), (3, 200_001), (300_000, 2)]


def test_memory_is_copied_in_and_out(engine):
    host = random(1, 3, 4)
    ours = engine.from_host(host)
    host[0, 0] = 9
    assert ours[0, 0] != 9
    out = engine.to_host(ours)
    out[0, 0] = 7
    assert ours[0, 0] != 7
    assert engine.zeros((2, 3)).sum() == 0
    assert engine.empty((2, 3)).dtype == np.float32


def test_indices_stay_integers(engine):
    assert engine.from_host(np.array([[1, 2]], np.int64)).dtype == np.int32


def test_a_copy_needs_the_same_shape(engine):
    targets = unread(3, 4)
    engine.copy(random(1, 3, 4), targets)
    assert_same_bits(targets, random(1, 3, 4))
    with pytest.raises(EngineError, match="targets"):
        engine.copy(random(1, 4, 3), targets)


@pytest.mark.parametrize("shape", SHAPES)
def test_elementwise_arithmetic(engine, shape):
    a, b, result = random(1, *shape), random(2, *shape), unread(*shape)
    engine.matrix_add(a, b, result, scale_a=0.75, scale_b=-1.25)
    assert_close(result, 0.75 * a.astype(np.float64) - 1.25 * b, 3)
    engine.matrix_scale(a, result, scale=0.3)
    assert_same_bits(result, np.float32(0.3) * a)
    engine.matrix_mult(a, b, result)
    assert_same_bits(result, a * b)
    engine.matrix_square(a, result)
    assert_same_bits(result, a * a)


def test_a_product_is_added_to_what_is_there(engine):
    a, b, result = random(1, 4, 5), random(2, 4, 5), random(3, 4, 5)
    before = result.copy()
    engine.matrix_mult(a, b, result, add=True)
    assert_same_bits(result, before + a * b)


def test_a_result_may_be_an_operand(engine):
    a, b = random(1, 4, 5), random(2, 4, 5)
    expected = np.float32(0.9) * a + np.float32(0.1) * b
    engine.matrix_add(a, b, a, scale_a=0.9, scale_b=0.1)
    assert_same_bits(a, expected)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (3, 200_001), (90_000, 2)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_vector_goes_along_rows_or_columns(engine, shape, axis):
    matrix, result = random(1, *shape), unread(*shape)
    vec = np.abs(random(2, shape[axis])) + 1
    spread = vec[:, None] if axis == 0 else vec
    engine.matrix_add_vector(matrix, vec, result, axis=axis, scale_vec=-0.5)
    assert_close(result, matrix - 0.5 * spread, 3)
    engine.matrix_mult_vector(matrix, vec, result, axis=axis)
    assert_same_bits(result, matrix * spread)
    engine.matrix_divide_vector(matrix, vec, result, axis=axis)
    assert_same_bits(result, matrix / spread)


def test_a_vector_of_another_length_is_refused(engine):
    with pytest.raises(EngineError, match="one entry for each row"):
        engine.matrix_add_vector(random(1, 4, 5), random(2, 5), unread(4, 5), axis=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_sums_and_extremes_of_rows_and_columns(engine, shape, axis):
    matrix, count = random(1, *shape), shape[1 - axis]
    for vec in (unread(count), unread(1, count)):
        engine.matrix_sum(matrix, vec, axis=axis)
        size = np.sqrt((matrix.astype(np.float64) ** 2).sum(axis)).max()
        np.testing.assert_allclose(
            vec.ravel(),
            matrix.astype(np.float64).sum(axis),
            rtol=0,
            atol=2**-23 * size * np.sqrt(shape[axis]),
        )
        engine.matrix_max(matrix, vec, axis=axis)
        assert_same_bits(vec.ravel(), matrix.max(axis))
        engine.matrix_min(matrix, vec, axis=axis)
        assert_same_bits(vec.ravel(), matrix.min(axis))


@pytest.mark.parametrize("shape", SHAPES)
def test_totals(engine, shape):
    a, b = random(1, *shape) + 1, random(2, *shape)
    assert engine.matrix_total_sum(a) == pytest.approx(a.sum(dtype=np.float64), rel=1e-5)
    assert engine.matrix_total_max(a) == a.max()
    assert engine.matrix_total_min(a) == a.min()
    assert engine.matrix_dot(a, a) == pytest.approx((a.astype(np.float64) ** 2).sum(), rel=1e-5)
    assert engine.matrix_dot(a, b) == pytest.approx((a.astype(np.float64) * b).sum(), abs=1e-5 * a.size)


def test_sums_do_not_depend_on_the_number_of_threads():
    from cuda_convnet.engines import get_engine

    matrix = random(1, 9, 300_001)
    one, three = unread(9), unread(9)
    get_engine("numpy", 1).matrix_sum(matrix, one, axis=1)
    get_engine("numpy", 3).matrix_sum(matrix, three, axis=1)
    assert_same_bits(one, three)
    assert get_engine("numpy", 1).matrix_dot(matrix, matrix) == get_engine("numpy", 3).matrix_dot(
        matrix, matrix
    )


@pytest.mark.parametrize("scale_this", [0, 0.5])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_sum_is_added_to_a_vector(engine, axis, scale_this):
    matrix, before = random(1, 6, 7), random(2, 13 - (6, 7)[axis])
    vec = before.copy() if scale_this else unread(*before.shape)
    engine.matrix_add_sum(matrix, vec, axis=axis, scale_this=scale_this, scale_sum=0.25)
    assert_close(vec, scale_this * before.astype(np.float64) + 0.25 * matrix.astype(np.float64).sum(axis), 6)


def test_a_sum_over_a_single_column_is_a_copy_without_scales(engine):
    matrix, vec = random(1, 6, 1), random(2, 6)
    engine.matrix_add_sum(matrix, vec, axis=1, scale_this=0.5, scale_sum=0.25)
    assert_same_bits(vec, matrix[:, 0])


def test_a_sum_over_a_single_row_has_its_scales(engine):
    matrix, vec = random(1, 1, 6), unread(6)
    engine.matrix_add_sum(matrix, vec, axis=0, scale_sum=0.25)
    assert_same_bits(vec, np.float32(0.25) * matrix[0])


def test_nothing_has_no_extremes(engine):
    with pytest.raises(EngineError, match="nothing"):
        engine.matrix_total_max(np.zeros((0, 3), np.float32))
    with pytest.raises(EngineError, match="nothing"):
        engine.matrix_max(np.zeros((0, 3), np.float32), unread(3), axis=0)


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (1000, 700)])
def test_transposing(engine, shape):
    matrix, result = random(1, *shape), unread(*shape[::-1])
    engine.matrix_transpose(matrix, result)
    assert_same_bits(result, matrix.T)


@pytest.mark.parametrize("times", [(1, 1), (3, 1), (2, 5)])
def test_tiling(engine, times):
    matrix, result = random(1, 4, 6), unread(4 * times[0], 6 * times[1])
    engine.matrix_tile(matrix, result)
    assert_same_bits(result, np.tile(matrix, times))


def test_a_transpose_needs_room(engine):
    with pytest.raises(EngineError, match="does not fit"):
        engine.matrix_transpose(random(1, 2, 3), unread(2, 3))
