"""Opens what `original fetch --from` names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexnet2012.record import disk
from alexnet2012.record.sources.archive import ArchivePlace
from alexnet2012.record.sources.base import Place
from alexnet2012.record.sources.folder import FolderPlace
from alexnet2012.record.sources.git import URL, Server
from cuda_convnet.errors import DataError


@contextmanager
def open_place(name: str | None, folder: Path) -> Iterator[Place]:
    """The folder, archive or address `name`; None: the repositories of the releases.

    `folder` is for what git fetches. DataError where there is no such place, or an archive that may do harm.
    """
    path = disk.expanded(Path(name or ""))
    if name is None or URL.match(name):
        yield Server(folder, name)
    elif name and disk.is_folder(path):
        yield FolderPlace(path)
    elif name and disk.is_file(path):
        with ArchivePlace(path) as place:
            yield place
    else:
        raise DataError(
            f"--from {disk.shown(name)}: no such folder or file; give a folder, clone, zip or tar, or an "
            "address that begins with https://, ssh://, git:// or file://"
        )
