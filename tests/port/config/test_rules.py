# ruff: noqa: E501
"""Every rule, with the file, the line and the words with which a file that breaks it is refused."""

from __future__ import annotations

import pytest
from cfg_texts import CONV, FC, RATES, expand, line_of, network, with_costs, with_data

from cuda_convnet.config import ClassTree, parse_network, read_network
from cuda_convnet.errors import ConfigError

CONV_BELOW = f"[c] {CONV}"  # 16 channels of 28x28
LOCAL = "type=local inputs=data channels=3 filters=16 filterSize=5 initW=0.1"
TWO = (
    "[d] type=conv inputs=c,c channels=16,16 filters=16,16 filterSize=3,3 padding=1,1 initW=1,1 partialSum=0"
)
SOFTMAX = f"[f] {FC} [p] type=softmax inputs=f"


def wider(text, **options):
    """`text` with options changed or added."""
    for name, value in options.items():
        kept = [word for word in text.split() if not word.startswith(f"{name}=")]
        text = " ".join([*kept, f"{name}={value}"])
    return text


def refusal(layers, params="", **known):
    with pytest.raises(ConfigError) as caught:
        network(layers, params, **known)
    return str(caught.value)


def check(layers, place, message, params="", in_params=False, label=None, **known):
    written, written_params = with_costs(with_data(layers), params)
    file, text = ("params.cfg", written_params) if in_params else ("layers.cfg", written)
    line = line_of(expand(text), place)
    label = label or place.partition(".")[0]
    assert refusal(layers, params, **known) == f"{file}:{line}: layer '{label}': {message}"


ANY_LAYER = [
    ("[a] x=1", "a", "it has no type; write type=conv or another type"),
    ("[a] type=covn", "a.type", "there is no layer type 'covn'; did you mean 'conv'?"),
    ("[a] type=softmax", "a", "'inputs' is missing"),
    ("[a] type=softmax input=b", "a", "'inputs' is missing; is 'input' meant to be it?"),
    ("[a] type=softmax inputs=b", "a.inputs", "input 'b' is no layer above this one"),
    ("[a] type=softmax inputs=a", "a.inputs", "input 'a' is no layer above this one"),
    ("[a] type=softmax inputs=", "a.inputs", "input '' is no layer above this one"),
    (
        "[a] type=softmax inputs=dat [data] type=data dataIdx=0",
        "a.inputs",
        "input 'dat' is no layer above this one",
    ),
    ("[a] type=softmax inputs=data,data", "a.inputs", "a softmax layer takes 1 input, not 2"),
    ("[a] type=cost.logreg inputs=data", "a.inputs", "a cost.logreg layer takes 2 inputs, not 1"),
    (
        "[a] type=cost.sum2 inputs=data [b] type=softmax inputs=a",
        "b.inputs",
        "input 'a' is a cost.sum2 layer, which has no outputs",
    ),
    (
        "[a] type=softmax inputs=data gpu=x",
        "a.gpu",
        "'gpu' must be whole numbers with commas between them, not 'x'",
    ),
    ("[a] type=softmax inputs=data gpu=-1", "a.gpu", "'gpu' is -1; it must be at least 0"),
    (
        f"[a] {FC} gpu=0 [b] {FC}",
        "b",
        "'gpu' is missing, and its first input 'data' is data and has none; write gpu=0",
    ),
    (f"[a] {FC} neuron=rleu", "a.neuron", None),
    ("[a] type=neuron inputs=data", "a", None),
]


@pytest.mark.parametrize(("layers", "place", "message"), ANY_LAYER)
def test_rules_for_any_layer(layers, place, message):
    if message is None:
        name = "rleu" if "rleu" in layers else ""
        message = (
            f"there is no neuron '{name}'; the neurons are abs, brelu[a], drelu[a], ident, linear[a,b], log[a], "
            "logistic, nrelu, relu, softrelu, sqrt, square, tanh[a,b]"
        ) + ("; did you mean 'relu'?" if name else "")
    check(layers, place, message)


def test_the_types_are_listed_where_none_is_like_the_one_written():
    message = refusal("[a] type=quantum")
    assert message.startswith(
        "layers.cfg:2: layer 'a': there is no layer type 'quantum'; there are data, fc, "
    )


