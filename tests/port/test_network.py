"""The graph, the passes through it, what comes of a minibatch: alexnet:src/convnet.cu, worker.cu."""

import numpy as np
import pytest

from cuda_convnet.errors import CheckpointError, ConfigError, ConvnetError, DataError
from cuda_convnet.network import BackwardStep, ConvNet, Cost, PassType
from small_nets import (
    DATA,
    ENGINE,
    LABELS,
    LOGREG,
    PROBS,
    Recorder,
    conv,
    fc,
    make_net,
    random_data,
    rates,
    softmax_net,
    spec_of,
)

LOSS = {"logprob": {"coeff": 1}}


def plan(net):
    return {step.layer: step.gradients for step in net.backward_plan}


def two_towers(**params):
    """data - conv - two branches that meet in eltsum - fc - softmax - logreg"""
    layers = {
        **DATA,
        **LABELS,
        "conv": conv("data", 1),
        "left": {"type": "neuron", "inputs": "conv", "neuron": "relu"},
        "right": {"type": "neuron", "inputs": "conv", "neuron": "tanh[1,0.5]"},
        "both": {"type": "eltsum", "inputs": "left,right"},
        "fc": fc("both", 4),
        **PROBS,
        **LOGREG,
    }
    return make_net(layers, {"conv": rates(), "fc": rates(), **LOSS, **params}, [16, 1], 4)


class TestTheOrderBackward:
    def test_a_layer_runs_when_all_gradients_above_it_have_arrived(self):
        order = [step.layer for step in two_towers().backward_plan]
        assert order == ["logprob", "probs", "fc", "both", "left", "right", "conv"]

    def test_the_first_gradient_is_written_and_the_next_ones_are_added(self):
        assert plan(two_towers())["left"] == ((0, False),)
        assert plan(two_towers())["right"] == ((0, True),)

    def test_a_branch_that_ends_early_waits_for_the_longer_one(self):
        layers = {
            **DATA,
            **LABELS,
            "below": fc("data", 4),
            "deep": fc("below", 4),
            "sum": {"type": "eltsum", "inputs": "below,deep"},
            "probs": {"type": "softmax", "inputs": "sum"},
            **LOGREG,
        }
        net = make_net(layers, {"below": rates(), "deep": rates(), **LOSS}, [6, 1], 4)
        order = [step.layer for step in net.backward_plan]
        assert order == ["logprob", "probs", "sum", "deep", "below"]
        assert plan(net)["sum"] == ((0, False), (1, False))
        assert plan(net)["deep"] == ((0, True),)

    def test_an_input_that_is_taken_twice_receives_two_gradients(self):
        layers = {
            **DATA,
            **LABELS,
            "fc": fc("data", 4),
            "sum": {"type": "eltsum", "inputs": "fc,fc", "coeffs": "2,3"},
            "probs": {"type": "softmax", "inputs": "sum"},
            **LOGREG,
        }
        net = make_net(layers, {"fc": rates(), **LOSS}, [6, 1], 4)
        assert plan(net)["sum"] == ((0, False), (1, True))
        data = random_data([6, 1], 5, 4)
        net.fprop(data)
        net.bprop()
        assert net.acts_grad("fc") == pytest.approx(5 * net.acts_grad("sum"), rel=1e-6)

    def test_no_gradient_goes_to_data(self):
        engine = Recorder()
        layers = {**DATA, **LABELS, "conv": conv("data", 1), "fc": fc("conv", 4), **PROBS, **LOGREG}
        net = make_net(layers, {"conv": rates(), "fc": rates(), **LOSS}, [16, 1], 4, engine=engine)
        net.train_minibatch(random_data([16, 1], 3, 4))
        assert plan(net)["conv"] == ()
        assert not engine.named("conv_img_acts")
        assert len(engine.named("conv_weight_acts")) == 1

    def test_a_cost_with_coefficient_zero_produces_no_gradient(self):
        net = softmax_net(params={"logprob": {"coeff": 0}})
        before = net.get_state()
        cost = net.train_minibatch(random_data([6, 1], 5, 4))
        assert net.backward_plan == ()
        assert cost.values["logprob"][0] > 0
        assert cost.total == 0
        after = net.get_state()
        assert all(np.array_equal(before[name], after[name]) for name in before)

    def test_a_second_cost_of_coefficient_zero_does_not_hold_up_the_first(self):
        layers = {
            **DATA,
            **LABELS,
            "fc": fc("data", 4),
            **PROBS,
            "watch": {"type": "cost.sum2", "inputs": "fc"},
            **LOGREG,
        }
        net = make_net(layers, {"fc": rates(), "watch": {"coeff": 0}, **LOSS}, [6, 1], 4)
        assert [step.layer for step in net.backward_plan] == ["logprob", "probs", "fc"]

    def test_layers_below_the_lowest_that_learns_get_no_gradient(self):
        net = two_towers(conv=rates(eps=0))
        assert [step.layer for step in net.backward_plan] == ["logprob", "probs", "fc"]
        net.train_minibatch(random_data([16, 1], 3, 4))
        with pytest.raises(
            ConvnetError, match=r"layer 'both' has no gradient because no layer below it learns"
        ):
            net.acts_grad("both")

    def test_one_rate_above_zero_makes_a_layer_learn_that_matrix_alone(self):
        engine = Recorder()
        params = {"fc": rates() | {"epsB": 0}}
        net = softmax_net(params=params, engine=engine)
        biases = ENGINE.to_host(net.layers["fc"].biases.w)
        net.train_minibatch(random_data([6, 1], 5, 4))
        assert not engine.named("matrix_add_sum")
        assert np.array_equal(net.layers["fc"].biases.w, biases)
        assert net.layers["fc"].weights[0].inc.any()

    def test_two_costs_add_up(self):
        layers = {
            **DATA,
            **LABELS,
            "fc": fc("data", 4),
            **PROBS,
            "decay": {"type": "cost.sum2", "inputs": "fc"},
            **LOGREG,
        }
        net = make_net(layers, {"fc": rates(), "decay": {"coeff": 0.25}, **LOSS}, [6, 1], 4)
        data = random_data([6, 1], 5, 4)
        net.fprop(data)
        net.bprop()
        onehot = np.eye(4, dtype=np.float32)[data[1][0].astype(int)].T
        expected = -0.5 * net.acts("fc") + (onehot - net.acts("probs"))
        assert net.acts_grad("fc") == pytest.approx(expected, abs=1e-6)
        cost = net.cost()
        assert cost.total == pytest.approx(cost.values["logprob"][0] + 0.25 * cost.values["decay"][0])


