"""The crosswalk: each symbol of the original, and where it lives in the port, or why not."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alexnet2012.record.places import original_path
from cuda_convnet.errors import DataError

RELEASES = ("alexnet", "cuda-convnet", "cuda-convnet2")
KINDS = ("class", "enum", "function", "member", "option", "script", "struct")
STATUSES = ("ported", "replaced", "not needed", "not yet")
COLUMNS = ("release", "path", "kind", "scope", "name", "line", "end", "status", "where", "note")
NEW_COLUMNS = ("symbol", "why")


@dataclass(frozen=True)
class Row:
    """A symbol of the original, from `line` to `end` of `path`, and what became of it.

    `where`: symbols of ours (see `symbols`), separated by a space; of what is replaced it may be words, such
    as the name of a library.
    """

    release: str
    path: str
    kind: str
    scope: str
    name: str
    line: int
    end: int
    status: str
    where: str
    note: str

    @property
    def qualified(self) -> str:
        """The name with the class, namespace or program that it belongs to."""
        if not self.scope:
            return self.name
        if self.kind == "option":
            return f"{self.scope} {self.name}"
        return f"{self.scope}{'.' if self.path.endswith('.py') else '::'}{self.name}"

    @property
    def place(self) -> str:
        """The lines of the original, as `cuda-convnet:src/neuron.cu:32-83`."""
        lines = f"{self.line}" if self.end == self.line else f"{self.line}-{self.end}"
        return f"{self.release}:{self.path}:{lines}"

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of ours in `where`."""
        return tuple(word for word in self.where.split() if ":" in word)

    @property
    def order(self) -> tuple[int, str, int, str, str, str]:
        """The order of rows in the file."""
        return RELEASES.index(self.release), self.path, self.line, self.name, self.scope, self.kind


def read_crosswalk(path: Path | None = None) -> list[Row]:
    """The rows of a file, by default of `original/crosswalk.csv`.

    Raises DataError, which names file and line, for a row that is not as the record's rows must be.
    """
    path = path or original_path() / "crosswalk.csv"
    return [_row(values, f"{path}:{line}") for line, values in _read(path, COLUMNS)]


def read_new(path: Path | None = None) -> dict[str, str]:
    """Our symbols that answer to nothing in the original, with why there are such.

    Raises DataError, which names file and line, for a row without a reason and for a symbol named twice.
    """
    path = path or original_path() / "new.csv"
    found: dict[str, str] = {}
    for line, values in _read(path, NEW_COLUMNS):
        symbol, why = values["symbol"], values["why"]
        if not symbol or not why:
            raise DataError(f"{path}:{line}: a row needs a symbol and why there is nothing like it")
        if symbol in found:
            raise DataError(f"{path}:{line}: {symbol} stands here for the second time; take one away")
        found[symbol] = why
    return found


def by_name(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """The rows by release, path and qualified name; overloads share one name."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.release, row.path, row.qualified), []).append(row)
    return found


def _read(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a file with the lines that they end in."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if tuple(next(reader, ())) != columns:
                raise DataError(f"{path}:1: the first line must be {','.join(columns)}")
            for values in reader:
                if len(values) != len(columns):
                    raise DataError(
                        f"{path}:{reader.line_num}: {len(values)} columns; there must be {len(columns)}"
                    )
                yield reader.line_num, dict(zip(columns, values, strict=True))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); install alexnet2012 again") from error


def _row(values: dict[str, str], place: str) -> Row:
    status, where, note = values["status"], values["where"], values["note"]
    if values["release"] not in RELEASES:
        raise DataError(f"{place}: release '{values['release']}' must be one of {', '.join(RELEASES)}")
    if values["kind"] not in KINDS:
        raise DataError(f"{place}: kind '{values['kind']}' must be one of {', '.join(KINDS)}")
    if status not in STATUSES:
        raise DataError(f"{place}: status '{status}' must be one of {', '.join(STATUSES)}")
    if not (values["line"].isdecimal() and values["end"].isdecimal()):
        raise DataError(f"{place}: line '{values['line']}' and end '{values['end']}' must be numbers")
    line, end = int(values["line"]), int(values["end"])
    if not 1 <= line <= end:
        raise DataError(f"{place}: lines {line} to {end} must be in order, from 1 on")
    if not values["path"] or not values["name"]:
        raise DataError(f"{place}: a row needs the path and the name of the original's symbol")
    if status in ("ported", "replaced") and not where:
        raise DataError(f"{place}: what is {status} needs `where`")
    if status in ("not needed", "not yet") and where:
        raise DataError(f"{place}: what is {status} has nothing in `where`; tell it in the note")
    if status != "ported" and not note:
        raise DataError(f"{place}: what is {status} needs a note: by what, or why")
    known = {name: values[name] for name in ("release", "path", "kind", "scope", "name")}
    return Row(**known, line=line, end=end, status=status, where=where, note=note)
