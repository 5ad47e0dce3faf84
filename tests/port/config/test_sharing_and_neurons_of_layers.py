"""Weights that layers share, and neurons that layers declare for themselves."""

from __future__ import annotations

import pytest
from cfg_texts import CONV, FC, RATES, expand, line_of, network, with_costs, with_data

from cuda_convnet.config.specs import NeuronLayerSpec, NeuronSpec, WeightSource
from cuda_convnet.errors import ConfigError

TWO = "type=fc inputs=f,f outputs=4 initW=1,1"
TWO_RATES = "epsW=1,1 epsB=1 momW=1,1 momB=1"


@pytest.mark.parametrize("source", ["a", "a[0]", " a "])
def test_weights_of_another_layer(source):
    spec = network(f"[a] {FC} [b] {FC} weightSource={source.strip()}")
    assert spec["a"].weight_source == (None,)
    assert spec["b"].weight_source == (WeightSource("a", 0),)


def test_weights_of_the_same_layer():
    spec = network(f"[f] {FC} [b] {TWO} weightSource=,b[0]", f"[b] {TWO_RATES}")
    assert spec["b"].weight_source == (None, WeightSource("b", 0))


def test_a_later_matrix_of_another_layer():
    spec = network(
        f"[f] {FC} [b] {TWO} [g] type=fc inputs=f outputs=4 initW=1 weightSource=b[1]", f"[b] {TWO_RATES}"
    )
    assert spec["g"].weight_source == (WeightSource("b", 1),)


def test_shared_weights_count_once():
    alone = network(f"[a] {FC} [b] {FC}")
    shared = network(f"[a] {FC} [b] {FC} weightSource=a")
    assert alone.num_parameters == 2 * (3072 * 10 + 10)
    assert shared.num_parameters == 3072 * 10 + 2 * 10
    assert shared.own_weights(shared["b"]) == (0,)
    assert shared["b"].num_weights == (30720,)


SHARING = [
    (f"[a] {FC} weightSource=b", "weight source 'b' is no layer above this one"),
    (
        f"[a] {FC} weightSource=a",
        "weight source a[0] comes no earlier than this input; share with an earlier one",
    ),
    (
        f"[a] {FC} weightSource=b[",
        "weight source 'b[' must be a layer, as conv1, or one of its matrices, as conv1[0]",
    ),
    (
        f"[b] {FC} [a] {FC} weightSource=b[1]",
        "weight source 'b' has 1 weight matrices, counted from 0; not [1]",
    ),
    (
        f"[b] {FC} gpu=1 [a] {FC} weightSource=b gpu=0",
        "weight source 'b' is on device 1 and this layer on 0; weights are shared on one device only",
    ),
    (f"[b] {CONV} [a] {FC} weightSource=b", "weight source 'b' is a conv layer; it must be of type fc"),
    (
        f"[a] {FC} weightSource=data",
        "weight source 'data' is on device -1 and this layer on 0; weights are shared on one device only",
    ),
    (
        f"[b] {FC} [a] {FC.replace('10', '11')} weightSource=b",
        "weight source b[0] is 3072x10; it must be 3072x11",
    ),
    (
        f"[b] {CONV} [a] {CONV.replace('filterSize=5', 'filterSize=3')} weightSource=b",
        "weight source b[0] is 75x16; it must be 27x16",
    ),
]


@pytest.mark.parametrize(("layers", "message"), SHARING)
def test_rules_for_shared_weights(layers, message):
    written, _ = with_costs(with_data(layers), "")
    with pytest.raises(ConfigError) as caught:
        network(layers)
    line = line_of(expand(written), "a.weightSource")
    assert str(caught.value) == f"layers.cfg:{line}: layer 'a[0]': {message}"


def test_weight_sources_are_written_for_every_input():
    with pytest.raises(ConfigError) as caught:
        network(f"[f] {FC} [b] {TWO} weightSource=f", f"[b] {TWO_RATES}")
    assert str(caught.value) == (
        "layers.cfg:14: layer 'b': 'weightSource' has 1 entries for 2 inputs; "
        "give one per input, an empty one where nothing is shared"
    )


