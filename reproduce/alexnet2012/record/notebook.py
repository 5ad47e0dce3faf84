"""The lab notebook of 2012: what the notes in the parameter files of the release tell of each run.

`original/experiments.toml` holds it; its head says how it is written. Numbers are the notes' own, prose is
this project's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from alexnet2012.record import places
from alexnet2012.toml_file import Written, read_toml
from cuda_convnet.errors import DataError

FILE = "experiments.toml"
DATASETS = (
    "ILSVRC-2010",
    "ILSVRC-2012",
    "ILSVRC-2012-full",
    "ImageNet-2009-10k",
    "ImageNet-2011-20k",
    "ImageNet-16k",
    "Flickr",
    "CIFAR-10",
    "unknown",
)
DATASET_SOURCES = ("notes", "file name", "inferred", "unknown")
VIEWS = ("ten", "centre", "not told")
SETS = ("validation", "test", "not told")
PAPER_RUNS = ("145", "145-2010", "145-half", "146-2012-2011", "147", "148")
"""The runs behind the numbers of the paper."""

Value = float | int | str | bool


@dataclass(frozen=True, kw_only=True)
class Place:
    """Lines of a file of the release, both ends included."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        lines = f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"
        return f"{self.file}, {lines}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was changed at an epoch, or set at the `start`; `layers` empty: on all, or as `note` says.

    `batch` is that of the epoch, where the notes are so exact.
    """

    epoch: int | None = None
    batch: int | None = None
    start: bool = False
    set: Mapping[str, Value] = field(default_factory=dict)
    was: Mapping[str, Value] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Error:
    """A result: averages over `set`, of the mean prediction for so many `views` of each image.

    Numbers have the digits of the notes (`Written`). top1 and top5 are shares between 0 and 1; None where the
    notes do not give them. Where the notes do not name views or set, but their numbers do, they are inferred.
    """

    views: str
    set: str
    epoch: int | None = None
    logprob: float | None = None
    top1: float | None = None
    top5: float | None = None
    views_inferred: bool = False
    set_inferred: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A run. The fields are those of the file; what the notes do not tell is None or empty."""

    id: str
    told_in: tuple[Place, ...]
    dataset: str
    dataset_from: str
    network: str = ""
    based_on: str = ""
    changes: str = ""
    initialised_from: str = ""
    continues: str = ""
    machines: tuple[str, ...] = ()
    started: datetime | None = None
    checkpoint: str = ""
    logs: tuple[str, ...] = ()
    ended: str = "not told"
    ended_epoch: int | None = None
    ended_batch: int | None = None
    verdict: str = ""
    schedule: tuple[Change, ...] = ()
    errors: tuple[Error, ...] = ()

    @property
    def order(self) -> tuple[int, str]:
        """Where it stands among all: by number, then by name."""
        return number(self.id), self.id

    def best(self, field: str) -> Error | None:
        """The result with the smallest `top1` or `top5`, of those that have one."""
        given = [error for error in self.errors if getattr(error, field) is not None]
        return min(given, key=lambda error: float(getattr(error, field)), default=None)


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """An average of the predictions of `members`, each times its coefficient; empty where not told."""

    id: str
    told_in: tuple[Place, ...]
    members: tuple[str, ...] = ()
    coefficients: tuple[float, ...] = ()
    verdict: str = ""


@dataclass(frozen=True)
class Notebook:
    """All runs, and averages of runs, in the file's order.

    `only_named` are the ids of runs that others name and nothing more is told of.
    """

    experiments: tuple[Experiment, ...]
    ensembles: tuple[Ensemble, ...] = ()
    only_named: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self.experiments)

    def __len__(self) -> int:
        return len(self.experiments)

    def __contains__(self, run: object) -> bool:
        return any(experiment.id == run for experiment in self.experiments)

    def __getitem__(self, run: str) -> Experiment:
        """The run of that id; KeyError where there is none."""
        for experiment in self.experiments:
            if experiment.id == run:
                return experiment
        raise KeyError(run)


def number(run: str) -> int:
    """The number in a run's id; 0 without one.

    >>> number("145-2012-full"), number("2009-101"), number("inet-5layer-conv94-2gpu")
    (145, 101, 94)
    """
    found = re.search(r"(?<![\d.])\d{2,3}(?!\d)", run)
    return int(found[0]) if found else 0


