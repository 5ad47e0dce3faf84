"""neurons.cu."""

import numpy as np
import pytest
from beside import assert_same_bits, replayed, unread, values

from cuda_convnet.engines.bounds import Bitwise, difference
from cuda_convnet.engines.kernel_engine.launch_table import neurons as table
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.operations import NEURONS
from cuda_convnet.errors import EngineError

PARAMS = {"brelu": (1.5,), "linear": (0.7, -0.3), "tanh": (1.7159, 0.6667), "drelu": (2.0,), "log": (20.0,)}
ARCHIVED = {
    "neuron_abs": 1,
    "neuron_brelu": 1,
    "neuron_drelu_chm": 1,
    "neuron_ident": 1,
    "neuron_linear": 1,
    "neuron_logistic": 1,
    "neuron_relu": 2,
    "neuron_softrelu": 1,
    "neuron_softrelu_chm": 1,
    "neuron_sqrt": 1,
    "neuron_square": 1,
    "neuron_tanh": 2,
    "neuron_tanh_chm": 1,
}
"""The archived operations and how many cases they have, of three outputs each."""

SHAPES = [(1, 1), (3, 7), (33, 1), (5, 4, 3, 128), (530, 1000)]  # of the last a thread takes several entries


def unit_tanh(x, steepness):
    return 2 / (1 + np.exp(-2 * steepness * x)) - 1


FORMULAS = {
    "ident": (lambda x: x, lambda g, x, y: g),
    "relu": (lambda x: np.where(x < 0, 0, x), lambda g, x, y: g * (y > 0)),
    "brelu": (lambda x, a: np.clip(x, 0, a), lambda g, x, y, a: g * (y > 0) * (y < a)),
    "abs": (lambda x: np.where(x > 0, x, -x), lambda g, x, y: g * np.where(x > 0, 1, -1)),
    "square": (np.square, lambda g, x, y: g * 2 * x),
    "sqrt": (np.sqrt, lambda g, x, y: g / (2 * y)),
    "linear": (lambda x, a, b: a * x + b, lambda g, x, y, a, b: g * a),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda g, x, y: g * y * (1 - y)),
    "tanh": (lambda x, a, b: a * unit_tanh(x, b), lambda g, x, y, a, b: g * b * (a - y * y / a)),
    "softrelu": (
        lambda x: np.where(x > 4, x, np.log(1 + np.exp(x))),
        lambda g, x, y: g * np.where(x > 4, 1, np.exp(x) / (1 + np.exp(x))),
    ),
    "drelu": (lambda x, a: x - a * unit_tanh(x, 1 / a), lambda g, x, y, a: g * unit_tanh(x, 1 / a) ** 2),
    "log": (lambda x, a: np.log(a + x), lambda g, x, y, a: g / (a + x)),
}
"""In float64."""

types = pytest.mark.parametrize("type", FORMULAS)


def inputs_for(type, *shape):
    x = values(1, *shape) * 3
    return np.abs(x) + np.float32(0.1) if type == "sqrt" else x


def params_of(type):
    return tuple(float(np.float32(value)) for value in PARAMS.get(type, ()))


def activated(engine, type, x):
    acts = engine.from_host(unread(*x.shape))
    engine.neuron(engine.from_host(x), acts, type=type, params=params_of(type))
    return engine.to_host(acts)


def gradient(engine, type, g, x, y, targets=None):
    """The gradient, or its sum with what is in targets."""
    held = engine.from_host(unread(*g.shape) if targets is None else targets)
    sources = (engine.from_host(array) for array in (g, x, y))
    engine.neuron_grad(*sources, held, type=type, params=params_of(type), add=targets is not None)
    return engine.to_host(held)


def assert_within(type, output, expected, ours, **arrays):
    """Within the bound of engines that sum in any order: the formula here rounds elsewhere."""
    call = {"type": type, "params": params_of(type), "original": expected, **arrays}
    assert NEURONS[type].bounds["numpy"][output].at(call).share(difference(expected, ours)) <= 1


def test_every_neuron_has_a_kernel_and_a_formula():
    assert set(table.CLASSES) == set(FORMULAS) == set(NEURONS)


