"""What the other releases write differently, and the accidents of the 2012 reader that are kept."""

from __future__ import annotations

import pytest
from cfg_texts import CONV, FC, RATES, expand, network

from cuda_convnet.config import parse_network
from cuda_convnet.config import specs as s
from cuda_convnet.config.specs import Schedule
from cuda_convnet.errors import ConfigError

V2_CONV = CONV.replace("partialSum=0", "sumWidth=4")


# --- cuda-convnet, 2011 and 2012 ----------------------------------------------------------------------


def test_without_any_gpu_in_the_file_all_layers_are_on_device_0():
    spec = network(f"[f] {FC} [p] type=softmax inputs=f [c] type=cost.logreg inputs=labels,p")
    assert [layer.gpu for layer in spec] == [-1, -1, 0, 0, 0]


def test_the_oldest_norms_have_sizex_and_their_scale_in_the_layer_file():
    text = "type=rnorm inputs=data channels=3 sizeX=5 scale=0.5 pow=0.75"
    layers = expand(f"[data] type=data dataIdx=0 [n] {text} [c] type=cost.sum2 inputs=n")
    layer = parse_network(layers, "[c]\ncoeff=1\n")["n"]
    assert (layer.size, layer.scale, layer.pow) == (5, 0.02, 0.75)


def test_the_parameter_file_comes_before_a_scale_in_the_layer_file():
    layer = network("[n] type=rnorm inputs=data channels=3 size=2 scale=1 pow=1", "[n] scale=2 pow=3")["n"]
    assert (layer.scale, layer.pow) == (0.5, 3.0)


def test_rscale_without_a_size_crops_to_the_smallest():
    assert network("[r] type=rscale inputs=data channels=3 maxScale=1.3")["r"].tgt_size == 24


# --- cuda-convnet2 ------------------------------------------------------------------------------------


def test_one_entry_stands_for_all_inputs():
    text = f"[c] {CONV} [d] type=conv inputs=c,c channels=16 filters=16 filterSize=3 initW=1 partialSum=0"
    layer = network(text, f"[d] {RATES}")["d"]
    assert (layer.channels, layer.filter_size, layer.init_w) == ((16, 16), (3, 3), (1.0, 1.0))
    assert (layer.eps_w, layer.mom_w) == ((0.1, 0.1), (0.9, 0.9))


def test_rates_may_be_schedules_each_with_its_own_rate():
    text = f"[f] {FC} [g] type=fc inputs=f,data outputs=2 initW=1"
    rates = "epsW=dexp[base=0.04;tgtFactor=250;numSteps=4],const[base=1] epsB=exp[base=2;tgtFactor=3]"
    layer = network(text, f"[g] {rates} momW=1 momB=1 updatePeriod=2")["g"]
    assert layer.eps_w == (0.04, 1.0)
    assert layer.sched_w == (Schedule("dexp", 250.0, 0.0, 4), Schedule())
    assert (layer.eps_b, layer.sched_b) == (2.0, Schedule("exp", 3.0))
    assert layer.update_period == 2


def test_a_schedule_among_plain_rates_leaves_those_to_the_common_schedule():
    text = f"[f] {FC} [g] type=fc inputs=f,data outputs=2 initW=1"
    layer = network(text, "[g] epsW=exp[base=1;tgtFactor=2],3 epsB=4 momW=1 momB=1")["g"]
    assert layer.sched_w == (Schedule("exp", 2.0), Schedule())


def test_sum_width_stands_for_partial_sum():
    layer = network(f"[c] {V2_CONV}")["c"]
    assert (layer.sum_width, layer.partial_sum) == (4, 0)


def test_modules_can_be_given_and_must_cover_the_image():
    assert network(f"[c] {V2_CONV} modulesX=40")["c"].modules_x == 40
    with pytest.raises(ConfigError) as caught:
        network(f"[c] {V2_CONV} modulesX=27")
    assert str(caught.value) == (
        "layers.cfg:12: layer 'c[0]': 27x27 modules reach to pixel 31 of 32; they must cover the image"
    )


def test_a_filter_may_be_larger_than_the_padded_image_if_a_module_covers_it():
    assert network(f"[c] {V2_CONV.replace('filterSize=5', 'filterSize=33')} modulesX=1")["c"].modules_x == 1


def test_devices_of_replicas_are_listed_and_inherited():
    spec = network(f"[c] {V2_CONV} gpu=0,1 [p] type=pool pool=max inputs=c channels=16 sizeX=3 stride=2")
    assert (spec["c"].gpu, spec["c"].replicas, spec["p"].replicas) == (0, (0, 1), (0, 1))


REPLICAS = [
    ("[a] {FC} gpu=0,0", "a", 9, "'gpu' names a device twice: 0, 0"),
    (
        "[a] {FC} gpu=0,1,2 [b] type=softmax inputs=a gpu=0,1",
        "b",
        13,
        "input 'a' has 3 replicas, which 2 does not divide; "
        "give it as many devices as its inputs, or a divisor",
    ),
    (
        "[a] {FC} gpu=0,1 [b] {FC} gpu=0 [c] type=concat inputs=a,b gpu=0",
        "c",
        18,
        "its inputs differ in replicas (a: 2, b: 1); make them equal",
    ),
    (
        "[a] {FC} gpu=0,1 [b] type=softmax inputs=a [c] type=softmax inputs=a gpu=0",
        "a",
        4,
        "the layers above it differ in replicas (b: 2, c: 1); make them equal",
    ),
    (
        "[a] {FC} gpu=0,1 [b] type=pass inputs=a gpu=0",
        "b",
        13,
        "it has 1 replicas and its inputs 2; a pass layer has as many as they",
    ),
    (
        "[a] {FC} gpu=0 [b] type=pass inputs=a gpu=1 [c] type=pass inputs=a,a gpu=1",
        "c",
        16,
        "pass layer 'b' hands on 'a' on the same device already; use that layer, or another device",
    ),
]


