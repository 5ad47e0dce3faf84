"""Hashes of git's objects, of which SWHIDs are made, computed without git."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

FOLDER_MODE = "40000"


def blob_id(content: bytes) -> str:
    """The hash of a file."""
    return _id("blob", content)


def tree_id(files: Mapping[str, tuple[str, str]]) -> str:
    """The hash of a folder, with all below it, given the (mode, blob) of each file by its path."""
    folders: dict[str, dict[str, tuple[str, str]]] = {}
    entries: list[tuple[str, str, str]] = []
    for path, (mode, blob) in files.items():
        folder, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = (mode, blob)
        else:
            entries.append((path, mode, blob))
    entries += [(name, FOLDER_MODE, tree_id(below)) for name, below in folders.items()]
    return _id("tree", b"".join(_packed(entries)))


def _packed(entries: Iterable[tuple[str, str, str]]) -> Iterable[bytes]:
    """The entries of a folder as git writes them: sorted as if a folder's name ended in a slash."""
    for name, mode, object_id in sorted(entries, key=lambda e: e[0] + "/" * (e[1] == FOLDER_MODE)):
        yield f"{mode} {name}\0".encode() + bytes.fromhex(object_id)


def _id(kind: str, content: bytes) -> str:
    whole = f"{kind} {len(content)}\0".encode() + content
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()
