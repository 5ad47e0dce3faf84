"""What the search finds: symbols of the original and of the port, parts, layers, runs and claims."""

from __future__ import annotations

import json
from collections.abc import Iterator

from alexnet2012.record.answers import read_answers
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
    listed: dict[str, str] = {}
    for row in room.rows:
        table = crosswalk_page(row.release, row.path)
        yield row.qualified, f"{row.place} · {row.status}", room.shown.original(row) or table
        for symbol in row.symbols:
            listed.setdefault(symbol, table)
    for symbol, table in listed.items():
        yield name_of(symbol), symbol, room.shown.ours(symbol) or table
    for part in room.parts:
        yield part.title, GROUPS[part.group], part_page(part)
    for name, address in room.layer_pages.items():
        yield name, "layer of run 145", f"{address}#{name}"
    for run in room.notebook:
        yield f"run {run.id}", "lab notebook", f"notebook.html#{anchor(run.id)}"
    for claim in room.claims:
        yield claim.says, "claim of the paper", f"claims.html#{claim.id}"
    for answer in read_answers():
        yield answer.title, "the source answers", f"answers.html#{answer.anchor}"


def name_of(symbol: str) -> str:
    """What one would type for a symbol of ours.

    >>> name_of("cli:data.imagenet--store"), name_of("kernels/filter_acts.cu:filterActs")
    ('data imagenet --store', 'filterActs')
    """
    name = symbol.rpartition(":")[2]
    if not symbol.startswith("cli:"):
        return name
    command, dashes, option = name.partition("--")
    return " ".join((*command.split("."), dashes + option)).rstrip()
