"""How far a replayed network may be from an archived one: one rule, and the counts that go into it.

Let u = 2**-24, the largest relative error of a float32 rounding. A tensor T comes from the data and the
weights by a chain of operations, and each number in it by a number of roundings: some for each operation,
and one for each term of a sum. Roundings are independent of each other, and their total grows as a random
walk (see `cuda_convnet.engines.bounds`). Between decisions it passes through an operation at its relative
size, and so

    own(T) = u * sqrt(roundings on the longest chain of operations to T)

bounds the distance of *our* T from exact arithmetic. The archive says how far the *original's* T is from a
float64 evaluation: err(T). The distance between the two is at most the sum:

    bound(T) = err(T) + own(T)        (2 * own(T) where the archive states no err(T))

in proportion to the largest entry, and for Euclidean norms the same with the archive's l2 error. Nothing in
it comes from what an engine does. err(T) is of the order of 1e-6, except where the original took a decision
(which pixel of a region is the largest, which unit is positive) on other grounds than exact arithmetic does:
then it is the size of that decision, and belongs in the bound, because we may decide either way. Where we
decide differently from both, `alexnet2012.fidelity.explanation` must show that turning over decisions which
are closer than roundings reach takes the whole difference away.

What the bounds can see: they lie between 1e-7 and a few 1e-5, so that a wrong scale, a wrong rule at an edge
or a missing term, 1e-3 and more, cannot pass.

Roundings forward:

    conv, local       2 + weights of a filter   terms, output scale, bias
    fc                1 + inputs                terms, bias
    average pooling   2 + size**2               terms, division by the area
    max pooling       0                         selection
    rnorm, cmrnorm    32 + window               squares, scale, product; powf (4 ulp: 4**2)
    cnorm             32 + 2 * window           the mean, and its difference from the image
    neuron            0, or 16                  selections (relu, brelu, abs, ident); others with expf
    softmax           32 + classes              terms, expf, division; what arrives counts max(1, max|x|)**2
                                                times: an error of an exponent is a relative one of its power
    eltsum, hs, ...   1 for each input

and backward, from a layer's gradient to that of its input:

    conv, local       1 + filters / groups * ceil(size / stride)**2      the filters that see a pixel
    fc                outputs
    pooling           3 + ceil(size / stride)**2                         the regions that see a pixel
    norms             twice the forward count, and what its acts have    the formula uses forward results
    others            as forward

and for the gradients of parameters, summed over N cases and, for shared filters, M modules:

    conv weights      1 + partialSum * N + M / partialSum                chunks, then their sum
    others            1 + M * N
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

from cuda_convnet.config.specs import (
    ConvSpec,
    CostSpec,
    DataSpec,
    FCSpec,
    LayerSpec,
    LocalSpec,
    NetworkSpec,
    NeuronLayerSpec,
    NormSpec,
    PoolSpec,
    SoftmaxSpec,
    WeightLayerSpec,
)

UNIT = 2.0**-24


def forward_roundings(spec: LayerSpec) -> float:
    """How many roundings a layer's operation adds forward."""
    if isinstance(spec, LocalSpec):
        return 2 + sum(spec.weights_per_filter)
    if isinstance(spec, FCSpec):
        return 1 + sum(spec.num_inputs)
    if isinstance(spec, PoolSpec):
        return 2 + spec.size_x**2 if spec.pool == "avg" else 0
    if isinstance(spec, NormSpec):
        window = spec.size if spec.type == "cmrnorm" else spec.size**2
        return 32 + window * (2 if spec.type == "cnorm" else 1)
    if isinstance(spec, NeuronLayerSpec):
        return 0 if spec.neuron.type in ("ident", "abs", "relu", "brelu") else 16
    if isinstance(spec, SoftmaxSpec):
        return 32 + spec.outputs
    return len(spec.inputs)


def backward_roundings(spec: LayerSpec) -> float:
    """How many roundings handing a gradient from a layer to one of its inputs adds."""
    if isinstance(spec, LocalSpec):
        seen = (
            spec.filters // groups * math.ceil(size / stride) ** 2
            for groups, size, stride in zip(spec.groups, spec.filter_size, spec.stride, strict=True)
        )
        return 1 + max(seen)
    if isinstance(spec, FCSpec):
        return spec.outputs
    if isinstance(spec, PoolSpec):
        return 3 + math.ceil(spec.size_x / spec.stride) ** 2
    if isinstance(spec, NormSpec):
        return 2 * forward_roundings(spec)
    return forward_roundings(spec)


class Budget:
    """own(T) of every tensor of a network that ran on `num_cases` images.

    `largest`: the largest magnitude of each layer's activations.
    """

    def __init__(self, spec: NetworkSpec, num_cases: int, largest: Mapping[str, float]) -> None:
        self.spec = spec
        self.num_cases = num_cases
        self._largest = largest
        self._acts = cache(self._count_acts)
        self._grad = cache(self._count_grad)

    def acts(self, name: str) -> float:
        """own() of a layer's activations."""
        return UNIT * math.sqrt(self._acts(name))

    def acts_grad(self, name: str) -> float:
        """own() of the gradient of a layer's activations."""
        return UNIT * math.sqrt(self._grad(name))

    def weights_grad(self, layer: WeightLayerSpec, i: int) -> float:
        """own() of the gradient of the weights of input i."""
        summed = self._modules(layer) * self.num_cases
        if isinstance(layer, ConvSpec) and layer.partial_sum:
            summed = layer.partial_sum * self.num_cases + layer.modules // layer.partial_sum
        return UNIT * math.sqrt(self._acts(layer.inputs[i]) + self._grad(layer.name) + 1 + summed)

    def biases_grad(self, layer: WeightLayerSpec) -> float:
        """own() of the gradient of the biases."""
        return UNIT * math.sqrt(self._grad(layer.name) + 1 + self._modules(layer) * self.num_cases)

    def cost(self, name: str) -> float:
        """own() of the sum of a cost over the cases."""
        return UNIT * math.sqrt(self._acts(self.spec[name].inputs[-1]) + 2 + self.num_cases)

    @staticmethod
    def _modules(layer: WeightLayerSpec) -> int:
        return layer.modules if isinstance(layer, ConvSpec) else 1

    def _count_acts(self, name: str) -> float:
        layer = self.spec[name]
        if isinstance(layer, DataSpec):
            return 0.0
        arriving = max(self._acts(below) for below in layer.inputs)
        if isinstance(layer, SoftmaxSpec):
            arriving *= max(1.0, self._largest[layer.inputs[0]]) ** 2
        return arriving + forward_roundings(layer)

    def _count_grad(self, name: str) -> float:
        above = self.spec.consumers(name)
        return max(self._from_above(layer) for layer in above) + len(above) - 1

    def _from_above(self, layer: LayerSpec) -> float:
        if isinstance(layer, CostSpec):
            return self._acts(layer.inputs[-1]) + 2
        own = self._grad(layer.name) + backward_roundings(layer)
        return own + (self._acts(layer.name) if isinstance(layer, NormSpec) else 0)