def anchor(run: str) -> str:
    """The name of a run's place in a page.

    >>> anchor("170-256-0.015")
    'run-170-256-0.015'
    """
    return "run-" + re.sub(r"[^\w.-]+", "-", run)


def read_notebook(path: Path | None = None) -> Notebook:
    """The notebook in `path`, else the one that comes with the project.

    Raises ConfigError where it is no TOML, DataError for anything wrong in it: the file, the entry, the key.
    """
    path = path or places.original_path() / FILE
    tables = read_toml(path, Written)
    known = ("only_named", "experiment", "ensemble")
    if unknown := sorted(set(tables) - set(known)):
        raise DataError(f"{path}: unknown key {unknown[0]!r}; there are {', '.join(known)}")
    try:
        only_named = _texts(tables.get("only_named", []), "")
    except ValueError:
        raise DataError(f"{path}: only_named must be {_TEXTS[1]}") from None
    experiments = _entries(Experiment, tables.get("experiment"), _EXPERIMENT, f"{path}: experiment")
    ensembles = _entries(Ensemble, tables.get("ensemble", []), _ENSEMBLE, f"{path}: ensemble")
    notebook = Notebook(experiments, ensembles, only_named)
    _check_names(notebook, path)
    return notebook


def _entries(cls: type, tables: Any, kinds: Mapping[str, _Kind], where: str) -> tuple[Any, ...]:
    if not isinstance(tables, list):
        raise DataError(f"{where}: no entries; write each as a table in double brackets")
    found = []
    for i, table in enumerate(tables, 1):
        name = table.get("id") if isinstance(table, dict) else None
        found.append(_read(cls, table, kinds, f"{where} {name if isinstance(name, str) and name else i}"))
    return tuple(found)


def _check_names(notebook: Notebook, path: Path) -> None:
    seen: set[str] = set()
    for name in [run.id for run in notebook] + [ensemble.id for ensemble in notebook.ensembles]:
        if name in seen:
            raise DataError(f"{path}: {name}: there is another entry of this id; ids must differ")
        seen.add(name)
    for ensemble in notebook.ensembles:
        for member in ensemble.members:
            if member not in notebook:
                raise DataError(
                    f"{path}: ensemble {ensemble.id}: members: {member!r} is no experiment here; name an id"
                )
    named: set[str] = set()
    for run in notebook:
        for key in ("based_on", "continues", "initialised_from"):
            other = getattr(run, key)
            if other and other not in notebook and other not in notebook.only_named:
                what = "is no experiment here; name another's id, or list it in only_named"
                raise DataError(f"{path}: experiment {run.id}: {key} = {other!r} {what}")
            named.add(other)
    for other in notebook.only_named:
        if other in notebook or other not in named:
            what = "has an entry" if other in notebook else "is named by none"
            raise DataError(f"{path}: only_named: {other!r} {what}; leave it out")
    for run in notebook:
        if _comes_from_itself(notebook, run.id):
            raise DataError(
                f"{path}: experiment {run.id}: it descends from itself by based_on, continues and "
                "initialised_from; one of them must go"
            )


def _comes_from_itself(notebook: Notebook, run: str) -> bool:
    parents = {each.id: {each.based_on, each.continues, each.initialised_from} - {""} for each in notebook}
    ahead, seen = set(parents[run]), set[str]()
    while ahead:
        one = ahead.pop()
        seen.add(one)
        ahead |= parents.get(one, set()) - seen
    return run in seen


# What a key may hold: a function that reads it, or raises ValueError, and how it should be written.
_Kind = tuple[Callable[[Any, str], Any], str]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(_text(each, where) for each in value)


def _numbers(value: Any, where: str) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(_number(each, where) for each in value)


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float, Written) or not float("-inf") < value < float("inf"):
        raise ValueError
    return value


def _count(value: Any, where: str) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _share(value: Any, where: str) -> float:
    if not 0 <= _number(value, where) <= 1:
        raise ValueError
    return _number(value, where)


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _moment(value: Any, where: str) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise ValueError
    return value


def _values(value: Any, where: str) -> dict[str, Value]:
    if not isinstance(value, dict) or not value:
        raise ValueError
    if not all(isinstance(each, (int, float, str, bool)) for each in value.values()):
        raise ValueError
    return dict(value)


