"""The fidelity report of an engine, summed up for people: one row for each kind of operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = {
    "Convolution": ("conv_",),
    "Local connections": ("local_", "normalize_local"),
    "Pooling": ("pool_",),
    "Normalisation": ("response_norm", "contrast_norm"),
    "Neurons and dropout": ("neuron_", "dropout", "eltwise"),
    "Softmax and costs": ("softmax", "logreg", "cross_entropy", "robust_"),
    "Matrices": ("matrix_", "super_", "constrain_"),
    "Image operations": ("bed_of_nails", "gaussian", "resize", "rgb_", "crop", "reflect", "tica"),
}


@dataclass(frozen=True)
class Row:
    """Of one kind: outputs compared, how many of them equal in every bit, the largest share of a bound that
    was used, and how many outputs lie outside their bounds.
    """

    kind: str
    compared: int
    bitwise: int
    used: float | None
    failed: int


def rows(cases: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The `cases` of a fidelity report by kind; those of whole networks have a row for each archive."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in KINDS}
    for case in cases:
        by_kind.setdefault(_kind(case), []).append(case)
    return [
        Row(
            kind,
            len(found),
            sum(case["bitwise"] for case in found),
            max((case["used"] for case in found if case["used"] is not None), default=None),
            sum(not case["ok"] for case in found),
        )
        for kind, found in by_kind.items()
        if found
    ]


def _kind(case: Mapping[str, Any]) -> str:
    if case["archive"] == "ops.h5":
        for kind, prefixes in KINDS.items():
            if case["op"].startswith(prefixes):
                return kind
        return "Other operations"
    return f"Whole networks ({case['archive']})"