@pytest.mark.parametrize(("layers", "label", "line", "message"), REPLICAS)
def test_rules_for_replicas(layers, label, line, message):
    with pytest.raises(ConfigError) as caught:
        network(layers.replace("{FC}", FC))
    assert str(caught.value) == f"layers.cfg:{line}: layer '{label}': {message}"


def test_pass_hands_features_on_as_concat_does():
    spec = network(f"[a] {FC} [b] {FC} [p] type=pass inputs=a,b [q] type=softmax inputs=p")
    assert isinstance(spec["p"], s.PassSpec)
    assert spec["p"].outputs == 20


@pytest.mark.parametrize("name", ["dropout", "dropout2"])
def test_dropout_has_keep_in_the_parameter_file(name):
    text = f"[d] type={name} inputs=data"
    assert network(text, "[d] keep=0.7 enable=0")["d"].keep == 0.7
    layer = network(text, "[d] other=1")["d"]
    assert (type(layer), layer.keep, layer.enable) == (s.HiddenSexSpec, 0.5, True)


def test_coefficients_of_a_sum_may_be_in_the_parameter_file():
    text = f"[a] {FC} [e] type=eltsum inputs=a,a coeffs=1,2"
    assert network(text, "[e] coeffs=3,4")["e"].coeffs == (3.0, 4.0)


def test_sfc_splits_inputs_and_outputs_into_parts():
    layer = network("[f] type=sfc inputs=data outputs=5 parts=4 initW=1")["f"]
    assert (layer.outputs, layer.parts, layer.matrix_shapes) == (20, 4, ((3072, 5),))
    assert layer.weight_shapes == ((4, 768, 5),)
    assert (layer.bias_matrix_shape, layer.multiply_adds) == ((1, 20), 3072 * 5)


def test_sum_adds_features():
    layer = network("[s] type=sum inputs=data stride=3")["s"]
    assert (layer.outputs, layer.stride) == (1024, 3)


def test_cmpool_pools_over_channels():
    text = f"[c] {CONV} [p] type=cmpool pool=max inputs=c channels=16 size=4 stride=2 outputs=7"
    layer = network(text)["p"]
    assert (layer.outputs, layer.image_shape) == (7 * 784, (7, 28, 28))
    with pytest.raises(ConfigError, match="'outputs' is 6, which covers 14 of 16 channels"):
        network(text.replace("outputs=7", "outputs=6"))


def test_crop():
    layer = network("[c] type=crop inputs=data channels=3 startX=4 sizeX=24")["c"]
    assert (layer.start_x, layer.start_y, layer.size_x, layer.outputs) == (4, 4, 24, 3 * 24**2)


def test_average_pooling_may_sum():
    text = "[p] type=pool pool={} inputs=data channels=3 sizeX=2 stride=2 sum=1"
    assert network(text.format("avg"))["p"].sum is True
    assert network(text.format("max"))["p"].sum is False


def test_data_may_be_rows_of_a_matrix():
    text = "[x] type=data dataIdx=0 start=10 end=30 [y] type=data dataIdx=0 start=3000"
    spec = network(f"{text} [k] type=concat inputs=x,y")
    assert (spec["x"].outputs, spec["y"].outputs, spec["y"].start) == (20, 72, 3000)


def test_costs_may_have_children():
    text = "[a] type=cost.sum2 inputs=data [b] type=cost.sum2 inputs=data children=a"
    assert network(text)["b"].children == ("a",)
    with pytest.raises(ConfigError, match=r"child 'data' is no cost\.sum2 layer above this one"):
        network(text.replace("children=a", "children=data"))


def test_positives_may_weigh_more():
    text = f"[f] {FC} neuron=logistic [c] type=cost.bce inputs=labels,f"
    known = {"data_dims": {0: 3072, 1: 10}}
    assert network(text, "[c] coeff=1 posWeight=3", **known)["c"].pos_weight == 3.0
    assert network(text, "[c] coeff=1", **known)["c"].pos_weight == 1.0


# --- accidents that are kept --------------------------------------------------------------------------


def test_topk_may_exceed_the_classes():
    text = f"[f] {FC} [p] type=softmax inputs=f [c] type=cost.logreg inputs=labels,p"
    assert network(text, "[c] coeff=1 topk=11")["c"].topk == 11


def test_options_that_no_rule_knows_are_not_read_but_remarked():
    spec = network(f"[f] {FC} stirde=2", f"[f] {RATES} wcnorm=0 [g] epsW=1")
    assert spec.notes == (
        "layers.cfg:9: layer 'f': option 'stirde' is not read",
        "params.cfg:6: layer 'f': option 'wcnorm' is not read",
        "params.cfg:7: there is no layer 'g'; the section is not read",
    )


def test_a_section_that_comes_twice_is_one_layer_whose_later_options_count():
    spec = network(f"[f] {FC} [p] type=softmax inputs=f [f] outputs=7")
    assert (spec["f"].outputs, spec["p"].outputs) == (7, 7)
    assert spec.notes[0] == "layers.cfg:12: section [f] again, after line 4; it goes on here"
