"""What is measured of run 145: every product of every layer, each shape once."""

from __future__ import annotations

import pytest

from alexnet2012 import experiments, measure
from alexnet2012.gpu import speed
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec, FCSpec
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice


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
