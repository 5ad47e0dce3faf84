"""The library of the 2012 experiment: networks in the .cfg language, their arithmetic, their training.

    from cuda_convnet import ConvNet, read_network

    net = ConvNet(read_network("layers.cfg", "params.cfg", data_dims={0: 3072, 1: 1}, num_classes=10), seed=1)
    cost = net.train_minibatch([images, labels])  # float32, (features, images) and (1, images)
    net.acts("conv1"), net.acts_grad("conv1")

What is listed here is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cuda_convnet.config import NetworkSpec, parse_network, read_network
    from cuda_convnet.engines import engine_names, get_engine
    from cuda_convnet.errors import ConvnetError
    from cuda_convnet.network import ConvNet, Cost, GradientCheck, PassType

__all__ = [
    "ConvNet",
    "ConvnetError",
    "Cost",
    "GradientCheck",
    "NetworkSpec",
    "PassType",
    "engine_names",
    "get_engine",
    "parse_network",
    "read_network",
]

_MODULES = {
    "cuda_convnet.config": ("NetworkSpec", "parse_network", "read_network"),
    "cuda_convnet.engines": ("engine_names", "get_engine"),
    "cuda_convnet.errors": ("ConvnetError",),
    "cuda_convnet.network": ("ConvNet", "Cost", "GradientCheck", "PassType"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cuda_convnet' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
