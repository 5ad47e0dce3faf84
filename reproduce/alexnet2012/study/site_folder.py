"""The folder of a built site: told from others by a mark, and put in place file by file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alexnet2012.record import disk
from alexnet2012.record.cache import cache_folder, outside_the_project
from cuda_convnet.errors import DataError

MARK = ".alexnet2012-study"
"""The file that tells the folder of a site from another, and names what was built: that may be replaced."""

TITLE = "Built by `alexnet2012 study`, which may replace these files:\n"
INDEX = "index.html"
NEW = ".alexnet2012-study-"


def site_folder(out: Path | None, cache: Path | None = None) -> Path:
    """Where the site is: `out`, or else beside the fetched releases, which its pages show.

    DataError where that lies in a copy of this project: nothing of the originals is written there.
    """
    return cache_folder(cache) / "study" if out is None else outside_the_project(out, "--out")


def check_free(folder: Path) -> None:
    """DataError where the folder holds anything but an earlier site."""
    with disk.told_reading(folder):
        free = not os.listdir(folder) if disk.is_folder(folder) else not disk.mode(folder)
    if not free and not disk.is_file(folder / MARK):
        raise DataError(f"{folder}: holds something else; name a new or empty folder by --out")


@contextmanager
def renewed(folder: Path) -> Iterator[Path]:
    """An empty folder to write a site into; then it takes the place of the earlier one in `folder`.

    It lies in `folder`, so that nothing beside that need be writable. The earlier site stands until the new
    one is whole; then file after file is replaced, the index last, and what was built earlier and is no more
    is removed. Whenever this is stopped, each page is whole, and none is missing that the index leads to.

    DataError where this cannot be written, where another process does so, or where files that were not built
    are in the way; others are left where they are.
    """
    with disk.told(folder, "written", "mend that, or name another folder by --out"):
        folder.mkdir(parents=True, exist_ok=True)
        with disk.held(folder, "another process is building the site"):
            if not disk.is_file(folder / MARK):
                (folder / MARK).write_text(TITLE)
            for path in folder.glob(f"{NEW}*"):  # of a process that was killed
                shutil.rmtree(path, ignore_errors=True)
            made = tempfile.TemporaryDirectory(dir=folder, prefix=NEW, ignore_cleanup_errors=True)
            with made as inside:
                new = Path(inside, "site")
                new.mkdir()
                yield new
                _put_in_place(new, folder)


def _put_in_place(new: Path, folder: Path) -> None:
    names = {path for path, _ in disk.walk(new)}
    earlier = set((folder / MARK).read_text(encoding="utf-8", errors="replace").splitlines()[1:])
    there = {path for path, _ in disk.walk(folder)}
    for path in disk.in_the_way(there - earlier, names):
        raise DataError(
            f"{disk.shown(folder / path)}: was not built by `alexnet2012 study`, and is in the way; "
            "move it elsewhere, or name another folder by --out"
        )
    _mark(new.parent, folder, earlier | names)
    for name in sorted(names, key=lambda name: (name == INDEX, name)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(new / name, folder / name)
    gone = (earlier & there) - names
    for name in gone:
        (folder / name).unlink()
    for path in sorted({parent for name in gone for parent in disk.parents(name)}, reverse=True):
        if not any((folder / path).iterdir()):
            (folder / path).rmdir()
    _mark(new.parent, folder, names)


def _mark(incoming: Path, folder: Path, names: Iterable[str]) -> None:
    """Mark the folder as that of a site of these files."""
    (incoming / MARK).write_text(TITLE + "".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
    os.replace(incoming / MARK, folder / MARK)
