"""What neurons and their arguments must agree on, checked once before any arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from cuda_convnet.engines.operations import NEURONS, Array, Neuron
from cuda_convnet.engines.shapes import same_shapes
from cuda_convnet.errors import EngineError


def declared(operation: str, type: str, params: Sequence[float]) -> Neuron:
    """The neuron of that type; EngineError if there is none or its parameters are others."""
    if type not in NEURONS:
        raise EngineError(f"{operation}: there is no neuron '{type}'; there are {', '.join(NEURONS)}")
    neuron = NEURONS[type]
    if len(params) != len(neuron.params):
        wanted = f"parameters {', '.join(neuron.params)}" if neuron.params else "no parameters"
        raise EngineError(f"{operation}: neuron '{type}' takes {wanted}, not {tuple(params)}")
    return neuron


def read_by_grad(neuron: Neuron, *, acts_grad: Array, inputs: Array, acts: Array, targets: Array) -> Array:
    """What the gradient of the neuron reads beside acts_grad, or acts_grad itself if it reads nothing.

    EngineError unless that, acts_grad and targets have one shape.
    """
    read = {"inputs": inputs, "acts": acts, "": acts_grad}[neuron.reads]
    others = {neuron.reads: read} if neuron.reads else {}
    same_shapes("neuron_grad", acts_grad=acts_grad, targets=targets, **others)
    return read
