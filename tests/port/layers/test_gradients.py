"""Every kind of layer that runs: its gradients beside finite differences of the cost.

Costs are sums in single precision, about 1e-7 of themselves apart; steps and sizes are chosen so that this
and the curvature both stay below the original's threshold of 0.02.
"""

import numpy as np
import pytest

from cuda_convnet.errors import ConvnetError, NonFiniteError
from cuda_convnet.layers.conv import ConvLayer, LocalLayer
from cuda_convnet.layers.fc import FCLayer
from cuda_convnet.network import PassType
from small_nets import DATA, ENGINE, LABELS, LOGREG, PROBS, conv, fc, local, make_net, random_data, rates

LOSS = {"logprob": {"coeff": 1}}
IMAGE = 6


@pytest.fixture(autouse=True)
def step(monkeypatch):
    """Sets the step of all checks."""

    def set_step(size):
        for kind in (ConvLayer, LocalLayer, FCLayer):
            monkeypatch.setattr(kind, "w_step", size)
            monkeypatch.setattr(kind, "b_step", size)

    set_step(0.004)
    return set_step


def checked(layers, params, dims=(IMAGE**2, 1), classes=4, cases=4, data=None):
    net = make_net({**DATA, **LABELS, **layers}, params, dims, classes)
    return {check.name: check for check in net.check_gradients(data or random_data(dims, cases, classes))}


def holds(checks, *names):
    assert [name for name in names if name not in checks] == []
    assert {name: check.relative_error for name, check in checks.items() if not check.ok} == {}
    assert all(check.analytic_norm > 1e-4 for check in checks.values()), "a gradient of zero proves nothing"


BIASES_ONLY = rates(eps=0) | {"epsB": 1}


def between(middle, params=None, **low):
    """data - conv - MIDDLE - fc - softmax - logreg; MIDDLE is called `x`, its input `conv`."""
    layers = {"conv": conv("data", 1, **low), **middle, "fc": fc("x", 4), **PROBS, **LOGREG}
    return checked(layers, {"conv": rates(), "fc": BIASES_ONLY, **LOSS, **(params or {})})


def between_kinks(middle, step, **low):
    """The same with large activations and a small step, which seldom comes across a kink.

    Images are bright and labels all the same, so that gradients add up and kinks do not.
    """
    step(0.001)
    images, labels = random_data([IMAGE**2, 1], 8, 4)
    low = conv("data", 1, **{"initW": 1, **low})
    layers = {"conv": low, **middle, "fc": fc("x", 4, initW=0.02), **PROBS, **LOGREG}
    data = [np.abs(images) + 0.5, np.zeros_like(labels)]
    return checked(layers, {"conv": rates(), "fc": BIASES_ONLY, **LOSS}, data=data)


def test_fully_connected_with_several_inputs():
    layers = {"one": fc("data", 5), "two": fc("data", 3), "fc": fc("one,two", 4), **PROBS, **LOGREG}
    checks = checked(layers, {"one": rates(), "two": rates(), "fc": rates(2), **LOSS})
    holds(checks, "one/weights0", "two/biases", "fc/weights0", "fc/weights1", "fc/biases")


@pytest.mark.parametrize(
    "options", [{}, {"partialSum": 6}, {"sharedBiases": 0}, {"stride": 2}, {"size": 5, "padding": 2}]
)
def test_convolution(options):
    layers = {"conv": conv("data", 1, **options), "fc": fc("conv", 4), **PROBS, **LOGREG}
    checks = checked(layers, {"conv": rates(), "fc": BIASES_ONLY, **LOSS})
    holds(checks, "conv/weights0", "conv/biases", "fc/biases")


def under(top, params, channels=8, size=4):
    """data - fc - TOP - fc - softmax - logreg; `low`, under `top`, makes small images of several channels."""
    layers = {"low": fc("data", channels * size**2), **top, "fc": fc("top", 4), **PROBS, **LOGREG}
    return checked(layers, {"low": rates(), "fc": BIASES_ONLY, **LOSS, **params}, dims=(4, 1), cases=3)


