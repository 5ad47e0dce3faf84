"""A network for another number of classes: one line of its layer file changes."""

import difflib

import pytest

from alexnet2012 import experiments
from alexnet2012.rerun.other_classes import with_classes
from cuda_convnet.config import parse_network, read_network
from cuda_convnet.errors import ConfigError


def read(name):
    folder = experiments.path(name)
    return read_network(folder / "layers.cfg", folder / "params.cfg")


@pytest.mark.parametrize(
    ("name", "layer"), [("145", "fc1000"), ("digits", "fc10"), ("cifar10-80sec", "fc10")]
)
def test_only_the_outputs_below_the_cost_change(name, layer):
    spec = read(name)
    text = with_classes(spec, 37, "layers.cfg")
    changed = [
        line
        for line in difflib.ndiff(spec.layers_cfg.split("\n"), text.split("\n"))
        if line.startswith(("+ ", "- "))
    ]
    assert len(changed) == 3
    assert f"+ # {spec[layer].outputs} in layers.cfg: these images have 37 classes." in changed
    again = parse_network(text, spec.params_cfg, num_classes=37)
    assert (again[layer].outputs, again["probs"].outputs) == (37, 37)
    assert {s.name: s.outputs for s in again if s.name not in (layer, "probs")} == {
        s.name: s.outputs for s in spec if s.name not in (layer, "probs")
    }


def test_outputs_that_stand_in_the_default_section_are_given_to_the_layer():
    text = (
        "[DEFAULT]\noutputs=10\n"
        + """
[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[fc1]
type=fc
inputs=data
initW=0.1
[fc2]
type=fc
inputs=fc1
initW=0.1
[probs]
type=softmax
inputs=fc2
[logprob]
type=cost.logreg
inputs=labels,probs
"""
    )
    one = "epsW=0.1\nepsB=0.1\nmomW=0\nmomB=0\nwc=0\n"
    params = f"[fc1]\n{one}[fc2]\n{one}[logprob]\ncoeff=1\n"
    dims = {0: 12, 1: 1}
    spec = parse_network(text, params, data_dims=dims)
    again = parse_network(with_classes(spec, 3, "layers.cfg"), params, data_dims=dims, num_classes=3)
    assert (again["fc1"].outputs, again["fc2"].outputs) == (10, 3)


def test_a_network_without_probabilities_of_classes_is_refused():
    text = "[data]\ntype=data\ndataIdx=0\n[sum]\ntype=cost.sum2\ninputs=data\n"
    spec = parse_network(text, "[sum]\ncoeff=1\n", data_dims={0: 12})
    with pytest.raises(ConfigError, match=r"^net.cfg: no fully-connected layer feeds a cost.logreg"):
        with_classes(spec, 3, "net.cfg")
