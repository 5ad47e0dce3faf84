"""elementwise.cu, matrix_vector.cu, matrix_sums.cu, transpose.cu and tile.cu."""

import numpy as np
import pytest
from beside import NUMPY, after, assert_same_bits, replayed, unread, values

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.kernel_engine.launch_table import matrices as table
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.errors import EngineError

ARCHIVED = {
    "matrix_add": 4,
    "matrix_add_sum": 9,
    "matrix_add_vector": 4,
    "matrix_mult_vector": 4,
    "matrix_divide_vector": 4,
    "matrix_sum": 22,
    "matrix_max": 22,
    "matrix_min": 22,
    "matrix_total_sum": 11,
    "matrix_total_max": 11,
    "matrix_total_min": 11,
    "matrix_dot": 9,
    "matrix_transpose": 4,
    "dropout_test": 6,
}
SHAPES = [(1,), (33, 5), (2, 3, 4, 65), (257, 3)]
MATRICES = [(1, 1), (1, 200), (3, 64), (33, 65), (130, 7), (5, 129)]
ROWS = [(1, 2), (3, 33), (2, 64), (2, 65), (4, 128), (2, 129), (1, 257), (3, 511)]
WIDE = [(1, 512), (3, 600), (2, 2049)]
MANY = [(16384, 2), (16385, 17), (16390, 70)]
SIZES = [1, 2, 3, 512, 4096, 4097, 5000, 40000]

shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
matrices = pytest.mark.parametrize("shape", MATRICES, ids=str)
axes = pytest.mark.parametrize("axis", [0, 1])


@pytest.mark.parametrize("operation", ARCHIVED)
def test_every_archived_case_is_reproduced_bit_for_bit(engine, operation, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == ARCHIVED[operation]
    assert [case for case in cases if not case.bitwise] == []


def test_archived_products_are_within_their_bound(engine, tmp_path):
    cases = replayed(engine, "matrix_add_product", tmp_path)
    assert len(cases) == 5
    assert [case for case in cases if not case.ok] == []


# --- elementwise ---


@shapes
@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, -0.3), (0.7, 1.0), (0.7, -1.3)], ids=str)
def test_of_a_sum_of_products_one_is_fused(engine, shape, scales):
    a, b = values(1, *shape), values(2, *shape)
    scale_a, scale_b = map(np.float32, scales)
    expected = fma(b, scale_b, a) if scale_a == 1 else fma(a, scale_a, b * scale_b)
    arrays = {"a": a, "b": b, "result": unread(*shape)}
    ours = after(engine, "matrix_add", arrays, scale_a=scales[0], scale_b=scales[1])
    assert_same_bits(ours["result"], expected)


@shapes
def test_entries_are_scaled_squared_and_multiplied(engine, shape):
    a, b, before = values(1, *shape), values(2, *shape), values(3, *shape)
    new = unread(*shape)
    assert_same_bits(
        after(engine, "matrix_scale", {"a": a, "result": new}, scale=0.3)["result"], a * np.float32(0.3)
    )
    assert_same_bits(after(engine, "matrix_square", {"a": a, "result": new})["result"], a * a)
    assert_same_bits(after(engine, "matrix_mult", {"a": a, "b": b, "result": new})["result"], a * b)
    added = after(engine, "matrix_mult", {"a": a, "b": b, "result": before}, add=True)["result"]
    assert_same_bits(added, fma(a, b, before))


def test_a_matrix_larger_than_the_grid_is_covered(engine):
    size = table.ENOUGH_BLOCKS * table.THREADS + 3
    arrays = {"a": values(1, size), "result": unread(size)}
    assert_same_bits(after(engine, "matrix_scale", arrays, scale=2.0)["result"], 2 * arrays["a"])


def test_the_result_may_be_an_operand(engine):
    a, b = values(1, 33, 5), values(2, 33, 5)
    held, other = engine.from_host(a), engine.from_host(b)
    engine.matrix_add(held, other, held)
    engine.matrix_mult(other, held, held)
    engine.matrix_square(held, held)
    engine.matrix_scale(held.reshape(-1), held.reshape(-1), scale=0.5)
    engine.matrix_add_vector(held, engine.from_host(b[:, 0].copy()), held, axis=0)
    product = (a + b) * b
    assert_same_bits(engine.to_host(held), product * product * np.float32(0.5) + b[:, :1])


def test_nothing_is_done_to_nothing(engine):
    nothing = unread(0, 3)
    assert after(engine, "matrix_scale", {"a": nothing, "result": nothing}, scale=1.0)["a"].shape == (0, 3)


