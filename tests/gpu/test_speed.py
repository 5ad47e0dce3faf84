"""What is measured of run 145: every product of every layer, each shape once."""

from __future__ import annotations

import pytest

from alexnet2012 import experiments, measure
from alexnet2012.gpu import speed
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec, FCSpec
from cuda_convnet.engines import engine_problem, get_engine
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from small_nets import DATA, LABELS, LOGREG, PROBS, conv, fc, rates, spec_of

LAYERS = {**DATA, **LABELS, "conv1": conv("data", 3), "fc": fc("conv1", 10), **PROBS, **LOGREG}
PARAMS = {"conv1": rates(), "fc": rates(), "logprob": {"coeff": 1}}
NOT_FUSED = {"forward": False, "images": True, "weights": False}
FUSED_FORWARD = {"forward": True, "images": True, "weights": False}
"""So the original's compiler made them, for 128 images and for 32."""


@pytest.fixture(scope="module")
def spec():
    folder = experiments.path("145")
    return measure.learning(read_network(folder / "layers.cfg", folder / "params.cfg"))


def test_every_input_of_every_layer_with_weights_is_in_one_part(spec):
    layers = [layer for layer in spec if isinstance(layer, ConvSpec | FCSpec)]
    names = sorted(name for part in speed.parts(spec) for name in part.names)
    assert names == sorted(f"{layer.name}[{i}]" for layer in layers for i in range(len(layer.inputs)))


def test_the_parts_have_the_multiply_adds_of_the_network(spec):
    total = sum(part.flops * len(part.names) for part in speed.parts(spec))
    assert total == 2 * speed.MINIBATCH * sum(layer.multiply_adds for layer in spec)


def test_each_convolution_is_three_kernels(spec):
    device = RecordingDevice()
    engine = KernelEngine(device)
    part = next(part for part in speed.parts(spec) if "conv3a[0]" in part.names)
    products = speed.our_products(engine, part)
    assert list(products) == ["forward", "images", "weights"]
    for run in products.values():
        run()
    files = [launch.file for launch in device.launches]
    assert {"filter_acts.cu", "img_acts.cu", "weight_acts.cu"} <= set(files)


def test_the_first_calls_do_not_count():
    calls = []
    times = speed.measured(lambda run: run(), lambda: calls.append(1) or len(calls))
    assert times == list(range(3, speed.ROUNDS + 3))


@pytest.fixture(scope="module")
def host():
    if problem := engine_problem("host"):
        pytest.skip(problem)
    return get_engine("host", threads=1)


@pytest.fixture(scope="module")
def small():
    return spec_of(LAYERS, PARAMS, [3 * 8 * 8, 1], 10)


@pytest.mark.parametrize(("images", "expected"), [(128, NOT_FUSED), (32, FUSED_FORWARD)])
def test_what_is_fused_is_seen_in_what_comes_out(monkeypatch, host, small, images, expected):
    monkeypatch.setattr(speed, "MINIBATCH", images)
    assert speed.fused(host, small["conv1"], 0) == expected


def test_each_product_of_a_convolution_is_told_with_its_kernel_and_whether_it_is_fused(
    monkeypatch, host, small
):
    class Device:
        def seconds(self, run):
            run()
            return 0.5

    monkeypatch.setattr(speed, "has_torch", lambda: False)
    figures = list(speed.layer_figures(Device(), host, small, best=1e12))
    of_conv = {found["product"]: found for found in figures if found["layers"] == ["conv1[0]"]}
    assert {product: found["fused"] for product, found in of_conv.items()} == NOT_FUSED
    assert {product: found["kernel"].partition("<")[0] for product, found in of_conv.items()} == {
        "forward": "filter_acts",
        "images": "img_acts_mediumcolor",
        "weights": "conv_weight_acts",
    }
    of_fc = [found for found in figures if found["layers"] == ["fc[0]"]]
    assert len(of_fc) == 3
    assert not any({"kernel", "fused"} & set(found) for found in of_fc)
