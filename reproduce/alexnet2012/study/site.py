"""Builds the reading room into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from alexnet2012.record.cache import fetched
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
from alexnet2012.study.site_folder import INDEX, check_free, renewed, site_folder
from alexnet2012.study.stage_pages import stage_pages

ASSETS = Path(__file__).resolve().parent / "assets"


def build(out: Path, fidelity: FidelityReport, *, cache: Path | None = None) -> tuple[ReadingRoom, int]:
    """Build the whole site in folder `out`, in the place of an earlier one: its room, and how many pages.

    Raises DataError for a folder that holds something else, that cannot be written, or that lies in a copy of
    this project: the pages show the originals, of which nothing is written there.
    """
    out = site_folder(out)
    check_free(out)
    releases = read_releases()
    folders = {name: folder for name in releases if (folder := fetched(name, cache)) is not None}
    originals = Originals.of(releases, folders, read_crosswalk())
    room = ReadingRoom(originals, fidelity, read_notebook(), read_claims())
    pages, index = dict(_pages(room)), search_index(room)
    with renewed(out) as new:
        _write(pages, index, new)
    return room, len(pages)


def _write(pages: Mapping[str, str], index: str, folder: Path) -> None:
    (folder / "assets").mkdir()
    for asset in ASSETS.iterdir():
        shutil.copyfile(asset, folder / "assets" / asset.name)
    (folder / "assets" / "symbols.js").write_text(index, encoding="utf-8")
    for href, text in pages.items():
        path = folder / href
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _pages(room: ReadingRoom) -> Iterator[tuple[str, str]]:
    """Every page by its address."""
    yield from part_pages(room)
    yield from stage_pages(room)
    yield from record_pages(room)
    yield (
        INDEX,
        page(
            "index",
            INDEX,
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
