"""Training steps of 2012's networks, for pytest-benchmark.

    pytest tests/benchmarks --benchmark-enable -m "slow or not slow"

`alexnet2012 bench` measures whole steps beside PyTorch in one run.
"""

import numpy as np
import pytest

from alexnet2012 import experiments, measure
from cuda_convnet.config import read_network
from cuda_convnet.network import ConvNet


@pytest.mark.parametrize(
    "name", ["cifar10-80sec", pytest.param("145", marks=pytest.mark.slow)], ids=lambda name: name
)
def test_step(benchmark, name):
    folder = experiments.path(name)
    spec = measure.learning(read_network(folder / "layers.cfg", folder / "params.cfg"))
    net, data = ConvNet(spec, seed=0), measure.random_data(spec, 128, 10)
    cost = benchmark.pedantic(lambda: net.train_minibatch(data), rounds=3, warmup_rounds=1)
    assert np.isfinite(cost.values["logprob"][0])
