"""What an archive may hold: nothing that leads out of the folder into which it would be unpacked.

Only the files of a release are taken out of an archive, by name, and never much longer than they must be.
Still an archive with one entry that would do harm elsewhere is refused whole: it is not what it should be.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any, Literal

from alexnet2012.record.disk import shown
from cuda_convnet.errors import DataError

MOST_ENTRIES = 100_000
LONGEST_NAME = 4096
MOST_BYTES = 500_000_000  # unpacked, of all entries
MEND = "refused, get another archive"
DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class ArchiveEntry:
    """`target`: what a link names, from the folder it is in; a hard link's is from the top of the archive.

    `handle` is what the library that lists the archive reads the entry by.
    """

    name: str
    kind: Literal["file", "folder", "link", "hard link", "other"]
    size: int = 0
    target: str = ""
    handle: Any = None


class Entries:
    """The entries of an archive, as they are found in it."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._seen: dict[str, ArchiveEntry] = {}
        self._bytes = 0

    def add(self, entry: ArchiveEntry) -> str:
        """The entry's path in its plain form; DataError names an entry that must not be there."""
        if len(entry.name) > LONGEST_NAME:
            raise DataError(
                f"--from {self._archive}: an entry's name has more than {LONGEST_NAME:,} letters; {MEND}"
            )
        path = posixpath.normpath(entry.name)
        if climbs(entry.name):
            raise self._refused(entry, "leads out of the archive's folder")
        if entry.kind == "other":
            raise self._refused(entry, "a device, pipe or the like")
        if entry.kind in ("link", "hard link"):
            folder = posixpath.dirname(path) if entry.kind == "link" else ""
            if leads_out(folder, entry.target):
                raise self._refused(
                    entry, f"a link that leads out of the archive's folder, to {shown(entry.target)}"
                )
        if path in self._seen and not (entry.kind == self._seen[path].kind == "folder"):
            raise self._refused(entry, "there twice")
        self._bytes += entry.size
        if self._bytes > MOST_BYTES:
            raise self._refused(entry, f"beyond {MOST_BYTES:,} bytes unpacked")
        if len(self._seen) >= MOST_ENTRIES:
            raise self._refused(entry, f"beyond {MOST_ENTRIES:,} entries")
        self._seen[path] = entry
        return path

    def check_folders(self) -> None:
        """DataError names an entry that lies below another which is no folder, such as a link."""
        file = None
        for path in sorted(self._seen, key=lambda path: path.replace("/", "\0")):  # what is below follows
            if file is not None and path.startswith(f"{file}/"):
                raise self._refused(self._seen[path], f"lies below {shown(file)}, which is no folder")
            if self._seen[path].kind != "folder":
                file = path

    def _refused(self, entry: ArchiveEntry, problem: str) -> DataError:
        return DataError(f"--from {self._archive}: entry {shown(entry.name)}: {problem}; {MEND}")


def climbs(name: str) -> bool:
    """Whether a path in an archive is not plainly below the archive's folder."""
    odd = not name or "\0" in name or "\\" in name
    return odd or name.startswith("/") or DRIVE.match(name) is not None or ".." in name.split("/")


def leads_out(folder: str, target: str) -> bool:
    """Whether a link in `folder` that names `target` leads out of the archive's folder."""
    odd = not target or "\0" in target or "\\" in target
    if odd or target.startswith("/") or DRIVE.match(target):
        return True
    return posixpath.normpath(posixpath.join(folder, target)).split("/")[0] == ".."
