"""Launches of the neurons."""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.matrices import elementwise

CLASSES = {
    "ident": "Ident",
    "relu": "Relu",
    "brelu": "BoundedRelu",
    "abs": "Abs",
    "square": "Square",
    "sqrt": "Sqrt",
    "linear": "Linear",
    "logistic": "Logistic",
    "tanh": "Tanh",
    "softrelu": "SoftRelu",
    "drelu": "DoubleRelu",
    "log": "Log",
}
"""What kernels/neurons.cu calls each of NEURONS."""


def neuron(type: str, count: int) -> Launch:
    """The function of `count` entries."""
    return elementwise("neurons.cu", "neuron", count, CLASSES[type])


def neuron_grad(type: str, count: int, *, add: bool) -> Launch:
    """The gradient of `count` entries."""
    return elementwise("neurons.cu", "neuronGrad", count, CLASSES[type], add)
