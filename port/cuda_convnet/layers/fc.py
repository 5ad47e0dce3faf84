"""Fully-connected layers.

Answers to `alexnet:src/layer.cu` (FCLayer). The original holds these activations as (cases, units); here they
are (units, cases) like all others: the same bytes.
"""

from __future__ import annotations

from cuda_convnet.config.specs import FCSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.weight_layer import WeightLayer
from cuda_convnet.passes import PassType
from cuda_convnet.weights import Weights


class FCLayer(WeightLayer[FCSpec]):
    """acts = sum over the inputs of W.T @ input, plus biases; weights are (inputs, outputs)."""

    use_grad = False
    w_step = 0.01
    b_step = 0.01

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        w = self.weights[i].w
        self.engine.matrix_add_product(w, self.inputs[i], self.acts, trans_a=True, scale_this=scale_targets)
        if scale_targets == 0:
            self.engine.matrix_add_vector(self.acts, self.column(self.biases.w), self.acts, axis=0)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.matrix_add_product(self.weights[i].w, v, self.prev[i].acts_grad, scale_this=scale_targets)

    def bprop_biases(self, v: Array, scale_targets: float, scale_output: float) -> None:
        self.sum_rows(v, self.column(self.biases.grad), scale_targets, scale_output)

    def bprop_weights(self, v: Array, i: int, scale_targets: float, scale_output: float) -> None:
        self.engine.matrix_add_product(
            self.inputs[i],
            v,
            self.weights[i].grad,
            trans_b=True,
            scale_this=scale_targets,
            scale_ab=scale_output,
        )

    def constrain(self, i: int, weights: Weights) -> None:
        if weights.wball > 0:
            self.engine.constrain_ball(weights.w, norm=weights.wball)