@pytest.mark.parametrize("operation", ARCHIVED)
def test_every_archived_case_is_reproduced(engine, operation, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == 3 * ARCHIVED[operation]
    assert [case for case in cases if not case.ok] == []


@types
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_neuron_computes_its_function(engine, type, shape):
    x = inputs_for(type, *shape)
    expected = FORMULAS[type][0](x.astype(np.float64), *params_of(type)).astype(np.float32)
    assert_within(type, "acts", expected, activated(engine, type, x), inputs=x)


@types
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_neurons_gradient_is_its_formula(engine, type, shape):
    x, g = inputs_for(type, *shape), values(2, *shape)
    y = activated(engine, type, x)
    wide = (array.astype(np.float64) for array in (g, x, y))
    expected = FORMULAS[type][1](*wide, *params_of(type)).astype(np.float32)
    assert_within(type, "grad", expected, gradient(engine, type, g, x, y), acts_grad=g)


@types
def test_a_gradient_is_added_to_what_is_there(engine, type):
    x, g, before = inputs_for(type, 9, 33), values(2, 9, 33), values(3, 9, 33)
    y = activated(engine, type, x)
    added = gradient(engine, type, g, x, y, before)
    np.testing.assert_allclose(added, before + gradient(engine, type, g, x, y), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("type", "factors"), [
    ("linear", lambda g, x, y: (g, np.full_like(g, 0.7))),
    ("square", lambda g, x, y: (2 * g, x)),
    ("logistic", lambda g, x, y: (g * y, 1 - y)),
])  # fmt: skip
def test_an_added_product_is_rounded_once(engine, type, factors):
    x, g, before = inputs_for(type, 9, 33), values(2, 9, 33), values(3, 9, 33)
    y = activated(engine, type, x)
    left, right = factors(g, x, y)
    assert_same_bits(gradient(engine, type, g, x, y, before), fma(left, right, before))


@types
def test_a_result_may_be_written_over_what_it_comes_from(engine, type):
    x, g = inputs_for(type, 5, 9), values(2, 5, 9)
    held, params = engine.from_host(x), params_of(type)
    engine.neuron(held, held, type=type, params=params)
    y = activated(engine, type, x)
    assert_same_bits(engine.to_host(held), y)
    held = engine.from_host(g)
    engine.neuron_grad(held, engine.from_host(x), engine.from_host(y), held, type=type, params=params)
    assert_same_bits(engine.to_host(held), gradient(engine, type, g, x, y))


@types
def test_a_gradient_reads_the_input_or_the_output_as_declared(engine, type):
    x, g, nothing = inputs_for(type, 4, 5), values(2, 4, 5), unread(4, 5)
    seen = {"inputs": x, "acts": activated(engine, type, x)}
    one, other = (seen[name] if name == NEURONS[type].reads else nothing for name in ("inputs", "acts"))
    assert np.isfinite(gradient(engine, type, g, one, other)).all()


def test_relu_keeps_nan_and_the_sign_of_zero(engine):
    y = activated(engine, "relu", np.array([[np.nan, -0.0, 0.0, -1, 1, np.inf, -np.inf]], np.float32))
    assert_same_bits(y[0, 1:], np.array([-0.0, 0, 0, 1, np.inf, 0], np.float32))
    assert np.isnan(y[0, 0])


def test_abs_of_zero_is_minus_zero_and_its_gradient_there_is_negative(engine):
    x = np.array([[0.0, -0.0, -2.0]], np.float32)
    y = activated(engine, "abs", x)
    assert_same_bits(y, np.array([[-0.0, 0.0, 2.0]], np.float32))
    assert_same_bits(gradient(engine, "abs", np.ones_like(x), x, y), -np.ones_like(x))


@pytest.mark.parametrize("type", ["logistic", "tanh", "softrelu", "drelu"])
def test_large_inputs_give_no_nan(engine, type):
    assert np.isfinite(activated(engine, type, np.array([[-1e4, 1e4]], np.float32))).all()


@pytest.mark.parametrize("type", ["relu", "square", "sqrt", "linear", "log"])
def test_what_needs_no_exponential_is_bitwise_in_the_specification(type):
    assert isinstance(NEURONS[type].bounds["kernels"]["grad_added"], Bitwise)


def test_of_no_entries_there_is_nothing_to_do(engine):
    assert activated(engine, "relu", np.empty((3, 0), np.float32)).shape == (3, 0)


def test_an_unknown_neuron_is_named_and_so_are_those_that_exist(engine):
    with pytest.raises(EngineError, match="no neuron 'elu'; there are ident, relu"):
        activated(engine, "elu", values(1, 2, 2))


@pytest.mark.parametrize(("type", "params", "message"), [
    ("tanh", (1.0,), "takes parameters a, b, not"), ("relu", (1.0,), "takes no parameters"),
])  # fmt: skip
def test_other_parameters_than_a_neurons_own_are_refused(engine, type, params, message):
    x = engine.from_host(values(1, 2, 2))
    with pytest.raises(EngineError, match=message):
        engine.neuron(x, x, type=type, params=params)


def test_arrays_of_other_shapes_are_refused(engine):
    x, other = engine.from_host(values(1, 2, 2)), engine.from_host(unread(2, 3))
    with pytest.raises(EngineError, match=r"acts .* must have the shape of inputs"):
        engine.neuron(x, other, type="relu")
    with pytest.raises(EngineError, match=r"acts .* must have the shape of acts_grad"):
        engine.neuron_grad(x, x, other, x, type="relu")
