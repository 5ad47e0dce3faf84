"""Releases in an archive: zip, or tar as it is or compressed by gzip, bzip2 or xz."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from alexnet2012.record.disk import shown
from alexnet2012.record.manifest import Entry
from alexnet2012.record.releases import Release
from alexnet2012.record.sources.base import Piece
from alexnet2012.record.sources.entries import ArchiveEntry, Entries
from alexnet2012.record.sources.roots import below, find_root
from alexnet2012.record.sources.tars import TarReader
from alexnet2012.record.sources.zips import ZipReader
from cuda_convnet.errors import DataError


class Reader(Protocol):
    """One kind of archive."""

    def entries(self) -> Iterator[ArchiveEntry]:
        """All that is in it, in order."""

    def position(self, entry: ArchiveEntry) -> int:
        """Where its bytes are: what is read in this order is read fast."""

    def read(self, entry: ArchiveEntry, most: int) -> bytes:
        """The first `most` bytes of a file."""

    def close(self) -> None: ...


class ArchivePlace:
    """An archive, listed and found harmless. It is never unpacked: files are read out of it by name."""

    def __init__(self, path: Path) -> None:
        self.where = shown(path)
        with ExitStack() as opened, self._told():
            reader: Reader = ZipReader(path) if ZipReader.reads(path) else TarReader(path)
            opened.callback(reader.close)
            self.files = self._listed(reader)
            self._reader = reader
            self._opened = opened.pop_all()

    def __enter__(self) -> ArchivePlace:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _listed(self, reader: Reader) -> dict[str, ArchiveEntry]:
        entries = Entries(self.where)
        named = [(entries.add(entry), entry) for entry in reader.entries()]
        entries.check_folders()
        return {name: entry for name, entry in named if entry.kind != "folder"}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tells in one line what the libraries raise, which of a damaged archive may be anything."""
        try:
            yield
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"--from {self.where}: neither a folder nor a zip or tar that can be read ({_why(error)}); "
                "give a folder, a zip, or a tar as it is or compressed by gzip, bzip2 or xz"
            ) from None

    def find(self, release: Release, manifest: Mapping[str, Entry]) -> ArchiveSource | None:
        root = find_root({name: entry.size for name, entry in self.files.items()}, manifest)
        return None if root is None else ArchiveSource(self.where, self._reader, self.files, root, manifest)


class ArchiveSource:
    """The files of one release in an archive."""

    def __init__(
        self,
        where: str,
        reader: Reader,
        files: Mapping[str, ArchiveEntry],
        root: str,
        manifest: Mapping[str, Entry],
    ) -> None:
        self.where = f"{shown(root.rstrip('/'))} in {where}" if root else where
        self.extras = below(root, files, manifest)
        self._reader = reader
        self._files = {
            name.removeprefix(root): entry for name, entry in files.items() if name.startswith(root)
        }

    def pieces(self, wanted: Mapping[str, Entry]) -> Iterator[Piece]:
        # So that a tar is read once. Of links to one file, the one that needs most of it comes first.
        order = sorted(
            self._files.keys() & wanted.keys(),
            key=lambda path: (self._reader.position(self._files[path]), -wanted[path].enough, path),
        )
        for path in order:
            yield self._piece(path, wanted[path].enough)

    def _piece(self, path: str, most: int) -> Piece:
        entry = self._files[path]
        if entry.kind == "link":
            return Piece(path, problem="is a link, not a file")
        try:
            return Piece(path, self._reader.read(entry, most))
        except Exception as error:
            return Piece(path, problem=f"cannot be read ({_why(error)})")


def _why(error: Exception) -> str:
    return shown(str(error)) or type(error).__name__
