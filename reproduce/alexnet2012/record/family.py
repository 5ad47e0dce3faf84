"""The family of the runs: which goes on from which, took its weights, or was compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from alexnet2012.record.notebook import Experiment, number

KINDS = {
    "continues": "went on from",
    "initialised_from": "took weights from",
    "based_on": "set against",
}
"""How a run may come from another, closest first: the field of `Experiment`, and what it means."""


@dataclass(frozen=True)
class Edge:
    """`child` comes from `parent`; `kind` is one of `KINDS`."""

    parent: str
    child: str
    kind: str


@dataclass(frozen=True)
class Family:
    """Runs and what they come from. A run that is only named by others has an id and nothing else."""

    experiments: tuple[Experiment, ...]

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All of them, the closest kind of each run first; two runs are bound once."""
        found: dict[tuple[str, str], Edge] = {}
        for run in self.experiments:
            for kind in KINDS:
                if parent := getattr(run, kind):
                    found.setdefault((parent, run.id), Edge(parent, run.id, kind))
        return tuple(found.values())

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The runs, and those that are only named, by number and name."""
        named = {run.id for run in self.experiments} | {edge.parent for edge in self.edges}
        return tuple(sorted(named, key=lambda run: (number(run), run)))

    @cached_property
    def closest(self) -> dict[str, Edge]:
        """Each run's one edge in the tree: that of the closest kind. First runs have none."""
        found: dict[str, Edge] = {}
        for edge in self.edges:
            found.setdefault(edge.child, edge)
        return found

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The runs that come from no other."""
        return tuple(run for run in self.ids if run not in self.closest)

    def children(self, run: str) -> list[str]:
        """The runs below `run` in the tree, by number and name."""
        return [child for child in self.ids if child in self.closest and self.closest[child].parent == run]

    def heirs(self, run: str) -> dict[str, list[str]]:
        """What comes from `run` by each kind of edge, the closest first; no kind by which nothing does."""
        below = {kind: [e.child for e in self.edges if e.parent == run and e.kind == kind] for kind in KINDS}
        return {kind: names for kind, names in below.items() if names}

    def descendants(self, run: str) -> set[str]:
        """`run` and all that come from it, by whatever kind of edge."""
        found, ahead = {run}, {run}
        while ahead:
            ahead = {edge.child for edge in self.edges if edge.parent in ahead} - found
            found |= ahead
        return found