def test_convolution_with_several_inputs_and_groups():
    two = {
        "filters": "16,16",
        "size": "2,2",
        "padding": "0,0",
        "stride": "2,2",
        "groups": "2,2",
        "initW": "0.1,0.1",
    }
    middle = {
        "other": {"type": "neuron", "inputs": "low", "neuron": "tanh[1,1]"},
        "top": conv("low,other", "8,8", **two),
    }
    holds(under(middle, {"top": rates(2)}), "low/weights0", "top/weights0", "top/weights1", "top/biases")


@pytest.mark.parametrize("filter_channels", [4, 8])
@pytest.mark.parametrize("kind", [conv, local])
def test_sparse_connections(kind, filter_channels):
    """With 8 of 8 channels in each of 2 groups, every channel is seen twice."""
    sparse = {"groups": 2, "randSparse": 1, "filterChannels": filter_channels}
    top = kind("low", 8, size=2, padding=0, stride=2, **sparse)
    holds(under({"top": top}, {"top": rates()}, size=2), "low/weights0", "top/weights0", "top/biases")


@pytest.mark.parametrize("kind", [conv, local])
def test_sparse_gradients_add_to_those_of_other_layers(kind):
    top = {
        "seen": kind("low", 8, size=2, padding=0, stride=2, groups=2, randSparse=1, filterChannels=8),
        "top": {"type": "concat", "inputs": "low,seen"},
    }
    for order in ("low,seen", "seen,low"):
        top["top"]["inputs"] = order
        holds(under(top, {"seen": BIASES_ONLY}), "low/weights0", "low/biases")


def test_local():
    top = {"top": local("low", 1, size=3, padding=1, stride=2)}
    holds(under(top, {"top": rates()}, channels=1), "low/weights0", "top/weights0", "top/biases")


@pytest.mark.parametrize("pool", ["max", "avg"])
@pytest.mark.parametrize(("size", "stride", "start"), [(2, 2, 0), (3, 2, 0), (3, 2, -1)])
def test_pooling(pool, size, stride, start, step):
    x = {"type": "pool", "pool": pool, "inputs": "conv", "channels": 16, "sizeX": size, "stride": stride}
    holds(between_kinks({"x": x | {"start": start}}, step), "conv/weights0", "conv/biases")


def test_random_pooling():
    """The pixels that are drawn stay the same while nothing but weights change."""
    x = {
        "type": "pool",
        "pool": "rand",
        "inputs": "conv",
        "channels": 16,
        "sizeX": 3,
        "stride": 2,
        "start": 0,
    }
    holds(between({"x": x}, {"x": {"doMax": 0}}), "conv/weights0", "conv/biases")


def test_maxabs_pooling_where_it_is_continuous(step):
    """Where the two largest magnitudes have different signs, it jumps."""
    pool = {
        "type": "pool",
        "pool": "maxabs",
        "inputs": "conv",
        "channels": 16,
        "sizeX": 2,
        "stride": 2,
        "start": 0,
    }
    middle = {"pool": pool, "x": {"type": "neuron", "inputs": "pool", "neuron": "linear[0.3,3.6]"}}
    holds(between_kinks(middle, step, initB=-12), "conv/weights0", "conv/biases")


def test_response_normalisation():
    x = {"type": "rnorm", "inputs": "conv", "channels": 16, "size": 3}
    holds(between({"x": x}, {"x": {"scale": 0.5, "pow": 0.75}}), "conv/weights0", "conv/biases")


@pytest.mark.parametrize("options", [{}, {"blocked": 1, "size": 4}])
def test_cross_map_normalisation(options):
    x = {"type": "cmrnorm", "inputs": "conv", "channels": 16, "size": 5, **options}
    checks = between({"x": x}, {"x": {"scale": 0.5, "pow": 0.75, "minDiv": 2}})
    holds(checks, "conv/weights0", "conv/biases")


def test_contrast_normalisation_as_far_as_the_mean_stays():
    """The original leaves out that the mean moves too, which matters little where scale is small."""
    x = {"type": "cnorm", "inputs": "conv", "channels": 16, "size": 3}
    holds(between({"x": x}, {"x": {"scale": 0.05, "pow": 0.75}}), "conv/weights0", "conv/biases")


