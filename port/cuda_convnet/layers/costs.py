"""Cost layers.

Answers to `alexnet:src/layer.cu` (CostLayer and its subclasses). Costs are sums over the cases, to be made
small; the gradients they hand down are of minus that, times the layer's coefficient.
"""

from __future__ import annotations

from typing import TypeVar

from cuda_convnet.config.specs import CostSpec, LogregCostSpec, TICACostSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.errors import ConfigError
from cuda_convnet.layers.base import Buffer, Layer, Run
from cuda_convnet.layers.neuron import NeuronLayer
from cuda_convnet.layers.softmax import SoftmaxLayer
from cuda_convnet.passes import PassType

Spec = TypeVar("Spec", bound=CostSpec)


class CostLayer(Layer[Spec]):
    """A cost. `values`: what the last pass gave, sums over the cases; the first is the objective."""

    def __init__(self, spec: Spec, run: Run) -> None:
        super().__init__(spec, run)
        self.values: tuple[float, ...] = ()

    @property
    def is_grad_producer(self) -> bool:
        return self.spec.coeff != 0


class LabelledCostLayer(CostLayer[Spec]):
    """A cost of the second input, given the first, the labels."""

    def check(self) -> None:
        super().check()
        if self.prev[0].is_grad_consumer:
            raise ConfigError(
                f"layer '{self.name}': its first input '{self.prev[0].name}' holds labels and cannot learn; "
                "swap the inputs or take the labels from a data layer"
            )

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        if i == 0:  # this layer uses its two inputs together
            self.values = self.compute(self.inputs[0], self.inputs[1], pass_type)

    def compute(self, labels: Array, probs: Array, pass_type: PassType) -> tuple[float, ...]:
        raise NotImplementedError


class LogregCostLayer(LabelledCostLayer[LogregCostSpec]):
    """cost.logreg: minus the sum of the log-probabilities of the labels, top-1 errors, top-k errors.

    Of classes with equal probability as many as there is room for count as right, in equal parts: errors can
    be fractions. In a multiview test the probabilities are averaged over the views first; `probs` holds what
    the last cost was computed from.
    """

    def __init__(self, spec: LogregCostSpec, run: Run) -> None:
        super().__init__(spec, run)
        self.probs: Array = None
        self._accumulated = Buffer(run.engine)
        self._views = 0

    @property
    def acts_features(self) -> int:
        return 1

    def compute(self, labels: Array, probs: Array, pass_type: PassType) -> tuple[float, ...]:
        if not pass_type.has(PassType.MULTIVIEW_TEST):
            return self._cost(labels, probs)
        engine, mean = self.engine, self._accumulated.view(*probs.shape)
        if pass_type.has(PassType.MULTIVIEW_TEST_START):
            engine.copy(probs, mean)
            self._views = 1
        else:
            engine.matrix_add(mean, probs, mean)
            self._views += 1
        if not pass_type.has(PassType.MULTIVIEW_TEST_END):
            return self.values
        engine.matrix_scale(mean, mean, scale=1.0 / self._views)
        return self._cost(labels, mean)

    def _cost(self, labels: Array, probs: Array) -> tuple[float, ...]:
        engine, cases, topk = self.engine, self.num_cases, self.spec.topk
        self.probs = probs
        correct = self.run.scratch("correct", 1, cases)
        if topk == 1:
            engine.logreg_cost(labels, probs, self.acts, correct)
            errors = (cases - engine.matrix_total_sum(correct),) * 2
        else:
            top = self.run.scratch("correct in top k", 1, cases)
            engine.logreg_cost_topk(labels, probs, self.acts, correct, top, topk=topk)
            errors = cases - engine.matrix_total_sum(correct), cases - engine.matrix_total_sum(top)
        return -engine.matrix_total_sum(self.acts), *errors

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        below = self.prev[1]
        if isinstance(below, SoftmaxLayer) and below.cost_above() is not None:
            return  # the softmax computes the whole gradient
        target, coeff = below.acts_grad, self.spec.coeff
        self.engine.logreg_grad(self.inputs[0], self.inputs[1], target, coeff=coeff, add=scale_targets == 1)


