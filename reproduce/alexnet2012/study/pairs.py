"""What stands side by side: excerpts of the original, of the port, and what the crosswalk says of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alexnet2012.record.crosswalk import Row, by_name
from alexnet2012.record.releases import Release
from alexnet2012.study.parts import Pair
from alexnet2012.study.source import Excerpt, highlighted, ours
from cuda_convnet.errors import DataError


@dataclass(frozen=True)
class SideBySide:
    """A pair as it is shown. `statuses` are those of its rows; `notes` what the crosswalk adds."""

    text: str
    original: tuple[Excerpt, ...]
    port: tuple[Excerpt, ...]
    statuses: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Originals:
    """The releases, the folders of those that were fetched, and the crosswalk."""

    releases: Mapping[str, Release]
    folders: Mapping[str, Path]
    rows: Mapping[tuple[str, str, str], list[Row]]

    @classmethod
    def of(
        cls, releases: Mapping[str, Release], folders: Mapping[str, Path], rows: Iterable[Row]
    ) -> Originals:
        return cls(releases, folders, by_name(rows))

    def find(self, reference: str) -> list[Row]:
        """The rows of `RELEASE:PATH:NAME`, overloads by line. Raises DataError if there are none."""
        release, _, rest = reference.partition(":")
        path, _, name = rest.partition(":")
        rows = self.rows.get((release, path, name))
        if not rows:
            raise DataError(f"{reference}: the crosswalk has no such symbol of the original")
        return sorted(rows, key=lambda row: row.line)

    def excerpt(self, release: str, path: str, first: int, last: int, title: str = "") -> Excerpt:
        """Lines of a file of the original, without text where its release was not fetched."""
        folder = self.folders.get(release)
        lines = highlighted(folder / path)[first - 1 : last] if folder else ()
        link = self.releases[release].permalink(path, first, last)
        return Excerpt(title, f"{release}/{path}", first, last, lines, link)

    def side_by_side(self, pair: Pair) -> SideBySide:
        """A pair with its excerpts. Raises DataError for what is not in the crosswalk or not in the port."""
        rows = [row for reference in pair.original for row in self.find(reference)]
        symbols = pair.port or tuple(dict.fromkeys(symbol for row in rows for symbol in row.symbols))
        notes = (f"{row.qualified}: {row.note}" if len(rows) > 1 else row.note for row in rows if row.note)
        return SideBySide(
            text=pair.text,
            original=tuple(self.excerpt(r.release, r.path, r.line, r.end, r.qualified) for r in rows),
            port=tuple(_without_contained([ours(symbol) for symbol in symbols])),
            statuses=tuple(dict.fromkeys(row.status for row in rows)),
            notes=tuple(dict.fromkeys(notes)),
        )


def _without_contained(excerpts: list[Excerpt]) -> list[Excerpt]:
    """The excerpts, less those whose lines another one shows."""
    return [
        one
        for i, one in enumerate(excerpts)
        if not any(
            other.shown == one.shown
            and other.first <= one.first
            and one.last <= other.last
            and ((other.first, other.last) != (one.first, one.last) or j < i)
            for j, other in enumerate(excerpts)
            if j != i
        )
    ]
