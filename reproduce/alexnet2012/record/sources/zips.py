"""Zip archives."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from alexnet2012.record.sources.entries import ArchiveEntry

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
LONGEST_TARGET = 4096
ENCRYPTED = 1
# Of any other method zipfile unpacks more at once than is asked for, as much as there is.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ZipReader:
    """A zip archive, open until it is closed."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)

    def close(self) -> None:
        self._zip.close()

    @staticmethod
    def reads(path: Path) -> bool:
        """Whether a file is a zip archive, by how it begins."""
        with open(path, "rb") as file:
            return file.read(4) in MAGIC

    def entries(self) -> Iterator[ArchiveEntry]:
        for info in self._zip.infolist():
            name = info.orig_filename  # `filename` ends at a NUL
            if info.flag_bits & ENCRYPTED:
                raise ValueError(f"entry {name!r} is encrypted")
            if info.compress_type not in METHODS:
                raise ValueError(f"entry {name!r} is compressed by method {info.compress_type}")
            mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was made without Unix
            if stat.S_ISLNK(mode):
                with self._zip.open(info) as file:
                    target = file.read(LONGEST_TARGET).decode(errors="replace")
                yield ArchiveEntry(name, "link", info.file_size, target, handle=info)
            elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                yield ArchiveEntry(name, "other")
            else:
                yield ArchiveEntry(
                    name, "folder" if name.endswith("/") else "file", info.file_size, handle=info
                )

    def position(self, entry: ArchiveEntry) -> int:
        offset: int = entry.handle.header_offset
        return offset

    def read(self, entry: ArchiveEntry, most: int) -> bytes:
        with self._zip.open(entry.handle) as file:
            return file.read(most)
