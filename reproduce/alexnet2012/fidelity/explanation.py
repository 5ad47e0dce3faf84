"""Whether open decisions explain a difference.

They do when, and only when, our network with a few of them turned over, and nothing else changed, gives every
tensor within the bounds that hold everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, hstack

from alexnet2012.fidelity.comparison import Comparison
from alexnet2012.fidelity.decisions import MOST, OpenDecision
from alexnet2012.fidelity.report import Case
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.network import ConvNet, PassType

LIMITS = (12, 36, 96, MOST)
"""How many open decisions of each pass are tried, the closest first: more where fewer do not do.

Where images can be run together, so many for each SOME of them.
"""

SOME = 16

TOGETHER = 32
"""How many images are run at once where their effects can be told apart."""

ROUNDS = 12
"""How often decisions are chosen at most, each time by what remains of the difference."""

SHARE = 0.05
"""The smallest part of the difference, as a sum of squares, that a decision must take away to be chosen."""

ROWS = 8192
"""How many entries of each tensor choose among the decisions; all of them then judge."""


@dataclass(frozen=True)
class Pass:
    """A pass that is replayed, number `number` of its run.

    `probe` gives a network with the weights of that pass, which may be used freely, and the pass's open
    decisions. The network has gradients for the layers it is given and all below; for their weights too, if
    the second argument says so. `gain` says how a change of a gradient in
    this pass changes the tensor of a comparison.
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
    """What a run of passes gave."""

    comparisons: Sequence[Comparison]
    passes: Sequence[Pass]

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
    limits = list(LIMITS)
    for _ in range(ROUNDS):
        if found.holds or not limits:
            break
        chosen = _choose(found, limits[0])
        if chosen:
            turned += chosen
            found = run(turned)
        else:
            del limits[0]
    if not found.holds:
        yield from (comparison.result() for comparison in plain.comparisons)
        return
    for before, after in zip(plain.comparisons, found.comparisons, strict=True):
        yield before.result() if before.used <= 1 else before.result(after, _told(turned))


def turn(net: ConvNet, decisions: Sequence[OpenDecision]) -> None:
    """Turn decisions over in the pass forward that `net` has just made; the lowest first, for all change what
    is above them.
    """
    order = [layer.name for layer in net.spec.forward_order]
    for decision in sorted(decisions, key=lambda decision: order.index(decision.layer)):
        acts = net.acts(decision.layer)
        column = acts[:, decision.case].copy()
        decision.turn(column)
        acts[:, decision.case] = column
        net.change_acts(decision.layer, acts)


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


def _choose(run: Run, limit: int) -> list[Turned]:
    """Decisions whose effects, each whole or not at all, bring the difference down, the best first.

    Tensors with a column for each image choose, where there are any: a decision concerns one image.
    """
    failing = [comparison for comparison in run.comparisons if comparison.used > 1]
    choosing = [comparison for comparison in failing if comparison.has_all_cases] or failing
    together = 1
    if choosing[0].has_all_cases:
        together, limit = TOGETHER, limit * max(1, choosing[0].num_cases // SOME)
    candidates: list[Turned] = []
    columns: list[csc_array] = []
    for one in run.passes:
        for decision, effect in _effects(one, choosing, limit, together):
            candidates.append(Turned(one.number, decision))
            columns.append(csc_array(effect.reshape(-1, 1)))
    if not candidates:
        return []
    remains = np.concatenate([_thinned(comparison.apart) for comparison in choosing])
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
    one: Pass, comparisons: Sequence[Comparison], limit: int, together: int
) -> Iterator[tuple[OpenDecision, NDArray[np.float64]]]:
    """What each of the closest decisions of a pass would change in the comparisons, in units of their bounds.

    The network runs `together` images at once, in each of which it turns one decision of one layer over.
    """
    tensors = sorted({comparison.tensor for comparison in comparisons})
    layers = {tensor.partition("/")[0] for tensor in tensors}
    net, decisions = one.probe(layers, not all(comparison.by_case for comparison in comparisons))
    for batch in _batches(decisions[:limit], together):
        cases = [decision.case for decision in batch]
        net.fprop([np.ascontiguousarray(matrix[:, cases]) for matrix in one.data], PassType.GRADIENT_CHECK)
        acts = np.stack([decision.acts for decision in batch], axis=1)  # as among all images, not among these
        net.change_acts(batch[0].layer, acts)
        before = gradients(net, tensors)
        for column, decision in enumerate(batch):
            decision.turn(acts[:, column])
        net.change_acts(batch[0].layer, acts)
        after = gradients(net, tensors)
        for column, decision in enumerate(batch):
            parts = []
            for comparison in comparisons:
                change = after[comparison.tensor] - before[comparison.tensor]
                if comparison.by_case:
                    change = change[:, column : column + 1]
                parts.append(one.gain(comparison) * _thinned(comparison.effect(change, decision.case)))
            yield decision, np.concatenate(parts)


def _batches(decisions: Sequence[OpenDecision], together: int) -> Iterator[list[OpenDecision]]:
    """The decisions, so many at once, of one layer and of different images."""
    by_layer: dict[str, list[OpenDecision]] = {}
    for decision in decisions:
        by_layer.setdefault(decision.layer, []).append(decision)
    for waiting in by_layer.values():
        while waiting:
            batch = {decision.case: decision for decision in reversed(waiting)}
            taken = list(batch.values())[:together]
            yield taken
            waiting[:] = [decision for decision in waiting if decision not in taken]


def _thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[:: max(1, values.size // ROWS)]


def _told(turned: Sequence[Turned]) -> str:
    closest = min((one.decision for one in turned), key=lambda decision: decision.apart / decision.reach)
    rest = f" and {len(turned) - 1} more" if len(turned) > 1 else ""
    return f"once an open decision is turned over: {closest}{rest}"
