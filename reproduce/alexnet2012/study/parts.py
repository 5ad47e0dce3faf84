"""Reads what we say of each part of the program: `parts/*.toml`, one file a page.

A file has

    title, group ("layers", "kernels", "program", "data" or "training"), order    its place
    lead                    what it is, in a sentence
    text, changed           Markdown: what happens here; what changed in thirteen years
    types                   layer types of run 145 that it explains
    operations              operations whose fidelity it shows
    [[formula]] tex, says   the mathematics, in LaTeX
    [grid]                  for kernels: how the grid of a launch maps to images and filters
    [[pair]] original, port, text    what stands side by side

Originals are written `RELEASE:PATH:SCOPE.NAME`. A pair without `port` has what the crosswalk says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from alexnet2012.toml_file import read_toml
from cuda_convnet.errors import DataError

FOLDER = Path(__file__).resolve().parent / "parts"
GROUPS = {
    "layers": "Layers",
    "kernels": "Kernels",
    "data": "The data path",
    "training": "Training and testing",
    "program": "The program around it",
}
"""The groups of parts, in their order, and their titles."""


@dataclass(frozen=True)
class Formula:
    """A formula in LaTeX, and what it says (Markdown)."""

    tex: str
    says: str = ""


@dataclass(frozen=True)
class Axis:
    """A level of a launch: `count` blocks, threads or numbers along it, and what they stand for."""

    name: str
    count: int
    of: str = ""


@dataclass(frozen=True)
class Grid:
    """How a launch of a kernel maps to its arrays, from the slowest axis of the grid to what a thread holds.

    The launch is that of `layer` of run 145 in the pass `during`, of the archived case `case` ("op/case"), or
    of an operation that no archive holds, by its name.
    `block` has axes z, y and x, of which z and y may be left out; `thread` is what one thread computes.
    """

    kernel: str
    layer: str = ""
    case: str = ""
    during: str = ""
    axes: tuple[Axis, ...] = ()
    block: tuple[Axis, ...] = ()
    thread: tuple[Axis, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Pair:
    """Symbols of the original beside those of the port, which the crosswalk names unless `port` does."""

    original: tuple[str, ...]
    port: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Part:
    """A page of the reading room."""

    slug: str
    title: str
    group: str
    order: int
    lead: str
    text: str
    changed: str
    types: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    formulas: tuple[Formula, ...] = ()
    grids: tuple[Grid, ...] = ()
    pairs: tuple[Pair, ...] = field(default=())


@cache
def read_parts() -> tuple[Part, ...]:
    """All parts, by group and order."""
    parts = [read_part(path) for path in sorted(FOLDER.glob("*.toml"))]
    return tuple(sorted(parts, key=lambda part: (list(GROUPS).index(part.group), part.order, part.slug)))


def read_part(path: Path) -> Part:
    """The part of a file. Raises DataError, which names the file and what is wrong."""
    try:
        table = read_toml(path)
        group = table.get("group", "")
        if group not in GROUPS:
            raise ValueError(f"group '{group}' is none of {', '.join(GROUPS)}")
        return Part(
            slug=path.stem,
            formulas=tuple(Formula(**each) for each in table.pop("formula", ())),
            grids=tuple(_grid(each) for each in table.pop("grid", ())),
            pairs=tuple(Pair(**_tuples(each)) for each in table.pop("pair", ())),
            **_tuples(table),
        )
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error


def _grid(table: dict[str, Any]) -> Grid:
    for name in ("axes", "block", "thread"):
        table[name] = tuple(Axis(**axis) for axis in table.get(name, ()))
    return Grid(**table)


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