def _places(value: Any, where: str) -> tuple[Place, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError
    return tuple(_place(each) for each in value)


def _place(value: Any) -> Place:
    if not isinstance(value, dict) or set(value) != {"file", "lines"}:
        raise ValueError
    lines = value["lines"]
    if not isinstance(lines, list) or len(lines) != 2 or any(type(line) is not int for line in lines):
        raise ValueError
    first, last = lines
    if not 1 <= first <= last:
        raise ValueError
    return Place(file=_text(value["file"], ""), first=first, last=last)


def _one_of(choices: tuple[str, ...]) -> _Kind:
    def read(value: Any, where: str) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return read, "one of " + ", ".join(choices)


def _tables(cls: type, kinds: Mapping[str, _Kind]) -> _Kind:
    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError
        return tuple(_read(cls, each, kinds, f"{where} {i}") for i, each in enumerate(value, 1))

    return read, "tables in double brackets"


_TEXT: _Kind = _text, "text that is not empty (leave the key out where there is none)"
_TEXTS: _Kind = _texts, 'a list of texts, as ["gpu", "guppy9"]'
_COUNT: _Kind = _count, "a whole number from 0"
_SHARE: _Kind = _share, "a number from 0 to 1"
_VALUES: _Kind = _values, "a table of parameters and values, as { epsW = 0.001 }"
_TRUTH: _Kind = _truth, "true or false"

_CHANGE: Mapping[str, _Kind] = {
    "epoch": _COUNT,
    "batch": _COUNT,
    "start": _TRUTH,
    "set": _VALUES,
    "was": _VALUES,
    "layers": _TEXTS,
    "note": _TEXT,
}
_ERROR: Mapping[str, _Kind] = {
    "views": _one_of(VIEWS),
    "set": _one_of(SETS),
    "epoch": _COUNT,
    "logprob": (_number, "a number"),
    "top1": _SHARE,
    "top5": _SHARE,
    "views_inferred": _TRUTH,
    "set_inferred": _TRUTH,
    "note": _TEXT,
}
_PLACES: _Kind = _places, 'a list of places, as [{ file = "layers/layers-145.cfg", lines = [1, 9] }]'
_ENSEMBLE: Mapping[str, _Kind] = {
    "id": _TEXT,
    "told_in": _PLACES,
    "members": _TEXTS,
    "coefficients": (_numbers, "a list of numbers, as [0.5, 0.25]"),
    "verdict": _TEXT,
}
_EXPERIMENT: Mapping[str, _Kind] = {
    "id": _TEXT,
    "told_in": _PLACES,
    "network": _TEXT,
    "based_on": _TEXT,
    "changes": _TEXT,
    "initialised_from": _TEXT,
    "continues": _TEXT,
    "dataset": _one_of(DATASETS),
    "dataset_from": _one_of(DATASET_SOURCES),
    "machines": _TEXTS,
    "started": (_moment, "a date and time, as 2012-09-13T03:43:56"),
    "checkpoint": _TEXT,
    "logs": _TEXTS,
    "ended": _TEXT,
    "ended_epoch": _COUNT,
    "ended_batch": _COUNT,
    "verdict": _TEXT,
    "schedule": _tables(Change, _CHANGE),
    "error": _tables(Error, _ERROR),
}


def _read(cls: type, table: Any, kinds: Mapping[str, _Kind], where: str) -> Any:
    """The `cls` that a table describes; `[[experiment.error]]` becomes the field `errors`."""
    if not isinstance(table, dict):
        raise DataError(f"{where}: must be a table")
    if unknown := sorted(set(table) - set(kinds)):
        raise DataError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(kinds)}")
    values = {}
    for key, value in table.items():
        read, wanted = kinds[key]
        try:
            values["errors" if key == "error" else key] = read(value, f"{where}, {key}")
        except ValueError:
            raise DataError(f"{where}: {key} = {value!r} must be {wanted}") from None
    for each in fields(cls):
        if each.name not in values and each.default is MISSING and each.default_factory is MISSING:
            raise DataError(f"{where}: {each.name} is missing; it must be {kinds[each.name][1]}")
    return cls(**values)