class TestWhatAGradientIsDividedBy:
    def gradient(self, net, data):
        onehot = np.eye(4)[data[1][0].astype(int)].T
        return data[0] @ (onehot - net.acts("probs")).T

    def test_the_cases_of_the_minibatch_even_when_it_is_not_full(self):
        net = softmax_net(params={"fc": rates(eps=0.5)})
        for cases in (8, 3, 1):
            data = random_data([6, 1], cases, 4, seed=cases)
            net.fprop(data, PassType.TRAIN)
            net.bprop()
            expected = 0.5 * self.gradient(net, data) / cases
            assert net.layers["fc"].weights[0].inc == pytest.approx(expected, rel=1e-5, abs=1e-7)
            net.update_weights()

    def test_nothing_in_a_gradient_check(self):
        net = softmax_net(params={"fc": rates(eps=0.5)})
        data = random_data([6, 1], 8, 4)
        net.fprop(data, PassType.GRADIENT_CHECK)
        net.bprop(PassType.GRADIENT_CHECK)
        assert net.layers["fc"].weights[0].grad == pytest.approx(self.gradient(net, data), rel=1e-5)

    def test_all_minibatches_together_when_they_are_accumulated(self):
        net = softmax_net(params={"fc": rates(eps=0.5)}, minibatch_size=8, wupdate_freq=3)
        data = random_data([6, 1], 5, 4)
        net.fprop(data, PassType.TRAIN)
        net.bprop()
        assert net.layers["fc"].weights[0].inc == pytest.approx(0.5 * self.gradient(net, data) / 24, rel=1e-5)


