"""Training steps and single convolutions of 2012's networks, for pytest-benchmark.

    pytest tests/benchmarks --benchmark-enable -m "slow or not slow"

`alexnet2012 bench` measures whole steps beside PyTorch in one run.
"""

import numpy as np
import pytest

from alexnet2012 import experiments, measure
from cuda_convnet.config import read_network
from cuda_convnet.engines import get_engine
from cuda_convnet.network import ConvNet

LAYERS = {  # channels, image, filters, size, stride, padding
    "conv1": (3, 224, 48, 11, 4, 0),
    "conv2": (48, 27, 128, 5, 1, 2),
    "conv3": (128, 13, 192, 3, 1, 1),
    "80sec conv2": (32, 16, 32, 5, 1, 2),
}


@pytest.mark.parametrize(
    "name", ["cifar10-80sec", pytest.param("145", marks=pytest.mark.slow)], ids=lambda name: name
)
def test_step(benchmark, name):
    folder = experiments.path(name)
    spec = measure.learning(read_network(folder / "layers.cfg", folder / "params.cfg"))
    net, data = ConvNet(spec, seed=0), measure.random_data(spec, 128, 10)
    cost = benchmark.pedantic(lambda: net.train_minibatch(data), rounds=3, warmup_rounds=1)
    assert np.isfinite(cost.values["logprob"][0])


@pytest.mark.parametrize("operation", ["filter_acts", "img_acts", "weight_acts"])
@pytest.mark.parametrize("layer", LAYERS)
def test_convolution(benchmark, layer, operation):
    channels, size, filters, window, stride, padding = LAYERS[layer]
    modules, images = 1 - (window - size - 2 * padding) // stride, 16
    random, engine = np.random.default_rng(0), get_engine("numpy")

    def array(*shape):
        return random.standard_normal(shape, np.float32)

    pixels, weights = array(channels, size, size, images), array(channels, window, window, filters)
    hid_acts = array(filters, modules, modules, images)
    run, arrays, targets = {
        "filter_acts": (engine.conv_filter_acts, (pixels, weights), np.empty_like(hid_acts)),
        "img_acts": (engine.conv_img_acts, (hid_acts, weights), np.empty_like(pixels)),
        "weight_acts": (engine.conv_weight_acts, (pixels, hid_acts), np.empty_like(weights[None])),
    }[operation]
    benchmark(lambda: run(*arrays, targets, stride=stride, padding=padding))
    assert np.isfinite(targets).all()
