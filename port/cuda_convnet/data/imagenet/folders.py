"""Images in folders: listed by name, with what is no image and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cuda_convnet.data.imagenet.images import LONGEST_NAME, printable


@dataclass(frozen=True)
class FoundFile:
    """A file below a folder.

    name: its path below that folder, printable. size: its bytes. objection: why it cannot be used, or None.
    """

    name: str
    size: int
    objection: str | None = None


def files_below(
    folder: Path, *, deeper: bool = True, visited: list[Path] | None = None
) -> Iterator[FoundFile]:
    """All files below `folder`, sorted by name, folder by folder; with `deeper` false, directly in it.

    Links to files are followed, links to folders below `folder` are not (they may go in circles). Folders
    that cannot be read are given as a file with an objection. `visited` receives the folders.
    """
    yield from _walk(folder, "", deeper, [] if visited is None else visited)


def subfolders(folder: Path) -> list[str]:
    """The names of the folders (or links to folders) in `folder`, sorted, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if _is_folder(e) and not e.name.startswith("."))


def hidden_folders(folder: Path) -> list[str]:
    """The names of the folders in `folder` that `subfolders` leaves out."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if _is_folder(e) and e.name.startswith("."))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that leads round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _walk(folder: Path, prefix: str, deeper: bool, visited: list[Path]) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as opened:
            entries = sorted(opened, key=lambda entry: entry.name)
    except OSError as error:
        yield FoundFile(printable(prefix.rstrip("/")) or ".", 0, f"cannot be read ({error.strerror})")
        return
    visited.append(folder)
    for entry in entries:
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            if deeper and len(os.fsencode(path)) >= LONGEST_NAME:
                yield FoundFile(
                    printable(path), 0, f"names in this folder have more than {LONGEST_NAME} bytes"
                )
            elif deeper:
                yield from _walk(folder / entry.name, f"{path}/", deeper, visited)
        elif _is_folder(entry):
            if deeper:
                yield FoundFile(printable(path), 0, "a link to a folder")
        else:
            yield _found(entry, path)


def _found(entry: os.DirEntry[str], path: str) -> FoundFile:
    name = printable(path)
    if name != path:
        return FoundFile(name, 0, "its name is not plain UTF-8: rename it")
    try:
        status = entry.stat()
    except OSError as error:
        reason = "a link to nothing" if entry.is_symlink() else f"cannot be read ({error.strerror})"
        return FoundFile(name, 0, reason)
    if not stat.S_ISREG(status.st_mode):
        return FoundFile(name, 0, "not a file")
    if not os.access(entry.path, os.R_OK):
        return FoundFile(name, status.st_size, "cannot be read (Permission denied)")
    return FoundFile(name, status.st_size)
