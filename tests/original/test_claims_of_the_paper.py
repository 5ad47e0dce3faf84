"""What the paper says of its networks, against the networks themselves."""

import math
import re
from contextlib import closing

import numpy as np
import pytest

from alexnet2012.record.claims import read_claims
from alexnet2012.study.launches import run_145
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec, FCSpec, HiddenSexSpec, NormSpec, PoolSpec, WeightLayerSpec
from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan
from cuda_convnet.data.loader import Loader
from cuda_convnet.network import PassType
from small_nets import DATA, LABELS, LOGREG, PROBS, fc, make_net, random_data, rates

CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
FULLY_CONNECTED = ("fc2048a", "fc2048b"), ("fc2048ba", "fc2048bb"), ("fc1000",)
CLAIMS = {claim.id: claim for claim in read_claims()}
PAPER_NEURONS = [
    number for name in ("conv1-neurons", "other-neurons") for number in CLAIMS[name].numbers.values()
]


@pytest.fixture(scope="module")
def run145():
    return run_145()


def layers(spec):
    """The halves of each of the eight layers with weights, as the paper counts them."""
    halves = [(f"{name}a", f"{name}b") for name in CONVOLUTIONS] + list(FULLY_CONNECTED)
    return [[spec[name] for name in names] for names in halves]


def parameters(spec, halves):
    return sum(sum(spec.own_weights(layer)) + layer.num_biases for layer in halves)


def neurons(spec):
    return [sum(layer.outputs for layer in halves) for halves in layers(spec)]


def released(releases, name, params=None):
    folder = releases / "alexnet" / "layers"
    return read_network(folder / f"layers-{name}.cfg", folder / f"layer-params-{params or name}.cfg")


# --- the network of the paper -------------------------------------------------------------------------------
def test_eight_layers_have_weights(run145):
    assert [type(halves[0]) for halves in layers(run145)] == [ConvSpec] * 5 + [FCSpec] * 3
    with_weights = {layer.name for layer in run145 if isinstance(layer, WeightLayerSpec)}
    assert with_weights == {layer.name for halves in layers(run145) for layer in halves}


@pytest.mark.parametrize(
    ("name", "kernels", "size", "channels", "stride"),
    [
        ("conv1", 96, 11, 3, 4),
        ("conv2", 256, 5, 48, 1),
        ("conv3", 384, 3, 256, 1),
        ("conv4", 384, 3, 192, 1),
        ("conv5", 256, 3, 192, 1),
    ],
)
def test_kernels_of_the_convolutions(run145, name, kernels, size, channels, stride):
    halves = [run145[f"{name}{column}"] for column in "ab"]
    assert sum(layer.filters for layer in halves) == kernels
    for layer in halves:
        assert set(layer.filter_size) == {size}
        assert set(layer.stride) == {stride}
        assert sum(layer.filter_channels) == channels


def test_the_first_layer_has_290400_neurons_and_not_253440(run145):
    assert neurons(run145)[0] == 55 * 55 * 96 == 290_400
    half = run145["conv1a"]
    assert PAPER_NEURONS[0] == half.modules_x * half.filters * (2 * half.filters) == 55 * 48 * 96


def test_the_layers_above_have_the_neurons_that_the_paper_lists(run145):
    assert neurons(run145)[1:] == PAPER_NEURONS[1:]
    assert run145["probs"].inputs == ("fc1000",)


def test_all_neurons_are_some_660000_and_not_650000(run145):
    paper = PAPER_NEURONS[:1] + neurons(run145)[1:]
    assert [sum(neurons(run145)), sum(paper), sum(PAPER_NEURONS)] == [659_272, 622_312, 622_312]
    assert CLAIMS["all-neurons"].numbers["neurons"] not in {
        round(sum(neurons(run145)), -4),
        round(sum(paper), -4),
    }


def test_two_convolutions_hold_more_than_one_percent_of_the_parameters(run145):
    shares = [parameters(run145, halves) / run145.num_parameters for halves in layers(run145)[:5]]
    assert [f"{share:.2%}" for share in shares] == ["0.06%", "0.50%", "1.45%", "1.09%", "0.73%"]