def test_sparse_connections_are_shared_with_the_weights():
    sparse = (
        "type=conv inputs=c channels=16 filters=16 groups=2 filterSize=3 initW=1 partialSum=0 randSparse=1"
    )
    text = f"[c] {CONV} [a] {sparse} filterChannels=8 [b] {sparse} filterChannels=8 weightSource=a"
    assert network(text)["b"].weight_source == (WeightSource("a", 0),)
    dense = sparse.replace("randSparse=1", "randSparse=0")
    with pytest.raises(ConfigError) as caught:
        network(f"[c] {CONV} [a] {dense} [b] {sparse} filterChannels=8 weightSource=a")
    assert str(caught.value) == (
        "layers.cfg:33: layer 'b[0]': weight source a[0] has groups, channels, filterChannels, randSparse = "
        "2, 16, 8, false, not 2, 16, 8, true"
    )


def test_a_neuron_of_a_layer_becomes_a_layer_that_its_consumers_take():
    spec = network(f"[f] {FC} neuron=relu [p] type=softmax inputs=f [e] type=eltsum inputs=f,p")
    assert [layer.name for layer in spec] == ["data", "f", "p", "e", "cost.e", "f_neuron"]
    neuron = spec["f_neuron"]
    assert isinstance(neuron, NeuronLayerSpec)
    assert (neuron.inputs, neuron.outputs, neuron.src_layer) == (("f",), 10, "f")
    assert neuron.neuron == NeuronSpec("relu")
    assert spec["p"].inputs == ("f_neuron",)
    assert spec["e"].inputs == ("f_neuron", "p")


def test_detached_neurons_come_last_in_the_order_of_their_layers():
    spec = network(
        f"[a] {FC} neuron=relu [b] {FC} [c] {FC} neuron=abs [k] type=concat inputs=c,b,a neuron=sqrt"
    )
    assert [layer.name for layer in spec][-3:] == ["a_neuron", "c_neuron", "k_neuron"]
    assert spec["k"].inputs == ("c_neuron", "b", "a_neuron")


def test_a_detached_neuron_takes_the_next_name_that_is_free():
    names = "[f_neuron] type=softmax inputs=f [f_neuron.1] type=softmax inputs=f_neuron"
    spec = network(f"[f] {FC} neuron=relu {names}")
    assert spec["f_neuron"].inputs == ("f_neuron.2",)
    assert spec["f_neuron.2"].inputs == ("f",)


def test_a_hundred_names_are_enough():
    taken = "".join(f" [f_neuron{'.' * bool(i)}{i or ''}] {FC}" for i in range(100))
    with pytest.raises(ConfigError) as caught:
        network(f"[f] {FC} neuron=relu{taken}")
    assert str(caught.value) == (
        "layers.cfg:4: layer 'f': its neuron has no name, for f_neuron to f_neuron.99 are taken; "
        "rename one of them"
    )


def test_a_detached_neuron_has_the_device_and_the_quantisers_of_its_layer():
    spec = network(f"[f] {FC} neuron=relu gpu=1", f"[f] {RATES} quantF=half")
    assert (spec["f_neuron"].gpu, spec["f_neuron"].quant_f, spec["f_neuron"].quant_b) == (
        1,
        "half",
        "default",
    )


def test_a_section_for_a_detached_neuron_replaces_that_of_its_layer():
    spec = network(f"[f] {FC} neuron=relu", f"[f] {RATES} quantF=half [f_neuron] quantB=half")
    assert (spec["f_neuron"].quant_f, spec["f_neuron"].quant_b) == ("default", "half")


def test_an_empty_neuron_is_none():
    assert [layer.name for layer in network(f"[f] {FC} neuron=")] == ["data", "f", "cost.f"]


def test_weights_are_shared_by_the_layer_that_has_them_not_by_its_neuron():
    spec = network(f"[a] {FC} neuron=relu [b] {FC} neuron=relu weightSource=a")
    assert spec["b"].weight_source == (WeightSource("a", 0),)


def test_the_neuron_of_a_cost_is_not_detached():
    spec = network("[c] type=cost.sum2 inputs=data neuron=relu")
    assert [layer.name for layer in spec] == ["data", "c"]


def test_rules_about_classes_see_the_layer_below_its_neuron():
    spec = network(f"[f] {FC} [p] type=softmax inputs=f neuron=ident [c] type=cost.logreg inputs=labels,p")
    assert spec["c"].inputs == ("labels", "p_neuron")