def test_a_device_is_one_of_those_there_are():
    message = "'gpu' is 2; it must be at least 0 and below 2, the number of devices"
    check(f"[a] {FC} gpu=2", "a.gpu", message, num_gpus=2)
    assert network(f"[a] {FC} gpu=1", num_gpus=2)["a"].gpu == 1


def test_every_layer_but_a_cost_is_used():
    text = f"[data] type=data dataIdx=0 [a] {FC} [b] {FC} [c] type=cost.sum2 inputs=b"
    params = f"[a] {RATES} [b] {RATES} [c] coeff=1"
    with pytest.raises(ConfigError) as caught:
        parse_network(expand(text), expand(params))
    assert (
        str(caught.value)
        == "layers.cfg:4: layer 'a': no layer takes this fc layer as an input; use it or remove it"
    )


def test_a_file_without_layers_is_refused():
    with pytest.raises(
        ConfigError, match=r"^layers.cfg:1: there are no layers; a layer starts with \[name\]"
    ):
        parse_network("# nothing\n", "")


DATA = [
    ("[a] type=data", "a", "'dataIdx' is missing"),
    ("[a] type=data dataIdx=one", "a.dataIdx", "'dataIdx' must be a whole number, not 'one'"),
    ("[a] type=data dataIdx=-1", "a.dataIdx", "'dataIdx' is -1; it must be at least 0"),
    ("[a] type=data dataIdx=0 start=-1", "a.start", "'start' is -1; it must be at least 0"),
    (
        "[a] type=data dataIdx=0 start=9 end=9",
        "a.end",
        "the data ends at 9; it must end after 'start' = 9 and at most 3072, the size of data 0",
    ),
    (
        "[a] type=data dataIdx=0 end=3073",
        "a.end",
        "the data ends at 3073; it must end after 'start' = 0 and at most 3072, the size of data 0",
    ),
]


@pytest.mark.parametrize(("layers", "place", "message"), DATA)
def test_rules_for_data(layers, place, message):
    check(layers, place, message)


NUMBERS = [
    ("1.0", "a whole number", "partialSum"),
    ("1e3", "a whole number", "partialSum"),
    ("1_000", "a whole number", "partialSum"),
    ("0x10", "a whole number", "partialSum"),
    ("2147483648", "a whole number", "partialSum"),
    ("", "a whole number", "partialSum"),
    ("wide", "a number", "initB"),
    ("nan", "a number", "initB"),
    ("1e999", "a number", "initB"),
    ("2", "true or false (1, yes, on; 0, no, off)", "sharedBiases"),
    ("1,", "whole numbers with commas between them", "channels"),
    ("0.1,x", "numbers with commas between them", "initW"),
    ("yes", "true (1) or false (0) with commas between them", "randSparse"),
]


@pytest.mark.parametrize(("word", "kind", "option"), NUMBERS)
def test_values_are_what_they_must_be(word, kind, option):
    check(f"[c] {wider(CONV, **{option: word})}", f"c.{option}", f"'{option}' must be {kind}, not '{word}'")


def test_a_value_that_an_indented_line_went_on_with_is_explained():
    text = expand(f"[data] type=data dataIdx=0 [f] {FC}").replace("outputs=10", "outputs=10\n  bias=1")
    with pytest.raises(ConfigError) as caught:
        parse_network(text, None)
    assert str(caught.value) == (
        "layers.cfg:7: layer 'f': 'outputs' must be a whole number, not '10 bias=1' "
        "(indented lines go on with the value above them)"
    )


@pytest.mark.parametrize("word", ["1", "yes", "TRUE", "on", "0", "no", "False", "OFF"])
def test_words_for_truth(word):
    expected = word.lower() in ("1", "yes", "true", "on")
    assert network(f"[c] {CONV} sharedBiases={word}")["c"].shared_biases is expected