def test_most_parameters_are_in_the_first_fully_connected_layer(run145):
    first = parameters(run145, layers(run145)[5])
    assert first == 37_752_832
    assert f"{first / run145.num_parameters:.0%}" == "62%"


def test_each_gpu_holds_half_of_all_layers_but_the_last(run145):
    *halved, last = layers(run145)
    for one, other in halved:
        assert (one.gpu, other.gpu) == (0, 1)
        assert one.outputs == other.outputs
    assert [layer.gpu for layer in last] == [0]


def test_pooling_follows_the_normalisations_and_the_fifth_convolution(run145):
    below = {layer.name: run145[layer.inputs[0]] for layer in run145 if isinstance(layer, PoolSpec)}
    assert set(below) == {f"pool{n}{column}" for n in (1, 2, 3) for column in "ab"}
    for name, layer in below.items():
        assert isinstance(layer, ConvSpec if name.startswith("pool3") else NormSpec)


def test_where_run_145_rectifies(run145):
    """Behind pooling in the first and the fifth stage, at once in the others, nowhere in the last layer."""
    rectified = {layer.src_layer for layer in run145 if layer.type == "neuron"}
    kinds = {layer.neuron.type for layer in run145 if layer.type == "neuron"}
    assert kinds == {"relu"}
    names = ("pool1", "conv2", "conv3", "conv4", "pool3", "fc2048", "fc2048b")
    assert rectified == {f"{name}{column}" for name in names for column in "ab"}
    for column in "ab":
        assert run145[f"pool1{column}"].inputs == (f"rnorm1{column}",)
        assert run145[f"rnorm1{column}"].inputs == (f"conv1{column}",)
        assert run145[f"pool3{column}"].inputs == (f"conv5{column}",)


def dropout(run145, pass_type):
    """Outputs of a hidden layer and of the dropout over it, with what run 145 has above its own."""
    hidden = [layer for layer in run145 if isinstance(layer, HiddenSexSpec)]
    below = {run145[layer.inputs[0]].src_layer for layer in hidden}
    assert below == {"fc2048a", "fc2048b", "fc2048ba", "fc2048bb"}
    ((keep, enable),) = {(layer.keep, layer.enable) for layer in hidden}
    layers = {
        **DATA,
        **LABELS,
        "low": fc("data", 400),
        "drop": {"type": "hs", "inputs": "low", "keep": keep},
        "fc": fc("drop", 4),
        **PROBS,
        **LOGREG,
    }
    params = {"low": rates(), "drop": {"enable": int(enable)}, "fc": rates(), "logprob": {"coeff": 1}}
    net = make_net(layers, params, [6, 1], 4)
    net.fprop(random_data([6, 1], 8, 4), pass_type)
    return net.acts("low"), net.acts("drop")


def test_run_145_drops_half_of_its_hidden_units_in_training(run145):
    units, seen = dropout(run145, PassType.TRAIN)
    kept = seen == units
    assert (seen[~kept] == 0).all()
    assert kept.mean() == pytest.approx(0.5, abs=0.03)


def test_run_145_halves_its_hidden_units_in_tests(run145):
    units, seen = dropout(run145, PassType.TEST)
    np.testing.assert_array_equal(seen, np.float32(0.5) * units)


def test_weights_start_at_0_03_in_the_upper_convolutions(run145):
    deviations = [{value for layer in halves for value in layer.init_w} for halves in layers(run145)]
    assert deviations == [{0.01}, {0.01}, {0.03}, {0.03}, {0.03}, {0.01}, {0.01}, {0.01}]


def test_a_label_of_run_145_is_worth_ten_bits(run145):
    """What its softmax loses on an image when it knows nothing: all its outputs are alike."""
    classes = run145["probs"].outputs
    layers = {**DATA, **LABELS, "fc": fc("data", classes, initW=0), **PROBS, **LOGREG}
    net = make_net(layers, {"fc": rates(), "logprob": {"coeff": 1}}, [6, 1], classes)
    net.fprop(random_data([6, 1], 8, classes), PassType.TEST)
    bits = net.cost().values["logprob"][0] / 8 / math.log(2)
    assert f"{bits:.2f}" == "9.97"
    assert round(bits) == CLAIMS["bits-of-a-label"].numbers["bits"] == 10