@pytest.mark.parametrize(
    "neuron", ["ident", "logistic", "square", "tanh[1.7,0.6]", "linear[2,0.5]", "drelu[0.5]"]
)
def test_smooth_neurons(neuron):
    x = {"type": "neuron", "inputs": "conv", "neuron": neuron}
    holds(between({"x": x}), "conv/weights0", "conv/biases")


@pytest.mark.parametrize("neuron", ["abs", "relu", "brelu[2.5]"])
def test_neurons_with_kinks(neuron, step):
    x = {"type": "neuron", "inputs": "conv", "neuron": neuron}
    holds(between_kinks({"x": x}, step), "conv/weights0", "conv/biases")


def test_softrelu_and_sqrt_which_want_positive_inputs():
    layers = {"conv": conv("data", 1, initB=2), "x": {"type": "neuron", "inputs": "conv", "neuron": "sqrt"}}
    layers |= {
        "y": {"type": "neuron", "inputs": "x", "neuron": "softrelu"},
        "fc": fc("y", 4),
        **PROBS,
        **LOGREG,
    }
    data = random_data([IMAGE**2, 1], 4, 4, scale=0.3)
    holds(checked(layers, {"conv": rates(), "fc": BIASES_ONLY, **LOSS}, data=data), "conv/weights0")


def test_dropout_scales_in_a_gradient_check():
    checks = between({"x": {"type": "hs", "inputs": "conv", "keep": 0.5}}, {"x": {"enable": 1}})
    holds(checks, "conv/weights0", "conv/biases")


def test_elementwise_sum_and_maximum_and_concatenation(step):
    middle = {
        "a": {"type": "neuron", "inputs": "conv", "neuron": "tanh[1,1]"},
        "b": {"type": "neuron", "inputs": "conv", "neuron": "relu"},
        "c": {"type": "neuron", "inputs": "conv", "neuron": "linear[-0.5,1]"},
        "sum": {"type": "eltsum", "inputs": "a,b,c", "coeffs": "0.5,-1,2"},
        "max": {"type": "eltmax", "inputs": "a,b,c"},
        "x": {"type": "concat", "inputs": "sum,max,a"},
    }
    holds(between_kinks(middle, step), "conv/weights0", "conv/biases")


def test_pass():
    holds(between({"x": {"type": "pass", "inputs": "conv"}}), "conv/weights0")


def test_bed_of_nails_blur_and_reflection():
    middle = {
        "nails": {"type": "nailbed", "inputs": "conv", "channels": 16, "stride": 2},
        "x": {"type": "blur", "inputs": "nails", "channels": 16, "filterSize": 3, "stdev": 1},
    }
    holds(between(middle), "conv/weights0", "conv/biases")


def test_blur_adds_to_the_gradients_of_other_layers():
    middle = {
        "blur": {"type": "blur", "inputs": "conv", "channels": 16, "filterSize": 5, "stdev": 2},
        "x": {"type": "eltsum", "inputs": "conv,blur"},
    }
    holds(between(middle), "conv/weights0", "conv/biases")


def test_reflection_adds_to_the_gradients_of_other_layers():
    """Reflections take at most three channels, convolutions give 16 or more; 48 units are 3 x 4 x 4."""
    layers = {
        "low": fc("data", 48),
        "href": {"type": "href", "inputs": "low", "channels": 3},
        "sum": {"type": "eltsum", "inputs": "low,href", "coeffs": "1,2"},
        "fc": fc("sum", 4),
        **PROBS,
        **LOGREG,
    }
    holds(checked(layers, {"low": rates(), "fc": rates(), **LOSS}, dims=(6, 1)), "low/weights0", "low/biases")


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "resize", "channels": 3, "scale": 1.5},
        {"type": "rscale", "channels": 3, "maxScale": 1.5, "tgtSize": 4},
        {"type": "rgb2yuv"},
        {"type": "rgb2lab"},
        {"type": "rgb2lab", "center": 1},
    ],
)
def test_layers_that_hand_no_gradient_down_stand_below_those_that_learn(layer):
    layers = {
        "x": {"inputs": "data", **layer},
        "y": {"type": "neuron", "inputs": "x", "neuron": "linear[0.01,1]"},
    }
    layers |= {"fc": fc("y", 4), **PROBS, **LOGREG}
    data = random_data([108, 1], 4, 4)
    data[0] = np.abs(data[0])
    holds(checked(layers, {"fc": rates(), **LOSS}, dims=(108, 1), data=data), "fc/weights0", "fc/biases")


