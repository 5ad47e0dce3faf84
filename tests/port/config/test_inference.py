"""What the reader infers where it is not told what the data is."""

from __future__ import annotations

import pytest
from cfg_texts import CONV, FC, expand, network

from cuda_convnet.config import parse_network
from cuda_convnet.errors import ConfigError

LOGREG = f"[f] {FC} [p] type=softmax inputs=f [c] type=cost.logreg inputs=labels,p"
IMAGENET = CONV.replace("filterSize=5", "filterSize=11 stride=4").replace("partialSum=0", "partialSum=55")


def inferred(layers, **known):
    return network(layers, **{"data_dims": None, **known})


def test_a_label_is_one_number_and_the_classes_are_the_outputs():
    spec = inferred(LOGREG)
    assert (spec["labels"].outputs, spec.num_classes) == (1, 10)
    assert spec.assumed == ((0, 3072), (1, 1))


def test_a_cost_that_wants_a_distribution_gets_one():
    spec = inferred(f"[f] {FC} [p] type=softmax inputs=f [c] type=cost.crossent inputs=labels,p")
    assert (spec["labels"].outputs, spec.num_classes) == (10, 10)


def test_a_gate_is_one_number():
    assert inferred("[c] type=cost.gsum2 inputs=labels,data")["labels"].outputs == 1


def test_what_is_added_to_data_is_as_large_as_the_rest():
    spec = inferred(f"[f] {FC} [e] type=eltsum inputs=labels,f coeffs=-1,1")
    assert spec["labels"].outputs == 10


def test_images_are_as_small_as_cifars_if_they_can_be():
    assert inferred(f"[c] {CONV}")["c"].img_size == (32,)


def test_images_are_as_large_as_imagenets_if_they_must_be():
    assert inferred(f"[c] {IMAGENET}")["c"].img_size == (224,)


def test_channels_are_those_of_the_layer_that_sees_the_images():
    assert inferred(f"[c] {CONV.replace('channels=3', 'channels=1')}").assumed == ((0, 1024),)


def test_what_is_known_is_not_assumed():
    spec = inferred(LOGREG, data_dims={0: 48})
    assert (spec["data"].outputs, spec.assumed) == (48, ((1, 1),))
    assert inferred(LOGREG, data_dims={0: 48, 1: 1}).assumed == ()


def test_two_layers_of_the_same_data_are_of_one_size():
    text = f"[c] {IMAGENET} [x] type=data dataIdx=0 start=5 [y] type=softmax inputs=x"
    assert inferred(text)["x"].outputs == 3 * 224**2 - 5


def test_a_known_size_that_does_not_fit_is_refused_as_it_stands():
    with pytest.raises(ConfigError) as caught:
        inferred(f"[c] {CONV}", data_dims={0: 3000})
    assert str(caught.value) == (
        "layers.cfg:7: layer 'c[0]': input 'data' has 3000 features, "
        "which are not square images of 3 channels"
    )


def test_a_mistake_that_no_size_mends_is_told_as_it_stands():
    with pytest.raises(ConfigError) as caught:
        inferred(f"[c] {CONV} [d] type=softmax inputs=e")
    assert str(caught.value) == "layers.cfg:14: layer 'd': input 'e' is no layer above this one"


def test_a_mistake_that_depends_on_the_size_tells_which_was_assumed():
    with pytest.raises(ConfigError) as caught:
        inferred(f"[c] {CONV.replace('partialSum=0', 'partialSum=37')}")
    assert str(caught.value) == (
        "layers.cfg:11: layer 'c': 'partialSum' is 37; it must divide the modules, 28x28 = 784, "
        "or be 0 for all of them (assuming images of 32x32 pixels, as their size was not given)"
    )


def test_the_classes_of_a_tree_are_told_by_its_name_and_the_tree_is_flat():
    spec = inferred("[fc77] type=treefc inputs=data initW=1")
    assert spec.num_classes == spec["fc77"].outputs == 77
    assert len(spec["fc77"].tree.children) == 78
    assert spec["fc77"].tree.children[spec["fc77"].tree.root] == tuple(range(77))
    assert spec.notes == (
        "layer 'fc77': assumed 77 classes",
        "layer 'fc77': assumed a tree in which every class hangs on the root",
    )
    assert inferred("[tree] type=treefc inputs=data initW=1").num_classes == 1000


def test_without_a_parameter_file_what_belongs_there_is_zero():
    text = f"[data] type=data dataIdx=0 [labels] type=data dataIdx=1 {LOGREG}"
    spec = parse_network(expand(text), None)
    assert spec.has_params is False
    assert spec.params_cfg == ""
    assert (spec["f"].eps_w, spec["f"].mom_b, spec["c"].coeff, spec["c"].topk) == ((0.0,), 0.0, 0.0, 1)
    assert (
        parse_network(expand(text), expand("[f] epsW=1 epsB=1 momW=1 momB=1 [c] coeff=1")).has_params is True
    )
