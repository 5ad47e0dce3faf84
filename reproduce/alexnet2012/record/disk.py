"""Reads files and folders that others made: no link is followed, and nothing but plain files is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator
from pathlib import Path

from cuda_convnet.errors import DataError


def walk(folder: Path, leave_out: Container[str] = ()) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below `folder` that is no folder, relative and with slashes; links as links.

    Folders whose names are in `leave_out` are not entered. DataError names a folder that cannot be read.
    """
    todo = [""]
    while todo:
        below = todo.pop()
        try:
            with os.scandir(folder / below) as found:
                for item in found:
                    path = f"{below}/{item.name}" if below else item.name
                    if not item.is_dir(follow_symlinks=False):
                        yield path, item.stat(follow_symlinks=False)
                    elif item.name not in leave_out:
                        todo.append(path)
        except OSError as error:
            raise DataError(f"{folder / below}: cannot be read ({error.strerror}); mend that first") from None


def kind(mode: int) -> str:
    """What a path that is no folder is, in words: from `st_mode`; '' for a plain file."""
    if stat.S_ISREG(mode):
        return ""
    return "a link" if stat.S_ISLNK(mode) else "neither a file nor a folder"


def read(path: Path, most: int) -> bytes:
    """The first `most` bytes of a plain file. OSError where it is a link or cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        return file.read(most)


def shown(name: str) -> str:
    """A file's name for one line of a message: what cannot be printed is written as an escape."""
    return name if name.isprintable() else ascii(name)[1:-1]