# --- vectors ---


@matrices
@axes
@pytest.mark.parametrize("operation", ["matrix_add_vector", "matrix_mult_vector", "matrix_divide_vector"])
def test_a_vector_goes_along_rows_or_columns(engine, shape, axis, operation):
    arrays = {"matrix": values(1, *shape), "vec": values(2, shape[axis]), "result": unread(*shape)}
    scale = {"scale_vec": -0.3} if operation == "matrix_add_vector" else {}
    ours, expected = (after(e, operation, arrays, axis=axis, **scale)["result"] for e in (engine, NUMPY))
    assert_same_bits(ours, expected)


def test_a_matrix_of_many_columns_and_rows_has_its_vector(engine):
    shape = 300, 64 * 30 + 1
    for axis in (0, 1):
        arrays = {"matrix": values(1, *shape), "vec": values(2, shape[axis]), "result": unread(*shape)}
        ours, expected = (after(e, "matrix_mult_vector", arrays, axis=axis) for e in (engine, NUMPY))
        assert_same_bits(ours["result"], expected["result"])


# --- sums and extremes ---


def down(matrix):
    """Row after row: one sum for each column."""
    total = matrix[0].copy()
    for row in matrix[1:]:
        total = row + total
    return total


def padded(matrix, width):
    return np.pad(matrix, ((0, 0), (0, width - matrix.shape[1])))


