"""Replays whole networks: activations, every gradient, costs, and weights after training steps.

Two kinds of archives hold them (see the archives' README): small nets described by JSON, with training steps,
and run 145 on random images. What holds and why is in `alexnet2012.fidelity.budget`; what happens where the
float32 of two programs decides differently, in `alexnet2012.fidelity.explanation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import h5py
import numpy as np

from alexnet2012 import experiments
from alexnet2012.fidelity.archive import Archive, ArchiveError
from alexnet2012.fidelity.archived_net import check_hash, draw_weights, read_spec, read_weights
from alexnet2012.fidelity.budget import UNIT, Budget
from alexnet2012.fidelity.comparison import Comparison
from alexnet2012.fidelity.decisions import OpenDecision, open_decisions
from alexnet2012.fidelity.explanation import (
    Pass,
    Run,
    Turned,
    failing,
    gradients,
    right_layers,
    settle,
    topmost,
    turn,
)
from alexnet2012.fidelity.report import Case
from alexnet2012.undrawn import without_draws
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import (
    ConvSpec,
    CostSpec,
    LayerSpec,
    LogregCostSpec,
    NetworkSpec,
    WeightLayerSpec,
)
from cuda_convnet.engines.operations import Engine, HostArray
from cuda_convnet.layers.norm import ResponseNormLayer
from cuda_convnet.network import ConvNet, Cost, PassType

Data = Sequence[HostArray]

STEPS = 5
IMAGENET_WEIGHTS_SEED = 2012
IMAGENET_IMAGES_SEED = 2013
IMAGENET_IMAGES = 128
FEW_IMAGES = 32
"""Groups of more images than this are slow."""


def replay_networks(archive: Archive, engine: Engine, *, slow: bool = False) -> Iterator[Case]:
    """The cases of an archive of kind `nets` or `imagenet-net`.

    Of the latter, groups of more than 32 images only where `slow`. ArchiveError where the archive cannot be
    replayed.
    """
    if archive.kind == "nets":
        images = np.ascontiguousarray(archive.read(archive.file["images"]).T, np.float32)
        labels = archive.read(archive.file["labels"]).astype(np.float32).reshape(1, -1)
        for name, group in archive.file.items():
            if isinstance(group, h5py.Group):
                yield from SmallNet(archive, group, name, [images, labels], engine).cases()
    else:
        for name, group in archive.file.items():
            if not (isinstance(group, h5py.Group) and "acts" in group):
                continue
            if slow or int(group.attrs["num_images"]) <= FEW_IMAGES:
                yield from ImagenetNet(archive, group, name, engine).cases()


class Replay:
    """One archived group beside a network that runs its weights and data."""

    def __init__(self, archive: Archive, group: h5py.Group, name: str, data: Data, net: ConvNet) -> None:
        self.archive = archive
        self.group = group
        self.name = name
        self.data = data
        self.net = net
        self.num_cases = data[0].shape[1]

    def one_pass(self) -> Iterator[Case]:
        """The cases of a pass forward and backward whose gradients are sums over the images."""
        self.net.fprop(self.data, PassType.GRADIENT_CHECK)
        budget = self.budget()
        yield from (comparison.result() for comparison in self.forward(budget))
        yield from self.cost_cases(self.net.cost(), budget)
        yield from settle(lambda turned: self.backward(budget, [one.decision for one in turned]))

    def budget(self) -> Budget:
        """own() of all tensors, given the activations of the last pass."""
        layers = [layer for layer in self.net.spec if not isinstance(layer, CostSpec)]
        largest = {layer.name: float(np.abs(self.net.acts(layer.name)).max()) for layer in layers}
        return Budget(self.net.spec, self.num_cases, largest)

    def compare(self, path: str, ours: HostArray, own: float, *, by_case: bool = False) -> Comparison:
        """The tensor that is stored at `path` beside `ours`."""
        op, output = path.split("/", 1)
        stored = self.archive.stored(self.group[path])
        if by_case:
            ours = ours[:, : stored.shape[1]]
        part = np.asarray(stored.of(ours), np.float32)
        errors = stored.sum_errors(ours)
        return Comparison(
            archive=self.archive.name,
            op=op,
            case=self.name,
            output=output,
            tensor=output,
            by_case=by_case,
            stored=stored,
            part=part,
            sum_errors=errors,
            own=own,
        )

    def names(self, op: str) -> list[str]:
        """The tensors of an operation, as `conv1` or `conv1/weights0`."""
        found: list[str] = []

        def visit(name: str, thing: Any) -> None:
            if isinstance(thing, h5py.Dataset):
                found.append(name)

        if op in self.group:
            self.group[op].visititems(visit)
        return found

    def forward(self, budget: Budget) -> Iterator[Comparison]:
        """Activations, and the denominators of normalisations."""
        for name in self.names("acts"):
            yield self.compare(f"acts/{name}", self.net.acts(name), budget.acts(name), by_case=True)
        for name in self.names("denoms"):
            layer = self.net.layers[name]
            assert isinstance(layer, ResponseNormLayer)
            denoms = self.net.engine.to_host(layer.denoms).reshape(-1, self.num_cases)
            yield self.compare(f"denoms/{name}", denoms, budget.acts(name), by_case=True)

    def backward(self, budget: Budget, turned: Sequence[OpenDecision]) -> Run:
        """Gradients of activations and of parameters, with these decisions turned over."""
        if turned:
            self.net.fprop(self.data, PassType.GRADIENT_CHECK)
            turn(self.net, turned)
        parameters = self.names("grads")
        found = gradients(self.net, parameters)
        comparisons = [
            self.compare(f"acts_grad/{name}", self.net.acts_grad(name), budget.acts_grad(name), by_case=True)
            for name in self.names("acts_grad")
        ]
        comparisons += [
            self.compare(f"grads/{name}", found[name], self.own_gradient(budget, name)) for name in parameters
        ]

        probe = partial(self.probe, self.parameters(), budget, turned)
        one = Pass(1, self.data, probe, lambda _: 1.0)
        return Run(comparisons, [one], topmost(comparisons, self.net.spec), right_layers(comparisons))

    def parameters(self) -> dict[str, HostArray]:
        """The weights and biases that the network has now."""
        return {name: self.net.engine.to_host(weights.w) for name, weights in self.net.named_weights()}

    def own_gradient(self, budget: Budget, name: str) -> float:
        """own() of the gradient of `LAYER/weights0` or `LAYER/biases`."""
        layer, _, matrix = name.rpartition("/")
        spec = self.net.spec[layer]
        assert isinstance(spec, WeightLayerSpec)
        if matrix == "biases":
            return budget.biases_grad(spec)
        return budget.weights_grad(spec, int(matrix.removeprefix("weights")))

    def cost_cases(self, cost: Cost, budget: Budget) -> Iterator[Case]:
        """The cost, whose sum the archive has in float64 too, and the errors, which must be equal."""
        attrs = self.group.attrs
        (name,) = (layer.name for layer in self.net.spec if isinstance(layer, LogregCostSpec))
        logprob, top1, topk = cost.values[name]
        original = float(attrs["cost_logprob_sum"])
        own = budget.cost(name)
        exact = attrs.get("cost_logprob_sum_float64")
        err = own if exact is None else abs(original - float(exact)) / abs(float(exact))
        yield self.number("costs", name, original, logprob, err + own)
        yield self.number("costs", f"{name} errors", float(attrs["error_count"]), top1, 0.0)
        if "top5_error_count" in attrs:
            yield self.number("costs", f"{name} top-5 errors", float(attrs["top5_error_count"]), topk, 0.0)

    def number(self, op: str, output: str, original: float, ours: float, limit: float) -> Case:
        """A number beside the archived one; with limit 0 they must be equal."""
        apart = abs(original - ours)
        relative = apart / abs(original) if original else apart
        ulps = round(apart / float(np.spacing(np.float32(abs(original)))))
        used = 0.0 if apart == 0 else relative / limit if limit else float("inf")
        bound = f"rel {limit:.1e}" if limit else "exact"
        return Case(
            self.archive.name, op, self.name, output, apart == 0, ulps, relative, bound, used <= 1, used
        )

    def probe(
        self,
        weights: dict[str, HostArray],
        budget: Budget,
        turned: Sequence[OpenDecision],
        layers: Collection[str],
        with_weights: bool,
    ) -> tuple[ConvNet, Sequence[OpenDecision]]:
        """A network with these weights, and its open decisions with those in `turned` turned over.

        It has gradients for `layers` and all above, of the weights of `layers` only `with_weights`; it need
        not sum them in the original's order.
        """
        specs: list[LayerSpec] = []
        beneath: set[str] = set()  # layers without weights; one below must learn to bring them a gradient
        for spec in reversed(self.net.spec.forward_order):
            wanted = spec.name in layers
            needed = wanted or spec.name in beneath
            if isinstance(spec, ConvSpec):
                spec = replace(spec, partial_sum=0)
            if isinstance(spec, WeightLayerSpec):
                weights_too = float(wanted and with_weights)
                spec = replace(spec, eps_w=(weights_too,) * len(spec.inputs), eps_b=float(needed))
            elif needed:
                beneath.update(spec.inputs)
            specs.append(spec)
        net = ConvNet(replace(self.net.spec, layers=tuple(reversed(specs))), self.net.engine)
        net.set_state(weights)
        net.fprop(self.data, PassType.GRADIENT_CHECK)
        turn(net, turned)
        return net, open_decisions(net, budget)


class SmallNet(Replay):
    """A group of an archive of small nets: one pass, then five training steps on the same images."""

    def __init__(self, archive: Archive, group: h5py.Group, name: str, data: Data, engine: Engine) -> None:
        spec = read_spec(archive, group, engine)
        super().__init__(archive, group, name, data, ConvNet(without_draws(spec), engine))
        self.weights = read_weights(archive, group, spec)
        self.net.set_state(_shaped(self.weights, self.net))

    def cases(self) -> Iterator[Case]:
        yield from self.one_pass()
        yield from self.steps()

    def steps(self) -> Iterator[Case]:
        """Costs and errors before each training step, and what is archived of the parameters after it."""
        budget = self.budget()
        archived = self.archive.read(self.group["train_costs"])
        costs: list[Cost] = []
        results = list(settle(lambda turned: self.train(budget, turned, costs)))
        for step, (cost, (logprob, errors)) in enumerate(zip(costs, archived, strict=False), 1):
            (name, values), *_ = cost.values.items()
            limit = 2 * step * budget.cost(name)
            yield self.number("costs", f"before step {step}", float(logprob), values[0], limit)
            yield self.number("costs", f"errors before step {step}", float(errors), values[1], 0.0)
        yield from results

    def train(self, budget: Budget, turned: Sequence[Turned], costs: list[Cost]) -> Run:
        """Five steps of training from the archived weights; the first run adds their costs to `costs`.

        An error of a gradient arrives in all later steps at most undiminished: own() counts once for each
        step, and so does the original's l2 error of each step's increments, which the archive states.
        """
        net, comparisons, passes = self.net, [], []
        net.set_state(_shaped(self.weights, net))
        stated = np.cumsum(self.group.attrs["update_rule_err_per_step"][:, 1])
        for step in range(1, STEPS + 1):
            of_step = [one.decision for one in turned if one.number == step]
            passes.append(self.training_pass(step, budget, of_step))
            net.fprop(self.data, PassType.TRAIN)
            if len(costs) < STEPS:
                costs.append(net.cost())
            turn(net, of_step)
            net.bprop(PassType.TRAIN)
            net.update_weights()
            state = net.get_state()
            for output in self.names(f"step{step}"):
                own = step * (self.own_gradient(budget, output) + 3 * UNIT)
                for op, ours in ((f"step{step}", output), (f"step{step}_inc", f"{output}_inc")):
                    comparison = self.compare(f"{op}/{output}", state[ours], own)
                    comparisons.append(replace(comparison, err_l2=float(stated[step - 1])))
        return Run(comparisons, passes, failing(comparisons))

    def training_pass(self, step: int, budget: Budget, turned: Sequence[OpenDecision]) -> Pass:
        """The pass of step number `step` (from 1), with the weights that the network has now."""
        weights = self.parameters()
        return Pass(
            step,
            self.data,
            partial(self.probe, weights, budget, turned),
            lambda comparison: self.gain(comparison, step),
        )

    def gain(self, comparison: Comparison, step: int) -> float:
        """How much of a change of the gradient in a step is in a parameter, or its increment, later on."""
        weights = dict(self.net.named_weights())[comparison.tensor]
        rate = weights.rate(0.0) / self.num_cases
        later = int(comparison.op.removeprefix("step").removesuffix("_inc")) - step
        if later < 0:
            return 0.0
        if comparison.op.endswith("_inc"):
            return rate * weights.mom**later
        return rate * sum(weights.mom**k for k in range(later + 1))


class ImagenetNet(Replay):
    """A group of an archive of run 145: one pass in test mode, forward and backward."""

    def __init__(self, archive: Archive, group: h5py.Group, name: str, engine: Engine) -> None:
        folder = experiments.path("145")
        spec = read_network(
            folder / "layers.cfg", folder / "params.cfg", data_dims={0: 3 * 224 * 224, 1: 1}, num_classes=1000
        )
        weights = draw_weights(spec, IMAGENET_WEIGHTS_SEED)
        for matrix, drawn in weights.items():
            check_hash(archive, archive.file[f"init/{matrix}"], drawn)
        net = ConvNet(without_draws(_all_learning(spec)), engine)
        biases = {n: net.engine.to_host(w.w) for n, w in net.named_weights() if n.endswith("/biases")}
        net.set_state(_shaped({**weights, **biases}, net))
        super().__init__(archive, group, name, _imagenet_data(archive, group), net)

    def cases(self) -> Iterator[Case]:
        yield from self.one_pass()


def _imagenet_data(archive: Archive, group: h5py.Group) -> Data:
    """The images and labels of the README's recipe, as many as the group has."""
    random, count = np.random.RandomState(IMAGENET_IMAGES_SEED), int(group.attrs["num_images"])
    images = random.randint(0, 256, (3 * 224 * 224, IMAGENET_IMAGES))[:, :count].astype(np.float32) - 128
    labels = random.randint(0, 1000, (1, IMAGENET_IMAGES))[:, :count].astype(np.float32)
    images = np.ascontiguousarray(images)
    if hashlib.sha256(images.tobytes()).hexdigest() != group.attrs["images_sha256"]:
        raise ArchiveError(f"{archive.path}: {group.name}: the recipe does not give the archived images")
    if not np.array_equal(labels.reshape(-1), archive.read(group["labels"]).reshape(-1)):
        raise ArchiveError(f"{archive.path}: {group.name}: the recipe does not give the archived labels")
    return [images, labels]


def _all_learning(spec: NetworkSpec) -> NetworkSpec:
    """The network with rates of 1, so that all gradients are computed, and errors counted among the first
    five.
    """
    layers = []
    for layer in spec:
        if isinstance(layer, WeightLayerSpec):
            layer = replace(layer, eps_w=(1.0,) * len(layer.inputs), eps_b=1.0)
        elif isinstance(layer, LogregCostSpec):
            layer = replace(layer, coeff=1.0, topk=5)
        layers.append(layer)
    return replace(spec, layers=tuple(layers))


def _shaped(weights: dict[str, HostArray], net: ConvNet) -> dict[str, HostArray]:
    """Matrices in the shapes of the network's own."""
    shapes = {name: weights.w.shape for name, weights in net.named_weights()}
    return {name: matrix.reshape(shapes[name]) for name, matrix in weights.items()}
