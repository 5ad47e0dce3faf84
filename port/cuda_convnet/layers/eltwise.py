"""Elementwise sum and maximum of several inputs.

Answers to `alexnet:src/layer.cu` (EltwiseSumLayer, EltwiseMaxLayer).
"""

from __future__ import annotations

from cuda_convnet.config.specs import EltwiseMaxSpec, EltwiseSumSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Layer
from cuda_convnet.passes import PassType


class EltwiseSumLayer(Layer[EltwiseSumSpec]):
    """The sum of the inputs, each times its coefficient."""

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.add_scaled(self.inputs[i], self.acts, scale_targets, self.spec.coeffs[i])

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.add_scaled(v, self.prev[i].acts_grad, scale_targets, self.spec.coeffs[i])


class EltwiseMaxLayer(Layer[EltwiseMaxSpec]):
    """The largest of the inputs; every input that equals it receives the whole gradient."""

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        if i == 1:
            self.engine.eltwise_max(self.inputs[1], self.inputs[0], self.acts)
        elif i > 1:
            self.engine.eltwise_max(self.acts, self.inputs[i], self.acts)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target = self.prev[i].acts_grad
        self.engine.eltwise_max_grad(v, self.inputs[i], self.acts, target, add=scale_targets != 0)