class TestAccumulation:
    def test_several_minibatches_make_one_update_like_one_large_one(self):
        params = {"conv": rates(momW=0.9, wc=0.01), "fc": rates(momW=0.9, wc=0.01)}
        data = random_data([16, 1], 8, 4)
        halves = [[m[:, :4] for m in data], [m[:, 4:] for m in data]]
        layers = {**DATA, **LABELS, "conv": conv("data", 1), "fc": fc("conv", 4), **PROBS, **LOGREG}
        large = make_net(layers, {**params, **LOSS}, [16, 1], 4)
        small = make_net(layers, {**params, **LOSS}, [16, 1], 4, minibatch_size=4, wupdate_freq=2)
        for _ in range(2):
            large.train_minibatch(data)
            before = small.get_state()
            small.train_minibatch(halves[0])
            weights = {
                name: w for name, w in small.get_state().items() if name.endswith(("weights0", "biases"))
            }
            assert all(np.array_equal(w, before[name]) for name, w in weights.items()), "no update yet"
            small.train_minibatch(halves[1])
        expected, found = large.get_state(), small.get_state()
        assert expected.keys() == found.keys()
        for name in expected:
            assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name

    def test_momentum_counts_once_for_the_whole_update(self):
        net = softmax_net(params={"fc": rates(momW=0.5)}, minibatch_size=2, wupdate_freq=2)
        net.layers["fc"].weights[0].inc[...] = 1.0
        data = random_data([6, 1], 2, 4)
        data[0][...] = 0  # no gradient: what is left is the momentum
        net.train_minibatch(data)
        net.train_minibatch(data)
        assert (net.layers["fc"].weights[0].inc == 0.5).all()

    def test_one_image_at_a_time_is_accumulated_too(self):
        net = softmax_net(minibatch_size=1, wupdate_freq=4)
        whole = softmax_net()
        data = random_data([6, 1], 4, 4)
        for n in range(4):
            net.train_minibatch([m[:, n : n + 1] for m in data])
        whole.train_minibatch(data)
        assert net.layers["fc"].biases.w == pytest.approx(whole.layers["fc"].biases.w, rel=1e-5, abs=1e-7)

    def test_a_state_in_between_goes_on_with_the_same_bits(self):
        layers = {**DATA, **LABELS, "conv": conv("data", 1), "fc": fc("conv", 4), **PROBS, **LOGREG}
        params = {"conv": rates(momW=0.9), "fc": rates(momW=0.9), **LOSS}

        def make():
            return make_net(layers, params, [16, 1], 4, minibatch_size=4, wupdate_freq=3)

        batches = [random_data([16, 1], 4, 4, seed=n) for n in range(6)]
        unbroken, first, second = make(), make(), make()
        for batch in batches:
            unbroken.train_minibatch(batch)
        for batch in batches[:4]:
            first.train_minibatch(batch)
        second.set_state(first.get_state())
        for batch in batches[4:]:
            second.train_minibatch(batch)
        expected, found = unbroken.get_state(), second.get_state()
        assert expected.keys() == found.keys()
        assert all(np.array_equal(expected[name], found[name]) for name in expected)


