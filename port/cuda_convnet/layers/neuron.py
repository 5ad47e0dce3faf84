"""Neuron layers.

Answers to `alexnet:src/layer.cu` (NeuronLayer) and `alexnet:include/neuron.cuh`.
"""

from __future__ import annotations

from cuda_convnet.config.specs import CostSpec, NeuronLayerSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Layer, Run
from cuda_convnet.passes import PassType

NEURONS = (
    "ident",
    "logistic",
    "abs",
    "relu",
    "nrelu",
    "softrelu",
    "square",
    "sqrt",
    "tanh",
    "brelu",
    "linear",
    "drelu",
)


class NeuronLayer(Layer[NeuronLayerSpec]):
    """Applies a neuron to each input."""

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        neuron = self.spec.neuron
        self.engine.neuron(self.inputs[0], self.acts, type=neuron.type, params=neuron.params)

    def crossent2_above(self) -> CostSpec | None:
        """The cost.crossent2 whose gradient this layer takes over: logistic units right under it, on its
        device.
        """
        if self.spec.neuron.type != "logistic" or len(self.next) != 1:
            return None
        above = self.next[0].spec
        ours = isinstance(above, CostSpec) and above.type == "cost.crossent2" and above.gpu == self.spec.gpu
        return above if ours and isinstance(above, CostSpec) else None

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target, engine = self.prev[0].acts_grad, self.engine
        cost = self.crossent2_above()
        if cost is not None:
            labels = self.next[0].prev[0].acts
            scales = {"scale_a": -cost.coeff, "scale_b": cost.coeff}
            if scale_targets == 0:
                engine.matrix_add(self.acts, labels, target, **scales)
            else:
                part = self.run.scratch("logistic gradient", *self.acts.shape)
                engine.matrix_add(self.acts, labels, part, **scales)
                engine.matrix_add(target, part, target)
            return
        neuron = self.spec.neuron
        engine.neuron_grad(
            v,
            self.inputs[0],
            self.acts,
            target,
            type=neuron.type,
            params=neuron.params,
            add=scale_targets > 0,
        )


class NoisyReluLayer(NeuronLayer):
    """nrelu: a relu, plus normal noise whose standard deviation is the relu itself, and a relu again.

    In every pass, not in training alone. (The original's comment calls the relu the noise's variance.)
    """

    def __init__(self, spec: NeuronLayerSpec, run: Run) -> None:
        super().__init__(spec, run)
        self._key = run.streams.key("neuron noise", spec.name)

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        engine, acts = self.engine, self.acts
        noise = self.run.scratch("neuron noise", *acts.shape)
        engine.random_normal(noise, key=self._key, counter=self.run.streams.counter(*self.run.position))
        engine.neuron(self.inputs[0], acts, type="relu")
        engine.matrix_mult(noise, acts, noise)
        engine.matrix_add(acts, noise, acts)
        engine.neuron(acts, acts, type="relu")

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target = self.prev[0].acts_grad
        self.engine.neuron_grad(v, self.inputs[0], self.acts, target, type="relu", add=scale_targets > 0)
