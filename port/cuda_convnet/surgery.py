"""Changes of a live network: convolutional layers become local ones, shared weights are parted.

Answers to `alexnet:layer.py` (conv_to_local, unshare_weights).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from cuda_convnet.config.specs import LocalSpec
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.errors import ConfigError
from cuda_convnet.layers.base import Layer
from cuda_convnet.layers.conv import ConvLayer, LocalLayer
from cuda_convnet.layers.weight_layer import WeightLayer
from cuda_convnet.weights import Weights

Layers = Mapping[str, Layer[Any]]


def conv_to_local(name: str, layers: Layers) -> dict[str, LocalLayer]:
    """Local layers for convolutional layer `name` and for all that share weights with it, either way.

    Every place gets its own copy of the filters, and of the biases where these were shared; increments of
    what is copied start at zero. The network computes what it computed before, until the next update.

    ConfigError where `name` is no convolutional layer, or shares weights with one of another number of
    modules.
    """
    layer = layers.get(name)
    if not isinstance(layer, ConvLayer):
        kind = "does not exist" if layer is None else f"is of type '{layer.spec.type}'"
        raise ConfigError(f"layer '{name}' {kind}; only convolutional layers can be made local")
    family = _sharing(layer, layers)
    for relative in family:
        if relative.spec.modules != layer.spec.modules:
            raise ConfigError(
                f"layer '{name}' has {layer.spec.modules} modules, but layer '{relative.name}', with which "
                f"it shares weights, {relative.spec.modules}; unshare first"
            )
    local = {conv.name: _empty_local(conv) for conv in family}
    for conv in family:  # in the order of the file: sources come before those that share
        new = local[conv.name]
        for i, weights in enumerate(conv.weights):
            source = conv.spec.weight_source[i]
            if source is None:
                new.weights.append(new.own_weights(i, _tiled(conv, i, weights)))
            else:
                new.weights.append(new.shared_weights(i, local[source.layer].weights[source.index]))
            connections = conv.connections[i]
            if connections is not None:
                new.connect(i, connections)
        new.biases = new.own_biases(_repeated_biases(conv))
        if not conv.spec.shared_biases:
            new.engine.copy(conv.biases.inc.reshape(new.biases.inc.shape), new.biases.inc)
    return local


def _sharing(layer: ConvLayer, layers: Layers) -> list[ConvLayer]:
    """`layer` and all layers connected with it by shared weights, in the order of the file."""
    names = {layer.name}
    convs = [conv for conv in layers.values() if isinstance(conv, ConvLayer)]
    while True:
        more = set(names)
        for conv in convs:
            linked = {conv.name} | {source.layer for source in conv.spec.weight_source if source is not None}
            if linked & names:
                more |= linked
        if more == names:
            return [conv for conv in convs if conv.name in names]
        names = more


def _empty_local(conv: ConvLayer) -> LocalLayer:
    """The local layer of the same geometry, without weights."""
    known = {f.name: getattr(conv.spec, f.name) for f in fields(LocalSpec)}
    known["type"] = "local"
    known["weights_per_filter"] = conv.spec.weights_per_filter
    return LocalLayer(LocalSpec(**known), conv.run)


def _tiled(conv: ConvLayer, i: int, weights: Weights) -> HostArray:
    w = conv.engine.to_host(weights.w)
    return np.broadcast_to(w, (conv.spec.modules, *w.shape))


def _repeated_biases(conv: ConvLayer) -> HostArray:
    biases = conv.engine.to_host(conv.biases.w).reshape(-1, 1)
    return np.repeat(biases, conv.spec.modules, axis=0) if conv.spec.shared_biases else biases


def unshare_weights(name: str, layers: Layers) -> None:
    """Give `layer[index]`, or every input of `layer`, weights of its own: copies of what it shared.

    The increments of what is copied start at zero; rates, momentum, decay and constraints are those written
    for the layer. What shares this layer's matrix goes on doing so. Matrices that are not shared stay as they
    are. ConfigError where there is no such layer or matrix.

    DEVIATION(unshare): the original compares the name of the source with 0, so that matrices which are not
    shared lose their increments too, and it takes `index` for a string.
    """
    match = re.fullmatch(r"\s*([^\s\[]+)(?:\[(\d+)\])?\s*", name)
    if match is None:
        raise ConfigError(f"'{name}' names no weights; write layer or layer[index]")
    layer = layers.get(match.group(1))
    if not isinstance(layer, WeightLayer):
        raise ConfigError(f"'{name}': no layer with weights is called '{match.group(1)}'")
    count = len(layer.weights)
    indices = range(count) if match.group(2) is None else [int(match.group(2))]
    if indices[-1] >= count:
        raise ConfigError(f"'{name}': layer '{layer.name}' has weight matrices 0 to {count - 1}")
    for i in indices:
        layer.unshare(i)