WEIGHTS = [
    (f"[f] {wider(FC, outputs=0)}", "f.outputs", "'outputs' is 0; it must be at least 1"),
    ("[f] type=fc inputs=data outputs=10", "f", "'initW' is missing"),
    (
        f"[f] {FC} [g] type=fc inputs=f,f,f outputs=1 initW=1,2",
        "g.initW",
        "'initW' has 2 entries for 3 inputs; give one per input",
    ),
    (
        f"[f] {FC} initWFunc=initw.makew(a,)",
        "f.initWFunc",
        "'initWFunc' must have the form module.function(param1,param2,..), not 'initw.makew(a,)'",
    ),
    (
        f"[f] {FC} initBFunc=makeb",
        "f.initBFunc",
        "'initBFunc' must have the form module.function(param1,param2,..), not 'makeb'",
    ),
    (
        f"[c] {CONV} initCFunc=makec",
        "c.initCFunc",
        "'initCFunc' must have the form module.function(param1,param2,..), not 'makec'",
    ),
]


@pytest.mark.parametrize(("layers", "place", "message"), WEIGHTS)
def test_rules_for_layers_with_weights(layers, place, message):
    check(layers, place, message)


@pytest.mark.parametrize("option", ["initW", "outputs"])
def test_options_that_fc_cannot_do_without(option):
    kept = " ".join(word for word in FC.split() if not word.startswith(f"{option}="))
    check(f"[f] {kept}", "f", f"'{option}' is missing")


@pytest.mark.parametrize("option", ["channels", "filters", "filterSize", "initW", "partialSum"])
def test_options_that_conv_cannot_do_without(option):
    kept = " ".join(word for word in CONV.split() if not word.startswith(f"{option}="))
    check(f"[c] {kept}", "c", f"'{option}' is missing")


CONVOLUTION = [
    (wider(CONV, stride=0), "stride", "'stride' is 0; it must be at least 1"),
    (wider(CONV, filterSize=0), "filterSize", "'filterSize' is 0; it must be at least 1"),
    (wider(CONV, padding=-1), "padding", "'padding' is -1; it must be at least 0"),
    (wider(CONV, channels=0), "channels", "'channels' is 0; it must be at least 1"),
    (wider(CONV, groups=0), "groups", "'groups' is 0; it must be at least 1"),
    (wider(CONV, filters=0), "filters", "'filters' is 0; it must be at least 1"),
    (wider(CONV, filters=24), "filters", "'filters' is 24; it must be divisible by 16"),
    (
        wider(CONV, channels=4),
        "channels",
        "input 'data' has 3072 features, which are not square images of 4 channels",
    ),
    (wider(CONV, channels=12), "channels", None),
    (
        wider(CONV, channels=6144),
        "channels",
        "input 'data' has 3072 features, which are not square images of 6144 channels",
    ),
    (wider(CONV, filterSize=33), "filterSize", "'filterSize' is 33; it must not exceed the padded image, 32"),
    (
        wider(CONV, filterSize=37, padding=2),
        "filterSize",
        "'filterSize' is 37; it must not exceed the padded image, 36",
    ),
    (
        wider(LOCAL, filterSize=33),
        "filterSize",
        "'filterSize' is 33; it must not exceed the padded image, 32",
    ),
]


@pytest.mark.parametrize(("text", "option", "message"), CONVOLUTION)
def test_rules_for_convolutions(text, option, message):
    if message is None:  # 12 channels of 16x16: a square, so it is a layer
        assert network(f"[c] {text}")["c"].img_size == (16,)
    else:
        check(f"[c] {text}", f"c.{option}", message, label="c[0]")


def test_channels_are_few_or_a_multiple_of_four():
    text = wider(CONV, channels=6)
    message = "'channels' is 6; it must be at most 3 or divisible by 4"
    check(f"[c] {text}", "c.channels", message, label="c[0]", data_dims={0: 6 * 32**2})
    assert network(f"[c] {CONV.replace('channels=3', 'channels=2')}", data_dims={0: 2 * 32**2})["c"].outputs


@pytest.mark.parametrize("partial_sum", [0, 1, 2, 4, 7, 14, 28, 392, 784])
def test_partial_sum_divides_the_modules_or_is_zero(partial_sum):
    assert network(f"[c] {wider(CONV, partialSum=partial_sum)}")["c"].partial_sum == partial_sum


@pytest.mark.parametrize("partial_sum", [3, 5, 1568])
def test_partial_sum_that_does_not_divide_the_modules(partial_sum):
    text = f"'partialSum' is {partial_sum}; it must divide the modules, 28x28 = 784, or be 0 for all of them"
    check(f"[c] {wider(CONV, partialSum=partial_sum)}", "c.partialSum", text)