class TestSharedWeights:
    def nets(self):
        """One matrix used twice, and the same with two equal matrices."""
        layers = {
            **DATA,
            **LABELS,
            "one": fc("data", 6),
            "two": fc("one", 6),
            "fc": fc("two", 4),
            **PROBS,
            **LOGREG,
        }
        params = {name: rates() for name in ("one", "two", "fc")} | LOSS
        shared = make_net({**layers, "two": fc("one", 6, weightSource="one")}, params, [6, 1], 4)
        parted = make_net(layers, params, [6, 1], 4)
        parted.layers["two"].weights[0].w[...] = parted.layers["one"].weights[0].w
        parted.layers["fc"].weights[0].w[...] = shared.layers["fc"].weights[0].w
        return shared, parted

    def test_the_gradients_of_all_uses_add_up_and_the_owner_updates_once(self):
        shared, parted = self.nets()
        data = random_data([6, 1], 5, 4)
        start = ENGINE.to_host(shared.layers["one"].weights[0].w)
        for net in (shared, parted):
            net.train_minibatch(data)
        steps = sum(parted.layers[name].weights[0].inc for name in ("one", "two"))
        assert shared.layers["one"].weights[0].inc == pytest.approx(steps, rel=1e-5, abs=1e-7)
        assert shared.layers["two"].weights[0].w == pytest.approx(start + steps, rel=1e-5, abs=1e-6)

    def test_the_momentum_of_a_shared_matrix_counts_once(self):
        shared, _ = self.nets()
        weights = shared.layers["one"].weights[0]
        weights.mom = shared.layers["two"].weights[0].mom = 0.5
        weights.inc[...] = 1.0
        data = random_data([6, 1], 5, 4)
        data[0][...] = 0
        shared.layers["one"].biases.w[...] = 0
        shared.train_minibatch(data)
        assert (weights.inc == 0.5).all()

    def test_a_shared_matrix_counts_and_is_saved_once(self):
        shared, parted = self.nets()
        assert parted.num_parameters - shared.num_parameters == 36
        assert "two/weights0" not in shared.get_state()

    def test_a_layer_can_share_with_itself(self):
        layers = {
            **DATA,
            **LABELS,
            "fc": fc("data,data", 4, weightSource=" ,fc[0]"),
            **PROBS,
            **LOGREG,
        }
        net = make_net(layers, {"fc": rates(2), **LOSS}, [6, 1], 4)
        assert net.layers["fc"].weights[1].w is net.layers["fc"].weights[0].w


class TestCosts:
    def test_the_library_reports_sums_over_the_cases(self):
        net = softmax_net()
        data = random_data([6, 1], 5, 4)
        cost = net.test_minibatch(data)
        probs, labels = net.acts("probs"), data[1][0].astype(int)
        assert cost.num_cases == 5
        logprob, errors, again = cost.values["logprob"]
        assert logprob == pytest.approx(-np.log(probs[labels, range(5)]).sum(), rel=1e-6)
        assert errors == again == (probs.argmax(axis=0) != labels).sum()

    def test_classes_that_tie_share_the_room_there_is(self):
        net = softmax_net(features=2, classes=4, params={"logprob": {"coeff": 1, "topk": 2}})
        weights = np.zeros((2, 4), np.float32)
        weights[0] = [5, 1, 1, 1]  # one class ahead, three that tie for the one place left
        weights[1] = [3, 3, 3, 3]  # all tie: half of them are among the first two
        net.layers["fc"].weights[0].w[...] = weights
        data = [np.float32([[1, 1, 0], [0, 0, 1]]), np.float32([[0, 2, 3]])]
        _, top1, top2 = net.test_minibatch(data).values["logprob"]
        assert top1 == pytest.approx(0 + 1 + (1 - 1 / 4))
        assert top2 == pytest.approx(0 + (1 - 1 / 3) + (1 - 2 / 4))

    def test_costs_add_up_and_divide(self):
        one = Cost(2, {"a": (4.0, 1.0)}, {"a": 0.5})
        other = Cost(3, {"a": (6.0, 2.0), "b": (1.0,)}, {"a": 0.5, "b": 2.0})
        both = one + other
        assert (both.num_cases, both.values) == (5, {"a": (10.0, 3.0), "b": (1.0,)})
        assert both.total == 0.5 * 10 + 2 * 1
        assert (both / 5).values["a"] == (2.0, 0.6)

    def test_costs_start_from_nothing(self):
        assert (Cost(0, {}, {}) + Cost(2, {"a": (1.0,)}, {"a": 1.0})).values == {"a": (1.0,)}


class TestMultiview:
    def views(self, count, cases=5):
        return [
            random_data([6, 1], cases, 4, seed=n)[:1] + random_data([6, 1], cases, 4)[1:]
            for n in range(count)
        ]

    def test_the_probabilities_are_averaged_over_the_views(self):
        net = softmax_net()
        views = self.views(3)
        probs = []
        for view in views:
            net.fprop(view)
            probs.append(net.acts("probs"))
        cost = net.multiview_test_minibatch(views)
        mean, labels = np.mean(probs, axis=0), views[0][1][0].astype(int)
        assert cost.num_cases == 5
        assert cost.values["logprob"][0] == pytest.approx(-np.log(mean[labels, range(5)]).sum(), rel=1e-6)
        assert cost.values["logprob"][1] == (mean.argmax(axis=0) != labels).sum()
        assert ENGINE.to_host(net.layers["logprob"].probs) == pytest.approx(mean, rel=1e-6)

    def test_one_view_is_a_plain_test(self):
        net = softmax_net()
        (view,) = self.views(1)
        assert net.multiview_test_minibatch([view]) == net.test_minibatch(view)

    def test_no_view_is_an_error(self):
        with pytest.raises(DataError, match=r"a multiview test needs at least one view"):
            softmax_net().multiview_test_minibatch([])