class TestCosts:
    def test_a_softmax_with_another_consumer_hands_down_its_own_gradient(self):
        layers = {"fc": fc("data", 4), **PROBS, "other": {"type": "cost.sum2", "inputs": "probs"}, **LOGREG}
        holds(checked(layers, {"fc": rates(), "other": {"coeff": 0.7}, **LOSS}), "fc/weights0", "fc/biases")

    def test_cross_entropy_under_a_softmax_and_beside_another_consumer(self):
        random = np.random.RandomState(1)
        labels = random.rand(4, 5).astype(np.float32)
        labels /= labels.sum(axis=0)
        data = [random.randn(6, 5).astype(np.float32), labels]
        cost = {"cost": {"type": "cost.crossent", "inputs": "labels,probs"}}
        other = {"other": {"type": "cost.sum2", "inputs": "probs"}}
        params = {"fc": rates(), "cost": {"coeff": 2}, "other": {"coeff": 0.5}}
        dims = (6, 4)
        layers = {"fc": fc("data", 4), **PROBS, **cost}
        holds(checked(layers, {k: params[k] for k in ("fc", "cost")}, dims, data=data), "fc/weights0")
        holds(checked({**layers, **other}, params, dims, data=data), "fc/weights0")

    def test_elementwise_cross_entropy_over_logistic_units(self):
        random = np.random.RandomState(1)
        data = [random.randn(6, 5).astype(np.float32), random.rand(4, 5).astype(np.float32)]
        layers = {
            "fc": fc("data", 4, neuron="logistic"),
            "cost": {"type": "cost.crossent2", "inputs": "labels,fc"},
        }
        holds(checked(layers, {"fc": rates(), "cost": {"coeff": 0.5}}, (6, 4), data=data), "fc/weights0")

    def test_robust_flickr(self):
        random = np.random.RandomState(1)
        data = [random.randn(6, 5).astype(np.float32), random.rand(4, 5).astype(np.float32)]
        layers = {"fc": fc("data", 4), "cost": {"type": "cost.rflickr", "inputs": "labels,fc"}}
        holds(checked(layers, {"fc": rates(), "cost": {"coeff": 0.5}}, (6, 4), data=data), "fc/weights0")

    def test_sum_of_squares(self):
        layers = {"fc": fc("data", 4), "cost": {"type": "cost.sum2", "inputs": "fc"}}
        layers |= {"used": fc("labels", 2, initB=1), "other": {"type": "cost.sum2", "inputs": "used"}}
        params = {"fc": rates(), "used": rates(), "cost": {"coeff": 0.5}, "other": {"coeff": 1}}
        holds(checked(layers, params), "fc/weights0", "fc/biases")

    def test_gated_sum_of_squares_learns_through_gates_and_values(self):
        layers = {
            "gates": fc("data", 1, initB=1, neuron="logistic"),
            "values": fc("data", 4, initB=0.5),
            "cost": {"type": "cost.gsum2", "inputs": "gates,values"},
            "used": fc("labels", 2),
            "other": {"type": "cost.sum2", "inputs": "used"},
        }
        params = {
            "gates": rates(),
            "values": rates(),
            "used": rates(eps=0),
            "cost": {"coeff": 0.5},
            "other": {"coeff": 0},
        }
        holds(checked(layers, params), "gates/weights0", "values/weights0", "values/biases")

    def test_tica_whose_reported_value_is_not_its_objective(self):
        """The gradient is that of minus the sum of the square roots; the layer reports their reciprocals."""
        layers = {
            **DATA,
            **LABELS,
            "fc": fc("data", 16),
            "cost": {"type": "cost.tica", "inputs": "fc", "channels": 1, "sizeX": 3},
            "used": fc("labels", 2),
            "other": {"type": "cost.sum2", "inputs": "used"},
        }
        params = {"fc": rates(), "cost": {"coeff": 1}, "used": rates(eps=0), "other": {"coeff": 0}}
        net = make_net(layers, params, (6, 1))
        data = random_data((6, 1), 4, 4)

        def objective():
            net.fprop(data, PassType.GRADIENT_CHECK)
            assert net.cost().values["cost"][0] == pytest.approx(net.acts("cost").sum(), rel=1e-6)
            return float((1 / net.acts("cost").astype(np.float64)).sum())

        objective()
        net.bprop(PassType.GRADIENT_CHECK)
        weights = net.layers["fc"].weights[0]
        analytic, numeric = ENGINE.to_host(weights.grad), np.zeros(weights.w.shape)
        for index in np.ndindex(weights.w.shape):
            old = weights.w[index]
            ends = []
            for step in (-1e-3, 1e-3):
                weights.w[index] = old + step
                ends.append(objective())
            weights.w[index] = old
            numeric[index] = -(ends[1] - ends[0]) / 2e-3
        assert np.linalg.norm(numeric - analytic) < 0.02 * np.linalg.norm(analytic)