def test_a_negative_partial_sum_is_refused():
    check(f"[c] {wider(CONV, partialSum=-1)}", "c.partialSum", "'partialSum' is -1; it must be at least 0")


MANY_INPUTS = [
    (
        wider(TWO, stride="1,2"),
        "inputs",
        "d",
        "all inputs must make output of one shape, but they make 16x28x28, 16x15x15",
    ),
    (
        wider(TWO, filters="16,32"),
        "inputs",
        "d",
        "all inputs must make output of one shape, but they make 16x28x28, 32x28x28",
    ),
    (wider(TWO, padding="1,-1"), "padding", "d[1]", "'padding' is -1; it must be at least 0"),
    (
        wider(TWO, channels="16,6"),
        "channels",
        "d[1]",
        "input 'c' has 12544 features, which are not square images of 6 channels",
    ),
    (
        wider(TWO, filters="16,20", padding="1,1"),
        "inputs",
        "d",
        "all inputs must make output of one shape, but they make 16x28x28, 20x28x28",
    ),
    (
        wider(TWO, groups="1,8", filters="128,16"),
        "channels",
        "d[1]",
        "'channels' is 16; it must be divisible by 4 * 'groups' = 32",
    ),
    (wider(TWO, randSparse="1,0"), "groups", "d[0]", None),
    (
        wider(TWO, randSparse="1,1", groups="2,2", filterChannels="8,6"),
        "channels",
        "d[1]",
        "'channels' is 16; it must be divisible by 'filterChannels' = 6",
    ),
    (
        wider(TWO, randSparse="1,1", groups="2,2", filterChannels="2,8"),
        "filterChannels",
        "d[0]",
        "'filterChannels' is 2; it must be divisible by 4",
    ),
    (
        wider(TWO, randSparse="1,1", groups="3,3", filterChannels="8,8"),
        "filterChannels",
        "d[0]",
        "'groups' * 'filterChannels' is 24; it must be divisible by 'channels' = 16",
    ),
    (
        wider(TWO, randSparse="0,1", groups="2,2", filterChannels="4,8"),
        "filterChannels",
        "d[0]",
        "'filterChannels' is 4; where 'randSparse' is false it is 8, 'channels' / 'groups'",
    ),
    (
        wider(TWO, randSparse="1,1", groups="2,2", filterChannels="8,0"),
        "filterChannels",
        "d[1]",
        "'filterChannels' is 0; it must be at least 1",
    ),
    (
        wider(TWO, randSparse="1,1", groups="32,32"),
        "groups",
        "d[0]",
        "'groups' is 32, more than the 16 channels there are",
    ),
]


@pytest.mark.parametrize(("text", "option", "label", "message"), MANY_INPUTS)
def test_rules_for_convolutions_with_many_inputs(text, option, label, message):
    if message is None:
        message = "'groups' is 1; random sparse connections need at least 2 groups"
        text, option = wider(text, groups="1,1"), "groups"
    check(f"{CONV_BELOW} {text}", f"d.{option}", message, label=label)


POOL = "type=pool pool=max inputs=c channels=16 sizeX=3 stride=2"
POOLING = [
    (wider(POOL, pool="median"), "pool", "'pool' is 'median'; it must be one of max, maxabs, avg, rand"),
    (wider(POOL, pool="mac"), "pool", "'pool' is 'mac'; it must be one of max, maxabs, avg, rand"),
    (wider(POOL, sizeX=0), "sizeX", "'sizeX' is 0; it must be from 1 to 28"),
    (wider(POOL, sizeX=29), "sizeX", "'sizeX' is 29; it must be from 1 to 28"),
    (wider(POOL, stride=0), "stride", "'stride' is 0; it must be from 1 to 3"),
    (wider(POOL, stride=4), "stride", "'stride' is 4; it must be from 1 to 3"),
    (wider(POOL, outputsX=-1), "outputsX", "'outputsX' is -1; it must be at least 0"),
    (wider(POOL, channels=0), "channels", "'channels' is 0; it must be at least 1"),
    (
        wider(POOL, channels=5),
        "channels",
        "input 'c' has 12544 features, which are not square images of 5 channels",
    ),
    (wider(POOL, channels=4), "channels", "'channels' is 4; it must be divisible by 16"),
    (wider(POOL, start=40), "start", "'start' is 40, so that no region lies in the image of 28"),
]


