"""Neurons and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import neurons as table
from cuda_convnet.engines.neurons import declared, read_by_grad
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import same_shapes


class NeuronOperations:
    """The neurons of a KernelEngine, which supplies `device`."""

    device: Device

    def neuron(self, inputs: Array, acts: Array, *, type: str, params: Sequence[float] = ()) -> None:
        declared("neuron", type, params)
        same_shapes("neuron", inputs=inputs, acts=acts)
        count = prod(inputs.shape)
        launch = table.neuron(type, count)
        self.device.launch(launch, inputs, acts, np.uint64(count), *_two(params))

    def neuron_grad(
        self,
        acts_grad: Array,
        inputs: Array,
        acts: Array,
        targets: Array,
        *,
        type: str,
        params: Sequence[float] = (),
        add: bool = False,
    ) -> None:
        neuron = declared("neuron_grad", type, params)
        read = read_by_grad(neuron, acts_grad=acts_grad, inputs=inputs, acts=acts, targets=targets)
        count = prod(acts_grad.shape)
        launch = table.neuron_grad(type, count, add=add)
        self.device.launch(launch, acts_grad, read, targets, np.uint64(count), *_two(params))


def _two(params: Sequence[float]) -> tuple[float, float]:
    """The parameters a and b of the kernels; those that a neuron has not are not read."""
    a, b, *_ = (*map(float, params), 0.0, 0.0)
    return a, b
