"""super_update.cu and constraints.cu."""

import numpy as np
import pytest
from beside import NUMPY, after, assert_same_bits, unread, values

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.errors import EngineError

SHAPES = [(1, 1), (33, 5), (7, 129), (300, 2)]

shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def down(matrix):
    total = matrix[0].copy()
    for row in matrix[1:]:
        total += row
    return total


def assert_close(operation, output, ours, expected, arrays, **scalars):
    bound = OPERATIONS[operation].bound("numpy", output, {**arrays, **scalars, "original": expected})
    assert bound.share(difference(expected, ours)) <= 1


@shapes
def test_the_update_in_units_of_the_spread_rounds_as_the_original_does(engine, shape):
    inc, grad, first = values(1, *shape), values(2, *shape), values(3, *shape) / 100
    second = np.square(values(4, *shape)) + 1
    scalars = {"eps": 0.01, "mom": 0.95, "super_eps": 0.1}
    mom, rest = np.float32(0.95), 1 - np.float32(0.95)
    new_first = fma(first, mom, rest * grad)
    new_second = fma(second, mom, rest * grad * grad)
    change = np.float32(0.01) * (grad / np.sqrt(new_second - new_first + np.float32(0.1)))
    new_inc = (0.9 * inc.astype(np.float64) + change).astype(np.float32)

    arrays = {"inc": inc, "grad": grad, "grad_avg": first, "grad2_avg": second}
    ours = after(engine, "super_update", arrays, **scalars)
    assert_same_bits(ours["grad_avg"], new_first)
    assert_same_bits(ours["grad2_avg"], new_second)
    assert_same_bits(ours["inc"], new_inc)
    assert_same_bits(ours["grad"], grad)
    expected = after(NUMPY, "super_update", arrays, **scalars)
    for name in ("inc", "grad_avg", "grad2_avg"):
        assert_close("super_update", name, ours[name], expected[name], arrays, **scalars)


@shapes
def test_columns_longer_than_the_norm_are_scaled_back_to_it(engine, shape):
    weights = values(1, *shape)
    squares = down(weights * weights)
    norm = float(np.sqrt(np.median(squares)))
    limit = np.float32(norm)
    factor = np.where(squares > limit * limit, limit / np.sqrt(squares), np.float32(1))
    ours = after(engine, "constrain_ball", {"weights": weights}, norm=norm)["weights"]
    assert_same_bits(ours, weights * factor)
    expected = after(NUMPY, "constrain_ball", {"weights": weights}, norm=norm)["weights"]
    assert_close("constrain_ball", "weights", ours, expected, {"weights": weights})


@shapes
def test_columns_whose_spread_leaves_the_limits_are_scaled_to_them(engine, shape):
    weights = values(1, *shape) * np.linspace(0.5, 2, shape[1], dtype=np.float32)
    part = np.float32(-1) / np.float32(shape[0])
    centred = weights + down(weights) * part
    spread = np.sqrt(down(centred * centred)) * -part
    limits = np.percentile(spread, [30, 70]).astype(np.float32)
    with np.errstate(all="ignore"):
        above = np.where(spread > limits[1], limits[1] / spread, np.float32(1))
        factor = np.where(spread < limits[0], limits[0] / spread, above)
    scalars = {"norm_min": float(limits[0]), "norm_max": float(limits[1])}
    ours = after(engine, "constrain_contrast", {"weights": weights}, **scalars)["weights"]
    assert_same_bits(ours, weights * factor)


def test_weights_within_the_limits_stay_as_they_are(engine):
    weights = values(1, 33, 40)
    ours = after(engine, "constrain_ball", {"weights": weights}, norm=100.0)["weights"]
    assert_same_bits(ours, weights)
    limits = {"norm_min": 0.0, "norm_max": 100.0}
    assert_same_bits(after(engine, "constrain_contrast", {"weights": weights}, **limits)["weights"], weights)


@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 5), (6,)], ids=str)
@pytest.mark.parametrize(
    ("operation", "scalars"),
    [("constrain_ball", {"norm": 1.0}), ("constrain_contrast", {"norm_min": 1.0, "norm_max": 2.0})],
)
def test_weights_that_are_no_matrix_are_named(engine, shape, operation, scalars):
    with pytest.raises(EngineError, match=rf"^{operation}: weights"):
        after(engine, operation, {"weights": unread(*shape)}, **scalars)


def test_averages_of_another_shape_are_named(engine):
    arrays = {name: values(1, 3, 4) for name in ("inc", "grad", "grad_avg")} | {"grad2_avg": values(1, 4, 3)}
    with pytest.raises(EngineError, match=r"^super_update: grad2_avg \(4, 3\)"):
        after(engine, "super_update", arrays, eps=1.0, mom=0.9, super_eps=1.0)
