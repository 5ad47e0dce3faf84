"""The answers of paper.md: what this program does, and that the lines of the original hold the facts.

answers.csv has, for every link of paper.md, words that stand in those lines in this order, and signs on
which a fact depends: `#` where a line is a comment, `+`, `-`, `/`.
"""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from alexnet2012 import experiments
from alexnet2012.record.releases import read_releases
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import NormSpec, PoolSpec
from cuda_convnet.data import augmentation
from small_nets import DATA, ENGINE, LABELS, LOGREG, PROBS, fc, make_net, rates

ROOT = Path(__file__).resolve().parents[2]
with Path(__file__).with_name("answers.csv").open(encoding="utf-8", newline="") as _file:
    FACTS = list(csv.DictReader(_file))


@pytest.fixture(scope="module")
def run145():
    folder = experiments.path("145")
    return read_network(folder / "layers.cfg", folder / "params.cfg")


# --- the lines of the original ------------------------------------------------------------------------------
def test_every_link_has_its_facts_and_the_other_way_round():
    releases = read_releases()
    text = (ROOT / "original" / "paper.md").read_text(encoding="utf-8")
    wanted = {
        releases[fact["release"]].permalink(fact["path"], int(fact["first"]), int(fact["last"]))
        for fact in FACTS
    }
    assert len(wanted) == len(FACTS)
    assert set(re.findall(r"\]\((https://[^)]+)\)", text)) == wanted


def words(text):
    """Names, numbers and signs, in order."""
    return re.findall(r"\d+\.\d*\w*|\w+|[#+/-]", text)


@pytest.mark.release
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: "{release}:{path}:{first}-{last}".format(**fact))
def test_the_lines_of_the_original_hold_the_fact(releases, fact):
    lines = (releases / fact["release"] / fact["path"]).read_text(encoding="utf-8").splitlines()
    there = iter(words("\n".join(lines[int(fact["first"]) - 1 : int(fact["last"])])))
    assert [word for word in words(fact["words"]) if word not in there] == []


@pytest.mark.release
def test_the_release_names_no_border_but_the_default(releases):
    """Of the lines in programs, scripts and notes that speak of it, one has a number, and that is 4."""
    files = sorted(
        path for path in (releases / "alexnet").rglob("*") if path.suffix in (".py", ".sh", ".cfg", ".txt")
    )
    assert len(files) > 180
    found = [
        (path.name, line)
        for path in files
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if re.search(r"crop[-_ ]?border", line, re.IGNORECASE)
    ]
    assert [name for name, line in found if "default=" in line] == ["convnet.py"]
    assert {number for _, line in found for number in re.findall(r"\b\d+\b", line)} == {"4"}
    assert {name for name, _ in found} <= {
        f"conv{name}.py" for name in ("net", "data", "data_cifar", "data_flickr", "data_jpeg")
    }


