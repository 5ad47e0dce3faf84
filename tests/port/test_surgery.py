"""conv-to-local and unshare-weights, on live networks: alexnet:layer.py."""

import numpy as np
import pytest

from cuda_convnet.config.specs import ConvSpec, LocalSpec, WeightSource
from cuda_convnet.errors import ConfigError
from cuda_convnet.layers.conv import LocalLayer
from small_nets import DATA, ENGINE, LABELS, LOGREG, PROBS, conv, fc, make_net, random_data, rates

LOSS = {"logprob": {"coeff": 1}}


def net_with(layers, params, **options):
    layers = {**DATA, **LABELS, **layers, "fc": fc("top", 4), **PROBS, **LOGREG}
    params = {name: rates(momW=0.9, momB=0.9, wc=0.01, **extra) for name, extra in params.items()}
    return make_net(layers, {**params, "fc": rates(), **LOSS}, [36, 1], 4, **options)


def plain(**options):
    return net_with({"top": conv("data", 1, **options)}, {"top": {}})


def sharing():
    """`second` has the filters of `first`, `third` those of `second`."""
    layers = {
        "low": conv("data", 1),
        "first": conv("low", 16),
        "second": conv("low", 16, weightSource="first"),
        "third": conv("low", 16, weightSource="second[0]"),
        "top": {"type": "eltsum", "inputs": "first,second,third", "coeffs": "1,-0.5,0.25"},
    }
    return net_with(layers, {"low": {}, "first": {}, "second": {}, "third": {}})


def outputs(net, data, *names):
    net.fprop(data)
    return {name: net.acts(name) for name in names or [name for name in net.layers if name != "logprob"]}


@pytest.fixture
def data():
    return random_data([36, 1], 3, 4)


class TestConvToLocal:
    @pytest.mark.parametrize("options", [{}, {"sharedBiases": 0}, {"stride": 2}, {"partialSum": 6}])
    def test_a_converted_network_computes_what_it_computed(self, data, options):
        net = plain(**options)
        for _ in range(2):
            net.train_minibatch(data)
        before = outputs(net, data)
        net.conv_to_local("top")
        after = outputs(net, data)
        assert isinstance(net.layers["top"], LocalLayer)
        assert before.keys() == after.keys()
        for name, acts in before.items():
            assert after[name] == pytest.approx(acts, rel=1e-5, abs=1e-6), name

    def test_the_specification_follows(self):
        net = plain()
        net.conv_to_local("top")
        assert type(net.spec["top"]) is LocalSpec
        assert net.spec["top"].type == "local"
        assert net.spec["top"].weight_shapes == ((36, 1, 3, 3, 16),)
        assert [layer.name for layer in net.spec] == list(plain().layers)

    def test_every_place_has_its_own_filters_and_biases_which_part_in_training(self, data):
        net = plain()
        filters, biases = (
            ENGINE.to_host(w.w) for w in (net.layers["top"].weights[0], net.layers["top"].biases)
        )
        net.conv_to_local("top")
        layer = net.layers["top"]
        assert all(np.array_equal(place, filters) for place in layer.weights[0].w)
        assert np.array_equal(layer.biases.w.reshape(16, 36), np.repeat(biases, 36, axis=1))
        net.train_minibatch(data)
        assert not np.array_equal(layer.weights[0].w[0], layer.weights[0].w[1])
        assert net.num_parameters == 36 * 9 * 16 + 16 * 36 + 576 * 4 + 4

    def test_increments_start_at_zero_where_something_was_copied(self, data):
        for options in ({}, {"sharedBiases": 0}):
            net = plain(**options)
            net.train_minibatch(data)
            biases = ENGINE.to_host(net.layers["top"].biases.inc)
            net.conv_to_local("top")
            assert not net.layers["top"].weights[0].inc.any()
            kept = net.layers["top"].biases.inc
            assert np.array_equal(kept, biases) if options else not kept.any()

    def test_all_that_share_the_filters_are_converted_and_go_on_sharing(self, data):
        for name in ("first", "second", "third"):
            net = sharing()
            before = outputs(net, data)
            net.conv_to_local(name)
            after = outputs(net, data)
            kinds = {layer: type(net.layers[layer]).__name__ for layer in ("low", "first", "second", "third")}
            assert kinds == {
                "low": "ConvLayer",
                "first": "LocalLayer",
                "second": "LocalLayer",
                "third": "LocalLayer",
            }
            for layer, acts in before.items():
                assert after[layer] == pytest.approx(acts, rel=1e-5, abs=1e-6), layer
            assert net.layers["third"].weights[0].w is net.layers["first"].weights[0].w

    def test_a_converted_network_has_right_gradients(self):
        layers = {"low": fc("data", 16), "top": conv("low", 1, stride=2)}
        net = net_with(layers, {"low": {}, "top": {}})
        net.conv_to_local("top")
        checks = net.check_gradients(random_data([36, 1], 2, 4))
        assert {check.name: check.relative_error for check in checks if not check.ok} == {}

    def test_sparse_connections_stay(self, data):
        sparse = {"groups": 2, "randSparse": 1, "filterChannels": 8}
        net = net_with({"low": conv("data", 1), "top": conv("low", 16, **sparse)}, {"low": {}, "top": {}})
        before = outputs(net, data)
        net.conv_to_local("top")
        assert outputs(net, data)["probs"] == pytest.approx(before["probs"], rel=1e-5)

    def test_what_cannot_be_converted_is_named(self):
        net = plain()
        with pytest.raises(ConfigError, match=r"^layer 'conv9' does not exist; only convolutional layers"):
            net.conv_to_local("conv9")
        with pytest.raises(ConfigError, match=r"^layer 'fc' is of type 'fc'; only convolutional layers"):
            net.conv_to_local("fc")

    def test_filters_shared_by_layers_of_other_sizes_must_be_unshared_first(self):
        layers = {
            "first": conv("data", 1),
            "second": conv("data", 1, stride=2, weightSource="first"),
            "top": {"type": "concat", "inputs": "first,second"},
        }
        net = net_with(layers, {"first": {}, "second": {}})
        with pytest.raises(
            ConfigError, match=r"^layer 'first' has 36 modules, but layer 'second', with which it"
        ):
            net.conv_to_local("first")
        assert type(net.spec["first"]) is ConvSpec
        net.unshare_weights("second")
        net.conv_to_local("first")
        assert type(net.spec["second"]) is ConvSpec