class TestTheCheckItself:
    def net(self):
        layers = {**DATA, **LABELS, "conv": conv("data", 1), "fc": fc("conv", 4), **PROBS, **LOGREG}
        params = {"conv": rates(momW=0.9), "fc": rates(momW=0.9), **LOSS}
        return make_net(layers, params, (16, 1), 4)

    def test_a_wrong_gradient_fails(self, monkeypatch):
        right = FCLayer.bprop_weights

        def wrong(self, v, i, scale_targets, scale_output):
            right(self, v, i, scale_targets, 1.05 * scale_output)

        monkeypatch.setattr(FCLayer, "bprop_weights", wrong)
        found = {check.name: check.ok for check in self.net().check_gradients(random_data((16, 1), 4, 4))}
        assert found == {"conv/weights0": True, "conv/biases": True, "fc/weights0": False, "fc/biases": True}

    def test_the_network_is_left_as_it_was(self):
        net, data = self.net(), random_data((16, 1), 4, 4)
        net.train_minibatch(data)
        before = net.get_state()
        net.check_gradients(data)
        after = net.get_state()
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[name], after[name]) for name in before)

    def test_matrices_that_do_not_learn_are_left_out_and_shared_ones_checked_once(self):
        layers = {**DATA, **LABELS, "one": fc("data", 6), "two": fc("one", 6, weightSource="one")}
        layers |= {"fc": fc("two", 4), **PROBS, **LOGREG}
        params = {"one": rates(), "two": rates() | {"epsB": 0}, "fc": rates(eps=0) | {"epsB": 1}, **LOSS}
        net = make_net(layers, params, (6, 1), 4)
        checks = net.check_gradients(random_data((6, 1), 4, 4))
        assert [check.name for check in checks] == ["one/weights0", "one/biases", "fc/biases"]
        assert all(check.ok for check in checks)

    def test_a_network_in_which_nothing_learns_has_nothing_to_check(self):
        layers = {**DATA, **LABELS, "fc": fc("data", 4), **PROBS, **LOGREG}
        net = make_net(layers, {"fc": rates(eps=0), **LOSS}, (6, 1), 4)
        with pytest.raises(ConvnetError, match="no layer learns: every epsW and epsB is 0"):
            net.check_gradients(random_data((6, 1), 4, 4))

    def test_a_step_that_makes_the_cost_infinite_is_named(self):
        net = self.net()
        net.layers["fc"].biases.w[0, 0] = -500
        data = random_data((16, 1), 4, 4)
        data[1][...] = 0
        with pytest.raises(
            NonFiniteError, match=r"^checking conv/weights0: a step of 0.004 made the cost inf"
        ):
            net.check_gradients(data)
