"""`alexnet2012 original crosswalk`: what became of each symbol of the original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from alexnet2012.commands.json_option import json_option
from alexnet2012.json_file import check_folder, write_json
from alexnet2012.record.crosswalk import RELEASES, STATUSES, Row, read_crosswalk, read_new
from alexnet2012.record.manifest import read_manifest
from alexnet2012.record.symbols import find, written
from cuda_convnet.errors import DataError

TOGETHER = "together"
CODE = (".py", ".cu", ".cuh", ".cpp", ".h")
SOME = 3  # files that a message names
EXTENT = (
    "it has all of alexnet, of cuda-convnet the kernels, NVMatrix and four Python modules, and of "
    "cuda-convnet2 what is taken from there"
)


def select(
    rows: Sequence[Row], new: Mapping[str, str], name: str, release: str | None, status: str | None
) -> tuple[list[Row], dict[str, str]]:
    """The rows of which `name` is part of a name or path, of theirs or ours, and of `new` the symbols.

    Of no release and no status is what is new. Raises DataError where nothing has that name.
    """
    part = name.casefold()
    chosen = [
        row
        for row in rows
        if release in (None, row.release)
        and status in (None, row.status)
        and (not part or part in names(row))
    ]
    ours = new if release is None and status is None else {}
    found = {symbol: why for symbol, why in ours.items() if part in f"{symbol}\n{written(symbol)}".casefold()}
    if not chosen and not found:
        limits = "".join(f", {word}" for word in (release, status) if word is not None)
        left_out = _left_out(rows, part, release) if part else []
        if left_out:
            listed = ", ".join(left_out[:SOME] + [f"{len(left_out) - SOME} more"] * (len(left_out) > SOME))
            raise DataError(f"'{name}'{limits}: the crosswalk leaves out {listed}; {EXTENT}")
        raise DataError(f"'{name}'{limits}: nothing like it in the crosswalk; give less of the name or path")
    return chosen, found


def names(row: Row) -> str:
    """All that a row may be found by, in small letters: names and places, of theirs and of ours."""
    return "\n".join((row.qualified, row.place, row.where, *map(written, row.symbols))).casefold()


def _left_out(rows: Sequence[Row], part: str, release: str | None) -> list[str]:
    """Files of code whose names have `part`, and of which nothing has a row."""
    covered = {(row.release, row.path) for row in rows}
    return [
        f"{each}:{path}"
        for each in RELEASES
        if release in (None, each)
        for path in read_manifest(each)
        if path.endswith(CODE) and (each, path) not in covered and part in f"{each}:{path}".casefold()
    ]


def count(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """How many rows of each release have each status, and together."""
    counts = Counter((row.release, row.status) for row in rows)
    releases = [release for release in RELEASES if any(row.release == release for row in rows)]
    table = {release: {status: counts[release, status] for status in STATUSES} for release in releases}
    for line in table.values():
        line[TOGETHER] = sum(line.values())
    total = {column: sum(line[column] for line in table.values()) for column in (*STATUSES, TOGETHER)}
    return table | {TOGETHER: total}


def summary(rows: Sequence[Row], new: Mapping[str, str]) -> str:
    """The counts as a table, and below it how many symbols of ours are new."""
    counts = count(rows)
    columns = (*STATUSES, TOGETHER)
    width = max(map(len, counts))

    def line(name: str, cells: Sequence[str]) -> str:
        padded = [cell.rjust(len(column)) for cell, column in zip(cells, columns, strict=True)]
        return "  ".join([name.ljust(width), *padded])

    header = line("", columns)
    lines = [line(name, [f"{counts[name][column]:,}" for column in columns]) for name in counts]
    rule = "─" * len(header)
    below = [f"{len(new):,} symbols of this program are new: nothing in the original is like them"]
    return "\n".join(
        [click.style(header, bold=True), rule, *lines[:-1], rule, lines[-1], *(below if new else [])]
    )


def listing(rows: Sequence[Row], new: Mapping[str, str]) -> str:
    """Each row in some lines: the symbol, its status and place, where it lives here, and the note.

    Below the rows the symbols of ours that are new, with where they live and why there are such.
    """
    blocks = []
    for row in rows:
        lines = [f"{click.style(row.qualified, bold=True)}  {row.status}", f"  original  {row.place}"]
        label = "here"
        for place in places(row):
            lines.append(f"  {label:8}  {place}")
            label = ""
        if row.note:
            lines.append(f"  note      {row.note}")
        blocks.append("\n".join(lines))
    for symbol, why in new.items():
        title = click.style(symbol.partition(":")[2], bold=True)
        blocks.append(f"{title}  new\n  here      {place_here(symbol)}\n  why       {why}")
    return "\n\n".join(blocks)


def places(row: Row) -> list[str]:
    """Where a row's symbol lives here: our symbols, each with its file and lines, or the words of the row."""
    if not row.symbols:
        return [row.where] if row.where else []
    words = [word for word in row.where.split() if word not in row.symbols]
    return [*map(place_here, row.symbols), *words]


def place_here(symbol: str) -> str:
    """A symbol of ours with its file and lines."""
    place = find(symbol)
    return f"{place.shown}:{place.first}-{place.last}  {symbol.partition(':')[2]}"


def report(rows: Sequence[Row], new: Mapping[str, str]) -> dict[str, Any]:
    """The rows, their counts and what is new for machines."""
    return {
        "summary": count(rows),
        "rows": [
            {
                "release": row.release,
                "path": row.path,
                "kind": row.kind,
                "scope": row.scope,
                "name": row.name,
                "lines": [row.line, row.end],
                "status": row.status,
                "where": row.where,
                "here": [_here(symbol) for symbol in row.symbols],
                "note": row.note,
            }
            for row in rows
        ],
        "new": [{**_here(symbol), "why": why} for symbol, why in new.items()],
    }


def _here(symbol: str) -> dict[str, Any]:
    place = find(symbol)
    return {"symbol": symbol, "path": place.shown, "lines": [place.first, place.last]}


@click.command()
@click.argument("name", required=False)
@click.option("--release", type=click.Choice(RELEASES), help="Of one release only.")
@click.option("--status", type=click.Choice(STATUSES), help="Of one status only.")
@json_option("the rows")
def command(name: str | None, release: str | None, status: str | None, json_path: Path | None) -> None:
    """Say what became of the original's functions, classes, kernels and options.

    NAME is part of a name or a path, of the original or of this program, or of a command as it is typed; what
    is new here, with nothing like it there, is found too. Without NAME and --status, count.
    """
    if json_path is not None:
        check_folder(json_path)
    rows, new = select(read_crosswalk(), read_new(), name or "", release, status)
    if json_path is not None:
        write_json(report(rows, new), json_path)
    if json_path == Path("-"):
        return
    if name is None and status is None:
        click.echo(summary(rows, new))
    else:
        click.echo(f"{listing(rows, new)}\n\n{tally(rows, new)}")


def tally(rows: Sequence[Row], new: Mapping[str, str]) -> str:
    """The counts in one line."""
    counts = Counter(row.status for row in rows)
    parts = ", ".join(f"{counts[status]:,} {status}" for status in STATUSES if counts[status])
    counted = [f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}: {parts}"] if rows else []
    return "; ".join([*counted, *([f"{len(new):,} new"] if new else [])])
