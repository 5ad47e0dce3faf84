"""The values with which weights, biases and sparse connections start.

Answers to `alexnet:layer.py` (make_weights, make_biases, gen_rand_conns).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.config.specs import LocalSpec, WeightLayerSpec
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.errors import ConfigError
from cuda_convnet.init_functions import init_biases, init_connections, init_weights
from cuda_convnet.layers.base import Layer
from cuda_convnet.layers.conv import FilterLayer
from cuda_convnet.layers.weight_layer import WeightLayer
from cuda_convnet.randomness import RandomStreams


def initialise(layers: Mapping[str, Layer[Any]], streams: RandomStreams) -> None:
    """Give every layer with weights its weights, biases and connections; `layers` are in the order of the
    file.
    """
    for layer in layers.values():
        if isinstance(layer, WeightLayer):
            for i, source in enumerate(layer.spec.weight_source):
                if source is None:
                    layer.weights.append(layer.own_weights(i, initial_weights(layer.spec, i, streams)))
                else:
                    layer.weights.append(
                        layer.shared_weights(i, _source(layers, layer, i).weights[source.index])
                    )
            layer.biases = layer.own_biases(initial_biases(layer.spec))
        if isinstance(layer, FilterLayer):
            for i, sparse in enumerate(layer.spec.rand_sparse):
                if sparse:
                    layer.connect(i, _connections(layers, layer, i, streams))


def initial_weights(spec: WeightLayerSpec, i: int, streams: RandomStreams) -> HostArray:
    """The (rows, cols) matrix of input i: what `initWFunc` gives, or `initW` times standard normal numbers.

    DEVIATION(seeded-weights): the original draws all matrices one after the other from one generator that
    nobody seeds; here each has its own stream, so that it does not depend on the layers before it.
    """
    rows, cols = spec.matrix_shapes[i]
    if spec.init_w_func:
        return init_weights(spec.name, i, spec.init_w_func, (rows, cols))
    if spec.init_w[i] == 0:
        return np.zeros((rows, cols), np.float32)
    drawn = streams.at("weights", path=(spec.name, str(i))).randn(rows, cols)
    drawn *= spec.init_w[i]
    return drawn.astype(np.float32)


def initial_biases(spec: WeightLayerSpec) -> HostArray:
    """The original's matrix of biases: what `initBFunc` gives, or all `initB`."""
    shape = spec.bias_matrix_shape
    if spec.init_b_func:
        return init_biases(spec.name, spec.init_b_func, shape)
    return np.full(shape, spec.init_b, np.float32)


def _source(layers: Mapping[str, Layer[Any]], layer: WeightLayer[Any], i: int) -> WeightLayer[Any]:
    """The layer whose weights input i of `layer` shares; ConfigError where they do not fit."""
    source = layer.spec.weight_source[i]
    where = f"layer '{layer.name}[{i}]': weight source {source.layer}[{source.index}]"
    there = layers.get(source.layer)
    if (
        not isinstance(there, WeightLayer)
        or type(there) is not type(layer)
        or source.index >= len(there.weights)
    ):
        raise ConfigError(f"{where} is no matrix of an earlier layer of type '{layer.spec.type}'")
    mine, other = layer.spec.weight_shapes[i], there.spec.weight_shapes[source.index]
    if mine != other:
        raise ConfigError(f"{where} has weights {other}; this layer needs {mine}")
    return there


def _connections(
    layers: Mapping[str, Layer[Any]], layer: FilterLayer[Any], i: int, streams: RandomStreams
) -> NDArray[np.int32]:
    """(groups, filter channels): which channels each group sees; each run of `channels` permutes all."""
    spec: LocalSpec = layer.spec
    groups, channels, filter_channels = spec.groups[i], spec.channels[i], spec.filter_channels[i]
    source = spec.weight_source[i]
    if spec.init_c_func:
        return init_connections(spec.name, i, spec.init_c_func, groups, channels, filter_channels)
    if source is not None:
        there = layers[source.layer]
        assert isinstance(there, FilterLayer)
        shared = there.connections[source.index]
        theirs = there.spec.groups[source.index], there.spec.channels[source.index]
        if shared is None or theirs != (groups, channels):
            raise ConfigError(
                f"layer '{spec.name}[{i}]': randSparse, groups and channels must be those "
                f"of its weight source {source.layer}[{source.index}]"
            )
        return shared
    random = streams.at("weights", path=(spec.name, str(i), "connections"))
    permutations = [random.permutation(channels) for _ in range(spec.over_sample[i])]
    return np.concatenate(permutations).astype(np.int32).reshape(groups, filter_channels)