def test_colour_noise_is_one_for_all_pixels_and_another_in_the_next_epoch(tmp_path):
    plan = DatasetPlan(
        recipe={"source": "random pixels", "seed": 1},
        class_names=("cat", "dog"),
        image_shape=(3, 8, 8),
        counts={"train": (12,), "test": (2,)},
        augmentation=Augmentation(0, 4, False),
        command="tests",
    )
    writer, random = BatchWriter(tmp_path / "images", plan), np.random.RandomState(1)
    for split, number in writer.unfinished():
        count = plan.counts[split][number - 1]
        pixels = random.randint(0, 256, (count, 3, 8, 8)).astype(np.uint8)
        writer.write(split, number, pixels, np.zeros(count, np.int32), [str(i) for i in range(count)])
    loader = Loader(writer.finish(), "train", seed=5, color_noise=0.1, minibatch=12)
    with closing(loader.minibatches(start_epoch=1, start_batch=1)) as minibatches:
        first, second = (next(minibatches).views[0][0].reshape(3, 64, 12) for _ in range(2))
    change = second - first  # of the same images
    assert np.abs(change - change[:, :1]).max() < 1e-3
    assert (np.abs(change[:, 0]) > 1e-3).all()


# --- other networks of the releases -------------------------------------------------------------------------
@pytest.mark.release
def test_what_the_ablations_took_away(releases):
    whole = released(releases, "145")
    norms = {layer.name for layer in whole if isinstance(layer, NormSpec)}
    assert norms == {f"{name}{column}" for name in ("rnorm1", "rnorm2", "cnorm2") for column in "ab"}

    bare = released(releases, "148")
    assert {layer.name for layer in whole} - {layer.name for layer in bare} == norms
    assert bare.num_parameters == whole.num_parameters

    plain = released(releases, "147")
    assert {(p.size_x, p.stride) for p in plain if isinstance(p, PoolSpec)} == {(2, 2)}
    sizes = [[spec[f"pool{n}a"].outputs_x for n in (1, 2, 3)] for spec in (whole, plain)]
    assert sizes == [[27, 13, 6], [28, 13, 6]]
    paddings = [[spec[name].padding for name in ("conv2a", "conv5a")] for spec in (whole, plain)]
    assert paddings == [[(2,), (1,)], [(1,), (0,)]]
    assert plain.num_parameters == whole.num_parameters

    single = released(releases, "145-half")
    assert {layer.gpu for layer in single if isinstance(layer, WeightLayerSpec)} == {0}
    assert [single[f"{name}a"].filters for name in CONVOLUTIONS] == [48, 128, 192, 192, 256]
    assert single["fc4096a"].outputs == single["fc4096ba"].outputs == 4096
    assert single.num_parameters == 59_798_312


def written(releases, file, names):
    """The values of parameters in a file of the releases, as text: {name: {value}}."""
    text = (releases / file).read_text(encoding="utf-8")
    pairs = re.findall(r"^(\w+)=(\S+)$", text, re.MULTILINE)
    return {name: {value for found, value in pairs if found == name} for name in names}


@pytest.mark.release
def test_constants_of_normalisation_in_the_released_files(releases):
    text = (releases / "alexnet/layers/layer-params-145.cfg").read_text(encoding="utf-8")
    for name in ("rnorm1a", "rnorm1b", "rnorm2a", "rnorm2b"):
        section = text.split(f"[{name}]\n")[1].split("\n[")[0]
        assert dict(line.split("=") for line in section.split()) == {
            "scale": "0.0001",
            "pow": "0.75",
            "minDiv": "2",
        }
    network = released(releases, "145")
    assert {n.size for n in network if isinstance(n, NormSpec) and n.type == "cmrnorm"} == {5}
    assert {n.min_div for n in network if isinstance(n, NormSpec) and n.type == "rnorm"} == {1}


