"""Networks without the drawing of their weights, for those who bring weights or need none."""

from __future__ import annotations

from dataclasses import replace

from cuda_convnet.config import NetworkSpec
from cuda_convnet.config.specs import WeightLayerSpec


def without_draws(spec: NetworkSpec) -> NetworkSpec:
    """The network with weights of zero, which need no drawing."""
    layers = (
        replace(layer, init_w=(0.0,) * len(layer.inputs)) if isinstance(layer, WeightLayerSpec) else layer
        for layer in spec
    )
    return replace(spec, layers=tuple(layers))
