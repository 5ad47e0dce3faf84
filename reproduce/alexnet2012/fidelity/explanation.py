"""Whether open decisions explain a difference.

They do when, and only when, our network with a few of them turned over, and nothing else changed, gives every
tensor within the bounds that hold everywhere.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, hstack

from alexnet2012.fidelity.comparison import Comparison
from alexnet2012.fidelity.decisions import MOST, OpenDecision
from alexnet2012.fidelity.report import Case
from cuda_convnet.config.specs import NetworkSpec
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.network import ConvNet, PassType

LIMITS = (12, 36, 96, MOST)
"""How many open decisions of each pass are tried, the closest first: more where fewer do not do."""

ROUNDS = 24
"""How often decisions are chosen at most, each time by what remains of the difference."""

SHARE = 0.05
"""The smallest part of the difference, as a sum of squares, that a decision must take away to be chosen."""

ROWS = 8192
"""How many entries of each tensor choose among the decisions; all of them then judge."""


@dataclass(frozen=True)
class Pass:
    """A pass that is replayed, number `number` of its run.

    `probe` gives a network with the weights of that pass, which may be used freely, and the pass's open
    decisions. The network has gradients for the layers it is given and all above; for the weights of these
    layers too, if the second argument says so. `gain` says how a change of a gradient in this pass changes
    the tensor of a comparison.
    """

    number: int
    data: Sequence[HostArray]
    probe: Callable[[Collection[str], bool], tuple[ConvNet, Sequence[OpenDecision]]]
    gain: Callable[[Comparison], float]


@dataclass(frozen=True)
class Turned:
    """An open decision that is turned over in pass `number`."""

    number: int
    decision: OpenDecision


@dataclass(frozen=True)
class Run:
    """What a run of passes gave.

    `choosing`: those of the failing comparisons that choose among decisions. `right`: layers above which no
    decision is in doubt, for the gradients of their parameters hold.
    """

    comparisons: Sequence[Comparison]
    passes: Sequence[Pass]
    choosing: Sequence[Comparison]
    right: Collection[str] = ()

    @property
    def holds(self) -> bool:
        return all(comparison.used <= 1 for comparison in self.comparisons)


def settle(run: Callable[[Sequence[Turned]], Run]) -> Iterator[Case]:
    """The cases of a run; where some do not hold, of one with open decisions turned over, if all hold there.

    `run` runs the passes with the decisions it is given turned over. The differences that are reported are
    those of the run with none.
    """
    plain = found = run(())
    turned: list[Turned] = []
    rounds = tried = 0
    while rounds < ROUNDS and tried <= len(LIMITS) and not found.holds:
        everywhere = tried == len(LIMITS)
        chosen = _choose(found, MOST if everywhere else LIMITS[tried], () if everywhere else found.right)
        gc.collect()  # the networks of the passes, whose layers refer to each other
        if chosen:
            rounds, tried = rounds + 1, 0
            turned += chosen
            found = run(turned)
        else:
            tried += 1
    if not found.holds:
        yield from (comparison.result() for comparison in plain.comparisons)
        return
    for before, after in zip(plain.comparisons, found.comparisons, strict=True):
        yield before.result() if before.used <= 1 else before.result(after, _told(turned))


def failing(comparisons: Sequence[Comparison]) -> list[Comparison]:
    return [comparison for comparison in comparisons if comparison.used > 1]


def right_layers(comparisons: Sequence[Comparison]) -> set[str]:
    """The layers with parameters whose gradients are all as near as two programs' roundings leave them."""
    parameters = [comparison for comparison in comparisons if not comparison.by_case]
    apart = [
        comparison for comparison in parameters if comparison.used * comparison.limit > 2 * comparison.own
    ]
    return {one.layer for one in parameters} - {one.layer for one in apart}


def topmost(comparisons: Sequence[Comparison], spec: NetworkSpec) -> list[Comparison]:
    """The failing comparisons of a pass backward with no other above: a decision changes nothing above it."""
    found = failing(comparisons)
    below: set[str] = set()
    layers = {comparison.layer for comparison in found}
    for layer in reversed(spec.forward_order):
        if layer.name in layers or layer.name in below:
            below.update(layer.inputs)
    return [comparison for comparison in found if comparison.layer not in below]


