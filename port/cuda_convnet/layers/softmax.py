"""Softmax layers.

Answers to `alexnet:src/layer.cu` (SoftmaxLayer).
"""

from __future__ import annotations

from cuda_convnet.config.specs import CostSpec, SoftmaxSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Layer
from cuda_convnet.passes import PassType


class SoftmaxLayer(Layer[SoftmaxSpec]):
    """Probabilities: exp(input), divided by the sum over the features."""

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.softmax(self.inputs[0], self.acts)

    def cost_above(self) -> CostSpec | None:
        """The cost whose gradient this layer takes over, so that no probability is divided by and multiplied
        again.

        It must be the only consumer, and on the same device.

        DEVIATION(crossent-softmax): the original's cost.crossent leaves its gradient to the softmax, which
        does not know that cost and works on memory that nobody wrote. Here the softmax computes what its
        kernel for that case, never called, was written for.
        """
        if len(self.next) != 1:
            return None
        above = self.next[0].spec
        if isinstance(above, CostSpec) and above.gpu == self.spec.gpu:
            return above if above.type in ("cost.logreg", "cost.crossent") else None
        return None

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target, add, engine = self.prev[0].acts_grad, scale_targets == 1, self.engine
        cost = self.cost_above()
        if cost is None:
            engine.softmax_grad(v, self.acts, target, add=add)
            return
        labels = self.next[0].prev[0].acts
        fused = (
            engine.logreg_softmax_grad if cost.type == "cost.logreg" else engine.cross_entropy_softmax_grad
        )
        fused(labels, self.acts, target, coeff=cost.coeff, add=add)
