"""The pictures of a report: curves as inline SVG that follows the page's colours, pixels as PNG data URIs.

Whoever calls them has made sure that matplotlib is there.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INKS = {
    "#010101": "currentColor",
    "#020202": "var(--train)",
    "#030303": "var(--test)",
    "#040404": "var(--line)",
}
_INK, _TRAIN, _TEST, _LINE = _INKS


POINTS = 400  # as many of a curve as can be told apart


@dataclass(frozen=True)
class Line:
    """One curve: `y` over `x`, drawn as training or as test; `faint` for one of less importance."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    test: bool = False
    faint: bool = False

    def thinned(self) -> Line:
        """The curve with at most `POINTS` points, each the mean of as many neighbours."""
        if len(self.x) <= POINTS:
            return self
        means = [
            [float(part.mean()) for part in np.array_split(np.asarray(values, np.float64), POINTS)]
            for values in (self.x, self.y)
        ]
        return replace(self, x=means[0], y=means[1])


@dataclass(frozen=True)
class Mark:
    """A dashed line at an epoch, and what stands beside it: words upwards, or a number upright."""

    at: float
    label: str
    upright: bool = False


def curves(
    name: str,
    lines: Sequence[Line],
    ylabel: str,
    *,
    log: bool,
    marks: Sequence[Mark],
    alt: str,
    size: tuple[float, float] = (4.6, 3.1),
) -> str:
    """`lines` over the epochs as an SVG element, with `marks`; `size` is (width, height)."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.style import context
    from matplotlib.ticker import MaxNLocator, NullFormatter

    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": "sans-serif",
        "font.size": 10,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
        "axes.edgecolor": _LINE,
        **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "none"),
    }
    with context(["default", settings]):
        figure = Figure(figsize=size, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for line in (each.thinned() for each in lines):
            style: dict[str, Any] = {"color": _TEST if line.test else _TRAIN, "linewidth": 1.8}
            if line.test:
                style |= {"marker": "o", "markersize": 3}
            if line.faint:
                style |= {"linewidth": 1, "markersize": 2, "alpha": 0.75}
            axes.plot(line.x, line.y, label=line.label, **style)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(bottom=0)
        for mark in marks:
            axes.axvline(mark.at, color=_INK, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
            place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            align: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "top", "fontsize": 8}
            if mark.upright:
                align["rotation"] = 0
            axes.annotate(mark.label, (mark.at, 1), (-3, -3), **place, **align)
        axes.set_xlabel("epochs")
        axes.set_ylabel(ylabel)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color=_LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(
            frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=len(lines), borderaxespad=0
        )
        text = io.StringIO()
        canvas.print_svg(text, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _embedded(text.getvalue(), name, alt)


def _embedded(svg: str, name: str, alt: str) -> str:
    """Matplotlib's SVG as a part of a page: no prolog nor size, unique ids, the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*|<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    view_box = re.search(r'viewBox="[^"]*"', svg)
    assert view_box
    svg = re.sub(r"<svg[^>]*>", f'<svg role="img" aria-label="{alt}" {view_box[0]}>', svg, count=1)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r"font: (\d[\d.]*px) [^;\"]*", r"font-size: \1", svg)
    for ink, colour in _INKS.items():
        svg = svg.replace(ink, colour)
    return svg.strip()


def png(pixels: NDArray[np.uint8]) -> str:
    """Pixels (height, width), grey, or (height, width, 3 or 4) as a data URI."""
    from matplotlib.image import imsave

    content = io.BytesIO()
    imsave(content, pixels, format="png", cmap="gray", vmin=0, vmax=255, metadata={"Software": ""})
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def photo(image: NDArray[np.uint8], quality: int = 88) -> str:
    """An image (channels, height, width) as a data URI: in colour as a JPEG, else as a PNG."""
    from matplotlib.image import imsave

    if len(image) != 3:
        return png(image[0])
    content = io.BytesIO()
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    imsave(content, pixels, format="jpeg", pil_kwargs={"quality": quality})
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def filter_sheet(filters: NDArray[np.float32], columns: int, scale: float) -> NDArray[np.uint8]:
    """Filters (1 or 3 channels, size, size, filters), in rows of `columns` with a gap of one pixel.

    Zero is middle grey, -scale black, +scale white; the gap is transparent.
    """
    _, size, _, count = filters.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * (size + 1) - 1, columns * (size + 1) - 1, 4), np.uint8)
    for i in range(count):
        y, x = (size + 1) * (i // columns), (size + 1) * (i % columns)
        one = np.clip(np.rint(127.5 + 127.5 / scale * filters[..., i].transpose(1, 2, 0)), 0, 255)
        sheet[y : y + size, x : x + size, :3] = one
        sheet[y : y + size, x : x + size, 3] = 255
    return sheet
