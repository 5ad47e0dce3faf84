"""The pages of the parts, and the lists of them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from alexnet2012.study.formulas import mathml
from alexnet2012.study.grid_picture import grid_svg
from alexnet2012.study.launches import CASES, launch_of, launches_of_run_145
from alexnet2012.study.markdown import markdown
from alexnet2012.study.parts import GROUPS, Grid, Part
from alexnet2012.study.room import ReadingRoom, neighbours, page, part_page, root_of


def part_pages(room: ReadingRoom) -> Iterator[tuple[str, str]]:
    """The page of each part, and the two lists; notes in `room.shown` what stands side by side where."""
    for part in room.parts:
        yield part_page(part), _part(room, part)
    others = tuple(part for part in room.parts if part.group != "kernels")
    yield (
        "kernels.html",
        _list("kernels.html", "The kernels", "The arithmetic of 2012, one file per operation.", room.kernels),
    )
    yield (
        "parts.html",
        _list("parts.html", "The program", "From the layers to what holds them together.", others),
    )


def _part(room: ReadingRoom, part: Part) -> str:
    href = part_page(part)
    root = root_of(href)
    launches = _launches_of_file(f"{part.slug}.cu")
    launching = {name for each in launches if each["during"] != "update" for name in each["layers"]}
    return page(
        "part",
        href,
        part.title,
        room="kernels.html" if part.group == "kernels" else "parts.html",
        wide=True,
        part=part,
        group=GROUPS[part.group],
        lead=markdown(part.lead, root, inline=True),
        text=markdown(part.text, root),
        changed=markdown(part.changed, root),
        formulas=[(mathml(formula.tex), markdown(formula.says, root)) for formula in part.formulas],
        grids=[_grid(room, grid, root) for grid in part.grids],
        shapes=[
            (shape, room.layer_pages[layer.name])
            for stage in room.stages
            for layer, shape in zip(stage.layers, stage.shapes, strict=True)
            if layer.type in part.types or (not part.types and layer.name in launching)
        ],
        launches=launches,
        cases=CASES,
        compared=room.fidelity.operations(part.operations),
        engines=room.fidelity.engines,
        machine=room.fidelity.machine,
        pairs=_pairs(room, part, root),
        turn=[other and (other.title, part_page(other)) for other in neighbours(room.parts, part)],
    )


def _pairs(room: ReadingRoom, part: Part, root: str) -> list[dict[str, Any]]:
    pairs = []
    for i, pair in enumerate(part.pairs, 1):
        sides = room.originals.side_by_side(pair)
        for excerpt in (*sides.original, *sides.port):
            room.shown.add(excerpt, f"{part_page(part)}#pair-{i}")
        names = dict.fromkeys(excerpt.title for excerpt in sides.original)
        pairs.append(
            {
                "name": ", ".join(names),
                "text": markdown(sides.text, root),
                "sides": sides,
                "notes": [markdown(note, root, inline=True) for note in sides.notes],
            },
        )
    return pairs


def _grid(room: ReadingRoom, grid: Grid, root: str) -> dict[str, Any]:
    """A picture of a launch. That of an archived case is known by the picture alone."""
    threads = tuple(axis.count for axis in reversed(grid.block))
    return {
        "grid": grid,
        "launch": launch_of(grid) if grid.layer else None,
        "blocks": prod(axis.count for axis in grid.axes),
        "threads": threads,
        "cases": CASES,
        "stage": room.layer_pages.get(grid.layer, ""),
        "picture": grid_svg(grid),
        "says": markdown(grid.says, root),
    }


def _launches_of_file(file: str) -> list[dict[str, Any]]:
    """The launches of a kernel file in a step of run 145, equal ones together."""
    found: dict[tuple[str, Any], list[str]] = {}
    for launched in launches_of_run_145():
        if launched.launch.file == file:
            layers = found.setdefault((launched.during, launched.launch), [])
            if launched.layer not in layers:
                layers.append(launched.layer)
    return [
        {"layers": layers, "during": during, "launch": launch} for (during, launch), layers in found.items()
    ]


def _list(href: str, title: str, lead: str, parts: tuple[Part, ...]) -> str:
    groups = [
        (
            GROUPS[group],
            [(part_page(p), p.title, markdown(p.lead, "", inline=True)) for p in parts if p.group == group],
        )
        for group in dict.fromkeys(part.group for part in parts)
    ]
    return page("list", href, title, lead=lead, groups=groups)
