"""What a table of a network says of a layer: its kind, its shape, its device, its weights."""

from __future__ import annotations

from cuda_convnet.config import NetworkSpec
from cuda_convnet.config.specs import (
    DataSpec,
    HiddenSexSpec,
    LayerSpec,
    LocalSpec,
    NeuronLayerSpec,
    PoolSpec,
    WeightLayerSpec,
)


def describe(layer: LayerSpec) -> str:
    """A layer's type with what tells it from others of that type, as `pool max` or `conv 11x11/4`."""
    if isinstance(layer, NeuronLayerSpec):
        params = ",".join(f"{p:g}" for p in layer.neuron.params)
        return f"neuron {layer.neuron.type}" + (f"[{params}]" if params else "")
    if isinstance(layer, LocalSpec):
        windows = [f"{s}x{s}/{t}" for s, t in zip(layer.filter_size, layer.stride, strict=True)]
        return f"{layer.type} {','.join(dict.fromkeys(windows))}"
    if isinstance(layer, PoolSpec):
        return f"{layer.type} {layer.pool} {layer.size_x}x{layer.size_x}/{layer.stride}"
    if isinstance(layer, HiddenSexSpec):
        return f"{layer.type} {layer.keep:g}"
    return layer.type


def shape_of(spec: NetworkSpec, layer: LayerSpec) -> str:
    return "x".join(map(str, spec.shapes[layer.name]))


def device_of(layer: LayerSpec) -> str:
    return "" if isinstance(layer, DataSpec) else ",".join(map(str, layer.replicas or (layer.gpu,)))


def weights_of(spec: NetworkSpec, layer: LayerSpec) -> int:
    """Weights and biases that `layer` owns."""
    if not isinstance(layer, WeightLayerSpec):
        return 0
    return sum(spec.own_weights(layer)) + layer.num_biases


def shared_by(layer: LayerSpec) -> list[str]:
    """What `layer` shares, one sentence per matrix."""
    if not isinstance(layer, WeightLayerSpec):
        return []
    return [
        f"{layer.name}[{i}] shares the {count:,} weights of {source.layer}[{source.index}], counted once"
        for i, (source, count) in enumerate(zip(layer.weight_source, layer.num_weights, strict=True))
        if source is not None
    ]
