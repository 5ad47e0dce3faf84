"""What a fidelity run found: one case per compared output, as JSON and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cuda_convnet.engines.bounds import Bound, difference


@dataclass(frozen=True)
class Case:
    """One output of one archived case beside ours.

    `max_ulp` and `max_rel` are None where nothing could be compared; `problem` then says why. `used` is the
    share of the bound that the difference takes, above 1 (or infinite) where it does not hold.
    """

    archive: str
    op: str
    case: str
    output: str
    bitwise: bool
    max_ulp: int | None
    max_rel: float | None
    bound: str
    ok: bool
    used: float = 0.0
    problem: str = ""

    @classmethod
    def compared(
        cls,
        archive: str,
        op: str,
        case: str,
        output: str,
        *,
        original: ArrayLike,
        ours: ArrayLike,
        bound: Bound,
    ) -> Case:
        """An engine gave `ours` where the archive has `original`; any shapes of equal size."""
        if np.size(original) != np.size(ours):
            sizes = f"{np.size(ours)} values where the archive has {np.size(original)}"
            return cls.failed(archive, op, case, output, sizes, bound=str(bound))
        found = difference(original, ours)
        used = bound.share(found)
        return cls(
            archive,
            op,
            case,
            output,
            found.bitwise,
            found.max_ulp,
            found.max_rel,
            str(bound),
            used <= 1,
            used,
        )

    @classmethod
    def failed(cls, archive: str, op: str, case: str, output: str, problem: str, *, bound: str = "") -> Case:
        """A case that could not be compared, for the reason `problem`."""
        return cls(archive, op, case, output, False, None, None, bound, False, math.inf, problem)

    def to_json(self) -> dict[str, Any]:
        """The case as plain JSON values; what is not finite is null."""
        found = {
            "archive": self.archive,
            "op": self.op,
            "case": self.case,
            "output": self.output,
            "bitwise": self.bitwise,
            "max_ulp": self.max_ulp,
            "max_rel": _finite(self.max_rel),
            "bound": self.bound,
            "ok": self.ok,
            "used": _finite(self.used),
        }
        return found | {"problem": self.problem} if self.problem else found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Report:
    """What one engine gave on one machine."""

    engine: str
    machine: str
    cases: Sequence[Case]

    @property
    def ok(self) -> bool:
        return all(case.ok for case in self.cases)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        counts = {
            "cases": len(self.cases),
            "bitwise": sum(case.bitwise for case in self.cases),
            "ok": sum(case.ok for case in self.cases),
        }
        return {
            "engine": self.engine,
            "machine": self.machine,
            "cases": [case.to_json() for case in self.cases],
            "summary": counts,
        }


HEADER = ("", "outputs", "bitwise", "max ulp", "max rel", "bound", "used")
WIDTHS = (38, 8, 8, 11, 9, 14, 6)
SHOWN = 20
CONDITION = " once "


def table(cases: Sequence[Case]) -> str:
    """The cases of an archive, a line for each operation.

    `bound` and `used` are those of its worst output.
    """
    by_op: dict[str, list[Case]] = {}
    for case in cases:
        by_op.setdefault(case.op, []).append(case)
    rows = [_row(*HEADER), *(_op_row(op, found) for op, found in by_op.items())]
    conditions = dict.fromkeys(condition for case in cases if (condition := _condition(case)))
    return "\n".join([*rows, *(f"* bounds hold {condition}" for condition in conditions)])


def _condition(case: Case) -> str:
    """What a bound was made to depend on, as "once an open decision is turned over: ..."."""
    _, once, rest = case.bound.partition(CONDITION)
    return (once + rest).strip()


def _row(first: str, *others: str) -> str:
    return first.ljust(WIDTHS[0]) + "".join(
        text.rjust(width) for text, width in zip(others, WIDTHS[1:], strict=True)
    )


def _op_row(op: str, cases: list[Case]) -> str:
    worst = max(cases, key=lambda case: case.used)
    ulps = [case.max_ulp for case in cases if case.max_ulp is not None]
    rels = [case.max_rel for case in cases if case.max_rel is not None]
    return _row(
        op,
        str(len(cases)),
        str(sum(case.bitwise for case in cases)),
        str(max(ulps)) if ulps else "-",
        f"{max(rels):.1e}" if rels else "-",
        worst.bound.partition(CONDITION)[0].strip() + "*" * any(map(_condition, cases)),
        f"{worst.used:.0%}" if math.isfinite(worst.used) else "broken",
    )


def failures(cases: Sequence[Case]) -> list[str]:
    """A line for each of the first cases that do not hold, and how many more there are."""
    broken = [case for case in cases if not case.ok]
    lines = [
        f"NOT OK {case.archive} {case.op}/{case.case} {case.output}: "
        + (case.problem or f"max ulp {case.max_ulp}, max rel {case.max_rel:.1e}, bound {case.bound}")
        for case in broken[:SHOWN]
    ]
    return lines + [f"and {len(broken) - SHOWN} more"] * (len(broken) > SHOWN)


def summary(report: Report) -> str:
    """The whole report in one line."""
    counts = report.to_json()["summary"]
    outputs = f"{counts['ok']} of {counts['cases']} outputs hold"
    return f"engine {report.engine}: {outputs}, {counts['bitwise']} of them bit for bit"
