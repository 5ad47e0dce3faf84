"""The folder in which fetched releases lie: one for the user, never inside the project's repository.

    CACHE/original/alexnet/...    the files of a release, and nothing else

What it holds is never taken on trust: to look at a release is to hash its files, 20 ms for all three.
"""

from __future__ import annotations

import os
from pathlib import Path

from alexnet2012.record import disk
from alexnet2012.record.check import differences
from alexnet2012.record.manifest import read_manifest
from cuda_convnet.errors import DataError

VARIABLE = "ALEXNET2012_CACHE"
OPTION = f"--cache or {VARIABLE}"
"""What names another cache, for messages."""

NAME = "alexnet2012"
FOLDER = "original"
REPOSITORY_MARK = Path("original", "releases.toml")


def cache_folder(chosen: Path | None = None) -> Path:
    """The cache: `chosen`, else $ALEXNET2012_CACHE, else `alexnet2012` in the user's cache folder.

    DataError where it lies in a checkout of this project, or in its installed package.
    """
    return outside_the_project(chosen or _usual_folder(), OPTION)


def outside_the_project(folder: Path, option: str) -> Path:
    """The folder, from the root and without links. DataError where it lies in a copy of this project.

    `option` is what names another, for the message.
    """
    folder = Path(os.path.realpath(disk.expanded(folder)))
    for parent in (folder, *folder.parents):
        if os.path.exists(parent / REPOSITORY_MARK):
            raise DataError(
                f"{folder}: lies in {parent}, a copy of this project, into which nothing of the originals is "
                f"written; choose a folder outside by {option}"
            )
    return folder


def releases_folder(cache: Path | None = None) -> Path:
    """The folder of the releases in the cache; DataError where a link leads into a copy of this project."""
    return outside_the_project(cache_folder(cache) / FOLDER, OPTION)


def release_folder(release_id: str, cache: Path | None = None) -> Path:
    """Where the files of a release lie, or would lie."""
    return releases_folder(cache) / release_id


def fetched(release_id: str, cache: Path | None = None) -> Path | None:
    """The folder of a release in the cache, if every file of it is there and as it was released."""
    folder = release_folder(release_id, cache)
    found = differences(folder, read_manifest(release_id))
    return None if any(difference.kind in ("missing", "changed") for difference in found) else folder


def _usual_folder() -> Path:
    if named := os.environ.get(VARIABLE):
        return Path(named)
    # The XDG rules: a path that is not absolute is as good as none.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / NAME
    try:
        return Path.home() / ".cache" / NAME
    except RuntimeError:
        raise DataError(f"there is no home folder for a cache; choose one by {OPTION}") from None
