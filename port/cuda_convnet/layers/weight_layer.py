"""What layers with weights have in common.

Answers to `alexnet:src/layer.cu` (WeightLayer).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np

from cuda_convnet.config.specs import WeightLayerSpec
from cuda_convnet.engines.operations import Array, HostArray
from cuda_convnet.layers.base import Layer, Run
from cuda_convnet.passes import PassType
from cuda_convnet.schedules import make_schedule
from cuda_convnet.weights import Weights

Spec = TypeVar("Spec", bound=WeightLayerSpec)


class WeightLayer(Layer[Spec]):
    """A layer with a weight matrix for each input and one matrix of biases.

    `use_grad` says whether the gradients of the weights have matrices of their own (see Weights); those of
    the biases always do. `w_step`, `b_step`: the steps of the gradient check.
    """

    use_grad: ClassVar[bool]
    w_step: ClassVar[float] = 0.02
    b_step: ClassVar[float] = 0.05

    def __init__(self, spec: Spec, run: Run) -> None:
        super().__init__(spec, run)
        self.weights: list[Weights] = []
        self.biases: Weights
        self.grad_computed = False  # since the weights last changed

    def _randn(self, matrix: str) -> Callable[[], float]:
        return self.run.noise("rates", self.name, matrix)

    def own_weights(self, i: int, values: HostArray) -> Weights:
        """Weights for input i that start with `values` and belong to this layer."""
        spec = self.spec
        return Weights(
            self.engine,
            self.engine.from_host(
                np.ascontiguousarray(values.reshape(spec.weight_shapes[i]), np.float32).copy()
            ),
            make_schedule(spec.sched_w[i], spec.eps_w[i], f"layer '{self.name}[{i}]'"),
            self._randn(f"weights{i}"),
            mom=spec.mom_w[i],
            wc=spec.wc[i],
            wball=spec.wball[i] * spec.weights_per_filter[i],
            super_eps=spec.super_eps,
            use_grad=self.use_grad,
        )

    def shared_weights(self, i: int, source: Weights) -> Weights:
        """Weights for input i that are another matrix, `source`."""
        spec = self.spec
        schedule = make_schedule(spec.sched_w[i], spec.eps_w[i], f"layer '{self.name}[{i}]'")
        return Weights.shared(source, schedule, self._randn(f"weights{i}"))

    def unshare(self, i: int) -> None:
        """Give input i, if it shares weights, its own: a copy of them, with increments of zero."""
        source = self.spec.weight_source
        if source[i] is None:
            return
        self.spec = replace(self.spec, weight_source=(*source[:i], None, *source[i + 1 :]))
        self.weights[i].part(self.own_weights(i, self.engine.to_host(self.weights[i].w)))

    def own_biases(self, values: HostArray) -> Weights:
        """Biases that start with `values`."""
        spec = self.spec
        return Weights(
            self.engine,
            self.engine.from_host(
                np.ascontiguousarray(values.reshape(spec.bias_matrix_shape), np.float32).copy()
            ),
            make_schedule(spec.sched_b, spec.eps_b, f"layer '{self.name}'"),
            self._randn("biases"),
            mom=spec.mom_b,
            super_eps=spec.super_eps,
        )

    @property
    def learns(self) -> bool:
        """Decided by the rates written in the layer's parameters, whatever the schedules make of them."""
        return self.spec.eps_b > 0 or any(eps > 0 for eps in self.spec.eps_w)

    def matrix(self, i: int, array: Array) -> Array:
        """Weights of input i, or their gradient, as the (rows, cols) matrix of the original."""
        return array.reshape(self.spec.matrix_shapes[i])

    def column(self, biases: Array) -> Array:
        """Biases, or their gradient, as a column: one entry for each row of what they are added to."""
        return biases.reshape((-1, 1))

    # --- backward -----------------------------------------------------------------------------------
    def bprop_common(self, v: Array, pass_type: PassType) -> None:
        checking = pass_type.has(PassType.GRADIENT_CHECK)
        divisor, progress = self.run.divisor(self.num_cases), self.run.progress
        if self.biases.learns:
            scales = self.biases.gradient_scales(divisor, progress, gradient_check=checking)
            self.bprop_biases(v, *scales)
            self.biases.num_updates += 1
        for i, weights in enumerate(self.weights):
            if weights.learns:
                scales = weights.gradient_scales(divisor, progress, gradient_check=checking)
                self.bprop_weights(v, i, *scales)
                weights.num_updates += 1
        self.grad_computed = True

    @abstractmethod
    def bprop_biases(self, v: Array, scale_targets: float, scale_output: float) -> None:
        """biases.grad = scale_targets * biases.grad + scale_output * (sum over the cases)"""

    @abstractmethod
    def bprop_weights(self, v: Array, i: int, scale_targets: float, scale_output: float) -> None:
        """weights[i].grad = scale_targets * weights[i].grad + scale_output * (sum over the cases)"""

    def sum_rows(self, matrix: Array, targets: Array, scale_targets: float, scale_output: float) -> None:
        """targets (rows, 1) = scale_targets * targets + scale_output * (sum of each row of `matrix`).

        DEVIATION(one-column-sum): the original's sum over the rows of a matrix with one column is a copy that
        ignores both scales; gradients of minibatches of one image would then be neither divided nor
        accumulated.
        """
        if matrix.shape[1] == 1:
            self.add_scaled(matrix, targets, scale_targets, scale_output)
        else:
            self.engine.matrix_add_sum(
                matrix, targets, axis=1, scale_this=scale_targets, scale_sum=scale_output
            )

    # --- update -------------------------------------------------------------------------------------
    def update_weights(self) -> bool:
        """Change the weights, if a gradient was computed since they last changed; then constrain them."""
        if not self.grad_computed:
            return False
        for weights in self.weights:
            weights.update(self.run.progress)
        self.biases.update(self.run.progress)
        for i, weights in enumerate(self.weights):
            if weights.is_owner and weights.learns:
                self.constrain(i, weights)
        self.grad_computed = False
        return True

    @abstractmethod
    def constrain(self, i: int, weights: Weights) -> None:
        """Force the weights of input i back into what `wball` (and, in conv layers, `wcNorm`) allow."""