def _in_doubt(layers: Collection[str], right: Collection[str], spec: NetworkSpec) -> set[str]:
    """The layers whose gradients, if they changed, would change those of `layers` but none that is right."""
    found = set(layers)
    for layer in spec.forward_order:
        if layer.name not in right and not found.isdisjoint(layer.inputs):
            found.add(layer.name)
    return found


def turn(net: ConvNet, decisions: Sequence[OpenDecision]) -> None:
    """Turn decisions over in the pass forward that `net` has just made; the lowest first, for all change what
    is above them.
    """
    for layer in net.spec.forward_order:
        of_layer = [decision for decision in decisions if decision.layer == layer.name]
        if of_layer:
            acts = net.acts(layer.name)
            for decision in of_layer:
                column = acts[:, decision.case].copy()
                decision.turn(column)
                acts[:, decision.case] = column
            net.change_acts(layer.name, acts)


def gradients(net: ConvNet, tensors: Sequence[str]) -> dict[str, HostArray]:
    """A pass backward, and gradients as sums over the cases: `LAYER` of its activations, `LAYER/weights0`."""
    named = dict(net.named_weights())
    for weights in named.values():
        weights.num_updates = 0
    net.bprop(PassType.GRADIENT_CHECK)
    return {
        name: net.engine.to_host(named[name].grad) if name in named else net.acts_grad(name)
        for name in tensors
    }


def _choose(run: Run, limit: int, right: Collection[str]) -> list[Turned]:
    """Decisions whose effects, each whole or not at all, bring the difference down, the best first."""
    candidates: list[Turned] = []
    columns: list[csc_array] = []
    for one in run.passes:
        for decision, effect in _effects(one, run.choosing, limit, right):
            candidates.append(Turned(one.number, decision))
            columns.append(csc_array(effect.reshape(-1, 1)))
    if not candidates:
        return []
    remains = np.concatenate([_thinned(comparison.apart) for comparison in run.choosing])
    effects = hstack(columns, format="csc")
    squares = effects.power(2).sum(axis=0)
    chosen: list[int] = []
    while len(chosen) < len(candidates):
        gained = 2 * (effects.T @ remains) - squares  # how much smaller the sum of squares becomes
        gained[chosen] = 0
        best = int(np.argmax(gained))
        if gained[best] < SHARE * np.square(remains).sum():
            break
        chosen.append(best)
        remains = remains - columns[best].toarray()[:, 0]
    return [candidates[i] for i in chosen]


def _effects(
    one: Pass, comparisons: Sequence[Comparison], limit: int, right: Collection[str]
) -> Iterator[tuple[OpenDecision, NDArray[np.float64]]]:
    """What each of a pass's closest decisions would change in the comparisons, in units of their bounds."""
    tensors = sorted({comparison.tensor for comparison in comparisons})
    layers = {comparison.layer for comparison in comparisons}
    net, decisions = one.probe(layers, not all(comparison.by_case for comparison in comparisons))
    doubtful = _in_doubt(layers, right, net.spec)
    decisions = [decision for decision in decisions if net.spec[decision.by].inputs[0] in doubtful]
    for decision in decisions[:limit]:
        case = slice(decision.case, decision.case + 1)
        net.fprop([np.ascontiguousarray(matrix[:, case]) for matrix in one.data], PassType.GRADIENT_CHECK)
        acts = decision.acts[:, None].copy()  # as among all images, not alone
        net.change_acts(decision.layer, acts)
        before = gradients(net, tensors)
        decision.turn(acts[:, 0])
        net.change_acts(decision.layer, acts)
        after = gradients(net, tensors)
        parts = []
        for comparison in comparisons:
            change = after[comparison.tensor] - before[comparison.tensor]
            parts.append(one.gain(comparison) * _thinned(comparison.effect(change, decision.case)))
        yield decision, np.concatenate(parts)


def _thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[:: max(1, values.size // ROWS)]


def _told(turned: Sequence[Turned]) -> str:
    closest = min((one.decision for one in turned), key=lambda decision: decision.apart / decision.reach)
    rest = f" and {len(turned) - 1} more" if len(turned) > 1 else ""
    return f"once an open decision is turned over: {closest}{rest}"
