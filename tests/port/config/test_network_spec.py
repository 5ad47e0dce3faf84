"""The specification of a network as an object: fixed, comparable, and able to say what it is made of."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from cfg_texts import CONV, FC, network

from cuda_convnet.config import specs as s

POOL = "type=pool pool=max sizeX=3 stride=2"
TEXT = (
    f"[c] {CONV} neuron=relu [p] {POOL} inputs=c channels=16 [f] type=fc inputs=p outputs=4 initW=1 "
    "[q] type=softmax inputs=f [cost] type=cost.logreg inputs=labels,q"
)


@pytest.fixture(scope="module")
def spec():
    return network(TEXT)


def test_nothing_in_a_specification_can_be_changed(spec):
    for target, name in ((spec, "layers"), (spec["c"], "outputs"), (spec["c"].sched_b, "type")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(target, name, None)
    for layer in spec:
        for field in dataclasses.fields(layer):
            hash(getattr(layer, field.name))


def test_equal_files_make_equal_networks_wherever_their_lines_are(spec):
    assert network(TEXT) == spec
    assert (
        network("[labels] type=data dataIdx=1 [data] type=data dataIdx=0 " + TEXT).layers[2:]
        == spec.layers[2:]
    )
    assert network(TEXT.replace("outputs=4", "outputs=5")) != spec


def test_a_specification_survives_pickling(spec):
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_the_texts_are_kept(spec):
    assert spec.layers_cfg.startswith("[data]\ntype=data\n")
    assert "epsW=0.1\n" in spec.params_cfg


def test_layers_are_found_by_name_and_in_order(spec):
    assert [layer.name for layer in spec] == ["data", "labels", "c", "p", "f", "q", "cost", "c_neuron"]
    assert len(spec) == 8
    assert spec["p"] is spec.layers[3]
    assert [layer.name for layer in spec.consumers("c_neuron")] == ["p"]


def test_in_forward_order_each_layer_comes_after_its_inputs(spec):
    assert [layer.name for layer in spec.forward_order] == [
        "data",
        "labels",
        "c",
        "c_neuron",
        "p",
        "f",
        "q",
        "cost",
    ]


def test_shapes_are_those_of_images_where_there_are_images(spec):
    assert spec.shapes == {
        "data": (3, 32, 32),
        "labels": (1,),
        "c": (16, 28, 28),
        "c_neuron": (16, 28, 28),
        "p": (16, 14, 14),
        "f": (4,),
        "q": (4,),
        "cost": (),
    }


def test_images_side_by_side_are_images_of_more_channels():
    spec = network(f"[a] {CONV} [b] {CONV} [k] type=concat inputs=a,b [f] {FC} [m] type=concat inputs=a,f")
    assert spec.shapes["k"] == (32, 28, 28)
    assert spec.shapes["m"] == (12554,)


def test_parameters_are_weights_and_biases(spec):
    assert spec.num_parameters == (3 * 5 * 5 * 16 + 16) + (16 * 14 * 14 * 4 + 4)


def test_multiply_adds_are_those_of_layers_with_weights(spec):
    assert {layer.name: layer.multiply_adds for layer in spec if layer.multiply_adds} == {
        "c": 28 * 28 * 16 * 3 * 5 * 5,
        "f": 16 * 14 * 14 * 4,
    }


@pytest.mark.parametrize(
    "layer_type", [t for t in vars(s).values() if isinstance(t, type) and issubclass(t, s.WeightLayerSpec)]
)
def test_weight_shapes_and_matrices_are_over_the_same_bytes(layer_type):
    texts = {
        s.FCSpec: f"[x] {FC}",
        s.TreeFCSpec: "[x] type=treefc inputs=data initW=1",
        s.SplitFCSpec: "[x] type=sfc inputs=data outputs=5 parts=4 initW=1",
        s.LocalSpec: "[x] type=local inputs=data channels=3 filters=16 filterSize=5 initW=0.1",
        s.ConvSpec: f"[x] {CONV}",
    }
    if layer_type is s.WeightLayerSpec:
        return
    layer = network(texts[layer_type])["x"]
    assert type(layer) is layer_type
    for shape, (rows, cols) in zip(layer.weight_shapes, layer.matrix_shapes, strict=True):
        count = 1
        for n in shape:
            count *= n
        assert count == rows * cols
        assert shape[-1] == cols
