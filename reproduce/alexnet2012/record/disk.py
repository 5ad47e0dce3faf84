"""Reads files and folders that others made: no link in them is followed, and only plain files are opened.

What the system refuses is a DataError of one line.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Collection, Container, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cuda_convnet.errors import DataError


@contextmanager
def told(path: Path, done: str, mend: str) -> Iterator[None]:
    """Tells in one line that `path`, or what the system names instead, cannot be `done` ("read"), and why."""
    try:
        yield
    except OSError as error:
        where = shown(error.filename2 or error.filename or path)
        raise DataError(f"{where}: cannot be {done} ({error.strerror or error}); {mend}") from error


def told_reading(path: Path) -> AbstractContextManager[None]:
    """`told` for what is only looked at."""
    return told(path, "read", "mend that, or name another")


def expanded(path: Path) -> Path:
    """The path with a home folder for the `~` it begins with; DataError where there is no such."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise DataError(f"{path}: no home folder is known for its ~; write the path out") from None


def mode(path: Path) -> int:
    """`st_mode` of what is there, 0 for nothing; links are followed. DataError where it cannot be told."""
    with told_reading(path):
        try:
            return path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0


def is_folder(path: Path) -> bool:
    return stat.S_ISDIR(mode(path))


def is_file(path: Path) -> bool:
    return stat.S_ISREG(mode(path))


@contextmanager
def held(folder: Path, problem: str) -> Iterator[None]:
    """The folder for this process alone, until it is done; DataError with `problem` where another has it."""
    with told_reading(folder):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{shown(folder)}: {problem}; let it end") from error
        yield
    finally:
        os.close(descriptor)


def walk(
    folder: Path, leave_out: Container[str] = (), unreadable: list[str] | None = None
) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below `folder` that is no folder, relative and with slashes; links as links.

    Folders whose names are in `leave_out` are not entered. DataError names a folder that cannot be read; but
    those inside, given a list `unreadable`, are passed over and put there.
    """
    todo = [""]
    while todo:
        below = todo.pop()
        try:
            with told_reading(folder / below), os.scandir(folder / below) as found:
                inside = [
                    (item.name, item.is_dir(follow_symlinks=False), item.stat(follow_symlinks=False))
                    for item in found
                ]
        except DataError:
            if unreadable is None or not below:
                raise
            unreadable.append(below)
            continue
        for name, is_folder, status in inside:
            path = f"{below}/{name}" if below else name
            if not is_folder:
                yield path, status
            elif name not in leave_out:
                todo.append(path)


def parents(path: str) -> Iterator[str]:
    """The folders above a relative path with slashes."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def in_the_way(others: Iterable[str], wanted: Collection[str]) -> list[str]:
    """Those of other paths that are where a wanted file or a folder above it must be, or below a file."""
    files = set(wanted)
    needed = files.union(*map(parents, files))
    return sorted(path for path in others if path in needed or not files.isdisjoint(parents(path)))


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


def shown(name: str | Path) -> str:
    """A file's name for one line of a message: what cannot be printed is written as an escape."""
    text = str(name)
    return text if text.isprintable() else ascii(text)[1:-1]