@pytest.mark.parametrize(("text", "option", "message"), POOLING)
def test_rules_for_pooling(text, option, message):
    check(f"{CONV_BELOW} [p] {text}", f"p.{option}", message)


@pytest.mark.parametrize("option", ["channels", "sizeX", "stride", "pool"])
def test_options_that_pooling_cannot_do_without(option):
    kept = " ".join(word for word in POOL.split() if not word.startswith(f"{option}="))
    check(f"{CONV_BELOW} [p] {kept}", "p", f"'{option}' is missing")


def test_pooling_over_layers_without_weights_takes_any_channels():
    assert network(f"[p] {wider(POOL, inputs='data', channels=3)}")["p"].outputs_x == 16


NORMS = [
    ("cmrnorm", {"size": 1}, "size", "'size' is 1; it must be from 2 to 16"),
    ("cmrnorm", {"size": 17}, "size", "'size' is 17; it must be from 2 to 16"),
    ("cmrnorm", {"channels": 64, "size": 5}, None, None),
    ("cmrnorm", {"channels": 4}, "channels", "'channels' is 4; it must be divisible by 16"),
    ("rnorm", {"size": 0}, "size", "'size' is 0; it must be from 1 to 28"),
    ("cnorm", {"size": 29}, "size", "'size' is 29; it must be from 1 to 28"),
    ("cnorm", {"channels": 0}, "channels", "'channels' is 0; it must be at least 1"),
    (
        "rnorm",
        {"channels": 7},
        "channels",
        "input 'c' has 12544 features, which are not square images of 7 channels",
    ),
    (
        "rnorm",
        {"blocked": "maybe"},
        "blocked",
        "'blocked' must be true or false (1, yes, on; 0, no, off), not 'maybe'",
    ),
]


@pytest.mark.parametrize(("type_name", "changes", "option", "message"), NORMS)
def test_rules_for_normalisation(type_name, changes, option, message):
    text = f"{CONV_BELOW} [n] {wider(f'type={type_name} inputs=c channels=16 size=3', **changes)}"
    if message is None:  # 64 channels of 14x14 are as many features
        assert network(text)["n"].img_size == 14
    else:
        check(text, f"n.{option}", message)


def test_normalisation_within_maps_takes_few_channels_or_a_multiple_of_four():
    text = "[n] type=rnorm inputs=data channels=6 size=3"
    message = "'channels' is 6; it must be at most 3 or divisible by 4"
    check(text, "n.channels", message, data_dims={0: 6 * 32**2})


@pytest.mark.parametrize("option", ["channels", "size"])
def test_options_that_normalisation_cannot_do_without(option):
    words = {"channels": "size=3", "size": "channels=3"}[option]
    check(f"[n] type=rnorm inputs=data {words}", "n", f"'{option}' is missing")


IMAGES = [
    ("type=nailbed channels=3 stride=0", "stride", "'stride' is 0; it must be at least 1"),
    ("type=nailbed channels=0 stride=2", "channels", "'channels' is 0; it must be at least 1"),
    ("type=nailbed channels=2 stride=2", "channels", None),
    (
        "type=blur channels=3 filterSize=4 stdev=1",
        "filterSize",
        "'filterSize' is 4; it must be one of 3, 5, 7, 9",
    ),
    ("type=blur channels=3 filterSize=5 stdev=0", "stdev", "'stdev' is 0; the blur needs some width"),
    ("type=href channels=4", "channels", "'channels' is 4; it must be from 1 to 3"),
    ("type=resize channels=3 scale=0.4", "scale", "'scale' is 0.4; it must be from 0.5 to 2"),
    ("type=resize channels=3 scale=2.1", "scale", "'scale' is 2.1; it must be from 0.5 to 2"),
    (
        "type=rscale channels=3 maxScale=0.9 tgtSize=30",
        "maxScale",
        "'maxScale' is 0.9; it must be from 1 to 2",
    ),
    (
        "type=rscale channels=3 maxScale=2.5 tgtSize=30",
        "maxScale",
        "'maxScale' is 2.5; it must be from 1 to 2",
    ),
    ("type=rscale channels=3 maxScale=2 tgtSize=15", "tgtSize", "'tgtSize' is 15; it must be from 16 to 32"),
    ("type=rscale channels=3 maxScale=2 tgtSize=33", "tgtSize", "'tgtSize' is 33; it must be from 16 to 32"),
    ("type=crop channels=3 startX=8 sizeX=25", "sizeX", "'sizeX' is 25; it must be from 1 to 24"),
    ("type=crop channels=3 startX=32 sizeX=1", "startX", "'startX' is 32; it must be from 0 to 31"),
    ("type=crop channels=3 startX=0 startY=9 sizeX=24", "sizeX", "'sizeX' is 24; it must be from 1 to 23"),
    ("type=rgb2lab center=2", "center", "'center' must be true or false (1, yes, on; 0, no, off), not '2'"),
]


