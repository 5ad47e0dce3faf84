"""What the search finds: symbols of the original and of the port, parts, layers, runs and claims."""

from __future__ import annotations

import json
from collections.abc import Iterator

from alexnet2012.record.notebook import anchor
from alexnet2012.study.parts import GROUPS
from alexnet2012.study.room import ReadingRoom, crosswalk_page, part_page

Entry = tuple[str, str, str]
"""A name, what and where it is, and the address of its page."""


def search_index(room: ReadingRoom) -> str:
    """The index as a script, which a page loads when somebody begins to search."""
    entries = json.dumps(list(_entries(room)), ensure_ascii=False, separators=(",", ":"))
    return f"window.symbols = {entries};\n"


def _entries(room: ReadingRoom) -> Iterator[Entry]:
    ours: dict[str, str] = {}
    for row in room.rows:
        address = room.shown.get(row) or crosswalk_page(row.release, row.path)
        yield row.qualified, f"{row.place} · {row.status}", address
        for symbol in row.symbols:
            ours.setdefault(symbol, address)
    for symbol, address in ours.items():
        yield symbol.rpartition(":")[2], symbol, address
    for part in room.parts:
        yield part.title, GROUPS[part.group], part_page(part)
    for name, address in room.layer_pages.items():
        yield name, "layer of run 145", f"{address}#{name}"
    for run in room.notebook:
        yield f"run {run.id}", "lab notebook", f"notebook.html#{anchor(run.id)}"
    for claim in room.claims:
        yield claim.says, "claim of the paper", f"claims.html#{claim.id}"
