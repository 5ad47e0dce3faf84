"""The claims ledger: each checkable claim of the paper, what backs it, and how it stands.

`original/claims.toml` holds it; its head says what each field means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from alexnet2012.record.notebook import Place
from alexnet2012.record.places import original_path
from alexnet2012.toml_file import Written, read_toml
from cuda_convnet.errors import DataError

FILE = "claims.toml"
STATUSES = ("reproduced", "checked", "differs", "open", "no record")
SHOWN_BY_A_TEST = ("reproduced", "checked", "differs")

Number = int | float


@dataclass(frozen=True, kw_only=True)
class ToldIn(Place):
    """Lines of a file, and the release that it belongs to."""

    release: str

    def __str__(self) -> str:
        return f"{self.release}:{super().__str__()}"


@dataclass(frozen=True, kw_only=True)
class Against:
    """The run, and its numbers, that the paper's difference was taken from."""

    run: str
    numbers: Mapping[str, Number]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of the paper.

    `numbers` are the paper's, `archived` the release's, with their digits (`Written`). `by` is the test that
    shows the status, as pytest names it; `answer` an anchor of paper.md; `takes` what a reproduction would
    take.
    """

    id: str
    section: str
    says: str
    status: str
    agrees: str
    numbers: Mapping[str, Number] = field(default_factory=dict)
    run: str | None = None
    told_in: ToldIn | None = None
    archived: Mapping[str, Number] = field(default_factory=dict)
    against: Against | None = None
    answer: str | None = None
    by: str | None = None
    takes: str | None = None

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that back it: `run`, and the one that it is compared with."""
        return tuple(run for run in (self.run, self.against and self.against.run) if run)

    def to_json(self) -> dict[str, Any]:
        """What the file says of it, as JSON values."""
        values = {name: value for name, value in asdict(self).items() if value not in (None, {})}
        if self.against is not None:
            values["against"] = {"run": self.against.run, **self.against.numbers}
        return values


def read_claims(path: Path | None = None) -> tuple[Claim, ...]:
    """All claims in the order of the file; DataError names the claim that is wrong, and what."""
    path = path or original_path() / FILE
    tables = read_toml(path, Written)
    entries = tables.get("claim")
    if set(tables) != {"claim"} or not isinstance(entries, list):
        raise DataError(f"{path}: it must hold [[claim]] tables, and nothing else")
    claims = tuple(_claim(entry, f"{path}: claim {n}") for n, entry in enumerate(entries, 1))
    twice = [name for name, count in Counter(claim.id for claim in claims).items() if count > 1]
    if twice:
        raise DataError(f"{path}: the id {twice[0]!r} names two claims; give each its own")
    return claims


def count_statuses(claims: tuple[Claim, ...]) -> dict[str, int]:
    """How many claims have each status, in the order of `STATUSES`."""
    counts = Counter(claim.status for claim in claims)
    return {status: counts[status] for status in STATUSES}


def _claim(entry: Mapping[str, Any], where: str) -> Claim:
    if isinstance(entry.get("id"), str):
        where = f"{where}, {entry['id']!r}"
    known = {each.name for each in fields(Claim)}
    for name in entry:
        if name not in known:
            raise DataError(f"{where}: there is no {name!r}; a claim has {', '.join(sorted(known))}")
    for name in ("id", "section", "says", "status", "agrees"):
        if name not in entry:
            raise DataError(f"{where}: {name!r} is missing; add it")
    claim = Claim(
        **{name: _READERS.get(name, _text)(value, f"{where}: {name}") for name, value in entry.items()}
    )
    if claim.status not in STATUSES:
        raise DataError(f"{where}: status {claim.status!r} must be one of {', '.join(STATUSES)}")
    if (claim.by is not None) != (claim.status in SHOWN_BY_A_TEST):
        needs = "needs" if claim.by is None else "has no test to name in"
        raise DataError(f"{where}: a claim that is {claim.status!r} {needs} 'by'")
    if claim.status == "open" and claim.takes is None:
        raise DataError(f"{where}: an open claim needs 'takes': what would show it")
    if claim.against is not None and not claim.archived:
        raise DataError(f"{where}: 'against' compares 'archived' numbers; give them")
    return claim


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise DataError(f"{where} must be a text, not {value!r}")
    return value


def _numbers(value: Any, where: str) -> dict[str, Number]:
    if (
        not isinstance(value, dict)
        or not value
        or any(type(each) not in (int, float, Written) for each in value.values())
    ):
        raise DataError(f"{where} must be a table of numbers, not {value!r}")
    return dict(value)


def _told_in(value: Any, where: str) -> ToldIn:
    if not isinstance(value, dict) or set(value) != {"release", "file", "lines"}:
        raise DataError(f"{where} must have release, file and lines, not {value!r}")
    lines = value["lines"]
    if (
        not isinstance(lines, list)
        or [type(line) for line in lines] != [int, int]
        or not 0 < lines[0] <= lines[1]
    ):
        raise DataError(f"{where}: lines must be [first, last], not {lines!r}")
    release, file = (_text(value[name], f"{where}: {name}") for name in ("release", "file"))
    return ToldIn(release=release, file=file, first=lines[0], last=lines[1])


def _against(value: Any, where: str) -> Against:
    if not isinstance(value, dict) or "run" not in value:
        raise DataError(f"{where} must have a run and numbers, not {value!r}")
    numbers = {name: number for name, number in value.items() if name != "run"}
    return Against(run=_text(value["run"], f"{where}: run"), numbers=_numbers(numbers, where))


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "numbers": _numbers,
    "archived": _numbers,
    "told_in": _told_in,
    "against": _against,
}