class TestData:
    @pytest.mark.parametrize(
        ("shapes", "told"),
        [
            ([(6, 0), (1, 0)], "layer 'data': no images were given; a minibatch has at least one"),
            ([(6, 2)], "layer 'labels': it takes data matrix 1, but only 1 were given"),
            ([(5, 2), (1, 2)], "layer 'data': 5 values for each image; it takes 6"),
            ([(6, 2), (1, 3)], "layer 'labels': data for 3 images, where the layers before it have 2"),
            ([(6, 2), (2,)], "layer 'labels': its data must be (features, images), not of shape (2,)"),
        ],
    )
    def test_data_that_do_not_fit_are_named(self, shapes, told):
        with pytest.raises(DataError) as error:
            softmax_net().fprop([np.zeros(shape, np.float32) for shape in shapes])
        assert str(error.value) == told

    @pytest.mark.parametrize("label", [-1, 4, 0.5, np.nan])
    def test_a_label_that_is_no_class_is_named(self, label):
        data = random_data([6, 1], 3, 4)
        data[1][0, 1] = label
        with pytest.raises(
            DataError, match=r"^layer 'labels': label .*; the 4 classes of layer 'probs' are 0 to 3$"
        ):
            softmax_net().fprop(data)

    def test_one_image_works(self):
        net = two_towers()
        cost = net.train_minibatch(random_data([16, 1], 1, 4))
        assert cost.num_cases == 1
        assert net.acts("conv").shape == (256, 1)

    def test_a_smaller_minibatch_gives_what_it_gives_alone(self):
        data = random_data([16, 1], 7, 4)
        part = [m[:, :3] for m in data]
        used, fresh = two_towers(), two_towers()
        used.fprop(data)
        used.bprop(PassType.GRADIENT_CHECK)
        for net in (used, fresh):
            for _, weights in net.named_weights():
                weights.num_updates = 0
            net.fprop(part)
            net.bprop(PassType.GRADIENT_CHECK)
        for name in ("conv", "left", "both", "fc", "probs"):
            assert np.array_equal(used.acts(name), fresh.acts(name)), name
        assert np.array_equal(used.acts_grad("conv"), fresh.acts_grad("conv"))

    def test_other_numbers_than_float32_are_taken(self):
        data = random_data([6, 1], 3, 4)
        net = softmax_net()
        expected = net.test_minibatch(data)
        assert net.test_minibatch([data[0].astype(np.float64), data[1].astype(np.int32)]) == expected