def strided(matrix, step):
    """The sums of every `step`-th entry of each row, from 0."""
    width = -(-matrix.shape[1] // step) * step
    pieces = padded(matrix, width).reshape(len(matrix), -1, step).swapaxes(0, 1)
    return down(np.concatenate([np.zeros_like(pieces[:1]), pieces]))


def halves(matrix):
    while matrix.shape[1] > 1:
        half = matrix.shape[1] // 2
        matrix = matrix[:, :half] + matrix[:, half:]
    return matrix[:, 0]


def pairs(matrix):
    while matrix.shape[1] > 1:
        matrix = matrix[:, ::2] + matrix[:, 1::2]
    return matrix[:, 0]


def row_sums(matrix):
    rows, width = matrix.shape
    if rows >= 16384:
        return down(np.concatenate([np.zeros((1, rows), np.float32), strided(matrix, 32).T]))
    if width >= 512:
        return pairs(strided(matrix, 256))
    return halves(padded(matrix, max(64, 1 << (width - 1).bit_length())))


@pytest.mark.parametrize("shape", MATRICES + WIDE, ids=str)
def test_columns_are_summed_straight_down(engine, shape):
    matrix = values(1, *shape)
    arrays = {"matrix": matrix, "result": unread(shape[1])}
    assert_same_bits(after(engine, "matrix_sum", arrays, axis=0)["result"], down(matrix))


@pytest.mark.parametrize("shape", ROWS + WIDE + MANY, ids=str)
def test_rows_are_summed_in_the_order_of_their_shape(engine, shape):
    matrix = values(1, *shape)
    arrays = {"matrix": matrix, "result": unread(shape[0])}
    assert_same_bits(after(engine, "matrix_sum", arrays, axis=1)["result"], row_sums(matrix))


@pytest.mark.parametrize("shape", [(3, 33), (2, 600), (16384, 2), (7, 130)], ids=str)
@axes
def test_sums_are_scaled_and_accumulated(engine, shape, axis):
    matrix = values(1, *shape)
    sums = row_sums(matrix) if axis else down(matrix)
    fresh = {"matrix": matrix, "vec": unread(sums.size)}
    ours = after(engine, "matrix_add_sum", fresh, axis=axis, scale_sum=0.3)["vec"]
    assert_same_bits(ours, np.float32(0.3) * sums)
    before = values(2, sums.size)
    added = {"matrix": matrix, "vec": before}
    ours = after(engine, "matrix_add_sum", added, axis=axis, scale_this=0.9, scale_sum=0.3)["vec"]
    assert_same_bits(ours, fma(before, 0.9, np.float32(0.3) * sums))


def test_a_matrix_of_one_column_is_copied_whatever_the_scales(engine):
    arrays = {"matrix": values(1, 50, 1), "vec": values(2, 50)}
    ours = after(engine, "matrix_add_sum", arrays, axis=1, scale_this=0.5, scale_sum=0.25)["vec"]
    assert_same_bits(ours, arrays["matrix"][:, 0])


@pytest.mark.parametrize("shape", MATRICES + ROWS + WIDE + MANY, ids=str)
@axes
@pytest.mark.parametrize("operation", ["matrix_max", "matrix_min"])
def test_extremes_are_those_of_numpy_even_in_the_signs_of_zeros(engine, shape, axis, operation):
    sign = 1 if operation == "matrix_min" else -1
    matrix = np.where(values(1, *shape) > 0, np.float32(0), np.float32(-0.0))
    matrix[values(2, *shape) > 2] = sign
    arrays = {"matrix": matrix, "result": unread(shape[1 - axis])}
    ours, expected = (after(e, operation, arrays, axis=axis)["result"] for e in (engine, NUMPY))
    assert_same_bits(ours, expected)


@pytest.mark.parametrize("shape", [(2, 33), (1, 600), (1, 5000)], ids=str)
def test_extremes_beyond_those_of_the_original_are_found(engine, shape):
    low = engine.from_host(np.full(shape, -3e38, np.float32))
    high = engine.from_host(np.full(shape, 3e38, np.float32))
    row = engine.zeros((shape[0],))
    engine.matrix_max(low, row, axis=1)
    assert (engine.to_host(row) == np.float32(-3e38)).all()
    engine.matrix_min(high, row, axis=1)
    assert (engine.to_host(row) == np.float32(3e38)).all()
    assert engine.matrix_total_max(low) == -engine.matrix_total_min(high) == np.float32(-3e38)


def total(numbers):
    """What sums of a matrix make of it: many running sums, folded by blocks, until few are left."""
    while numbers.size > 4096:
        numbers = blocks(numbers, np.zeros(table.total_columns(numbers.size), np.float32))
    return down(np.concatenate([np.zeros(1, np.float32), numbers])[:, None])[0]


def blocks(numbers, running, other=None):
    columns = running.size
    for start in range(0, numbers.size, columns):
        piece = numbers[start : start + columns]
        if other is None:
            running[: piece.size] += piece
        else:
            running[: piece.size] = fma(piece, other[start : start + columns], running[: piece.size])
    whole = -(-columns // 512) * 512
    return halves(np.pad(running, (0, whole - columns)).reshape(-1, 512))


@pytest.mark.parametrize("size", SIZES)
def test_everything_is_summed_in_the_order_of_the_original(engine, size):
    numbers = values(1, size)
    assert engine.matrix_total_sum(engine.from_host(numbers)) == total(numbers)


@pytest.mark.parametrize("size", SIZES)
def test_the_dot_product_is_fused_in_the_order_of_the_original(engine, size):
    a, b = values(1, size), values(2, size)
    partial = blocks(a, np.zeros(table.total_columns(size), np.float32), b)
    assert engine.matrix_dot(engine.from_host(a), engine.from_host(b)) == total(partial)


@pytest.mark.parametrize("size", SIZES)
def test_the_largest_and_the_smallest_of_everything_are_found(engine, size):
    numbers = values(1, size)
    held = engine.from_host(numbers)
    assert engine.matrix_total_max(held) == numbers.max()
    assert engine.matrix_total_min(held) == numbers.min()


# --- products, transposes ---


@pytest.mark.parametrize("shape", [(1, 1, 1), (33, 17, 40), (5, 64, 3)], ids=str)
@pytest.mark.parametrize("trans", [(False, False), (True, False), (False, True), (True, True)], ids=str)
def test_products_are_scaled_and_accumulated(engine, shape, trans):
    rows, columns, inner = shape
    a = values(1, *((inner, rows) if trans[0] else (rows, inner)))
    b = values(2, *((columns, inner) if trans[1] else (inner, columns)))
    turned = {"trans_a": trans[0], "trans_b": trans[1]}
    for scales in ({}, {"scale_this": 0.9, "scale_ab": 0.3}):
        before = values(3, rows, columns) if scales else unread(rows, columns)
        arrays = {"a": a, "b": b, "result": before}
        ours = after(engine, "matrix_add_product", arrays, **turned, **scales)["result"]
        exact = (a.T if trans[0] else a).astype(np.float64) @ (b.T if trans[1] else b)
        expected = 0.9 * before + 0.3 * exact if scales else exact
        bound = OPERATIONS["matrix_add_product"].bound(
            "kernels", "result", {**arrays, **turned, **scales, "original": expected}
        )
        assert bound.share(difference(expected, ours)) <= 1


@matrices
def test_matrices_are_transposed(engine, shape):
    matrix = values(1, *shape)
    ours = after(engine, "matrix_transpose", {"matrix": matrix, "result": unread(*shape[::-1])})["result"]
    assert_same_bits(ours, np.ascontiguousarray(matrix.T))


@pytest.mark.parametrize(("shape", "times"), [((1, 1), (3, 5)), ((3, 7), (1, 1)), ((5, 33), (4, 31))])
def test_matrices_are_tiled(engine, shape, times):
    matrix = values(1, *shape)
    result = unread(*np.multiply(shape, times))
    assert_same_bits(
        after(engine, "matrix_tile", {"matrix": matrix, "result": result})["result"], np.tile(matrix, times)
    )


# --- what does not fit ---

WRONG = {
    "matrix_add": ({"a": (2, 3), "b": (3, 2), "result": (2, 3)}, {}),
    "matrix_scale": ({"a": (2, 3), "result": (6,)}, {"scale": 1.0}),
    "matrix_mult": ({"a": (2, 3), "b": (2, 3), "result": (2, 4)}, {}),
    "matrix_square": ({"a": (2, 3), "result": (3, 2)}, {}),
    "matrix_add_vector": ({"matrix": (2, 3), "vec": (3,), "result": (2, 3)}, {"axis": 0}),
    "matrix_mult_vector": ({"matrix": (2, 3, 1), "vec": (3,), "result": (2, 3, 1)}, {"axis": 1}),
    "matrix_divide_vector": ({"matrix": (2, 3), "vec": (3,), "result": (2, 3)}, {"axis": 2}),
    "matrix_sum": ({"matrix": (2, 3), "result": (3,)}, {"axis": 1}),
    "matrix_add_sum": ({"matrix": (0, 3), "vec": (3,)}, {"axis": 0}),
    "matrix_max": ({"matrix": (6,), "result": (6,)}, {"axis": 0}),
    "matrix_min": ({"matrix": (3, 0), "result": (3,)}, {"axis": 1}),
    "matrix_total_sum": ({"matrix": (0, 3)}, {}),
    "matrix_total_max": ({"matrix": (0,)}, {}),
    "matrix_total_min": ({"matrix": (3, 0)}, {}),
    "matrix_dot": ({"a": (2, 3), "b": (3, 2)}, {}),
    "matrix_add_product": ({"a": (2, 3), "b": (2, 3), "result": (2, 3)}, {}),
    "matrix_transpose": ({"matrix": (2, 3), "result": (2, 3)}, {}),
    "matrix_tile": ({"matrix": (2, 3), "result": (4, 7)}, {}),
}


@pytest.mark.parametrize("operation", WRONG)
def test_arrays_that_do_not_fit_are_named(engine, operation):
    wrong, scalars = WRONG[operation]
    with pytest.raises(EngineError, match=rf"^{operation}: "):
        after(engine, operation, {name: unread(*shape) for name, shape in wrong.items()}, **scalars)


# --- the launch table ---


@pytest.mark.parametrize(
    ("height", "width", "kernel", "threads"),
    [
        (3, 64, "aggregate_rows", 32),
        (3, 65, "aggregate_rows", 64),
        (3, 129, "aggregate_rows", 128),
        (3, 511, "aggregate_rows", 256),
        (16383, 512, "aggregate_wide_rows", 256),
        (16384, 512, "aggregate_many_rows", 256),
    ],
)
def test_rows_are_summed_by_the_rules_of_2012(height, width, kernel, threads):
    launch = table.aggregate("Sum", "Replace", height, width, axis=1)
    assert (launch.kernel, launch.threads) == (kernel, threads)


@pytest.mark.parametrize("shape", [(1, 2**31 - 1), (2**31 - 1, 1), (46340, 46340)], ids=str)
def test_no_matrix_is_too_large_for_a_grid(shape):
    launches = [
        table.matrix_vector("Divide", *shape, per_row=True),
        table.transpose(*shape),
        table.elementwise("elementwise.cu", "matrix_square", shape[0] * shape[1]),
        *(table.aggregate("Sum", "Replace", *shape, axis=axis) for axis in (0, 1)),
        table.total("dot_product", shape[0] * shape[1]),
    ]
    for launch in launches:
        assert 0 < launch.grid[0] < 2**31
        assert 0 < launch.grid[1] <= 65535
        assert launch.threads <= 1024


def test_running_sums_are_as_many_as_in_the_original():
    assert [table.total_columns(size) for size in (1, 2, 4097, 2**20)] == [1, 2, 316, 52429]