@pytest.mark.release
def test_momentum_and_decay_in_the_released_files(releases):
    network = [layer for layer in released(releases, "145") if isinstance(layer, WeightLayerSpec)]
    assert len(network) == 15
    assert {value for layer in network for value in layer.mom_w} == {0.9}
    assert {layer.mom_b for layer in network} == {0.9}
    assert {value for layer in network for value in layer.wc} == {0.0005}
    assert written(releases, "alexnet/layers/layer-params-145.cfg", ["wcB"]) == {"wcB": set()}


@pytest.mark.release
def test_networks_for_imagenet_have_dropout_and_weight_decay_and_those_for_cifar10_no_dropout(releases):
    folders = {name: releases / "alexnet" / name for name in ("layers", "layers-cifar", "example-layers")}
    files = {name: sorted(folder.glob("layers-*.cfg")) for name, folder in folders.items()}
    dropping = {
        path for paths in files.values() for path in paths if re.search(r"^type=hs$", path.read_text(), re.M)
    }
    assert len(files["layers"]) == 63
    assert dropping == set(files["layers"])
    params = sorted(folders["layers"].glob("layer-params-*.cfg"))
    assert len(params) > 90
    for path in params:
        decays = written(path.parent, path.name, ["wc"])["wc"]
        assert decays, path
        assert all(float(value) > 0 for each in decays for value in each.split(",")), path


@pytest.mark.release
def test_what_came_with_normalisation_on_cifar10(releases):
    folder = releases / "cuda-convnet" / "example-layers"
    with_it, without = (
        read_network(folder / f"layers-{name}.cfg", folder / f"layer-params-{name}.cfg")
        for name in ("conv-local-11pct", "conv-local-13pct")
    )
    names = {layer.name for layer in with_it} - {layer.name for layer in without}
    assert names == {layer.name for layer in with_it if isinstance(layer, NormSpec)} == {"rnorm1", "rnorm2"}
    learning = [layer.name for layer in without if isinstance(layer, WeightLayerSpec)]
    assert learning == ["conv1", "conv2", "local3", "local4", "fc10"]
    filters = [(with_it[name].filters, without[name].filters) for name in learning[:4]]
    assert filters == [(64, 64), (64, 64), (64, 32), (32, 32)]
    assert [with_it[name].wc for name in learning] == [(0,), (0,), (0.004,), (0.004,), (0.01,)]
    assert [without[name].wc for name in learning] == [(0,), (0,), (0.004,), (0.004,), (0.004,)]
    for name, error in (("11pct", "11%"), ("13pct", "13%")):
        first = (folder / f"layer-params-conv-local-{name}.cfg").read_text(encoding="utf-8").splitlines()[0]
        assert error in first


@pytest.mark.release
def test_the_networks_of_fall_2009_and_fall_2011(releases):
    for name, classes in (("146-2009", 10_184), ("141-2009-half", 10_184), ("146-2011", 21_843)):
        spec = released(releases, name)
        assert spec.num_classes == classes
        for column in "ab":
            assert {spec[name].src_layer for name in spec[f"conv6{column}"].inputs} <= {"pool3a", "pool3b"}
    tuned = released(releases, "146-2012-2011")
    assert tuned.num_classes == 1000
    copied = {layer.name for layer in tuned if isinstance(layer, WeightLayerSpec) and layer.init_w_func}
    everything = {layer.name for layer in tuned if isinstance(layer, WeightLayerSpec)}
    assert everything - copied == {"fc1000"}


@pytest.mark.release
def test_cuda_convnet_of_july_2012_has_no_dropout(releases):
    def types(release):
        text = (releases / release / "layer.py").read_text(encoding="utf-8")
        return set(re.findall(r"'([\w.]+)': lambda", text))

    assert "conv" in types("cuda-convnet")
    assert "hs" in types("alexnet") - types("cuda-convnet")
    for name in ("minDiv", "topk"):
        assert name in (releases / "alexnet" / "layer.py").read_text(encoding="utf-8")
        assert name not in (releases / "cuda-convnet" / "layer.py").read_text(encoding="utf-8")
