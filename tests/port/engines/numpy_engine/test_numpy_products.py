"""Matrix products of the NumPy engine."""

from __future__ import annotations

import numpy as np
import pytest

from cuda_convnet.engines import get_engine
from cuda_convnet.errors import EngineError


def operands(rows, inner, columns, trans_a, trans_b):
    random = np.random.default_rng(rows + 10 * inner + 100 * columns)
    a = random.standard_normal((inner, rows) if trans_a else (rows, inner), np.float32)
    b = random.standard_normal((columns, inner) if trans_b else (inner, columns), np.float32)
    return a, b, random.standard_normal((rows, columns), np.float32)


@pytest.mark.parametrize("scales", [(0.0, 1.0), (0.0, 0.5), (1.0, 1.0), (0.9, 1 / 128)])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (70, 40, 600), (300, 128, 130), (2, 2000, 3)])
def test_a_product_is_scaled_into_its_result(engine, shape, trans_a, trans_b, scales):
    a, b, before = operands(*shape, trans_a, trans_b)
    scale_this, scale_ab = scales
    result = before.copy() if scale_this else np.full_like(before, np.nan)
    engine.matrix_add_product(
        a, b, result, trans_a=trans_a, trans_b=trans_b, scale_this=scale_this, scale_ab=scale_ab
    )
    product = (a.T if trans_a else a).astype(np.float64) @ (b.T if trans_b else b)
    exact = scale_this * before + scale_ab * product
    np.testing.assert_allclose(result, exact, rtol=0, atol=2e-6 * np.abs(exact).max())


def test_a_product_over_nothing_is_zero(engine):
    result = np.full((3, 4), np.nan, np.float32)
    engine.matrix_add_product(np.empty((3, 0), np.float32), np.empty((0, 4), np.float32), result)
    assert not result.any()


@pytest.mark.parametrize("shape", [(1000, 300, 700), (64, 4096, 128), (2048, 128, 100)])
def test_a_product_is_the_same_bits_with_any_number_of_threads(shape):
    a, b, before = operands(*shape, trans_a=True, trans_b=False)
    results = []
    for threads in (1, 2, 3):
        engine = get_engine("numpy", threads=threads)
        for scale_this in (0.0, 0.9):
            result = before.copy()
            engine.matrix_add_product(a, b, result, trans_a=True, scale_this=scale_this)
            results.append(result.tobytes())
    assert results == results[:2] * 3


@pytest.mark.parametrize(
    ("a", "b", "result", "message"),
    [
        ((3, 4), (5, 2), (3, 2), r"\(3, 4\) times \(5, 2\) does not make \(3, 2\)"),
        ((3, 4), (4, 2), (2, 3), r"does not make \(2, 3\)"),
        ((3, 4), (4,), (3, 1), "they must be matrices"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(engine, a, b, result, message):
    with pytest.raises(EngineError, match=message):
        engine.matrix_add_product(*(np.zeros(shape, np.float32) for shape in (a, b, result)))


def test_other_types_are_refused(engine):
    matrix = np.zeros((2, 2), np.float32)
    with pytest.raises(EngineError, match="float64"):
        engine.matrix_add_product(matrix, matrix.astype(np.float64), matrix)
