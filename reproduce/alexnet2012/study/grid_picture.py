"""A launch as a picture: from the grid, axis by axis, to a block, its threads, and what a thread computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from alexnet2012.study.parts import Axis, Grid

WIDTH, LEFT, RIGHT = 640, 8, 632
CELL, GAP, LABEL = 18, 46, 18
MOST_CELLS = 16
"""Of a row; more are drawn as the first and the last ones with dots between."""
THREADS_WIDE = 32


def grid_svg(grid: Grid) -> str:
    """The picture as an SVG element; a stylesheet gives its classes their colours.

    Every axis of the grid is a row of cells; the one in colour opens into the row below. Then come a block,
    thread by thread, and the numbers that one thread computes.
    """
    parts: list[str] = []
    y = 4.0
    opened: tuple[float, float, float] | None = None
    for axis in grid.axes:
        opened, y = _row(parts, axis, y, opened)
    if grid.block:
        opened, y = _rectangle(parts, "a block", grid.block, y, opened, "thread")
    if grid.thread:
        opened, y = _rectangle(parts, "a thread", grid.thread, y, opened, "number")
    label = escape("; ".join(_told(grid)), quote=True)
    head = f'<svg class="grid" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {y:g}">'
    return head + "".join(parts) + "</svg>"


def _told(grid: Grid) -> Iterator[str]:
    for kind, axes in (("grid", grid.axes), ("block", grid.block), ("thread", grid.thread)):
        for axis in axes:
            yield f"{kind}: {axis.count} {axis.name}" + (f", {axis.of}" if axis.of else "")


def _caption(parts: list[str], y: float, text: str) -> None:
    parts.append(f'<text x="{LEFT}" y="{y + 13:g}">{escape(text)}</text>')


def _row(
    parts: list[str], axis: Axis, y: float, opened: tuple[float, float, float] | None
) -> tuple[tuple[float, float, float], float]:
    """A row of cells for an axis; gives the place of the cell that opens, and where the next row begins."""
    _caption(parts, y, _sum(axis))
    top = y + LABEL + 3
    shown = min(axis.count, MOST_CELLS)
    width = min(CELL * 2.0, (RIGHT - LEFT) / MOST_CELLS - 3)
    _funnel(parts, opened, LEFT, LEFT + shown * (width + 3) - 3, top)
    chosen = min(shown - 1, 2)
    for i in range(shown):
        x = LEFT + i * (width + 3)
        if axis.count > shown and i == shown - 2:
            parts.append(f'<text x="{x + width / 2:g}" y="{top + 13:g}" class="dots">…</text>')
            continue
        kind = ' class="on"' if i == chosen else ""
        parts.append(f'<rect{kind} x="{x:g}" y="{top:g}" width="{width:g}" height="{CELL}" rx="2"/>')
    x = LEFT + chosen * (width + 3)
    return (x, x + width, top + CELL), top + CELL + GAP - LABEL


def _rectangle(
    parts: list[str],
    what: str,
    axes: Sequence[Axis],
    y: float,
    opened: tuple[float, float, float] | None,
    cell_name: str,
) -> tuple[tuple[float, float, float], float]:
    """Cells in rows (the last axis runs to the right, the others downwards)."""
    across, down = axes[-1], axes[:-1]
    rows = 1
    for axis in down:
        rows *= axis.count
    _caption(parts, y, f"{what}: {', '.join(map(_sum, axes))}")
    top = y + LABEL + 3
    columns, shown_rows = min(across.count, THREADS_WIDE), min(rows, 16)
    side = min(16.0, (RIGHT - LEFT) / columns)
    height = side if shown_rows <= 8 else 8.0
    _funnel(parts, opened, LEFT, LEFT + columns * side, top)
    chosen_column, chosen_row = min(columns - 1, 2), min(shown_rows - 1, 1)
    for row in range(shown_rows):
        for column in range(columns):
            on = (
                ' class="on"'
                if (row, column) == (chosen_row, chosen_column) and cell_name == "thread"
                else ""
            )
            parts.append(
                f'<rect{on} x="{LEFT + column * side:g}" y="{top + row * height:g}" '
                f'width="{side - 2:g}" height="{height - 2:g}" rx="1"/>'
            )
    left = []
    if across.count > columns:
        left.append(f"{across.count - columns} more to the right")
    if rows > shown_rows:
        left.append(f"{rows - shown_rows} more rows")
    bottom = top + shown_rows * height
    if left:
        parts.append(f'<text class="soft" x="{LEFT}" y="{bottom + 13:g}">{escape(", ".join(left))}</text>')
        bottom += 16
    x = LEFT + chosen_column * side
    return (x, x + side - 2, top + (chosen_row + 1) * height - 2), bottom + GAP - LABEL


def _funnel(
    parts: list[str], opened: tuple[float, float, float] | None, left: float, right: float, top: float
) -> None:
    """The lines from the cell above that opens to the row that shows its inside."""
    if opened is not None:
        a, b, y = opened
        parts.append(f'<path d="M{a:g} {y:g}L{left:g} {top:g}L{right:g} {top:g}L{b:g} {y:g}Z"/>')


def _sum(axis: Axis) -> str:
    return f"{axis.count:,} {axis.name}" + (f" ({axis.of})" if axis.of else "")
