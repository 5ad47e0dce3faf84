"""Builds the reading room into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from alexnet2012.record.cache import cache_folder, fetched, outside_the_project
from alexnet2012.record.claims import read_claims
from alexnet2012.record.crosswalk import read_crosswalk
from alexnet2012.record.notebook import read_notebook
from alexnet2012.record.releases import read_releases
from alexnet2012.study.fidelity import FidelityReport
from alexnet2012.study.launches import run_145
from alexnet2012.study.pairs import Originals
from alexnet2012.study.part_pages import part_pages
from alexnet2012.study.record_pages import record_pages
from alexnet2012.study.room import ReadingRoom, page
from alexnet2012.study.search_index import search_index
from alexnet2012.study.stage_pages import stage_pages
from cuda_convnet.errors import DataError

ASSETS = Path(__file__).resolve().parent / "assets"
MARK = ".alexnet2012-study"
"""The file that tells a folder of ours from another: it may be emptied and built anew."""


def usual_folder(cache: Path | None = None) -> Path:
    """Where the site is built unless told otherwise: beside the fetched releases, which its pages show."""
    return cache_folder(cache) / "study"


def build(out: Path, fidelity: FidelityReport, *, cache: Path | None = None) -> tuple[ReadingRoom, int]:
    """Build the whole site in folder `out`, in the place of an earlier one: its room, and how many pages.

    Raises DataError for a folder that holds something else, and for one inside the project's repository:
    the pages show the originals, of which nothing is written there.
    """
    out = outside_the_project(out, "choose a folder outside with --out")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).is_file())):
        raise DataError(f"{out}: holds something else; name a new or empty folder with --out")
    releases = read_releases()
    folders = {name: folder for name in releases if (folder := fetched(name, cache)) is not None}
    originals = Originals.of(releases, folders, read_crosswalk())
    room = ReadingRoom(originals, fidelity, read_notebook(), read_claims())
    pages = dict(_pages(room))
    try:
        _write(pages, search_index(room), out)
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror}); name another folder with --out"
        ) from error
    return room, len(pages)


def _write(pages: Mapping[str, str], index: str, out: Path) -> None:
    """Write the site beside its place, and put it there when it is whole."""
    new = out.with_name(f"{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / MARK).write_text("built by alexnet2012 study\n")
    shutil.copytree(ASSETS, new / "assets")
    (new / "assets" / "symbols.js").write_text(index, encoding="utf-8")
    for href, text in pages.items():
        path = new / href
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if out.is_dir():
        shutil.rmtree(out)
    new.rename(out)


def _pages(room: ReadingRoom) -> Iterator[tuple[str, str]]:
    """Every page by its address."""
    yield from part_pages(room)
    yield from stage_pages(room)
    yield from record_pages(room)
    yield (
        "index.html",
        page(
            "index",
            "index.html",
            "The reading room",
            absent=[name for name in room.originals.releases if name not in room.originals.folders],
            stages=len(room.stages),
            weights=run_145().num_parameters,
            parts=len(room.parts) - len(room.kernels),
            kernels=len(room.kernels),
            runs=len(room.notebook),
            claims=len(room.claims),
            symbols=len(room.rows),
        ),
    )
