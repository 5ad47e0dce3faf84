"""The files of a release: `original/files/ID.csv`, one line per file."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass

from alexnet2012.record import places
from cuda_convnet.errors import DataError

COLUMNS = ("path", "mode", "bytes", "lines", "sha256", "git_blob", "swhid")
EXECUTABLE = "100755"


@dataclass(frozen=True)
class Entry:
    """A file of a release. `mode` is git's, `size` in bytes; `lines` counts line ends, None: no text."""

    path: str
    mode: str
    size: int
    lines: int | None
    sha256: str
    git_blob: str
    swhid: str

    @property
    def executable(self) -> bool:
        return self.mode == EXECUTABLE

    @property
    def enough(self) -> int:
        """Bytes of a file that tell what is wrong with it: with changed line ends it is no longer."""
        return 2 * self.size + 1

    def problem(self, content: bytes) -> str:
        """What is wrong with `content`, if this file must hold it; '' if nothing is."""
        if self._is(content):
            return ""
        if self._is(content.replace(b"\r\n", b"\n")) or self._is(content.replace(b"\n", b"\r\n")):
            return "line ends were changed"
        if len(content) > self.size:
            return f"changed: more than its {self.size:,} bytes"
        if len(content) < self.size:
            return f"changed: {len(content):,} of its {self.size:,} bytes"
        return "changed: as long, but other bytes"

    def _is(self, content: bytes) -> bool:
        return len(content) == self.size and hashlib.sha256(content).hexdigest() == self.sha256


def read_manifest(release_id: str) -> dict[str, Entry]:
    """Every file of a release by its path, sorted; DataError names a manifest that cannot be read."""
    path = places.original_path() / "files" / f"{release_id}.csv"
    mend = "restore the file, or install alexnet2012 again"
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; {mend}") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise DataError(f"{path}:1: not a list of files; {mend}")
    try:
        entries = [_entry(*row) for row in rows[1:]]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: not a list of files ({error}); {mend}") from None
    return {entry.path: entry for entry in entries}


def _entry(path: str, mode: str, size: str, lines: str, sha256: str, git_blob: str, swhid: str) -> Entry:
    return Entry(path, mode, int(size), int(lines) if lines else None, sha256, git_blob, swhid)