class TestLooking:
    def test_activations_survive_the_pass_backward(self):
        layers = {
            **DATA,
            **LABELS,
            "conv": conv("data", 1),
            "norm": {"type": "cmrnorm", "inputs": "conv", "channels": 16, "size": 5},
            "fc": fc("norm", 4),
            **PROBS,
            **LOGREG,
        }
        norm = {"scale": 0.1, "pow": 0.75}
        net = make_net(layers, {"conv": rates(), "norm": norm, "fc": rates(), **LOSS}, [16, 1], 4)
        net.fprop(random_data([16, 1], 3, 4))
        before = {name: net.acts(name) for name in net.layers}
        net.bprop()
        assert all(np.array_equal(before[name], net.acts(name)) for name in before)

    def test_activations_are_copies(self):
        net = softmax_net()
        net.fprop(random_data([6, 1], 3, 4))
        net.acts("fc")[...] = 7
        assert not (net.acts("fc") == 7).any()

    def test_what_is_not_there_is_an_error_in_one_line(self):
        net = softmax_net()
        with pytest.raises(ConvnetError, match=r"layer 'fc' has no activations before a pass forward"):
            net.acts("fc")
        with pytest.raises(
            ConvnetError, match=r"layer 'conv9' does not exist; there are data, labels, fc, probs, logprob"
        ):
            net.acts("conv9")
        with pytest.raises(ConvnetError, match=r"a pass backward needs a pass forward before it"):
            net.bprop()
        net.fprop(random_data([6, 1], 3, 4))
        with pytest.raises(ConvnetError, match=r"layer 'fc' has no gradient before a pass backward"):
            net.acts_grad("fc")

    def test_changed_activations_change_what_is_above_them(self):
        net = two_towers()
        net.fprop(random_data([16, 1], 3, 4))
        before = {name: net.acts(name) for name in net.layers}
        acts = net.acts("left")
        acts[0, 1] += 1
        net.change_acts("left", acts)
        assert np.array_equal(net.acts("right"), before["right"])
        assert net.acts("both")[0, 1] == pytest.approx(before["both"][0, 1] + 1)
        assert not np.array_equal(net.acts("probs")[:, 1], before["probs"][:, 1])
        assert np.array_equal(net.acts("probs")[:, 2], before["probs"][:, 2])

    def test_parameters_are_counted(self):
        assert two_towers().num_parameters == 9 * 16 + 16 + 256 * 4 + 4

    def test_the_first_layer_with_a_nan_is_named(self):
        net = two_towers()
        data = random_data([16, 1], 3, 4)
        net.fprop(data)
        assert net.first_nonfinite() is None
        net.layers["conv"].weights[0].w[0, 0, 0, 0] = np.nan
        net.fprop(data)
        assert net.first_nonfinite() == "conv"

    def test_a_cost_that_is_infinite_is_named(self):
        net = softmax_net()
        net.layers["fc"].biases.w[0, 0] = -500  # the probability of class 0 is then zero
        data = random_data([6, 1], 3, 4)
        data[1][...] = 0
        assert net.test_minibatch(data).values["logprob"][0] == np.inf
        assert net.first_nonfinite() == "logprob"

    def test_a_gradient_that_overflows_is_named(self):
        net = softmax_net()
        net.fprop(random_data([6, 1], 3, 4))
        net.bprop()
        net.layers["fc"].acts_grad[0, 0] = np.inf
        assert net.first_nonfinite() == "fc"

    def test_nan_in_the_data_is_the_data_layers(self):
        net = softmax_net()
        data = random_data([6, 1], 3, 4)
        data[0][2, 1] = np.nan
        net.fprop(data)
        assert net.first_nonfinite() == "data"


class TestSeeds:
    def test_the_same_seed_gives_the_same_bits(self):
        data = random_data([16, 1], 5, 4)
        states = []
        for _ in range(2):
            net = two_towers()
            for n in range(3):
                net.train_minibatch(data, position=(0, 0, n))
            states.append(net.get_state())
        assert states[0].keys() == states[1].keys()
        assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])

    def test_another_seed_gives_other_weights(self):
        one, other = softmax_net(seed=1), softmax_net(seed=2)
        assert not np.array_equal(one.layers["fc"].weights[0].w, other.layers["fc"].weights[0].w)

    def test_the_weights_of_a_layer_do_not_depend_on_other_layers(self):
        layers = {**DATA, **LABELS, "extra": fc("data", 6), "fc": fc("extra", 4), **PROBS, **LOGREG}
        net = make_net(layers, {"extra": rates(), "fc": rates(), **LOSS}, [6, 1], 4)
        assert np.array_equal(net.layers["fc"].weights[0].w, softmax_net().layers["fc"].weights[0].w)

    def test_weights_are_init_w_times_standard_normal_numbers_and_biases_init_b(self):
        layers = {**DATA, **LABELS, "fc": fc("data", 50, initW=0.25, initB=3), **PROBS, **LOGREG}
        net = make_net(layers, {"fc": rates(), **LOSS}, [200, 1], 50)
        weights = net.layers["fc"].weights[0].w
        assert weights.std() == pytest.approx(0.25, rel=0.02)
        assert abs(weights.mean()) < 0.01
        assert (net.layers["fc"].biases.w == 3).all()