class TestUnshareWeights:
    def test_an_unshared_matrix_is_a_copy_of_its_own(self, data):
        net = sharing()
        net.train_minibatch(data)
        before = outputs(net, data)
        net.unshare_weights("second")
        first, second = (net.layers[name].weights[0] for name in ("first", "second"))
        assert all(np.array_equal(acts, before[name]) for name, acts in outputs(net, data).items())
        assert second.is_owner
        assert np.array_equal(first.w, second.w)
        assert first.inc.any()
        assert not second.inc.any()
        assert net.spec["second"].weight_source == (None,)
        net.train_minibatch(data)
        assert not np.array_equal(first.w, second.w)

    def test_its_rates_and_constraints_are_those_of_its_layer(self):
        net = sharing()
        assert (net.layers["second"].weights[0].wc, net.layers["first"].weights[0].wc) == (
            0.0,
            np.float32(0.01),
        )
        net.unshare_weights("second")
        assert net.layers["second"].weights[0].wc == np.float32(0.01)

    def test_what_shares_the_unshared_matrix_follows_it(self, data):
        net = sharing()
        net.unshare_weights("second[0]")
        assert net.layers["third"].weights[0].w is net.layers["second"].weights[0].w
        net.train_minibatch(data)
        assert net.layers["third"].weights[0].w is net.layers["second"].weights[0].w
        assert net.spec["third"].weight_source == (WeightSource("second", 0),)

    def test_matrices_that_are_not_shared_stay_as_they_are(self, data):
        net = sharing()
        net.train_minibatch(data)
        before = net.get_state()
        net.unshare_weights("first")
        after = net.get_state()
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[name], after[name]) for name in before)

    def test_one_input_of_several_can_be_unshared(self):
        several = {"filters": "16,16,16", "filterSize": "3,3,3", "padding": "1,1,1", "stride": "1,1,1"}
        layers = {
            "first": conv("data", 1),
            "top": conv(
                "data,data,data", "1,1,1", weightSource="first,first,first", initW="1,1,1", **several
            ),
        }
        three = {"epsW": "1,1,1", "momW": "0,0,0", "wc": "0,0,0"}
        layers["x"] = {"type": "eltsum", "inputs": "first,top"}
        layers = {**DATA, **LABELS, **layers, "fc": fc("x", 4), **PROBS, **LOGREG}
        net = make_net(layers, {"first": rates(), "top": rates() | three, "fc": rates(), **LOSS}, [36, 1], 4)
        net.unshare_weights("top[1]")
        assert [weights.is_owner for weights in net.layers["top"].weights] == [False, True, False]

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("conv9", "'conv9': no layer with weights is called 'conv9'"),
            ("probs", "'probs': no layer with weights is called 'probs'"),
            ("second[1]", "'second[1]': layer 'second' has weight matrices 0 to 0"),
            ("second[x]", "'second[x]' names no weights; write layer or layer[index]"),
        ],
    )
    def test_what_is_not_there_is_named(self, name, told):
        with pytest.raises(ConfigError) as error:
            sharing().unshare_weights(name)
        assert str(error.value) == told
