"""What the layers ask of the engine, one rule at a time: alexnet:src/layer.cu."""

from dataclasses import replace

import numpy as np
import pytest

from cuda_convnet.errors import ConfigError, DataError
from cuda_convnet.network import ConvNet, PassType
from cuda_convnet.randomness import RandomStreams
from small_nets import (
    DATA,
    ENGINE,
    LABELS,
    LOGREG,
    PROBS,
    Recorder,
    conv,
    fc,
    local,
    make_net,
    random_data,
    rates,
    softmax_net,
    spec_of,
)

LOSS = {"logprob": {"coeff": 1}}
TAIL = {"fc": fc("x", 4), **PROBS, **LOGREG}
OTHER_COST = {"other": {"type": "cost.sum2", "inputs": "probs"}}


def net_with(layers, params, dims=(36, 1), engine=ENGINE, **options):
    return make_net({**DATA, **LABELS, **layers}, {**params, **LOSS}, dims, 4, engine=engine, **options)


class TestConvolution:
    def test_the_bias_is_added_after_the_first_input_and_before_the_second(self):
        engine = Recorder()
        both = {
            "filters": "16,16",
            "filterSize": "3,3",
            "padding": "1,1",
            "stride": "1,1",
            "initW": "0.1,0.1",
        }
        layers = {"x": conv("data,data", "1,1", **both), **TAIL}
        net = net_with(layers, {"x": rates(2), "fc": rates()}, engine=engine)
        net.fprop(random_data([36, 1], 3, 4))
        calls = engine.named("conv_filter_acts", "matrix_add_vector")[:3]
        assert [name for name, *_ in calls] == ["conv_filter_acts", "matrix_add_vector", "conv_filter_acts"]
        assert [arguments["scale_targets"] for name, _, arguments in calls if name == "conv_filter_acts"] == [
            0,
            1,
        ]

    def test_weight_gradients_are_summed_by_chunks_of_modules_and_the_chunks_then(self):
        engine = Recorder()
        net = net_with(
            {"x": conv("data", 1, partialSum=9), **TAIL}, {"x": rates(), "fc": rates()}, engine=engine
        )
        net.train_minibatch(random_data([36, 1], 3, 4))
        ((_, (_, _, chunks), arguments),) = engine.named("conv_weight_acts")
        assert chunks.shape == (36 // 9, 1, 3, 3, 16)
        assert arguments["partial_sum"] == 9
        assert arguments.get("scale_targets", 0) == 0
        assert arguments["scale_output"] == pytest.approx(1 / 3)
        sums = [(arrays, a) for _, arrays, a in engine.named("matrix_add_sum") if a["axis"] == 0]
        assert [a["scale_this"] for _, a in sums] == [0]

    def test_without_chunks_the_gradient_is_written_where_it_belongs(self):
        engine = Recorder()
        net = net_with({"x": conv("data", 1), **TAIL}, {"x": rates(), "fc": rates()}, engine=engine)
        net.train_minibatch(random_data([36, 1], 3, 4))
        ((_, (_, _, target), _),) = engine.named("conv_weight_acts")
        assert np.shares_memory(target, net.layers["x"].weights[0].grad)

    @pytest.mark.parametrize("shared", [0, 1])
    def test_biases_are_one_for_each_filter_or_one_for_each_output(self, shared):
        net = net_with({"x": conv("data", 1, sharedBiases=shared), **TAIL}, {"x": rates(), "fc": rates()})
        biases = net.layers["x"].biases
        assert biases.w.shape == ((16, 1) if shared else (576, 1))
        biases.w[...] = np.arange(biases.w.size).reshape(biases.w.shape)
        net.layers["x"].weights[0].w[...] = 0
        net.fprop(random_data([36, 1], 2, 4))
        expected = np.repeat(np.arange(16), 36) if shared else np.arange(576)
        assert np.array_equal(net.acts("x")[:, 1], expected)

    def test_wball_is_scaled_by_the_weights_of_a_filter(self):
        net = net_with({"x": conv("data", 1), **TAIL}, {"x": rates(wball=0.01), "fc": rates()})
        weights = net.layers["x"].weights[0]
        weights.w[...] = 0.001
        weights.w[..., 3] = 1.0
        net.train_minibatch(random_data([36, 1], 2, 4, scale=1e-6))
        norms = np.linalg.norm(weights.w.reshape(9, 16), axis=0)
        assert norms[3] == pytest.approx(0.01 * 9, rel=1e-5)
        assert norms[0] == pytest.approx(0.003, rel=1e-3), "below the ball nothing changes"

    def test_wc_norm_forces_the_spread_of_filters_into_its_range(self):
        params = rates(wcNormMin=0.02, wcNormMax=0.05)
        net = net_with({"x": conv("data", 1), **TAIL}, {"x": params, "fc": rates()})
        weights = net.layers["x"].weights[0]
        shape = np.linspace(-1, 1, 9, dtype=np.float32).reshape(1, 3, 3)
        for n, size in enumerate(np.linspace(0.01, 1, 16)):
            weights.w[..., n] = 0.5 + size * shape
        net.train_minibatch(random_data([36, 1], 2, 4, scale=1e-6))
        matrix = weights.w.reshape(9, 16).astype(np.float64)
        spread = np.linalg.norm(matrix - matrix.mean(axis=0), axis=0) / 9  # as the original has it
        assert (spread > 0.0199).all()
        assert (spread < 0.0501).all()
        assert len(np.unique(spread.round(4))) > 3

    def test_constraints_leave_weights_alone_that_do_not_learn(self):
        net = net_with(
            {"x": conv("data", 1), **TAIL}, {"x": rates(eps=0, wball=0.01) | {"epsB": 1}, "fc": rates()}
        )
        weights = net.layers["x"].weights[0]
        weights.w[...] = 1.0
        net.train_minibatch(random_data([36, 1], 2, 4))
        assert (weights.w == 1).all()


class TestLocal:
    def test_wball_holds_for_each_filter_at_each_place(self):
        net = net_with(
            {"x": local("data", 1, size=3, padding=0, stride=3), **TAIL},
            {"x": rates(wball=0.01), "fc": rates()},
        )
        weights = net.layers["x"].weights[0]
        assert weights.w.shape == (4, 1, 3, 3, 16)
        weights.w[...] = 0.001
        weights.w[2, ..., 5] = 1.0
        net.train_minibatch(random_data([36, 1], 2, 4, scale=1e-6))
        norms = np.linalg.norm(weights.w.reshape(4, 9, 16), axis=1)
        assert norms[2, 5] == pytest.approx(0.09, rel=1e-5)
        assert norms[1, 5] == pytest.approx(0.003, rel=1e-3)

    def test_momentum_is_folded_into_the_gradient(self):
        engine = Recorder()
        params = {"x": rates(momW=0.9, eps=0.5), "fc": rates()}
        net = net_with({"x": local("data", 1), **TAIL}, params, engine=engine)
        net.train_minibatch(random_data([36, 1], 2, 4))
        ((_, (_, _, target), arguments),) = engine.named("local_weight_acts")
        assert np.shares_memory(target, net.layers["x"].weights[0].inc)
        assert arguments["scale_targets"] == pytest.approx(0.9)
        assert arguments["scale_output"] == pytest.approx(0.25)


class TestFullyConnected:
    def test_wball_is_scaled_by_the_inputs(self):
        net = softmax_net(params={"fc": rates(wball=0.1)})
        weights = net.layers["fc"].weights[0]
        weights.w[...] = 0.01
        weights.w[:, 2] = 1.0
        net.train_minibatch(random_data([6, 1], 2, 4, scale=1e-6))
        norms = np.linalg.norm(weights.w, axis=0)
        assert norms[2] == pytest.approx(0.6, rel=1e-5)
        assert norms[0] == pytest.approx(0.01 * 6**0.5, rel=1e-3)

    def test_momentum_is_folded_into_the_product(self):
        engine = Recorder()
        net = softmax_net(params={"fc": rates(momW=0.9, eps=0.5)}, engine=engine)
        net.train_minibatch(random_data([6, 1], 2, 4))
        products = [a for _, _, a in engine.named("matrix_add_product") if a.get("trans_b")]
        assert [(a["scale_this"], a["scale_ab"]) for a in products] == [(pytest.approx(0.9), 0.25)]

    def test_schedules_set_the_rate_by_progress(self):
        params = {"fc": rates(eps=0.5, schedW="linear[tgtFactor=5,noiseStdev=0]")}
        data = random_data([6, 1], 2, 4)
        steps = []
        for progress in (0.0, 1.0):
            net = softmax_net(params=params)
            net.train_minibatch(data, progress=progress)
            steps.append(ENGINE.to_host(net.layers["fc"].weights[0].inc))
        assert steps[0] == pytest.approx(5 * steps[1], rel=1e-5)

    def test_noisy_rates_depend_on_the_position_alone(self):
        params = {"fc": rates(eps=0.5, schedW="linear[tgtFactor=1,noiseStdev=1]")}
        data = random_data([6, 1], 2, 4)

        def step(*position):
            net = softmax_net(params=params)
            net.train_minibatch(data, position=(1, 1, 5))
            net.set_state(softmax_net(params=params).get_state())
            net.train_minibatch(data, position=position)
            return ENGINE.to_host(net.layers["fc"].weights[0].inc)

        assert np.array_equal(step(1, 2, 3), step(1, 2, 3))
        assert not np.array_equal(step(1, 2, 3), step(1, 2, 4))


class TestDropout:
    def net(self, enable=1, keep=0.25):
        layers = {"low": fc("data", 400), "x": {"type": "hs", "inputs": "low", "keep": keep}, **TAIL}
        return net_with(layers, {"low": rates(), "x": {"enable": enable}, "fc": rates()}, dims=(6, 1))

    def test_in_training_units_are_kept_whole_or_dropped(self):
        net = self.net()
        net.fprop(random_data([6, 1], 8, 4), PassType.TRAIN)
        low, x = net.acts("low"), net.acts("x")
        kept = x == low
        assert (x[~kept] == 0).all()
        assert kept.mean() == pytest.approx(0.25, abs=0.03)

    def test_the_gradient_takes_the_same_way(self):
        net = self.net()
        net.fprop(random_data([6, 1], 8, 4), PassType.TRAIN)
        net.bprop(PassType.TRAIN)
        mask = net.acts("x") != 0
        assert np.array_equal(net.acts_grad("low"), np.where(mask, net.acts_grad("x"), 0))

    @pytest.mark.parametrize("pass_type", [PassType.TEST, PassType.GRADIENT_CHECK, PassType.FEATURE_GEN])
    def test_in_other_passes_all_units_are_scaled_both_ways(self, pass_type):
        net = self.net()
        net.fprop(random_data([6, 1], 8, 4), pass_type)
        net.bprop(pass_type)
        assert np.array_equal(net.acts("x"), np.float32(0.25) * net.acts("low"))
        assert np.array_equal(net.acts_grad("low"), np.float32(0.25) * net.acts_grad("x"))

    def test_where_it_is_not_enabled_training_scales_too(self):
        net = self.net(enable=0)
        net.fprop(random_data([6, 1], 8, 4), PassType.TRAIN)
        assert np.array_equal(net.acts("x"), np.float32(0.25) * net.acts("low"))

    def test_the_mask_is_a_function_of_seed_layer_and_position(self):
        data = random_data([6, 1], 8, 4)

        def mask(position, net=None):
            net = net or self.net()
            net.position = position
            net.fprop(data, PassType.TRAIN)
            return net.acts("x") != 0

        used = self.net()
        used.train_minibatch(data, position=(9, 9, 9))
        assert np.array_equal(mask((1, 2, 3)), mask((1, 2, 3), used))
        for other in ((1, 2, 4), (1, 3, 3), (2, 2, 3)):
            assert not np.array_equal(mask((1, 2, 3)), mask(other))

    def test_of_two_layers_each_has_its_own_mask(self):
        layers = {
            "low": fc("data", 400),
            "one": {"type": "hs", "inputs": "low", "keep": 0.5},
            "two": {"type": "hs", "inputs": "low", "keep": 0.5},
            "x": {"type": "concat", "inputs": "one,two"},
            **TAIL,
        }
        params = {"low": rates(), "one": {"enable": 1}, "two": {"enable": 1}, "fc": rates()}
        net = net_with(layers, params, dims=(6, 1))
        net.fprop(random_data([6, 1], 8, 4), PassType.TRAIN)
        assert not np.array_equal(net.acts("one"), net.acts("two"))

    def test_the_dropout_of_cuda_convnet2_divides_in_training_and_leaves_tests_alone(self):
        layers = {"low": fc("data", 400), "x": {"type": "dropout", "inputs": "low"}, **TAIL}
        net = net_with(layers, {"low": rates(), "x": {"keep": 0.25}, "fc": rates()}, dims=(6, 1))
        data = random_data([6, 1], 8, 4)
        net.fprop(data)
        net.bprop(PassType.TEST)
        assert np.array_equal(net.acts("x"), net.acts("low"))
        assert np.array_equal(net.acts_grad("x"), net.acts_grad("low"))
        net.fprop(data, PassType.TRAIN)
        kept = net.acts("x") != 0
        assert np.array_equal(net.acts("x")[kept], 4 * net.acts("low")[kept])


class TestNoisyRelu:
    def test_the_noise_has_the_size_of_the_unit_in_every_pass(self):
        layers = {"low": fc("data", 400), "x": {"type": "neuron", "inputs": "low", "neuron": "nrelu"}, **TAIL}
        net = net_with(layers, {"low": rates(), "fc": rates()}, dims=(6, 1))
        net.layers["low"].weights[0].w[...] = 0
        net.layers["low"].biases.w[...] = np.repeat([-1.0, 2.0], 200).reshape(1, 400)
        net.fprop(random_data([6, 1], 50, 4))
        acts = net.acts("x")
        assert (acts[:200] == 0).all()
        noisy = acts[200:] / 2 - 1
        assert (noisy >= -1).all()
        assert np.median(noisy) == pytest.approx(0, abs=0.05)
        assert (noisy > 1).mean() == pytest.approx(0.1587, abs=0.02), "a standard deviation of 2"
        net.bprop(PassType.TEST)
        assert np.array_equal(net.acts_grad("low"), np.where(acts > 0, net.acts_grad("x"), 0))


class TestSoftmaxAndItsCost:
    def gradient_operations(self, layers, params, **options):
        engine = Recorder()
        net = net_with(layers, params, dims=(6, 1), engine=engine, **options)
        net.fprop(random_data([6, 1], 3, 4))
        net.bprop()
        return [name for name, *_ in engine.calls if name.endswith("_grad")]

    def test_a_softmax_right_under_logreg_takes_over_its_gradient(self):
        assert self.gradient_operations({"x": fc("data", 5), **TAIL}, {"x": rates(), "fc": rates()}) == [
            "logreg_softmax_grad"
        ]

    def test_it_does_not_with_another_consumer(self):
        found = self.gradient_operations(
            {"x": fc("data", 5), **TAIL, **OTHER_COST}, {"x": rates(), "fc": rates(), "other": {"coeff": 1}}
        )
        assert found == ["logreg_grad", "softmax_grad"]

    def test_it_does_not_for_a_cost_on_another_device(self):
        layers = {"x": fc("data", 5, gpu=0), **TAIL, "logprob": LOGREG["logprob"] | {"gpu": 1}}
        assert self.gradient_operations(layers, {"x": rates(), "fc": rates()}) == [
            "logreg_grad",
            "softmax_grad",
        ]

    def test_logistic_units_right_under_crossent2_take_over_its_gradient(self):
        layers = {**DATA, **LABELS, "fc": fc("data", 4, neuron="logistic")}
        layers["cost"] = {"type": "cost.crossent2", "inputs": "labels,fc"}
        engine = Recorder()
        net = make_net(layers, {"fc": rates(), "cost": {"coeff": 0.5}}, (6, 4), 4, engine=engine)
        data = [random_data([6], 3)[0], np.random.RandomState(1).rand(4, 3).astype(np.float32)]
        net.fprop(data)
        net.bprop()
        assert not engine.named("cross_entropy2_grad", "neuron_grad")
        assert net.acts_grad("fc") == pytest.approx(
            0.5 * (data[1] - net.acts("fc_neuron")), rel=1e-5, abs=1e-7
        )

    def test_other_units_get_what_the_original_calls_the_stupid_way(self):
        """Its second term has the wrong sign, there as here."""
        layers = {**DATA, **LABELS, "fc": fc("data", 4, initB=0.5, initW="0.01")}
        layers["cost"] = {"type": "cost.crossent2", "inputs": "labels,fc"}
        net = make_net(layers, {"fc": rates(), "cost": {"coeff": 0.5}}, (6, 4), 4)
        data = [random_data([6], 3)[0], np.random.RandomState(1).rand(4, 3).astype(np.float32)]
        net.fprop(data)
        net.bprop()
        t, y = data[1], net.acts("fc")
        assert net.acts_grad("fc") == pytest.approx(0.5 * (t / y + (1 - t) / (1 - y)), rel=1e-5)

    def test_labels_that_learn_are_refused(self):
        layers = {**DATA, "low": fc("data", 1), "fc": fc("data", 4), **PROBS}
        layers["logprob"] = {"type": "cost.logreg", "inputs": "low,probs"}
        spec = spec_of(layers, {"low": rates(), "fc": rates(), **LOSS}, (6,), 4)
        with pytest.raises(
            ConfigError, match=r"^layer 'logprob': its first input 'low' holds labels and cannot learn"
        ):
            ConvNet(spec, ENGINE)


def test_a_layer_without_gradient_is_refused_above_one_that_learns():
    layers = {"low": fc("data", 12), "x": {"type": "rgb2yuv", "inputs": "data"}}
    layers |= {"fc": fc("x,low", 4, initW="0.1,0.1"), **PROBS, **LOGREG}
    spec = spec_of({**DATA, **LABELS, **layers}, {"low": rates(), "fc": rates(2), **LOSS}, (12, 1), 4)
    moved = [replace(layer, inputs=("low",)) if layer.name == "x" else layer for layer in spec]
    with pytest.raises(
        ConfigError, match=r"^layer 'x': layers of type 'rgb2yuv' cannot propagate a gradient"
    ):
        ConvNet(replace(spec, layers=tuple(moved)), ENGINE)


class TestRandomScale:
    def net(self, seed=1):
        layers = {
            "x": {"type": "rscale", "inputs": "data", "channels": 3, "maxScale": 1.5, "tgtSize": 8},
            **TAIL,
        }
        return net_with(layers, {"fc": rates()}, dims=(3 * 12 * 12, 1), seed=seed)

    def test_in_training_the_crop_depends_on_the_position_alone(self):
        data = random_data([432, 1], 2, 4)

        def crop(position):
            net = self.net()
            net.position = position
            net.fprop(data, PassType.TRAIN)
            return net.acts("x")

        assert np.array_equal(crop((1, 1, 1)), crop((1, 1, 1)))
        assert len({crop((1, 1, n)).tobytes() for n in range(8)}) > 4

    def test_scales_are_as_likely_as_they_have_crops(self):
        probabilities = self.net().layers["x"].scale_probabilities()
        assert np.diff([0, *probabilities]) == pytest.approx(np.array([1, 4, 9, 16, 25]) / 55)

    def test_in_a_test_the_centre_is_taken_and_ready_crops_are_left_alone(self):
        data = random_data([432, 1], 2, 4)
        net = self.net()
        net.fprop(data)
        images = data[0].reshape(3, 12, 12, 2)
        assert np.array_equal(net.acts("x").reshape(3, 8, 8, 2), images[:, 2:10, 2:10])
        crop = random_data([192, 1], 2, 4)
        net.fprop(crop)
        assert np.array_equal(net.acts("x"), crop[0])

    def test_images_of_another_size_are_named(self):
        with pytest.raises(
            DataError, match=r"^layer 'x': images of 100 values; they must have 432, or 192 in a test$"
        ):
            self.net().fprop(random_data([100, 1], 2, 4))


def test_an_eltmax_gives_the_whole_gradient_to_every_largest_input():
    layers = {
        "low": fc("data", 4),
        "same": {"type": "neuron", "inputs": "low", "neuron": "ident"},
        "x": {"type": "eltmax", "inputs": "low,same"},
        **TAIL,
    }
    net = net_with(layers, {"low": rates(), "fc": rates()}, dims=(6, 1))
    net.fprop(random_data([6, 1], 3, 4))
    net.bprop()
    assert net.acts_grad("low") == pytest.approx(2 * net.acts_grad("x"), rel=1e-6)


def test_a_maxabs_pooling_hands_the_gradient_to_the_pixel_it_kept_whatever_its_sign():
    x = {
        "type": "pool",
        "pool": "maxabs",
        "inputs": "conv",
        "channels": 16,
        "sizeX": 2,
        "stride": 2,
        "start": 0,
    }
    net = net_with({"conv": conv("data", 1), "x": x, **TAIL}, {"conv": rates(), "fc": rates()})
    net.fprop(random_data([36, 1], 3, 4))
    net.bprop()
    images = net.acts("conv").reshape(16, 3, 2, 3, 2, 3)
    kept = np.abs(images) == np.abs(images).max(axis=(2, 4), keepdims=True)
    above = net.acts_grad("x").reshape(16, 3, 1, 3, 1, 3)
    assert (net.acts("x") < 0).any()
    assert np.array_equal(net.acts_grad("conv").reshape(images.shape), np.where(kept, above, 0))


def random_pooling(seed=0, do_max=False):
    x = {
        "type": "pool",
        "pool": "rand",
        "inputs": "conv",
        "channels": 16,
        "sizeX": 2,
        "stride": 2,
        "start": 0,
    }
    layers = {"conv": conv("data", 1), "x": x, **TAIL}
    return net_with(layers, {"conv": rates(), "x": {"doMax": int(do_max)}, "fc": rates()}, seed=seed)


def test_random_pooling_draws_a_pixel_of_each_region_for_each_minibatch():
    data, drawn = random_data([36, 1], 300, 4), []
    for seed, position in [(0, (1, 1, 0)), (0, (1, 1, 0)), (0, (1, 2, 0)), (1, (1, 1, 0))]:
        net = random_pooling(seed)
        net.position = position
        net.fprop(data)
        images = net.acts("conv").reshape(16, 3, 2, 3, 2, 300)
        taken = images == net.acts("x").reshape(16, 3, 1, 3, 1, 300)
        assert taken.any(axis=(2, 4)).all()
        np.testing.assert_allclose(taken.mean(axis=(0, 1, 3, 5)), 0.25, atol=0.01)
        drawn.append(taken)
    same, *others = (np.mean(drawn[0] == taken) for taken in drawn[1:])
    assert same == 1
    assert all(share < 0.7 for share in others)


def test_random_pooling_hands_the_gradient_to_the_pixel_it_drew():
    net = random_pooling()
    net.fprop(random_data([36, 1], 3, 4), PassType.TRAIN)
    net.bprop(PassType.TRAIN)
    images = net.acts("conv").reshape(16, 3, 2, 3, 2, 3)
    drawn = images == net.acts("x").reshape(16, 3, 1, 3, 1, 3)
    above = net.acts_grad("x").reshape(16, 3, 1, 3, 1, 3)
    assert np.array_equal(net.acts_grad("conv").reshape(images.shape), np.where(drawn, above, 0))


def test_random_pooling_told_doMax_takes_the_largest():
    net = random_pooling(do_max=True)
    net.fprop(random_data([36, 1], 3, 4))
    largest = net.acts("conv").reshape(16, 3, 2, 3, 2, 3).max(axis=(2, 4))
    assert np.array_equal(net.acts("x").reshape(largest.shape), largest)


def test_concatenated_features_lie_one_after_the_other():
    layers = {"a": fc("data", 3), "b": fc("data", 5), "x": {"type": "concat", "inputs": "a,b,a"}, **TAIL}
    net = net_with(layers, {"a": rates(), "b": rates(), "fc": rates()}, dims=(6, 1))
    net.fprop(random_data([6, 1], 3, 4))
    net.bprop()
    a, b = net.acts("a"), net.acts("b")
    assert np.array_equal(net.acts("x"), np.concatenate([a, b, a]))
    above = net.acts_grad("x")
    assert net.acts_grad("a") == pytest.approx(above[:3] + above[8:], rel=1e-6)


def test_a_data_layer_can_take_a_part_of_its_matrix():
    layers = {"data": DATA["data"] | {"start": 2, "end": 5}, "x": fc("data", 5), **TAIL}
    net = net_with(layers, {"x": rates(), "fc": rates()}, dims=(6, 1))
    data = random_data([6, 1], 3, 4)
    net.fprop(data)
    assert np.array_equal(net.acts("data"), data[0][2:5])


class TestSparseConnections:
    def net(self, **options):
        sparse = {"groups": 2, "randSparse": 1, "filterChannels": 8, **options}
        layers = {"low": conv("data", 1), "x": conv("low", 16, **sparse), **TAIL}
        return net_with(layers, {"low": rates(), "x": rates(), "fc": rates()})

    def test_each_channel_is_seen_over_sample_times(self):
        for filter_channels, times in ((8, 1), (16, 2)):
            connections = self.net(filterChannels=filter_channels).layers["x"].connections[0]
            assert connections.shape == (2, filter_channels)
            assert (np.bincount(connections.reshape(-1)) == times).all()

    def test_they_come_from_their_own_random_stream(self):
        random = RandomStreams(1).at("weights", path=("x", "0", "connections"))
        assert np.array_equal(self.net().layers["x"].connections[0].reshape(-1), random.permutation(16))

    def test_they_are_part_of_the_state(self):
        net = self.net()
        state = net.get_state()
        state["x/connections0"] = state["x/connections0"][::-1].copy()
        data = random_data([36, 1], 2, 4)
        net.fprop(data)
        before = net.acts("x")
        net.set_state(state)
        net.fprop(data)
        assert np.array_equal(net.layers["x"].connections[0], state["x/connections0"])
        assert not np.array_equal(net.acts("x"), before)

    def test_shared_weights_share_them(self):
        sparse = {"groups": 2, "randSparse": 1, "filterChannels": 8}
        layers = {
            "low": conv("data", 1),
            "one": conv("low", 16, **sparse),
            "two": conv("low", 16, weightSource="one", **sparse),
            "x": {"type": "concat", "inputs": "one,two"},
            **TAIL,
        }
        net = net_with(layers, {"low": rates(), "one": rates(), "two": rates(), "fc": rates()})
        assert net.layers["two"].connections[0] is net.layers["one"].connections[0]
