"""`alexnet2012 original crosswalk`: what became of each symbol of the original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from alexnet2012.json_file import check_folder, write_json
from alexnet2012.record.crosswalk import RELEASES, STATUSES, Row, read_crosswalk
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


def select(rows: Sequence[Row], name: str, release: str | None, status: str | None) -> list[Row]:
    """The rows of which `name` is part of a name or path, of theirs or ours; DataError if there is none."""
    part = name.casefold()
    chosen = [
        row
        for row in rows
        if release in (None, row.release)
        and status in (None, row.status)
        and (not part or part in names(row))
    ]
    if not chosen:
        limits = "".join(f", {word}" for word in (release, status) if word is not None)
        left_out = _left_out(rows, part, release) if part else []
        if left_out:
            listed = ", ".join(left_out[:SOME] + [f"{len(left_out) - SOME} more"] * (len(left_out) > SOME))
            raise DataError(f"'{name}'{limits}: the crosswalk leaves out {listed}; {EXTENT}")
        raise DataError(f"'{name}'{limits}: nothing like it in the crosswalk; give less of the name or path")
    return chosen


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


def summary(rows: Sequence[Row]) -> str:
    """The counts as a table."""
    counts = count(rows)
    columns = (*STATUSES, TOGETHER)
    width = max(map(len, counts))

    def line(name: str, cells: Sequence[str]) -> str:
        padded = [cell.rjust(len(column)) for cell, column in zip(cells, columns, strict=True)]
        return "  ".join([name.ljust(width), *padded])

    header = line("", columns)
    lines = [line(name, [f"{counts[name][column]:,}" for column in columns]) for name in counts]
    rule = "─" * len(header)
    return "\n".join([click.style(header, bold=True), rule, *lines[:-1], rule, lines[-1]])


def listing(rows: Sequence[Row]) -> str:
    """Each row in some lines: the symbol, its status and place, where it lives here, and the note."""
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
    return "\n\n".join(blocks)


def places(row: Row) -> list[str]:
    """Where a row's symbol lives here: our symbols, each with its file and lines, or the words of the row."""
    if not row.symbols:
        return [row.where] if row.where else []
    found = [(symbol, find(symbol)) for symbol in row.symbols]
    words = [word for word in row.where.split() if word not in row.symbols]
    return [
        *(f"{place.shown}:{place.first}-{place.last}  {symbol.partition(':')[2]}" for symbol, place in found),
        *words,
    ]


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """The rows and their counts for machines."""
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
                "here": [
                    {"symbol": symbol, "path": place.shown, "lines": [place.first, place.last]}
                    for symbol in row.symbols
                    for place in [find(symbol)]
                ],
                "note": row.note,
            }
            for row in rows
        ],
    }


@click.command()
@click.argument("name", required=False)
@click.option("--release", type=click.Choice(RELEASES), help="Of one release only.")
@click.option("--status", type=click.Choice(STATUSES), help="Of one status only.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
    help="Write the rows as JSON to a file ('-': stdout).",
)
def command(name: str | None, release: str | None, status: str | None, json_path: Path | None) -> None:
    """Say what became of the original's functions, classes, kernels and options.

    NAME is part of a name or a path, of the original or of this program, or of a command as it is typed.
    Without NAME and --status, count.
    """
    if json_path is not None:
        check_folder(json_path)
    rows = select(read_crosswalk(), name or "", release, status)
    if json_path is not None:
        write_json(report(rows), json_path)
    if json_path == Path("-"):
        return
    if name is None and status is None:
        click.echo(summary(rows))
    else:
        click.echo(f"{listing(rows)}\n\n{tally(rows)}")


def tally(rows: Sequence[Row]) -> str:
    """The counts in one line."""
    counts = Counter(row.status for row in rows)
    parts = ", ".join(f"{counts[status]:,} {status}" for status in STATUSES if counts[status])
    return f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}: {parts}"