class CrossEntropyCostLayer(LabelledCostLayer[CostSpec]):
    """cost.crossent: cross-entropy of two distributions, labels and probabilities; cost and top-1 errors."""

    @property
    def acts_features(self) -> int:
        return 1

    def compute(self, labels: Array, probs: Array, pass_type: PassType) -> tuple[float, ...]:
        correct = self.run.scratch("correct", 1, self.num_cases)
        self.engine.cross_entropy_cost(labels, probs, self.acts, correct)
        total = self.engine.matrix_total_sum
        return -total(self.acts), self.num_cases - total(correct)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        below = self.prev[1]
        if isinstance(below, SoftmaxLayer) and below.cost_above() is not None:
            return  # the softmax computes the whole gradient
        target, coeff = below.acts_grad, self.spec.coeff
        self.engine.cross_entropy_grad(
            self.inputs[0], self.inputs[1], target, coeff=coeff, add=scale_targets == 1
        )


class CrossEntropy2CostLayer(LabelledCostLayer[CostSpec]):
    """cost.crossent2: cross-entropy of each unit alone, given a label between 0 and 1 for each."""

    @property
    def acts_features(self) -> int:
        return self.prev[1].spec.outputs

    def compute(self, labels: Array, probs: Array, pass_type: PassType) -> tuple[float, ...]:
        self.engine.cross_entropy2_cost(labels, probs, self.acts)
        return (-self.engine.matrix_total_sum(self.acts),)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        below = self.prev[1]
        if isinstance(below, NeuronLayer) and below.crossent2_above() is not None:
            return  # the logistic units compute the whole gradient
        target, coeff = below.acts_grad, self.spec.coeff
        self.engine.cross_entropy2_grad(
            self.inputs[0], self.inputs[1], target, coeff=coeff, add=scale_targets != 0
        )


class RobustFlickrCostLayer(LabelledCostLayer[CostSpec]):
    """cost.rflickr: the sum of log(1 + (y - t)**2)."""

    @property
    def acts_features(self) -> int:
        return self.prev[1].spec.outputs

    def compute(self, labels: Array, probs: Array, pass_type: PassType) -> tuple[float, ...]:
        self.engine.robust_flickr_cost(labels, probs, self.acts)
        return (self.engine.matrix_total_sum(self.acts),)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target, coeff = self.prev[1].acts_grad, self.spec.coeff
        self.engine.robust_flickr_grad(
            self.inputs[0], self.inputs[1], target, coeff=coeff, add=scale_targets != 0
        )


class SumOfSquaresCostLayer(CostLayer[CostSpec]):
    """cost.sum2: the sum of the squares of its input."""

    @property
    def acts_features(self) -> int:
        return self.prev[0].spec.outputs

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.matrix_square(self.inputs[0], self.acts)
        self.values = (self.engine.matrix_total_sum(self.acts),)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.add_scaled(self.inputs[0], self.prev[0].acts_grad, scale_targets, -2 * self.spec.coeff)


class GatedSumOfSquaresCostLayer(CostLayer[CostSpec]):
    """cost.gsum2: the squares of the second input, times the first, a gate for each case."""

    @property
    def acts_features(self) -> int:
        return self.prev[1].spec.outputs

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        if i == 0:
            ungated = self.run.scratch("ungated", *self.acts.shape)
            self.engine.matrix_square(self.inputs[1], ungated)
            self.engine.matrix_mult_vector(ungated, self.inputs[0], self.acts, axis=1)
            self.values = (self.engine.matrix_total_sum(self.acts),)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        engine, target, coeff = self.engine, self.prev[i].acts_grad, self.spec.coeff
        part = self.run.scratch("ungated", *self.acts.shape)
        if i == 0:  # the gates
            engine.matrix_square(self.inputs[1], part)
            engine.matrix_add_sum(part, target, axis=0, scale_this=scale_targets, scale_sum=-coeff)
        else:
            engine.matrix_mult_vector(self.inputs[1], self.inputs[0], part, axis=1)
            self.add_scaled(part, target, scale_targets, -2 * coeff)


class TICACostLayer(CostLayer[TICACostSpec]):
    """cost.tica: topographic independent components; `acts` are the reciprocals of the pooled square roots.

    The reported value is the sum of these reciprocals, as in the original, which calls that wrong.
    """

    @property
    def acts_features(self) -> int:
        return self.prev[0].spec.outputs

    def images(self, matrix: Array) -> Array:
        return self.image(matrix, self.spec.channels, self.spec.img_size)

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        images, acts = self.images(self.inputs[0]), self.images(self.acts)
        self.engine.tica(images, acts, size_x=self.spec.size_x, scale_targets=scale_targets)
        self.values = (self.engine.matrix_total_sum(self.acts),)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.tica_grad(
            self.images(self.inputs[0]),
            self.images(self.acts),
            self.images(self.prev[0].acts_grad),
            size_x=self.spec.size_x,
            scale_targets=scale_targets,
            scale_output=self.spec.coeff,
        )