@pytest.mark.parametrize(("text", "option", "message"), IMAGES)
def test_rules_for_layers_on_images(text, option, message):
    message = message or "input 'data' has 3072 features, which are not square images of 2 channels"
    check(f"[i] inputs=data {text}", f"i.{option}", message)


def test_a_blur_is_no_larger_than_the_image():
    message = "'filterSize' is 9; it must not exceed the image's size, 8"
    text = "[i] type=blur inputs=data channels=3 filterSize=9 stdev=1"
    check(text, "i.filterSize", message, data_dims={0: 3 * 8**2})


def test_colour_transforms_take_three_channels():
    message = "input 'data' has 3071 features, which are not square images of 3 channels"
    check("[i] type=rgb2yuv inputs=data", "i", message, data_dims={0: 3071})


@pytest.mark.parametrize(
    "text",
    [
        "type=resize channels=16 scale=1.5",
        "type=rscale channels=16 maxScale=1.5 tgtSize=28",
        "type=crop channels=16 startX=0 sizeX=4",
        "type=rgb2yuv",
        "type=rgb2lab",
    ],
)
def test_layers_without_a_gradient_do_not_stand_over_weights(text):
    below = CONV_BELOW
    if "rgb" in text:  # needs three channels: 48 of 28x28 are 3 of 112x112
        below = f"[c] {wider(CONV, filters=48)}"
    kind = text.partition(" ")[0].removeprefix("type=")
    message = f"layers of type {kind} pass no gradient and cannot stand over layers with weights; move it next to the data"
    check(f"{below} [i] inputs=c {text}", "i.inputs", message)


UNITS = [
    (
        f"[f] {FC} [e] type=eltsum inputs=data,f",
        "e.inputs",
        "all inputs must have as many features, but data has 3072, f has 10",
    ),
    (
        f"[f] {FC} [e] type=eltmax inputs=data,f",
        "e.inputs",
        "all inputs must have as many features, but data has 3072, f has 10",
    ),
    ("[e] type=eltmax inputs=data", "e.inputs", "an eltmax layer takes at least 2 inputs, not 1"),
    (
        f"[f] {FC} [e] type=eltsum inputs=f,f,f coeffs=1,2",
        "e.coeffs",
        "'coeffs' has 2 entries for 3 inputs; give one per input",
    ),
    ("[h] type=hs inputs=data", "h", "'keep' is missing"),
    (
        "[s] type=sum inputs=data stride=5",
        "s.stride",
        "the number of input features is 3072; it must be divisible by 'stride' = 5",
    ),
    ("[s] type=sum inputs=data stride=0", "s.stride", "'stride' is 0; it must be at least 1"),
]


@pytest.mark.parametrize(("layers", "place", "message"), UNITS)
def test_rules_for_units(layers, place, message):
    check(layers, place, message, params="[h] enable=1")


COSTS = [
    (
        f"{SOFTMAX} [c] type=cost.logreg inputs=data,p",
        "its first input must hold a label per image, and 'data' has 3072 features",
    ),
    (
        f"[f] {FC} [c] type=cost.logreg inputs=labels,f",
        "its second input must be a softmax layer, and 'f' is of type fc",
    ),
    (
        f"{SOFTMAX} [c] type=cost.logreg inputs=labels,p",
        "'p' has 10 outputs; it must have one for each of the 12 classes",
    ),
    (
        f"[f] {FC} [c] type=cost.crossent inputs=labels,f",
        "its second input must be a softmax layer, and 'f' is of type fc",
    ),
    (
        f"{SOFTMAX} [c] type=cost.crossent inputs=labels,p",
        "'p' has 10 outputs; it must have one for each of the 12 classes",
    ),
    (
        f"[f] {FC} [c] type=cost.crossent2 inputs=labels,f",
        "'f' has 10 outputs; it must have one for each of the 12 classes",
    ),
    (
        f"[f] {FC} [c] type=cost.msm inputs=labels,f",
        "'f' has 10 outputs; it must have one for each of the 12 classes",
    ),
    (
        f"[f] {wider(FC, outputs=12)} [c] type=cost.rflickr inputs=labels,f",
        "its first input must hold one number for each of the 12 classes per image, and 'labels' has 1 features",
    ),
    (
        "[c] type=cost.gsum2 inputs=data,labels",
        "its first input is the gate and must have 1 feature, and 'data' has 3072",
    ),
]


