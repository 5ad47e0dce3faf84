import numpy as np
import pytest
from plain import assert_same_bits, random, unread

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.operations import NEURONS, OPERATIONS
from cuda_convnet.errors import EngineError

PARAMS = {"brelu": (1.5,), "linear": (0.7, -0.3), "tanh": (1.7159, 0.6667), "drelu": (2.0,), "log": (20.0,)}


def plain_tanh(x, steepness):
    return 2 / (1 + np.exp(-2 * steepness * x)) - 1


PLAIN = {
    "ident": (lambda x: x, lambda g, x, y: g),
    "relu": (lambda x: np.where(x < 0, 0, x), lambda g, x, y: g * (y > 0)),
    "brelu": (lambda x, a: np.clip(x, 0, a), lambda g, x, y, a: g * (y > 0) * (y < a)),
    "abs": (lambda x: np.where(x > 0, x, -x), lambda g, x, y: g * np.where(x > 0, 1, -1)),
    "square": (np.square, lambda g, x, y: g * 2 * x),
    "sqrt": (np.sqrt, lambda g, x, y: g / (2 * y)),
    "linear": (lambda x, a, b: a * x + b, lambda g, x, y, a, b: g * a),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda g, x, y: g * y * (1 - y)),
    "tanh": (lambda x, a, b: a * plain_tanh(x, b), lambda g, x, y, a, b: g * b * (a - y * y / a)),
    "softrelu": (
        lambda x: np.where(x > 4, x, np.log(1 + np.exp(x))),
        lambda g, x, y: g * np.where(x > 4, 1, np.exp(x) / (1 + np.exp(x))),
    ),
    "drelu": (lambda x, a: x - a * plain_tanh(x, 1 / a), lambda g, x, y, a: g * plain_tanh(x, 1 / a) ** 2),
    "log": (lambda x, a: np.log(a + x), lambda g, x, y, a: g / (a + x)),
}


def inputs_for(type, *shape):
    x = random(1, *shape) * 3
    return np.abs(x) + np.float32(0.1) if type == "sqrt" else x


def bound(type, output, **arguments):
    call = {"type": type, "params": PARAMS.get(type, ())} | arguments
    return NEURONS[type].bounds["numpy"][output].at(call)


def test_every_declared_neuron_has_a_formula_here():
    assert set(PLAIN) == set(NEURONS)


@pytest.mark.parametrize("type", PLAIN)
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (300, 301)])  # the last is larger than a block
def test_a_neuron_computes_its_function_within_its_bound(engine, type, shape):
    x, y, params = inputs_for(type, *shape), unread(*shape), PARAMS.get(type, ())
    engine.neuron(x, y, type=type, params=params)
    plain = PLAIN[type][0](x.astype(np.float64), *params).astype(np.float32)
    assert bound(type, "acts", original=plain, inputs=x).share(difference(plain, y)) <= 1


@pytest.mark.parametrize("type", PLAIN)
def test_a_neuron_may_write_over_its_input(engine, type):
    x, params = inputs_for(type, 5, 9), PARAMS.get(type, ())
    y = unread(5, 9)
    engine.neuron(x, y, type=type, params=params)
    engine.neuron(x, x, type=type, params=params)
    assert_same_bits(x, y)


@pytest.mark.parametrize("type", PLAIN)
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (300, 301)])
def test_a_neurons_gradient_is_its_formula(engine, type, shape):
    x, g, params = inputs_for(type, *shape), random(2, *shape), PARAMS.get(type, ())
    y, targets = unread(*shape), unread(*shape)
    engine.neuron(x, y, type=type, params=params)
    engine.neuron_grad(g, x, y, targets, type=type, params=params)
    plain = PLAIN[type][1](*(array.astype(np.float64) for array in (g, x, y)), *map(np.float32, params))
    assert bound(type, "grad", original=plain, acts_grad=g).share(difference(plain, targets)) <= 1


@pytest.mark.parametrize("type", PLAIN)
def test_a_gradient_is_added_to_what_is_there(engine, type):
    x, g, before, params = inputs_for(type, 4, 5), random(2, 4, 5), random(3, 4, 5), PARAMS.get(type, ())
    y, alone, added = unread(4, 5), unread(4, 5), before.copy()
    engine.neuron(x, y, type=type, params=params)
    engine.neuron_grad(g, x, y, alone, type=type, params=params)
    engine.neuron_grad(g, x, y, added, type=type, params=params, add=True)
    assert_same_bits(added, before + alone)


