"""What the engines gave when they replayed the archives: a report of `alexnet2012 fidelity`, by operation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from alexnet2012.fidelity.report import CONDITION
from alexnet2012.record.places import ACTIVATIONS, original_path
from cuda_convnet.errors import DataError

REPORT = Path(ACTIVATIONS) / "certificates" / "cpu.json"
"""The report that comes with the record, made by `alexnet2012 fidelity --engine all`."""

OUTPUTS = {
    "acts": "activations",
    "denoms": "denominators",
    "costs": "costs",
    "acts_grad": "gradient",
    "grads": "weight gradients",
    "step1": "weights after a step",
    "step1_inc": "increments after a step",
    "step5": "weights after 5 steps",
    "step5_inc": "increments after 5 steps",
}
"""What the groups of outputs of archived networks are in words."""

NEEDED = {"engine": str, "archive": str, "op": str, "output": str, "bitwise": bool, "bound": str, "ok": bool}
"""What a case of a report must have for a page to show it."""

NUMBERS = ("max_rel", "used")
"""What a case may have besides, if it is a number or null."""


@dataclass(frozen=True)
class Agreement:
    """How an engine's outputs compare with the archived ones.

    `max_rel` is the largest difference, relative to the largest value of its output; `used` the largest share
    of its bound that a difference takes, and `bound` that bound; None where the report does not tell.
    `explained`: a decision between values closer than rounding was turned over before a bound was applied.
    """

    outputs: int
    bitwise: int
    held: int
    max_rel: float | None
    used: float | None
    bound: str
    explained: bool


@dataclass(frozen=True)
class Compared:
    """An operation, or an output of a layer, as each engine gave it; None where one did not."""

    what: str
    engines: tuple[Agreement | None, ...]


@dataclass(frozen=True)
class FidelityReport:
    """The cases of a report, and the machine they were computed on."""

    machine: str
    cases: tuple[Mapping[str, Any], ...]

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """The engines that were checked, in the order of the report."""
        return tuple(dict.fromkeys(case["engine"] for case in self.cases))

    def operations(self, names: Iterable[str]) -> list[Compared]:
        """Those of the operations that the archives have cases of."""
        found = ((name, [case for case in self.cases if case["op"] == name]) for name in names)
        return [self._compared(OUTPUTS.get(name, name), cases) for name, cases in found if cases]

    def layers(self, names: Iterable[str]) -> list[Compared]:
        """Every output of these layers in the archived pass of run 145."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for name in names:
            for case in self.cases:
                if case["archive"].startswith("alexnet145") and case["output"].partition("/")[0] == name:
                    found.setdefault(f"{name} {OUTPUTS.get(case['op'], case['op'])}", []).append(case)
        return [self._compared(what, cases) for what, cases in found.items()]

    def _compared(self, what: str, cases: list[Mapping[str, Any]]) -> Compared:
        own = ([case for case in cases if case["engine"] == engine] for engine in self.engines)
        return Compared(what, tuple(agreement(each) if each else None for each in own))


def agreement(cases: Sequence[Mapping[str, Any]]) -> Agreement:
    """The cases of an engine together."""
    worst = max(cases, key=lambda case: case.get("used") or 0.0)
    rels = [case["max_rel"] for case in cases if case.get("max_rel") is not None]
    return Agreement(
        outputs=len(cases),
        bitwise=sum(case["bitwise"] for case in cases),
        held=sum(case["ok"] for case in cases),
        max_rel=max(rels, default=None),
        used=worst.get("used"),
        bound=worst["bound"].partition(CONDITION)[0].strip(),
        explained=any(CONDITION in case["bound"] for case in cases),
    )


def read_fidelity(path: Path | None = None) -> FidelityReport:
    """A report that `alexnet2012 fidelity --json` wrote; by default the one of the record.

    Raises DataError if it is no such report.
    """
    path = path or original_path() / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        cases = tuple({"engine": report["engine"], **case} for case in report["cases"])
        if not isinstance(report["machine"], str) or not all(map(_is_told, cases)):
            raise ValueError("a case lacks what it must have")
        return FidelityReport(report["machine"], cases)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}; make it with `alexnet2012 fidelity --json FILE`"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not a report of `alexnet2012 fidelity --json`; make it again") from error


def _is_told(case: Mapping[str, Any]) -> bool:
    """Whether a case has what a page shows of it."""
    return all(isinstance(case.get(key), kind) for key, kind in NEEDED.items()) and all(
        case.get(key) is None or isinstance(case[key], (int, float)) for key in NUMBERS
    )
