"""The experiments that come with the package, and run 145 in numbers."""

from __future__ import annotations

import pytest

from alexnet2012.experiments import names, path
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec, HiddenSexSpec, LogregCostSpec, NormSpec, PoolSpec
from cuda_convnet.errors import ConvnetError


def network(name):
    return read_network(path(name) / "layers.cfg", path(name) / "params.cfg")


@pytest.fixture(scope="module")
def run145():
    return network("145")


def test_the_experiments_have_names():
    assert {"145", "cifar10-80sec", "cifar10-18pct"} <= set(names())
    assert path("145").name == "145"


def test_an_experiment_that_is_none_is_refused():
    with pytest.raises(ConvnetError) as caught:
        path("146")
    assert str(caught.value) == f"there is no experiment '146'; there are {', '.join(names())}"


@pytest.mark.parametrize("name", names())
def test_every_experiment_is_a_network_of_which_everything_is_read(name):
    spec = network(name)
    assert spec.notes == ()
    assert spec.num_parameters > 0


def test_run_145_has_60965224_parameters(run145):
    assert run145.num_parameters == 60_965_224


def test_run_145_sees_224_pixels_and_makes_55_of_them(run145):
    assert run145.assumed == ((0, 3 * 224 * 224), (1, 1))
    assert run145["conv1a"].modules_x == 55
    assert run145.num_classes == 1000


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("conv1", (48, 55, 55)),
        ("pool1", (48, 27, 27)),
        ("conv2", (128, 27, 27)),
        ("pool2", (128, 13, 13)),
        ("conv3", (192, 13, 13)),
        ("conv4", (192, 13, 13)),
        ("conv5", (128, 13, 13)),
        ("pool3", (128, 6, 6)),
        ("fc2048", (2048,)),
        ("fc2048b", (2048,)),
    ],
)
def test_shapes_of_run_145(run145, layer, shape):
    assert run145.shapes[f"{layer}a"] == run145.shapes[f"{layer}b"] == shape


def test_the_columns_of_run_145_meet_in_conv3_and_above_the_convolutions_only(run145):
    crossing = {
        layer.name
        for layer in run145
        if any(run145[name].gpu not in (layer.gpu, -1) for name in layer.inputs)
    }
    assert crossing == {"conv3a", "conv3b", "fc2048a", "fc2048b", "fc2048ba", "fc2048bb", "fc1000"}
    assert {layer.gpu for layer in run145 if isinstance(layer, ConvSpec) and layer.name.endswith("b")} == {1}


def test_run_145_normalises_then_pools_then_rectifies(run145):
    assert run145["pool1a_neuron"].src_layer == "pool1a"
    assert run145["pool1a"].inputs == ("rnorm1a",)
    assert run145["rnorm1a"].inputs == ("conv1a",)


def test_numbers_of_run_145(run145):
    norms = {layer.name: layer for layer in run145 if isinstance(layer, NormSpec)}
    assert {(n.size, n.scale, n.pow, n.min_div) for n in norms.values() if n.type == "cmrnorm"} == {
        (5, 0.0001 / 5, 0.75, 2.0)
    }
    assert {(n.size, n.scale, n.pow) for n in norms.values() if n.type == "rnorm"} == {(5, 0.001 / 25, 0.75)}
    assert {(p.size_x, p.stride) for p in run145 if isinstance(p, PoolSpec)} == {(3, 2)}
    assert {(h.keep, h.enable) for h in run145 if isinstance(h, HiddenSexSpec)} == {(0.5, True)}
    assert isinstance(run145["logprob"], LogregCostSpec)
    assert run145["logprob"].topk == 5


def test_biases_of_run_145_start_at_one_where_the_paper_says(run145):
    ones = {layer.name.rstrip("ab") for layer in run145 if getattr(layer, "init_b", 0) == 1}
    assert ones == {"conv2", "conv4", "conv5", "fc2048"}


def test_conv1_of_run_145_has_stopped_learning(run145):
    rates = {layer.name: (*layer.eps_w, layer.eps_b) for layer in run145 if isinstance(layer, ConvSpec)}
    assert rates["conv1a"] == rates["conv1b"] == (0.0, 0.0)
    assert rates["conv3a"] == (0.00001, 0.00001, 0.02)


@pytest.mark.parametrize(("name", "parameters"), [("cifar10-80sec", 145_578), ("cifar10-18pct", 89_578)])
def test_networks_for_cifar10(name, parameters):
    spec = network(name)
    assert spec.num_parameters == parameters
    assert spec.shapes["data"] == (3, 32, 32)
    assert spec.num_classes == 10
