"""Tar archives, as they are or compressed by gzip, bzip2 or xz."""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alexnet2012.record.sources.entries import MOST_BYTES, MOST_ENTRIES, ArchiveEntry

COMPRESSIONS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
MOST_AT_ONCE = 4 * 2**20
HEADER = 512


class TarReader:
    """A tar archive, open until it is closed."""

    def __init__(self, path: Path) -> None:
        self._last: tuple[Any, int, bytes] = (None, 0, b"")
        self._file = _unpacked(path)
        try:
            self._tar = tarfile.TarFile(fileobj=self._file)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._tar.close()
        self._file.close()

    def entries(self) -> Iterator[ArchiveEntry]:
        files: dict[str, tarfile.TarInfo] = {}
        for member in self._tar:
            if member.size < 0:  # would send tarfile in a circle
                raise ValueError(f"entry {member.name!r} has a negative size")
            if member.issym():
                yield ArchiveEntry(member.name, "link", target=member.linkname)
            elif member.islnk():
                file = files.get(posixpath.normpath(member.linkname))
                size = file.size if file else 0
                yield ArchiveEntry(member.name, "hard link", size, member.linkname, handle=file)
            elif member.isdir():
                yield ArchiveEntry(member.name, "folder")
            elif member.isfile():
                files[posixpath.normpath(member.name)] = member
                yield ArchiveEntry(member.name, "file", member.size, handle=member)
            else:
                yield ArchiveEntry(member.name, "other")
        self._file.seek(self._tar.offset)
        if self._file.read(HEADER) != bytes(HEADER):  # tarfile takes whatever it does not know for the end
            raise ValueError(f"damaged, or not complete, from byte {self._tar.offset:,} on")

    def position(self, entry: ArchiveEntry) -> int:
        return entry.handle.offset_data if entry.handle else 0

    def read(self, entry: ArchiveEntry, most: int) -> bytes:
        if entry.handle is None:
            raise ValueError(f"it links to {entry.target!r}, which is not in the archive before it")
        handle, known, content = self._last
        if handle is not entry.handle or known < most:  # another name of the same file is not read again
            file = self._tar.extractfile(entry.handle)
            assert file is not None  # of a plain file it never is
            with file:
                content = file.read(most)
            self._last = entry.handle, most, content
        return content[:most]


def _unpacked(path: Path) -> Any:
    """The archive as tarfile reads it, whatever it is compressed by."""
    with open(path, "rb") as file:
        start = file.read(6)
    opened = next((opener for magic, opener in COMPRESSIONS.items() if start.startswith(magic)), open)
    return Limited(opened(path, "rb"))


class Limited:
    """A file that is never read far beyond what an archive may hold, nor much of it at once.

    tarfile reads some headers whole, as long as they say they are, before it shows an entry.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def tell(self) -> int:
        position: int = self._file.tell()
        return position

    def seek(self, position: int) -> int:
        self._check(position)
        sought: int = self._file.seek(position)
        return sought

    def read(self, count: int) -> bytes:
        if not 0 <= count <= MOST_AT_ONCE:
            raise ValueError("it has a header that is longer than any archive of the releases")
        self._check(self.tell() + count)
        content: bytes = self._file.read(count)
        return content

    def close(self) -> None:
        self._file.close()

    @staticmethod
    def _check(position: int) -> None:
        if position > MOST_BYTES + 2 * HEADER * MOST_ENTRIES:
            raise ValueError("unpacked, it is longer than any archive of the releases")
