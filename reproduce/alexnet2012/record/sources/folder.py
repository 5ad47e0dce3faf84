"""Releases in a folder: work trees, git repositories, or a folder that holds several of either."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alexnet2012.record import disk
from alexnet2012.record.manifest import Entry
from alexnet2012.record.releases import Release
from alexnet2012.record.sources import git
from alexnet2012.record.sources.base import Piece, Source
from alexnet2012.record.sources.roots import below, find_root
from cuda_convnet.errors import DataError

MOST_FILES = 100_000
MOST_NAMED = 3


class FolderPlace:
    """A folder. Links in it are not followed. Where a repository in it has a release, git is asked."""

    def __init__(self, path: Path) -> None:
        self._name = disk.shown(path)
        self._path = path.resolve()
        self._repositories = tuple(git.repositories(self._path))
        self._modes: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._unreadable: list[str] = []
        self._scanned = False

    @property
    def where(self) -> str:
        without = ", ".join(map(disk.shown, self._unreadable[:MOST_NAMED]))
        return f"{self._name} (without {without}: cannot be read)" if without else self._name

    def find(self, release: Release, manifest: Mapping[str, Entry]) -> Source | None:
        for repository in self._repositories:
            if repository.holds(manifest):
                return repository
        self._scan()
        root = find_root(self._sizes, manifest)
        if root is None:
            return None
        modes = {path.removeprefix(root): mode for path, mode in self._modes.items() if path.startswith(root)}
        unreadable = [path.removeprefix(root) for path in self._unreadable if path.startswith(root)]
        return FolderSource(self._path / root, modes, below(root, self._modes, manifest), unreadable)

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for path, status in disk.walk(self._path, (".git",), self._unreadable):
            self._modes[path] = status.st_mode
            self._sizes[path] = status.st_size
            if len(self._modes) > MOST_FILES:
                raise DataError(
                    f"--from {self._name}: more than {MOST_FILES:,} files; give the folder of the release"
                )


class FolderSource:
    """A folder with the files of one release; folders in it are `unreadable`."""

    def __init__(
        self, folder: Path, modes: Mapping[str, int], extras: list[str], unreadable: Sequence[str]
    ) -> None:
        self.where = disk.shown(folder)
        self.extras = extras
        self._folder = folder
        self._modes = modes
        self._unreadable = set(unreadable)

    def pieces(self, wanted: Mapping[str, Entry]) -> Iterator[Piece]:
        for path in wanted:
            if path not in self._modes:
                if not self._unreadable.isdisjoint(disk.parents(path)):
                    yield Piece(path, problem="cannot be read, nor can its folder")
                continue
            if wrong := disk.kind(self._modes[path]):
                yield Piece(path, problem=f"is {wrong}, not a file")
                continue
            try:
                # The folders above were folders, not links, when they were listed; they must be so still.
                if os.path.realpath(self._folder / path) != str(self._folder / path):
                    yield Piece(path, problem="lies behind a link")
                    continue
                yield Piece(path, disk.read(self._folder / path, wanted[path].enough))
            except OSError as error:
                yield Piece(path, problem=f"cannot be read ({error.strerror})")
