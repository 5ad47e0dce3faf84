"""Compares a folder with the manifest of a release."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alexnet2012.record import disk
from alexnet2012.record.manifest import Entry

OWNER_EXECUTES = 0o100
Kind = Literal["missing", "changed", "mode", "extra"]


@dataclass(frozen=True)
class Difference:
    """A path at which a folder is not the release. `mode`: only the right to execute it differs."""

    path: str
    kind: Kind
    problem: str

    @property
    def line(self) -> str:
        return f"{disk.shown(self.path)}: {self.problem}"


def differences(folder: Path, manifest: Mapping[str, Entry]) -> list[Difference]:
    """All that tells a folder from the release, by path; every file is read and hashed."""
    found = dict(disk.walk(folder)) if disk.is_folder(folder) else {}
    extra = [
        Difference(path, "extra", f"not of the release ({disk.kind(found[path].st_mode) or 'a file'})")
        for path in found.keys() - manifest.keys()
    ]
    known = [_difference(folder, entry, found.get(path)) for path, entry in manifest.items()]
    return sorted((*filter(None, known), *extra), key=lambda difference: difference.path)


def _difference(folder: Path, entry: Entry, status: os.stat_result | None) -> Difference | None:
    if status is None:
        return Difference(entry.path, "missing", "missing")
    if wrong := disk.kind(status.st_mode):
        return Difference(entry.path, "changed", f"is {wrong}, not a file")
    try:
        problem = entry.problem(disk.read(folder / entry.path, entry.enough))
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    if problem:
        return Difference(entry.path, "changed", problem)
    if bool(status.st_mode & OWNER_EXECUTES) != entry.executable:
        return Difference(entry.path, "mode", f"must{'' if entry.executable else ' not'} be executable")
    return None
