"""Experiment digits is run 145 in miniature."""

import pytest

from alexnet2012 import experiments
from alexnet2012.experiment import names, read_experiment
from alexnet2012.report.diagram import crossings, place
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import HiddenSexSpec, NormSpec, PoolSpec, WeightLayerSpec


def read(name, features, classes):
    folder = experiments.path(name)
    files = folder / "layers.cfg", folder / "params.cfg"
    return read_network(*files, data_dims={0: features, 1: 1}, num_classes=classes)


@pytest.fixture(scope="module")
def digits():
    return read("digits", 16 * 16, 10)


@pytest.fixture(scope="module")
def run_145():
    return read("145", 3 * 224 * 224, 1000)


def without_sizes(name):
    return "fc1000" if name == "fc10" else name.replace("fc64", "fc2048")


def test_the_miniature_has_the_layers_of_run_145_and_connects_them_alike(digits, run_145):
    theirs = {s.name: (s.type, s.inputs, s.gpu) for s in run_145}
    ours = {without_sizes(s.name): (s.type, tuple(map(without_sizes, s.inputs)), s.gpu) for s in digits}
    assert ours == theirs


def test_the_columns_meet_in_conv3_and_in_the_fully_connected_layers(digits):
    met = {target.layer.name for _, target in crossings(place(digits))}
    assert met == {"conv3a", "conv3b", "fc64a", "fc64b", "fc64ba", "fc64bb"}
    assert digits["conv3a"].inputs == digits["conv3b"].inputs == ("pool2a", "pool2b")
    assert digits["fc10"].inputs == ("hs2a", "hs2b")


def test_normalisation_across_maps_adds_to_two(digits, run_145):
    for spec in (digits, run_145):
        norms = [s for s in spec if isinstance(s, NormSpec) and s.type == "cmrnorm"]
        assert len(norms) == 4
        assert {(s.size, s.min_div, s.pow) for s in norms} == {(5, 2.0, 0.75)}
        assert {s.scale for s in norms} == {0.0001 / 5}
    spatial = [s for s in digits if isinstance(s, NormSpec) and s.type == "rnorm"]
    assert {(s.name, s.size, s.scale) for s in spatial} == {
        ("cnorm2a", 5, 0.001 / 25),
        ("cnorm2b", 5, 0.001 / 25),
    }


def test_pooling_overlaps_and_comes_before_the_relu(digits):
    pools = [s for s in digits if isinstance(s, PoolSpec)]
    assert {(s.pool, s.size_x, s.stride) for s in pools} == {("max", 3, 2)}
    for name in ("pool1a", "pool1b", "pool3a", "pool3b"):
        (neuron,) = digits.consumers(name)
        assert neuron.neuron.type == "relu"
    for name in ("conv1a", "conv1b", "conv5a", "conv5b"):
        assert all(s.type != "neuron" for s in digits.consumers(name))


def test_dropout_keeps_half_of_both_hidden_layers(digits):
    dropouts = {s.name: (s.keep, s.enable) for s in digits if isinstance(s, HiddenSexSpec)}
    assert dropouts == dict.fromkeys(("hs1a", "hs1b", "hs2a", "hs2b"), (0.5, True))


def test_rates_momentum_and_decay_are_those_of_2012(digits):
    for layer in (s for s in digits if isinstance(s, WeightLayerSpec)):
        assert set(layer.eps_w) == {0.01}
        assert layer.eps_b == 0.02
        assert set(layer.mom_w) == {layer.mom_b} == {0.9}
        assert set(layer.wc) == {0.0005}


def test_the_miniature_has_a_three_hundredth_of_the_weights(digits, run_145):
    def num_weights(spec):
        return sum(r * c for s in spec if isinstance(s, WeightLayerSpec) for r, c in s.matrix_shapes)

    assert num_weights(run_145) > 300 * num_weights(digits) > 0


def test_the_recipe_drops_the_rate_in_steps_by_itself_and_tests_on_views():
    experiment = read_experiment("digits")
    recipe = experiment.recipe
    assert experiment.wanted == 0.98
    assert recipe.multiview_test
    assert recipe.crop_border == 2
    assert len(recipe.schedule) >= 2
    for change in recipe.schedule:
        assert 1 < change.epoch <= recipe.epochs
        assert dict(change.multiply) == {"epsW": 0.1, "epsB": 0.1}
        assert change.layers == ()


def test_digits_is_what_reproduce_can_run():
    assert "digits" in names()
