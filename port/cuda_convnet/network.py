"""The network: layers in a graph, passes through it, and what comes of them.

    net = ConvNet(read_network("layers.cfg", "params.cfg"), seed=1)
    cost = net.train_minibatch([images, labels])
    net.acts("conv1")

Answers to `alexnet:src/convnet.cu`, and to `alexnet:src/worker.cu` for what is done with a minibatch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.config.specs import NetworkSpec
from cuda_convnet.cost import Cost
from cuda_convnet.engines import get_engine
from cuda_convnet.engines.operations import Array, Engine, HostArray
from cuda_convnet.errors import CheckpointError, ConfigError, ConvnetError, DataError
from cuda_convnet.gradient_check import GradientCheck, check_gradients
from cuda_convnet.initialisation import initialise
from cuda_convnet.layers import Layer, Run, make_layer
from cuda_convnet.layers.conv import FilterLayer
from cuda_convnet.layers.costs import CostLayer, LogregCostLayer
from cuda_convnet.layers.data import DataLayer
from cuda_convnet.layers.images import RandomScaleLayer
from cuda_convnet.layers.weight_layer import WeightLayer
from cuda_convnet.passes import PassType
from cuda_convnet.randomness import RandomStreams
from cuda_convnet.surgery import conv_to_local, unshare_weights
from cuda_convnet.weights import Weights

__all__ = ["BackwardStep", "ConvNet", "Cost", "GradientCheck", "PassType"]


@dataclass(frozen=True)
class BackwardStep:
    """One layer's turn in a pass backward: to which of its inputs it hands a gradient, and whether it adds
    there.
    """

    layer: str
    gradients: tuple[tuple[int, bool], ...]


class ConvNet:
    """A network that runs.

    `spec` says what it is made of; `engine` computes (the NumPy engine by default); all random numbers come
    from `seed`. `wupdate_freq` minibatches of `minibatch_size` images make one update of the weights.
    ConfigError, naming the layer, for what this library cannot run.

    Data are given as a sequence of float32 arrays (features, cases), indexed by the `dataIdx` of the data
    layers. `progress` (of the training, 0 to 1, for the schedules) and `position` (epoch, batch, minibatch,
    for random numbers) are those of the last `train_minibatch`, and may be set.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        engine: Engine | None = None,
        seed: int = 0,
        *,
        minibatch_size: int = 128,
        wupdate_freq: int = 1,
    ) -> None:
        if minibatch_size < 1 or wupdate_freq < 1:
            raise ConfigError(
                f"minibatch size {minibatch_size} and wupdate-freq {wupdate_freq} must both be at least 1"
            )
        if not spec.has_params:
            raise ConfigError(
                "the network was read without its parameter file and cannot run; name that file too"
            )
        self.spec = spec
        self.engine = engine if engine is not None else get_engine("numpy")
        self.run = Run(self.engine, RandomStreams(seed), minibatch_size, wupdate_freq)
        self.layers: dict[str, Layer[Any]] = {layer.name: make_layer(layer, self.run) for layer in spec}
        self._last_pass = PassType.TEST
        self.num_bwd_minibatches = 0  # since the last update of the weights
        self._link()
        initialise(self.layers, self.run.streams)

    # --- the graph ----------------------------------------------------------------------------------
    def _link(self) -> None:
        """Connect the layers, and plan the pass backward."""
        for layer in self.layers.values():
            layer.prev = [self.layers[name] for name in layer.spec.inputs]
            layer.next = []
        for layer in self.layers.values():
            for below in layer.prev:
                below.next.append(layer)
        self._forward = [self.layers[spec.name] for spec in self.spec.forward_order]
        for layer in self._forward:
            layer.link_below()
        for layer in reversed(self._forward):
            layer.link_above()
        for layer in self._forward:
            layer.check()
        self.backward_plan = tuple(self._plan_backward())

    def _plan_backward(self) -> Iterator[BackwardStep]:
        """The original's recursion: from each cost down, a layer's turn comes when all gradients above
        arrived.
        """
        expected = {
            name: sum(above.brings_gradient for above in layer.next) for name, layer in self.layers.items()
        }
        received = dict.fromkeys(self.layers, 0)

        def visit(layer: Layer[Any]) -> Iterator[BackwardStep]:
            if received[layer.name] != expected[layer.name]:
                return
            received[layer.name] += 1  # its turn comes once
            learning = [(i, below) for i, below in enumerate(layer.prev) if below.is_grad_consumer]
            gradients = []
            for i, below in learning:
                gradients.append((i, received[below.name] > 0))
                received[below.name] += 1
            yield BackwardStep(layer.name, tuple(gradients))
            for _, below in learning:
                yield from visit(below)

        for cost in self.cost_layers:
            if cost.is_grad_producer:
                yield from visit(cost)

    @property
    def data_layers(self) -> list[DataLayer]:
        return [layer for layer in self.layers.values() if isinstance(layer, DataLayer)]

    @property
    def cost_layers(self) -> list[CostLayer[Any]]:
        return [layer for layer in self.layers.values() if isinstance(layer, CostLayer)]

    @property
    def weight_layers(self) -> list[WeightLayer[Any]]:
        """The layers with weights, in the order of the file."""
        return [layer for layer in self.layers.values() if isinstance(layer, WeightLayer)]

    @property
    def num_parameters(self) -> int:
        """Weights and biases; shared weights count once."""
        return sum(int(np.prod(weights.w.shape)) for _, weights in self.named_weights())

    def named_weights(self) -> Iterator[tuple[str, Weights]]:
        """All matrices of weights and biases as `conv1/weights0` or `conv1/biases`, shared ones at their
        owner.
        """
        for layer in self.weight_layers:
            for i, weights in enumerate(layer.weights):
                if weights.is_owner:
                    yield f"{layer.name}/weights{i}", weights
            yield f"{layer.name}/biases", layer.biases

    def layer(self, name: str) -> Layer[Any]:
        """The layer called `name`; ConvnetError where there is none."""
        if name not in self.layers:
            raise ConvnetError(f"layer '{name}' does not exist; there are {', '.join(self.layers)}")
        return self.layers[name]

    # --- where training stands ----------------------------------------------------------------------
    @property
    def progress(self) -> float:
        return self.run.progress

    @progress.setter
    def progress(self, progress: float) -> None:
        self.run.progress = progress

    @property
    def position(self) -> tuple[int, ...]:
        return self.run.position

    @position.setter
    def position(self, position: tuple[int, ...]) -> None:
        self.run.position = position

    # --- passes -------------------------------------------------------------------------------------
    def fprop(self, data: Sequence[HostArray], pass_type: PassType = PassType.TEST) -> None:
        """Run the network forward on `data`; DataError where they do not fit."""
        matrices = self._checked(data)
        self.run.passes += 1
        self._last_pass = pass_type
        for layer in self._forward:
            if isinstance(layer, DataLayer):
                layer.load(matrices[layer.name])
            else:
                layer.fprop(pass_type)

    def bprop(self, pass_type: PassType = PassType.TRAIN) -> None:
        """Run the network backward from its costs, after a pass forward of the same type."""
        if self.run.passes == 0:
            raise ConvnetError("a pass backward needs a pass forward before it")
        self.num_bwd_minibatches = (self.num_bwd_minibatches + 1) % self.run.wupdate_freq
        for step in self.backward_plan:
            layer = self.layers[step.layer]
            v = layer.acts_grad
            layer.bprop_common(v, pass_type)
            for i, add in step.gradients:
                if not add:
                    layer.prev[i].start_grad()
                layer.bprop_acts(v, i, float(add), pass_type)

    def update_weights(self) -> None:
        """Change the weights of the layers that computed gradients, unless more minibatches are to be added
        first.
        """
        if self.num_bwd_minibatches == 0:
            for layer in self.weight_layers:
                layer.update_weights()

    def cost(self) -> Cost:
        """The costs of the last pass forward."""
        costs = self.cost_layers
        num_cases = costs[0].num_cases if costs else 0
        return Cost(num_cases, {c.name: c.values for c in costs}, {c.name: c.spec.coeff for c in costs})

    def train_minibatch(
        self, data: Sequence[HostArray], progress: float = 0.0, position: tuple[int, ...] = (0, 0, 0)
    ) -> Cost:
        """One step of training; the costs are those before the step.

        The same position gives the same dropout masks (and the same of all else that is drawn).
        """
        self.progress, self.position = progress, position
        self.fprop(data, PassType.TRAIN)
        cost = self.cost()
        self.bprop(PassType.TRAIN)
        self.update_weights()
        return cost

    def test_minibatch(self, data: Sequence[HostArray]) -> Cost:
        """The costs of `data`; the weights stay."""
        self.fprop(data, PassType.TEST)
        return self.cost()

    def multiview_test_minibatch(self, views: Sequence[Sequence[HostArray]]) -> Cost:
        """The costs of the probabilities that the network gives on average over views of the same images.

        Costs other than cost.logreg are those of the last view.

        DEVIATION(one-view): of a single view the original never computes the cost.
        """
        if not views:
            raise DataError("a multiview test needs at least one view")
        for n, data in enumerate(views):
            pass_type = PassType.MULTIVIEW_TEST
            if n == 0:
                pass_type |= PassType.MULTIVIEW_TEST_START
            if n == len(views) - 1:
                pass_type |= PassType.MULTIVIEW_TEST_END
            self.fprop(data, pass_type)
        return self.cost()

    def _checked(self, data: Sequence[HostArray]) -> dict[str, HostArray]:
        """The matrix of each data layer, float32 and in C order; DataError where they do not fit."""
        matrices: dict[str, HostArray] = {}
        cases: int | None = None
        for layer in self.data_layers:
            index, name = layer.spec.data_idx, layer.name
            if index >= len(data):
                raise DataError(
                    f"layer '{name}': it takes data matrix {index}, but only {len(data)} were given"
                )
            matrix = np.ascontiguousarray(data[index], np.float32)
            if matrix.ndim != 2:
                raise DataError(
                    f"layer '{name}': its data must be (features, images), not of shape {matrix.shape}"
                )
            features, images = matrix.shape
            if images == 0:
                raise DataError(f"layer '{name}': no images were given; a minibatch has at least one")
            if cases is not None and images != cases:
                raise DataError(
                    f"layer '{name}': data for {images} images, where the layers before it have {cases}"
                )
            self._check_features(layer, features)
            self._check_labels(layer, matrix)
            cases, matrices[name] = images, matrix
        return matrices

    def _check_features(self, layer: DataLayer, features: int) -> None:
        name, needed = layer.name, layer.spec.start + layer.spec.outputs
        scaled = [above for above in layer.next if isinstance(above, RandomScaleLayer)]
        if scaled and len(scaled) == len(layer.next):
            for above in scaled:
                above.check_features(features)
        elif features < needed or (layer.spec.start == 0 and features > needed):
            raise DataError(f"layer '{name}': {features} values for each image; it takes {needed}")

    def _check_labels(self, layer: DataLayer, matrix: HostArray) -> None:
        for above in layer.next:
            if isinstance(above, LogregCostLayer) and above.prev[0] is layer:
                classes = above.prev[1].spec.outputs
                bad = (matrix < 0) | (matrix >= classes) | (matrix != np.floor(matrix)) | np.isnan(matrix)
                if bad.any():
                    value = float(matrix[bad][0])
                    raise DataError(
                        f"layer '{layer.name}': label {value:g}; the {classes} classes of layer "
                        f"'{above.prev[1].name}' are 0 to {classes - 1}"
                    )

    def change_acts(self, name: str, acts: HostArray) -> None:
        """Give layer `name` other activations, (features, cases), and run what depends on them again."""
        self._write(self.layer(name).acts, acts)
        changed = {name}
        for layer in self._forward:
            if any(below.name in changed for below in layer.prev):
                layer.fprop(self._last_pass)
                changed.add(layer.name)

    # --- looking inside -----------------------------------------------------------------------------
    def acts(self, name: str) -> HostArray:
        """A copy of the activations of layer `name` in the last pass forward, (features, cases)."""
        return self._matrix(self.layer(name).acts, f"layer '{name}' has no activations before a pass forward")

    def acts_grad(self, name: str) -> HostArray:
        """A copy of the gradient of layer `name` in the last pass backward, (features, cases)."""
        layer = self.layer(name)
        reason = "before a pass backward" if layer.is_grad_consumer else "because no layer below it learns"
        return self._matrix(layer.acts_grad, f"layer '{name}' has no gradient {reason}")

    def _matrix(self, array: Array, problem: str) -> HostArray:
        if array is None:
            raise ConvnetError(problem)
        return self.engine.to_host(array)

    def first_nonfinite(self) -> str | None:
        """The layer in which a NaN or an infinity first arose: in its activations, their gradient, or its
        weights.

        None where all numbers are finite. Layers are asked in the order of the passes, forward and then
        backward.
        """

        def finite(array: Array) -> bool:
            return array is None or bool(np.isfinite(self.engine.to_host(array)).all())

        for layer in self._forward:
            if not finite(layer.acts):
                return layer.name
        for step in self.backward_plan:
            if not finite(self.layers[step.layer].acts_grad):
                return step.layer
        for name, weights in self.named_weights():
            if not (finite(weights.grad) and finite(weights.w)):
                return name.rpartition("/")[0]
        return None

    def check_gradients(self, data: Sequence[HostArray]) -> list[GradientCheck]:
        """Compare every gradient with finite differences of the cost (see `cuda_convnet.gradient_check`)."""
        return check_gradients(self, data)

    # --- changing the architecture ------------------------------------------------------------------
    def conv_to_local(self, name: str) -> None:
        """Make convolutional layer `name` locally connected (see `cuda_convnet.surgery`)."""
        self.layers.update(conv_to_local(name, self.layers))
        self._relink()

    def unshare_weights(self, name: str) -> None:
        """Give `layer[index]`, or all inputs of `layer`, their own weights (see `cuda_convnet.surgery`)."""
        unshare_weights(name, self.layers)
        self._relink()

    def _relink(self) -> None:
        self.spec = replace(self.spec, layers=tuple(self.layers[old.name].spec for old in self.spec))
        self._link()

    # --- state --------------------------------------------------------------------------------------
    def get_state(self) -> dict[str, NDArray[Any]]:
        """Copies of all that training changes, and of what was drawn when the network was made.

        `LAYER/weights0` and `LAYER/biases`, each with `_inc`; where there are any, `_averages0`, `_averages1`
        (of superEps) and `LAYER/connections0`; where gradients wait for an update, `_num_updates`, `_grad`
        and `num_bwd_minibatches`.
        """
        state: dict[str, Array] = {}
        for name, weights in self.named_weights():
            state[name], state[f"{name}_inc"] = weights.w, weights.inc
            for n, average in enumerate(weights.averages or ()):
                state[f"{name}_averages{n}"] = average
            if weights.num_updates > 0:
                state[f"{name}_num_updates"] = np.array([weights.num_updates], np.int64)
                if weights.use_grad:
                    state[f"{name}_grad"] = weights.grad
        if self.num_bwd_minibatches > 0:
            state["num_bwd_minibatches"] = np.array([self.num_bwd_minibatches], np.int64)
        state.update(self._connections())
        return {
            name: np.array(array if isinstance(array, np.ndarray) else self.engine.to_host(array))
            for name, array in state.items()
        }

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state; CheckpointError where it is of another network, and then nothing has changed.

        Increments may be missing; they are zero then.
        """
        self._check_state(state)
        for name, weights in self.named_weights():
            self._write(weights.w, state[name])
            self._write(weights.inc, state.get(f"{name}_inc", np.zeros(weights.w.shape)))
            averages = [self._new(state[key]) for n in range(2) if (key := f"{name}_averages{n}") in state]
            weights.averages = (averages[0], averages[1]) if len(averages) == 2 else None
            weights.num_updates = int(state.get(f"{name}_num_updates", [0])[0])
            if weights.use_grad and f"{name}_grad" in state:
                self._write(weights.grad, state[f"{name}_grad"])
        self.num_bwd_minibatches = int(state.get("num_bwd_minibatches", [0])[0])
        for layer in self.weight_layers:
            layer.grad_computed = False
            if isinstance(layer, FilterLayer):
                for i in range(len(layer.connections)):
                    if f"{layer.name}/connections{i}" in state:
                        layer.connect(i, state[f"{layer.name}/connections{i}"])

    def _connections(self) -> Iterator[tuple[str, NDArray[np.int32]]]:
        for layer in self.weight_layers:
            if isinstance(layer, FilterLayer):
                for i, connections in enumerate(layer.connections):
                    if connections is not None:
                        yield f"{layer.name}/connections{i}", connections

    def _check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        expected = {name: weights.w.shape for name, weights in self.named_weights()}
        missing = next((name for name in expected if name not in state), None)
        if missing is not None:
            raise CheckpointError(f"not a state of this network: {missing} is missing")
        for name, shape in list(expected.items()):
            expected.update({f"{name}_{part}": shape for part in ("inc", "grad", "averages0", "averages1")})
        expected.update({name: connections.shape for name, connections in self._connections()})
        for name, array in state.items():
            if name in expected and array.shape != expected[name]:
                raise CheckpointError(
                    f"not a state of this network: {name} has shape {array.shape}, not {expected[name]}"
                )

    def _write(self, target: Array, values: HostArray) -> None:
        self.engine.copy(self.engine.from_host(np.ascontiguousarray(values, np.float32)), target)

    def _new(self, values: HostArray) -> Array:
        return self.engine.from_host(np.array(values, np.float32))
