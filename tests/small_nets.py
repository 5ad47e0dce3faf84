"""Small networks for tests: layer files and parameter files as dictionaries, random data, one slow engine."""

import numpy as np

from cuda_convnet.config import parse_network
from cuda_convnet.engines import get_engine
from cuda_convnet.network import ConvNet

ENGINE = get_engine("numpy", threads=1)

DATA = {"data": {"type": "data", "dataIdx": 0}}
LABELS = {"labels": {"type": "data", "dataIdx": 1}}
PROBS = {"probs": {"type": "softmax", "inputs": "fc"}}
LOGREG = {"logprob": {"type": "cost.logreg", "inputs": "labels,probs"}}


def fc(inputs, outputs, **options):
    count = len(inputs.split(","))
    return {"type": "fc", "inputs": inputs, "outputs": outputs, "initW": ",".join(["0.1"] * count), **options}


def conv(inputs, channels, filters=16, size=3, **options):
    return {
        "type": "conv",
        "inputs": inputs,
        "channels": channels,
        "filters": filters,
        "filterSize": size,
        "padding": 1,
        "stride": 1,
        "initW": 0.1,
        "partialSum": 0,
        "sharedBiases": 1,
        **options,
    }


def local(inputs, channels, **options):
    section = conv(inputs, channels, **{"type": "local", **options})
    del section["partialSum"], section["sharedBiases"]
    return section


def rates(inputs=1, eps=1.0, **options):
    """Parameters of a layer with weights; plain gradient ascent unless told otherwise."""

    def each(value):
        return ",".join([str(value)] * inputs)

    return {"epsW": each(eps), "epsB": eps, "momW": each(0), "momB": 0, "wc": each(0), **options}


def text(sections):
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in options.items())])
        for name, options in sections.items()
    )


def spec_of(layers, params, dims, classes=None):
    return parse_network(text(layers), text(params), data_dims=dict(enumerate(dims)), num_classes=classes)


def make_net(layers, params, dims, classes=None, *, seed=1, engine=ENGINE, **options):
    return ConvNet(spec_of(layers, params, dims, classes), engine, seed, **options)


def softmax_net(features=6, classes=4, params=None, seed=1, engine=ENGINE, **options):
    """data - fc - softmax - logreg"""
    layers = {**DATA, **LABELS, "fc": fc("data", classes), **PROBS, **LOGREG}
    params = {"fc": rates(), "logprob": {"coeff": 1}} | (params or {})
    return make_net(layers, params, [features, 1], classes, seed=seed, engine=engine, **options)


def random_data(dims, cases, classes=None, seed=0, scale=1.0):
    """Normal data; the last matrix holds labels where `classes` is given."""
    random = np.random.RandomState(seed)
    data = [np.float32(scale * random.randn(dim, cases)) for dim in dims]
    if classes:
        data[-1] = random.randint(0, classes, (1, cases)).astype(np.float32)
    return data


class Recorder:
    """An engine that writes down the operations it is asked for, and has another execute them.

    It says that it keeps the original's order, so that what it is asked for is what the kernels would be.
    """

    name = "recorder"
    keeps_order = True

    def __init__(self, engine=ENGINE):
        self._engine = engine
        self.calls = []

    def __getattr__(self, name):
        operation = getattr(self._engine, name)

        def call(*arrays, **arguments):
            self.calls.append((name, arrays, arguments))
            return operation(*arrays, **arguments)

        return call

    def named(self, *names):
        return [call for call in self.calls if call[0] in names]