@pytest.mark.parametrize(("layers", "message"), COSTS)
def test_rules_for_costs(layers, message):
    check(layers, "c.inputs", message, num_classes=12)


def test_tica_takes_square_images():
    message = "input 'data' has 3072 features, which are not square images of 7 channels"
    check("[c] type=cost.tica inputs=data channels=7 sizeX=3", "c.channels", message)


def test_a_tree_has_a_node_for_every_class():
    message = "the tree has 3 nodes, which are fewer than the 10 classes; give the tree of this data"
    tree = ClassTree(((), (), (0, 1)), 2)
    check("[t] type=treefc inputs=data initW=1", "t", message, num_classes=10, tree=tree)


def test_treefc_shares_no_weights():
    text = "[t] type=treefc inputs=data initW=1 [u] type=treefc inputs=data initW=1 weightSource=t"
    message = "a treefc layer cannot share weights; leave 'weightSource' out"
    check(text, "u.weightSource", message, num_classes=10)


@pytest.mark.parametrize(
    ("layers", "name", "needs"),
    [
        (f"[a] {FC}", "a", "a fc layer needs one, with epsW, epsB, momW, momB"),
        (f"[a] {CONV}", "a", "a conv layer needs one, with epsW, epsB, momW, momB"),
        ("[a] type=cmrnorm inputs=b channels=16 size=3", "a", "a cmrnorm layer needs one, with scale, pow"),
        ("[a] type=hs inputs=data keep=0.5", "a", "a hs layer needs one, with enable"),
        ("[a] type=dropout inputs=data", "a", "a dropout layer needs one, with enable, keep"),
        (
            "[a] type=pool pool=rand inputs=data channels=3 sizeX=2 stride=2",
            "a",
            "a pool layer needs one, with doMax, or nothing",
        ),
        ("[a] type=cost.sum2 inputs=data", "a", "a cost.sum2 layer needs one, with coeff"),
        (
            "[a] type=cost.msm inputs=labels,data",
            "a",
            "a cost.msm layer needs one, with coeff, setSize, threads",
        ),
    ],
)
def test_layers_with_parameters_need_a_section_in_the_parameter_file(layers, name, needs):
    if "inputs=b" in layers:
        layers = f"[b] {CONV} {layers}"
    layers = with_data(layers)
    complete, params = with_costs(layers, f"[b] {RATES}" if "[b]" in layers else "")
    params = expand(params).replace(f"[{name}]\n", "[other]\n")
    with pytest.raises(ConfigError) as caught:
        parse_network(expand(complete), params, data_dims={0: 3072, 1: 1})
    line = line_of(expand(complete), name)
    assert (
        str(caught.value)
        == f"layers.cfg:{line}: layer '{name}': there is no section [{name}] in params.cfg; {needs}"
    )


