"""A walk through tars and folders, in which every member becomes an image, or a rejection with its reason."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cuda_convnet.data.batches import Progress
from cuda_convnet.data.imagenet.folders import FoundFile, files_below
from cuda_convnet.data.imagenet.images import Rejection, objection, printable
from cuda_convnet.data.imagenet.layout import Layout
from cuda_convnet.data.imagenet.tars import UNKNOWN, BrokenTar, Member, compression, members
from cuda_convnet.errors import DataError

MEMBERS_PER_TICK = 1000
TWICE = "a name twice: the first is used"

Found = tuple[str, int, int]
"""An image: its name, its offset in the tar (0 for a file) and its size."""


@dataclass(frozen=True)
class ClassSource:
    """Where the images of a class are: a folder, or bytes [start, end) of a tar."""

    name: str
    path: Path
    start: int = 0
    end: int | None = None

    @property
    def is_folder(self) -> bool:
        return self.end is None

    @property
    def work(self) -> int:
        """What it counts for in progress: its bytes, or one."""
        return 1 if self.end is None else self.end - self.start


class Walk:
    """What all parts of a walk share.

    containers: the tars and folders that images are in.
    rejections: what was found and cannot be used.
    watched: the size (-1 for a folder) and mtime_ns of everything that was looked at.
    total: how much there is to do, for `progress`, which is not called while it is 0.
    """

    def __init__(self, layout: Layout, progress: Progress) -> None:
        self.containers: list[str] = []
        self.rejections: list[Rejection] = []
        self.watched: dict[str, tuple[int, int]] = {}
        self.total = 0
        self._done = 0
        self._layout = layout
        self._progress = progress

    def tar_images(self, split: str, source: ClassSource, unusable: str | None) -> Iterator[Found]:
        """The images of a class tar; with `unusable`, a reason, all of them are rejected."""
        seen: set[str] = set()
        tar_name = f"{source.name}.tar"
        for member in self.members(split, source.path, source.start, source.end, tar_name):
            if member.kind == "folder":
                continue
            name = f"{source.name}/{_plain(member)}"
            reason = _tar_objection(member, name, tar_name) or unusable
            if reason is None and name in seen:
                reason = TWICE
            if reason is None:
                seen.add(name)
                yield name, member.offset, member.size
            else:
                self.reject(split, name, source.path, reason)

    def folder_images(self, split: str, folder: Path, prefix: str, unusable: str | None) -> Iterator[Found]:
        """The images below a folder, `prefix` before their names; with `unusable` all are rejected."""
        for file in self.files(folder):
            name = posixpath.normpath(prefix + file.name)
            reason = file.objection or objection(name, file.size) or unusable
            if reason is None:
                yield name, 0, file.size
            else:
                self.reject(split, name, folder.parent if prefix else folder, reason)

    def flat_tar(self, split: str, path: Path) -> Iterator[Found]:
        """The images of a tar, by their names without folders."""
        seen: set[str] = set()
        for member in self.members(split, path):
            if member.kind == "folder":
                continue
            name = PurePosixPath(_plain(member)).name
            reason = _tar_objection(member, name, path.name)
            if reason is None and name in seen:
                reason = TWICE
            if reason is None:
                seen.add(name)
                yield name, member.offset, member.size
            else:
                self.reject(split, _plain(member) if member.leads_out else name, path, reason)

    def members(
        self, split: str, path: Path, start: int = 0, end: int | None = None, inner: str | None = None
    ) -> Iterator[Member]:
        """Members of a tar, or of the class tar `inner` in it; where it breaks off, a rejection says so."""
        count, tar, last = 0, inner or path.name, start
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if inner is None:
                raise DataError(f"{path} cannot be read ({error.strerror})") from None
            self.reject(split, tar, path, f"cannot be read ({error.strerror})")
            return
        try:
            size = os.fstat(file).st_size
            if inner is None:
                self.watch(path)
                packed = compression(file)
                if packed:
                    raise DataError(
                        f"{path} is compressed with {packed}: unpack it to a plain .tar first, "
                        "out of which images are read"
                    )
            try:
                for member in members(file, start, size if end is None else end):
                    count += 1
                    if count % MEMBERS_PER_TICK == 0:
                        self.step(member.offset - last)
                        last = member.offset
                    yield member
            except BrokenTar as broken:
                if inner is None and count == 0:
                    raise DataError(f"{path}: {broken}; get it again") from None
                self.reject(split, tar, path, str(broken))
            except OSError as error:
                self.reject(split, tar, path, f"cannot be read ({error.strerror}): {UNKNOWN}")
        finally:
            os.close(file)
        self.step((size if end is None else end) - last)

    def files(self, folder: Path, *, deeper: bool = True) -> Iterator[FoundFile]:
        """Files below a folder, see `files_below`."""
        visited: list[Path] = []
        yield from files_below(folder, deeper=deeper, visited=visited)
        for path in visited:
            self.watch(path)

    def reject(self, split: str, name: str, where: Path, reason: str) -> None:
        """Note what is not used, found in the archive or folder `where`."""
        self.rejections.append(Rejection(split, name, self._layout.relative(where), reason))

    def container(self, path: Path) -> int:
        """The number of a container."""
        name = str(path)
        if not self.containers or self.containers[-1] != name:
            if name in self.containers:
                return self.containers.index(name)
            self.containers.append(name)
        return len(self.containers) - 1

    def watch(self, path: Path) -> None:
        """Note how a file or folder is now."""
        self.watched[str(path)] = state(path)

    def step(self, work: int) -> None:
        """Note that some work is done."""
        if self.total:
            self._done = min(self._done + work, self.total)
            self._progress(self._done, self.total)


def state(path: Path) -> tuple[int, int]:
    """By what it is noticed that a file or folder has changed. Raises OSError."""
    status = path.stat()
    return (-1 if path.is_dir() else status.st_size, status.st_mtime_ns)


def _plain(member: Member) -> str:
    """The path of a member as it is catalogued."""
    name = member.name if member.leads_out else posixpath.normpath(member.name)
    return printable(name)


def _tar_objection(member: Member, name: str, tar: str) -> str | None:
    if member.there < member.size:
        return f"cut off: {member.there} of {member.size} bytes; what followed in {tar} is not known"
    if member.kind != "file":
        return f"{member.kind}, not an image"
    if member.leads_out:
        return "its path leads out of the archive"
    return objection(name, member.size)
