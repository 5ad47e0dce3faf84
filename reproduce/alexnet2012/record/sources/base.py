"""What a source of releases is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alexnet2012.record.manifest import Entry
from alexnet2012.record.releases import Release


@dataclass(frozen=True)
class Piece:
    """A file that a source has: at most `Entry.enough` bytes of it, or why it cannot be used."""

    path: str
    content: bytes = field(default=b"", repr=False)
    problem: str = ""


class Source(Protocol):
    """The files of one release."""

    @property
    def where(self) -> str:
        """Its name in messages."""

    @property
    def extras(self) -> Sequence[str]:
        """Files that it has beyond those of the release."""

    def pieces(self, wanted: Mapping[str, Entry]) -> Iterator[Piece]:
        """Those of the wanted files that it has, in any order."""


class Place(Protocol):
    """A folder, archive or server that may hold releases."""

    @property
    def where(self) -> str:
        """Its name in messages."""

    def find(self, release: Release, manifest: Mapping[str, Entry]) -> Source | None:
        """The source of a release, None if it is not here."""
