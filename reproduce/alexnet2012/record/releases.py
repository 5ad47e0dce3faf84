"""The releases of the original: `original/releases.toml`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from alexnet2012.record import places
from alexnet2012.toml_file import read_toml
from cuda_convnet.errors import ConfigError, DataError


@dataclass(frozen=True)
class Dates:
    """The time that the code is from, in words; the pinned commit's author date; the first publication."""

    code: str
    commit: datetime
    published: date
    note: str


@dataclass(frozen=True)
class Licence:
    """An SPDX identifier, who holds the rights, and where the licence's text stands."""

    spdx: str
    holder: str
    where: str


@dataclass(frozen=True)
class Release:
    """A release of the original, pinned to a commit of its repository.

    `what` and `role`: what it is, and what the port takes from it. `tree` is git's hash of all its files
    together. `files` is the number of files that `original/files/ID.csv` lists, `size` their bytes.
    """

    id: str
    title: str
    what: str
    role: str
    author: str
    released_by: str
    repository: str
    commit: str
    tree: str
    swhid_revision: str
    swhid_directory: str
    files: int
    size: int
    dates: Dates
    licence: Licence

    def permalink(self, path: str, start: int | None = None, end: int | None = None) -> str:
        """The web address of a file, of its line `start`, or of its lines `start` to `end`."""
        link = f"{self.repository}/blob/{self.commit}/{quote(path)}"
        if start is None:
            return link
        return f"{link}#L{start}" + (f"-L{end}" if end is not None and end != start else "")

    @property
    def home(self) -> str:
        """The web address of the pinned commit's files."""
        return f"{self.repository}/tree/{self.commit}"


def read_releases() -> dict[str, Release]:
    """All releases by id, in the order of the record."""
    path = places.original_path() / "releases.toml"
    return {name: _release(name, table, f"{path}: [{name}]") for name, table in read_toml(path).items()}


def find_releases(names: Iterable[str]) -> list[Release]:
    """The releases of these ids; without any, all. DataError where there is no such release."""
    known = read_releases()
    chosen = list(dict.fromkeys(names)) or list(known)
    for name in chosen:
        if name not in known:
            raise DataError(f"{name}: no release of that name; there are {', '.join(known)}")
    return [known[name] for name in chosen]


def _release(name: str, table: dict[str, Any], where: str) -> Release:
    try:
        dates, licence = Dates(**table["dates"]), Licence(**table["licence"])
        return Release(**{**table, "id": name, "dates": dates, "licence": licence})
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{where}: {error}; restore the file, or install alexnet2012 again") from None