@pytest.mark.parametrize("type", PLAIN)
def test_a_gradient_may_be_written_over_the_one_it_comes_from(engine, type):
    x, g, params = inputs_for(type, 4, 5), random(2, 4, 5), PARAMS.get(type, ())
    y, targets = unread(4, 5), unread(4, 5)
    engine.neuron(x, y, type=type, params=params)
    engine.neuron_grad(g, x, y, targets, type=type, params=params)
    engine.neuron_grad(g, x, y, g, type=type, params=params)
    assert_same_bits(g, targets)


@pytest.mark.parametrize("type", PLAIN)
def test_a_gradient_reads_the_input_or_the_output_as_declared(engine, type):
    x, g, params, nothing = inputs_for(type, 4, 5), random(2, 4, 5), PARAMS.get(type, ()), unread(4, 5)
    y, targets = unread(4, 5), unread(4, 5)
    engine.neuron(x, y, type=type, params=params)
    seen = {"inputs": x, "acts": y}
    one, other = (seen[name] if name == NEURONS[type].reads else nothing for name in ("inputs", "acts"))
    engine.neuron_grad(g, one, other, targets, type=type, params=params)
    assert np.isfinite(targets).all()


def test_relu_keeps_nan_and_the_sign_of_zero(engine):
    x, y = np.array([[np.nan, -0.0, 0.0, -1, 1, np.inf, -np.inf]], np.float32), unread(1, 7)
    engine.neuron(x, y, type="relu")
    assert_same_bits(y[0, 1:], [-0.0, 0, 0, 1, np.inf, 0])
    assert np.isnan(y[0, 0])


def test_abs_of_zero_is_minus_zero_and_its_gradient_there_is_negative(engine):
    x, y, targets = np.array([[0.0, -0.0, -2.0]], np.float32), unread(1, 3), unread(1, 3)
    engine.neuron(x, y, type="abs")
    assert_same_bits(y, [[-0.0, 0.0, 2.0]])
    engine.neuron_grad(np.ones((1, 3), np.float32), x, y, targets, type="abs")
    assert_same_bits(targets, [[-1, -1, -1]])


@pytest.mark.parametrize("type", ["logistic", "tanh", "softrelu", "drelu"])
def test_large_inputs_neither_warn_nor_give_nan(engine, type):
    x, y = np.array([[-1e4, 1e4]], np.float32), unread(1, 2)
    engine.neuron(x, y, type=type, params=PARAMS.get(type, ()))
    assert np.isfinite(y).all()


def test_an_unknown_neuron_is_named_and_so_are_those_that_exist(engine):
    x = random(1, 2, 2)
    with pytest.raises(EngineError, match="no neuron 'elu'; there are ident, relu"):
        engine.neuron(x, x, type="elu")


@pytest.mark.parametrize(("type", "params", "message"), [
    ("tanh", (1.0,), "takes parameters a, b, not"), ("relu", (1.0,), "takes no parameters"),
])  # fmt: skip
def test_other_parameters_than_a_neurons_own_are_refused(engine, type, params, message):
    x = random(1, 2, 2)
    with pytest.raises(EngineError, match=message):
        engine.neuron(x, x, type=type, params=params)


def test_acts_of_another_shape_are_refused(engine):
    with pytest.raises(EngineError, match=r"acts .* must have the shape of inputs"):
        engine.neuron(random(1, 2, 2), unread(2, 3), type="relu")


def test_the_maximum_of_two_takes_the_second_unless_the_first_is_larger(engine):
    a = np.array([[1, 2, 0.0, np.nan, 5]], np.float32)
    b = np.array([[2, 1, -0.0, 4, np.nan]], np.float32)
    targets = unread(1, 5)
    engine.eltwise_max(a, b, targets)
    assert_same_bits(targets[0, :4], [2, 2, -0.0, 4])
    assert np.isnan(targets[0, 4])
    engine.eltwise_max(a, b, a)
    assert_same_bits(a[0, :4], targets[0, :4])


@pytest.mark.parametrize("add", [False, True])
def test_every_input_that_equals_the_maximum_gets_the_whole_gradient(engine, add):
    inputs, outputs, g = random(1, 9, 11, grid=2), random(2, 9, 11, grid=2), random(3, 9, 11)
    before = random(4, 9, 11)
    targets = before.copy() if add else unread(9, 11)
    engine.eltwise_max_grad(g, inputs, outputs, targets, add=add)
    result = g * (inputs == outputs)
    assert_same_bits(targets, before + result if add else result)


def test_every_operation_on_neurons_is_in_the_specification():
    assert {"neuron", "neuron_grad", "eltwise_max", "eltwise_max_grad"} <= set(OPERATIONS)