PARAMETERS = [
    (
        f"[f] {FC}",
        wider(RATES, epsW="x"),
        "epsW",
        "'epsW': must be a number, or a schedule as exp[base=0.01;tgtFactor=10], not 'x'",
    ),
    (
        f"[f] {FC}",
        wider(RATES, epsB=""),
        "epsB",
        "'epsB': must be a number, or a schedule as exp[base=0.01;tgtFactor=10], not ''",
    ),
    (f"[f] {FC}", wider(RATES, momW="1,2"), "momW", "'momW' has 2 entries for 1 input; give one per input"),
    (f"[f] {FC}", wider(RATES, momB="1,2"), "momB", "'momB' must be a number, not '1,2'"),
    (f"[f] {FC}", wider(RATES, wc="1,2"), "wc", "'wc' has 2 entries for 1 input; give one per input"),
    (
        f"[f] {FC}",
        wider(RATES, wball="x"),
        "wball",
        "'wball' must be numbers with commas between them, not 'x'",
    ),
    (f"[f] {FC}", wider(RATES, superEps="x"), "superEps", "'superEps' must be a number, not 'x'"),
    (
        f"[f] {FC}",
        wider(RATES, quantF="fp8"),
        "quantF",
        "'quantF': there is no quantiser 'fp8'; there are default and half",
    ),
    (
        "[f] type=hs inputs=data keep=0.5",
        "enable=2",
        "enable",
        "'enable' must be true or false (1, yes, on; 0, no, off), not '2'",
    ),
    (
        "[f] type=cost.msm inputs=labels,data",
        "coeff=1 setSize=3072 threads=1",
        "setSize",
        "'setSize' is 3072; it must be from 1 to 3071",
    ),
    (
        "[f] type=cost.msm inputs=labels,data",
        "coeff=1 setSize=1 threads=33",
        "threads",
        "'threads' is 33; it must be from 1 to 32",
    ),
]


@pytest.mark.parametrize(("layers", "params", "option", "message"), PARAMETERS)
def test_rules_for_the_parameter_file(layers, params, option, message):
    check(layers, f"f.{option}", message, params=f"[f] {params}", in_params=True)


@pytest.mark.parametrize("option", ["epsW", "epsB", "momW", "momB"])
def test_parameters_that_no_layer_with_weights_can_do_without(option):
    kept = " ".join(word for word in RATES.split() if not word.startswith(f"{option}="))
    check(f"[f] {FC}", "f", f"'{option}' is missing", params=f"[f] {kept}", in_params=True)


@pytest.mark.parametrize(("option", "rest"), [("scale", "pow=1"), ("pow", "scale=1")])
def test_parameters_that_no_normalisation_can_do_without(option, rest):
    text = "[n] type=rnorm inputs=data channels=3 size=3"
    check(text, "n", f"'{option}' is missing", params=f"[n] {rest}", in_params=True)


@pytest.mark.parametrize("text", ["[f] type=hs inputs=data keep=0.5", "[f] type=cost.sum2 inputs=data"])
def test_parameters_that_other_layers_cannot_do_without(text):
    option = "enable" if "hs" in text else "coeff"
    check(text, "f", f"'{option}' is missing", params="[f] other=1", in_params=True)


def test_the_least_norm_does_not_exceed_the_largest_even_where_that_is_left_out():
    message = "'wcNormMin' is 1; it must not exceed 'wcNormMax', 0"
    check(
        f"[c] {CONV}", "c.wcNormMin", message, params=f"[c] {RATES} wcNormMin=1", in_params=True, label="c[0]"
    )


def test_an_entry_for_one_of_many_inputs_is_named():
    text = f"[a] {FC} [f] type=fc inputs=data,a outputs=3 initW=1,1"
    message = "'epsW': must be a number, or a schedule as exp[base=0.01;tgtFactor=10], not 'x'"
    params = f"[f] {wider(RATES, epsW='1,x', momW='1,1')}"
    check(text, "f.epsW", message, params=params, in_params=True, label="f[1]")


def test_a_file_that_is_not_there_is_named(tmp_path):
    missing = tmp_path / "layers.cfg"
    with pytest.raises(ConfigError) as caught:
        read_network(missing, None)
    assert str(caught.value) == f"{missing}: No such file or directory; give the path of a .cfg file"


def test_messages_start_with_the_path_as_given(tmp_path):
    layers = tmp_path / "mine.cfg"
    layers.write_text("[a]\n")
    with pytest.raises(ConfigError) as caught:
        read_network(layers, None)
    assert str(caught.value).startswith(f"{layers}:1: layer 'a': it has no type")


def test_a_file_in_another_encoding_than_utf8_is_read(tmp_path):
    layers = tmp_path / "layers.cfg"
    layers.write_bytes(
        b"# caf\xe9\r\n[data]\r\ntype=data\r\ndataIdx=0\r\n[c]\r\ntype=cost.sum2\r\ninputs=data\r\n"
    )
    assert read_network(layers, None)["c"].type == "cost.sum2"
