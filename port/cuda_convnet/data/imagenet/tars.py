"""Tars within tars, listed by reading their headers alone: a seek for each member, whatever its size.

A tar that is cut off or damaged gives what is whole in it, then says where it broke and that what followed
is not known. Python's tarfile ends silently in some of these cases, hence the checks around it.

Answers to `open_tar` and its callers in `cuda-convnet2:make-data/make-data.py`.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BLOCK = tarfile.BLOCKSIZE
LARGEST_HEADER = 1 << 20
LARGEST_PADDING = 1 << 20
AHEAD = 4 * BLOCK
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
UNKNOWN = "what followed in it is not known"


class BrokenTar(Exception):
    """Where and how a tar ends before its end, as a sentence about it."""


@dataclass(frozen=True)
class Member:
    """A member of a tar.

    name: as it stands there; bytes that are not UTF-8 are surrogates.
    offset: where its data start in the file (not in the tar, where that is a member itself).
    size: how many bytes it has; there: how many of them the file holds.
    kind: "file", "folder", or what it is in words ("a symbolic link").
    """

    name: str
    offset: int
    size: int
    there: int
    kind: str

    @property
    def leads_out(self) -> bool:
        """Whether unpacking this path would write outside the folder it is unpacked in."""
        return self.name.startswith("/") or ".." in self.name.split("/")


def members(file: int, start: int, end: int) -> Iterator[Member]:
    """The members of the tar in bytes [start, end) of an open file, in order.

    Nothing but headers is read, and nothing kept. After a member that the end cuts through nothing follows
    (its `there` is less than its `size`). Raises BrokenTar after the last whole member where the tar does
    not end as a tar ends, or goes on after that, and OSError.
    """
    end = min(end, os.fstat(file).st_size)
    view = _View(file, start, end)
    length = end - start
    try:
        tar: Any = tarfile.TarFile(fileobj=view, encoding="utf-8", errors="surrogateescape")
    except OSError:
        raise
    # A header can be wrong in ways for which tarfile has other exceptions than its own.
    except Exception:
        raise BrokenTar(_why_not(view, length)) from None
    position = -1
    while True:
        try:
            info = tar.next()
        except OSError:
            raise
        except Exception:
            raise BrokenTar(_broken_at(view, tar.offset, length)) from None
        if info is None:
            break
        tar.members.clear()  # else it keeps every member it has seen
        if tar.offset <= position or info.size < 0:
            raise BrokenTar(_broken_at(view, info.offset, length))
        position = tar.offset
        there = max(0, min(info.size, length - info.offset_data))
        if info.issparse():
            there = info.size  # of which the tar leaves out the zeros
        yield Member(info.name, start + info.offset_data, info.size, there, _kind(info))
        if there < info.size and info.isreg():
            return
    if view.at(tar.offset, BLOCK) != bytes(BLOCK):
        raise BrokenTar(_broken_at(view, tar.offset, length))
    # Where a download left a hole, zeros hide headers: they look like the end.
    padding = view.at(tar.offset, LARGEST_PADDING + 1)
    if len(padding) > LARGEST_PADDING or padding.count(0) < len(padding):
        raise BrokenTar(f"an end mark at byte {tar.offset}, and more than padding after it: {UNKNOWN}")


def compression(file: int) -> str | None:
    """The name of the compression that an open file starts as, or None."""
    start = os.pread(file, 8, 0)
    return next((name for magic, name in COMPRESSED.items() if start.startswith(magic)), None)


def _kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "a sparse file"
    if info.isreg():
        return "file"
    return "folder" if info.isdir() else KINDS.get(info.type, "neither a file nor a folder")


def _why_not(view: _View, length: int) -> str:
    """Why tarfile does not take the first header."""
    start = view.at(0, BLOCK)
    if not start:
        return "zero bytes"
    for magic, name in COMPRESSED.items():
        if start.startswith(magic):
            return f"compressed with {name}: it must be unpacked to a plain tar first"
    return f"cut off after {length} bytes" if length < BLOCK else "not a tar"


def _broken_at(view: _View, offset: int, length: int) -> str:
    if offset + BLOCK > length or not view.at(offset, BLOCK):
        return f"cut off after {length} bytes: {UNKNOWN}"
    return f"damaged at byte {offset}: {UNKNOWN}"


class _View(io.RawIOBase):
    """Bytes [start, end) of an open file, as the file that tarfile wants; reads headers, refuses data."""

    def __init__(self, file: int, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, max(start, end)
        self._position = 0
        self._ahead_from, self._ahead = 0, b""

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on."""
        size = min(size, self._end - self._start - offset)
        if size <= 0:
            return b""
        within = offset - self._ahead_from
        if not 0 <= within <= len(self._ahead) - size:
            # One read for the byte before a header and the header itself, for which tarfile asks in turn.
            want = min(max(size, AHEAD), self._end - self._start - offset)
            self._ahead, self._ahead_from = os.pread(self._file, want, self._start + offset), offset
            within = 0
        return self._ahead[within : within + size]

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise tarfile.ReadError("a header without bounds")
        data = self.at(self._position, size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position