@pytest.mark.release
def test_no_note_says_what_is_full(releases):
    """Notes with that word tell where a run was trained, or that the set is bad; no number of images."""
    lines = [
        line
        for path in sorted((releases / "alexnet" / "layers").glob("layer*.cfg"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if re.search(r"^\s*#.*\bfull\b", line)
    ]
    assert len(lines) > 15
    for line in lines:
        numbers = set(re.findall(r"\d{4,}", line.replace(",", "")))
        assert numbers <= {"2010", "2012"}, line
        assert not re.search(r"images|contains|includes|consists|crop", line), line


# --- the network --------------------------------------------------------------------------------------------
def convolve(images, filters):
    size = 1 + -(-(images.shape[1] - filters.shape[1]) // 4)
    acts = np.empty((filters.shape[-1], size, size, images.shape[-1]), np.float32)
    ENGINE.conv_filter_acts(images, filters, acts, padding=0, stride=4)
    return acts


def test_the_last_windows_of_conv1_see_three_rows_and_columns_of_zeros():
    random = np.random.RandomState(1)
    images = random.randn(3, 224, 224, 1).astype(np.float32)
    filters = random.randn(3, 11, 11, 16).astype(np.float32)
    padded = np.zeros((3, 227, 227, 1), np.float32)
    padded[:, :224, :224] = images
    acts = convolve(images, filters)
    assert acts.shape == (16, 55, 55, 1)
    np.testing.assert_allclose(acts, convolve(padded, filters), rtol=1e-5, atol=1e-4)
    padded[:, 224:] = 1
    changed = np.abs(acts - convolve(padded, filters)).max(axis=(0, 2, 3)) > 1e-3
    assert changed.nonzero()[0].tolist() == [54]


def normalise(images):
    acts, denoms = np.empty_like(images), np.empty_like(images)
    ENGINE.response_norm_cross_map(images, denoms, acts, size_x=5, scale=0.2, power=0.75, min_div=2.0)
    return acts


def pool(images):
    channels, size, _, cases = images.shape
    acts = np.empty((channels, size // 2, size // 2, cases), np.float32)
    ENGINE.pool_max(images, acts, size_x=3, start=0, stride=2)
    return acts


def relu(images):
    return np.maximum(images, 0)


def test_a_rectifier_commutes_with_pooling_and_not_with_normalisation():
    images = np.random.RandomState(1).randn(16, 9, 9, 2).astype(np.float32)
    np.testing.assert_array_equal(relu(pool(images)), pool(relu(images)))
    assert np.abs(relu(normalise(images)) - normalise(relu(images))).max() > 0.1


def test_neighbours_end_at_the_gpus_seam(run145):
    images = np.random.RandomState(1).randn(96, 3, 3, 2).astype(np.float32)
    apart = np.concatenate([normalise(images[:48].copy()), normalise(images[48:].copy())])
    differ = np.abs(apart - normalise(images)).max(axis=(1, 2, 3)) > 0
    assert differ.nonzero()[0].tolist() == [46, 47, 48, 49]
    assert {run145[f"rnorm1{column}"].channels for column in "ab"} == {48}


def test_a_third_normalisation_stands_behind_the_second_in_both_columns(run145):
    for column, other in ("ab", "ba"):
        unnamed = run145[f"cnorm2{column}"]
        assert isinstance(unnamed, NormSpec)
        assert (unnamed.type, unnamed.inputs) == ("rnorm", (f"rnorm2{column}",))
        assert unnamed.min_div == 1
        assert run145[f"pool2{column}"].inputs == (unnamed.name,)
        assert unnamed.gpu != run145[f"cnorm2{other}"].gpu


def test_no_pooling_of_run_145_hangs_over_the_edge(run145):
    pools = [layer for layer in run145 if isinstance(layer, PoolSpec)]
    assert len(pools) == 6
    for layer in pools:
        assert (layer.outputs_x - 1) * layer.stride + layer.size_x == layer.img_size


# --- the data -----------------------------------------------------------------------------------------------
def test_a_crop_has_33_places_each_way_which_makes_2178_with_reflections():
    crops = augmentation.draw_crops(np.random.RandomState(1), 50_000, 16, 1, True)
    assert set(crops.y.tolist()) == set(crops.x.tolist()) == set(range(33))
    every = set(zip(crops.y.tolist(), crops.x.tolist(), crops.reflect.tolist(), strict=True))
    assert len(every) == 33 * 33 * 2 == 2178


def test_noise_that_was_used_cannot_be_used_again():
    """In the shapes of the original: what is cut off is made one row, in the module for JPEGs one column."""
    cases = 8
    pixels = np.zeros((3, 1024), np.float32)[:, :cases].reshape((1, 3 * cases))[:, :cases]
    jpegs = np.zeros((1024, 3), np.float32)[:cases, :].reshape((3 * cases, 1))[:cases, :]
    for again in (pixels, jpegs):
        assert again.size == cases
        with pytest.raises(ValueError, match="cannot reshape"):
            again.reshape((3 * cases, 1))


# --- training -----------------------------------------------------------------------------------------------
def test_biases_never_decay():
    """A label for every class alike, weights of one value: no gradient is left, only decay."""
    layers = {**DATA, **LABELS, "fc": fc("data", 2, initB=1), **PROBS, **LOGREG}
    net = make_net(layers, {"fc": rates(eps=0.5, wc=0.5), "logprob": {"coeff": 1}}, [3, 1], 2)
    net.layers["fc"].weights[0].w[...] = 1
    data = [np.ones((3, 2), np.float32), np.float32([[0, 1]])]
    net.train_minibatch(data)
    np.testing.assert_allclose(net.layers["fc"].weights[0].w, 0.75, rtol=1e-6)
    np.testing.assert_array_equal(net.layers["fc"].biases.w, 1)
