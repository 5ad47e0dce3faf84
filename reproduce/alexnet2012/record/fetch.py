"""Brings the files of releases into the cache, each checked before it has its name there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from alexnet2012.record import disk
from alexnet2012.record.cache import OPTION, releases_folder
from alexnet2012.record.check import Difference, differences
from alexnet2012.record.manifest import Entry, read_manifest
from alexnet2012.record.sources.base import Source
from cuda_convnet.errors import DataError

# The mark of https://bford.info/cachedir/ by which backups leave a cache out. Here it also says that what
# lies in the folder was fetched, and may be replaced.
TAG = "CACHEDIR.TAG"
TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# Releases of the original AlexNet, which `alexnet2012 original fetch` brought and may replace.
"""
INCOMING = ".incoming-"
MOST_TAG = 4096


class Store:
    """The releases' folder in the cache, held by one process. `incoming` is for what is on its way."""

    def __init__(self, folder: Path, incoming: Path) -> None:
        self.incoming = incoming
        self._folder = folder

    def folder(self, release_id: str) -> Path:
        """Where the files of a release belong."""
        folder = self._folder / release_id
        if folder.is_symlink():
            raise DataError(f"{folder}: is a link, and nothing is written through it; remove it")
        return folder

    def look(self, release_id: str) -> list[Difference]:
        """All the differences from the release that there are, after rights were mended.

        DataError names what is not of the release and where one of its files must be: it is not removed.
        """
        folder, manifest = self.folder(release_id), read_manifest(release_id)
        found = differences(folder, manifest)
        extra = [difference.path for difference in found if difference.kind == "extra"]
        for path in disk.in_the_way(extra, manifest):
            where = disk.shown(folder / path)
            raise DataError(f"{where}: is in the way of files of the release; move it elsewhere")
        with _writing(folder):
            for difference in found:
                if difference.kind == "mode":
                    _set_mode(folder / difference.path, manifest[difference.path])
        return [difference for difference in found if difference.kind != "mode"]

    def bring(self, release_id: str, wanted: Mapping[str, Entry], source: Source) -> list[Difference]:
        """Take wanted files from a source; the differences that remain, where it has them not as released."""
        folder = self.folder(release_id)
        problems = {path: Difference(path, "missing", "missing") for path in wanted}
        for piece in source.pieces(wanted):
            entry = wanted[piece.path]
            if problem := piece.problem or entry.problem(piece.content):
                problems[piece.path] = Difference(piece.path, "changed", problem)
                continue
            del problems[piece.path]
            with _writing(folder):
                self._put(folder / piece.path, entry, piece.content)
        return [problems[path] for path in sorted(problems)]

    def _put(self, path: Path, entry: Entry, content: bytes) -> None:
        part = self.incoming / "part"
        part.write_bytes(content)
        _set_mode(part, entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, path)


@contextmanager
def open_store(cache: Path | None) -> Iterator[Store]:
    """The cache, to write releases into it.

    DataError where that is not possible, where another process does so, or where other things lie there.
    """
    folder = releases_folder(cache)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with disk.held(folder, "another process is fetching into it"):
        with _writing(folder):
            _mark(folder)
            for path in folder.glob(f"{INCOMING}*"):  # of a process that was killed
                shutil.rmtree(path, ignore_errors=True)
            incoming = tempfile.TemporaryDirectory(dir=folder, prefix=INCOMING, ignore_cleanup_errors=True)
        with incoming as path_of_incoming:
            yield Store(folder, Path(path_of_incoming))


def _mark(folder: Path) -> None:
    with suppress(FileNotFoundError):
        if TAG_TEXT.splitlines()[1].encode() in disk.read(folder / TAG, MOST_TAG):
            return
    if any(folder.iterdir()):
        raise DataError(
            f"{folder}: holds files that were not fetched, and would be replaced; choose another folder by "
            f"{OPTION}"
        )
    (folder / TAG).write_text(TAG_TEXT, encoding="utf-8")


def _set_mode(path: Path, entry: Entry) -> None:
    path.chmod(0o755 if entry.executable else 0o644)


def _writing(folder: Path) -> AbstractContextManager[None]:
    return disk.told(folder, "written", f"mend that, or choose another folder by {OPTION}")