class TestState:
    def test_a_state_brings_another_network_to_the_same_place(self):
        data = random_data([16, 1], 5, 4)
        one, other = two_towers(), two_towers()
        one.train_minibatch(data)
        other.set_state(one.get_state())
        for net in (one, other):
            net.train_minibatch(data)
        first, second = one.get_state(), other.get_state()
        assert all(np.array_equal(first[name], second[name]) for name in first)

    def test_a_state_is_named_by_layer_and_matrix(self):
        assert sorted(softmax_net().get_state()) == [
            "fc/biases",
            "fc/biases_inc",
            "fc/weights0",
            "fc/weights0_inc",
        ]

    def test_the_state_of_another_network_is_refused_and_nothing_changes(self):
        net = softmax_net()
        before = net.get_state()
        with pytest.raises(CheckpointError, match=r"fc/weights0 has shape \(7, 4\), not \(6, 4\)"):
            net.set_state(softmax_net(features=7).get_state())
        with pytest.raises(CheckpointError, match=r"fc/biases is missing"):
            net.set_state({name: w for name, w in before.items() if not name.startswith("fc/biases")})
        assert all(np.array_equal(before[name], w) for name, w in net.get_state().items())

    def test_a_state_does_not_follow_the_network(self):
        net = softmax_net()
        state = net.get_state()
        copies = {name: w.copy() for name, w in state.items()}
        net.train_minibatch(random_data([6, 1], 5, 4))
        assert all(np.array_equal(state[name], copies[name]) for name in state)

    def test_after_a_state_nothing_is_left_to_update(self):
        net = softmax_net()
        state = net.get_state()
        net.fprop(random_data([6, 1], 5, 4))
        net.bprop()
        net.set_state(state)
        net.update_weights()
        assert all(np.array_equal(state[name], w) for name, w in net.get_state().items())


class TestWhatCannotRun:
    def refused(self, layers, params, dims=(16, 1), classes=4):
        spec = spec_of({**DATA, **LABELS, **layers, **PROBS, **LOGREG}, {**params, **LOSS}, dims, classes)
        with pytest.raises(ConfigError) as error:
            ConvNet(spec, ENGINE)
        return str(error.value)

    def test_a_tree_of_classes(self):
        told = self.refused({"fc": {"type": "treefc", "inputs": "data", "initW": 0.1}}, {"fc": rates()})
        assert told == "layer 'fc': layers of type 'treefc' cannot run here"

    def test_replicas(self):
        logprob = LOGREG["logprob"] | {"gpu": "0,1"}
        layers = {**DATA, **LABELS, "fc": fc("data", 4, gpu="0,1"), **PROBS, "logprob": logprob}
        with pytest.raises(ConfigError) as error:
            make_net(layers, {"fc": rates(), **LOSS}, [16, 1], 4)
        told = "layer 'fc': replicated on devices 0, 1; replicas cannot run here, name one gpu"
        assert str(error.value) == told

    def test_a_multi_softmax(self):
        spec = spec_of(
            {
                **DATA,
                **LABELS,
                "fc": fc("data", 4),
                "cost": {"type": "cost.msm", "inputs": "labels,fc"},
            },
            {"fc": rates(), "cost": {"coeff": 1, "setSize": 2, "threads": 1}},
            [16, 1],
            4,
        )
        with pytest.raises(ConfigError, match=r"^layer 'cost': layers of type 'cost.msm' cannot run here$"):
            ConvNet(spec, ENGINE)

    def test_a_network_without_its_parameters(self):
        from cuda_convnet.config import parse_network
        from small_nets import text

        spec = parse_network(
            text({**DATA, **LABELS, "fc": fc("data", 4), **PROBS, **LOGREG}), None, data_dims={0: 6}
        )
        with pytest.raises(ConfigError, match=r"without its parameter file"):
            ConvNet(spec, ENGINE)

    def test_minibatches_of_no_images(self):
        with pytest.raises(ConfigError, match=r"minibatch size 0 and wupdate-freq 1 must both be at least 1"):
            softmax_net(minibatch_size=0)


def test_the_steps_of_a_backward_plan_are_values():
    assert BackwardStep("fc", ((0, False),)) == BackwardStep("fc", ((0, False),))
