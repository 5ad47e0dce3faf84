"""Two engines that execute the same kernels, bit for bit: single operations, and layers of small networks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from alexnet2012.fidelity.archive import Archive
from alexnet2012.fidelity.ops import REPLAYS, Recorded, read_case
from cuda_convnet.config.specs import (
    DataSpec,
    EltwiseMaxSpec,
    EltwiseSumSpec,
    LayerSpec,
    LocalSpec,
    NetworkSpec,
    NeuronLayerSpec,
    PoolSpec,
)
from cuda_convnet.engines.bounds import Bitwise, difference
from cuda_convnet.engines.operations import Engine, HostArray
from cuda_convnet.network import ConvNet

EXACT_NEURONS = ("ident", "relu", "brelu", "abs", "square", "sqrt", "linear")
"""Those without exponentials and logarithms, which every C library rounds its own way."""


@dataclass
class Agreement:
    """How two engines agree on all results of one kind. `exact`: those that must be equal in every bit."""

    results: int = 0
    bitwise: int = 0
    exact: int = 0
    exact_bitwise: int = 0
    max_ulp: int = 0

    @property
    def ok(self) -> bool:
        return self.exact == self.exact_bitwise

    def add(self, one: HostArray, other: HostArray, *, exact: bool) -> None:
        found = difference(one, other)
        self.results += 1
        self.bitwise += found.bitwise
        self.exact += exact
        self.exact_bitwise += exact and found.bitwise
        self.max_ulp = max(self.max_ulp, found.max_ulp)


def compare_operations(archive: Archive, one: Engine, other: Engine) -> dict[str, Agreement]:
    """By operation: every archived case on both engines. Exact is what the kernels' bound is bitwise for."""
    found: dict[str, Agreement] = defaultdict(Agreement)
    for op, case in recorded_cases(archive):
        results = (REPLAYS[op](engine, case) for engine in (one, other))
        for ours, theirs in zip(*results, strict=True):
            found[op].add(ours.ours, theirs.ours, exact=isinstance(ours.bound, Bitwise))
    return dict(found)


def recorded_cases(archive: Archive) -> Iterator[tuple[str, Recorded]]:
    """Every case of an archive of operations."""
    for op, cases in archive.file.items():
        for group in cases.values():
            yield op, read_case(archive, op, group)


def smallest_cases(archive: Archive) -> Iterator[tuple[str, Recorded]]:
    """Of every archived operation the case with the fewest numbers."""
    for op, cases in archive.file.items():
        read = [read_case(archive, op, group) for group in cases.values()]
        yield op, min(read, key=lambda case: sum(array.size for array in case.inputs.values()))


def compare_networks(
    spec: NetworkSpec, one: Engine, other: Engine, cases: int, seed: int = 1
) -> dict[str, Agreement]:
    """By layer: its activations in a step of training with random images, and its gradients after it.

    Exact are the activations of layers that the images reach without matrix products, whose order BLAS
    decides, and without exponentials, powers and logarithms.
    """
    random = np.random.RandomState(seed)
    sizes = {layer.data_idx: layer.outputs for layer in spec if isinstance(layer, DataSpec)}
    data = [random.randint(-128, 128, (sizes[index], cases)).astype(np.float32) for index in sorted(sizes)]
    data[1] = random.randint(0, spec.num_classes or 10, (1, cases)).astype(np.float32)
    nets = [ConvNet(spec, engine=engine, seed=seed, minibatch_size=cases) for engine in (one, other)]
    for net in nets:
        net.train_minibatch(data)
    found: dict[str, Agreement] = defaultdict(Agreement)
    exact = exact_layers(spec)
    for layer in spec.forward_order:
        if not isinstance(layer, DataSpec) and not layer.type.startswith("cost."):
            ours, theirs = (net.acts(layer.name) for net in nets)
            found[layer.name].add(ours, theirs, exact=layer.name in exact)
    states = [net.get_state() for net in nets]
    for name in states[0]:
        if name.endswith("_inc"):
            found[name.split("/")[0]].add(states[0][name], states[1][name], exact=False)
    return dict(found)


def exact_layers(spec: NetworkSpec) -> set[str]:
    """The layers whose activations are sums in the kernels' own order, and choices among them."""
    exact: set[str] = set()
    for layer in spec.forward_order:
        if _is_exact(layer) and all(name in exact for name in layer.inputs):
            exact.add(layer.name)
    return exact


def _is_exact(layer: LayerSpec) -> bool:
    if isinstance(layer, LocalSpec | NeuronLayerSpec) and not _exact_neuron(layer):
        return False
    return isinstance(
        layer, DataSpec | LocalSpec | PoolSpec | NeuronLayerSpec | EltwiseMaxSpec | EltwiseSumSpec
    )


def _exact_neuron(layer: LayerSpec) -> bool:
    neuron = getattr(layer, "neuron", None)
    return neuron is None or neuron.type in EXACT_NEURONS


def to_json(found: dict[str, Agreement]) -> dict[str, object]:
    """What must be equal and is not, and the counts of each kind."""
    return {
        "ok": all(agreement.ok for agreement in found.values()),
        "results": sum(agreement.results for agreement in found.values()),
        "bitwise": sum(agreement.bitwise for agreement in found.values()),
        "exact": sum(agreement.exact for agreement in found.values()),
        "exact_bitwise": sum(agreement.exact_bitwise for agreement in found.values()),
        "by": {name: asdict(agreement) for name, agreement in found.items()},
    }
