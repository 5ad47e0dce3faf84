"""Engines compared bit for bit: what must agree, and what happens where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet2012 import experiments
from alexnet2012.fidelity.archive import open_archive
from alexnet2012.gpu import bits
from alexnet2012.record import places
from cuda_convnet.config import read_network
from cuda_convnet.engines import get_engine
from cuda_convnet.engines.numpy_engine import NumpyEngine
from small_nets import DATA, LABELS, LOGREG, PROBS, conv, fc, rates, spec_of

LAYERS = {
    **DATA,
    **LABELS,
    "conv1": conv("data", 3, neuron="relu"),
    "pool1": {
        "type": "pool", "pool": "max", "inputs": "conv1", "start": 0, "sizeX": 2, "stride": 2, "outputsX": 0,
        "channels": 16,
    },
    "fc": fc("pool1", 10),
    **PROBS,
    **LOGREG,
}  # fmt: skip
PARAMS = {"conv1": rates(), "fc": rates(), "logprob": {"coeff": 1}}


class Slip(NumpyEngine):
    """An engine whose convolution is one float32 off in one number."""

    def conv_filter_acts(self, images, filters, targets, **how):
        super().conv_filter_acts(images, filters, targets, **how)
        first = targets.reshape(-1)
        first[0] = np.nextafter(first[0], np.float32(np.inf))


@pytest.fixture(scope="module")
def spec():
    return spec_of(LAYERS, PARAMS, [3 * 8 * 8, 1], 10)


@pytest.fixture(scope="module")
def archive():
    (path,) = (path for path in places.activation_archives() if path.name == "ops.h5")
    with open_archive(path) as opened:
        yield opened


def test_an_engine_agrees_with_itself_in_every_bit(spec):
    found = bits.compare_networks(spec, get_engine("numpy", 1), get_engine("numpy", 2), cases=4)
    report = bits.to_json(found)
    assert report["ok"]
    assert report["results"] == report["bitwise"] > 0
    assert {"conv1", "pool1", "fc", "probs"} <= set(found)


def test_one_wrong_bit_of_a_convolution_is_seen(spec):
    found = bits.compare_networks(spec, get_engine("numpy", 1), Slip(1), cases=4)
    assert not found["conv1"].ok
    assert found["conv1"].max_ulp >= 1
    assert not bits.to_json(found)["ok"]


def test_layers_behind_matrix_products_and_powers_need_not_agree(spec):
    assert bits.exact_layers(spec) == {"data", "labels", "conv1", "conv1_neuron", "pool1"}
    folder = experiments.path("digits")
    digits = bits.exact_layers(read_network(folder / "layers.cfg", folder / "params.cfg"))
    assert {"conv1a", "conv1b"} <= digits
    assert not any(name.startswith(("rnorm", "fc", "conv2")) for name in digits)


def test_of_each_operation_the_smallest_case_is_taken(archive):
    smallest = dict(bits.smallest_cases(archive))
    assert set(smallest) == set(archive.file)
    sizes = {}
    for op, case in bits.recorded_cases(archive):
        sizes.setdefault(op, []).append(sum(array.size for array in case.inputs.values()))
    assert all(
        sum(array.size for array in case.inputs.values()) == min(sizes[op]) for op, case in smallest.items()
    )
