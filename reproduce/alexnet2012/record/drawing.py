"""A drawing of lines, dots and words: as SVG in the colours of the page it stands in, or as a file.

Places are in points from the upper left corner.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from alexnet2012 import machine
from cuda_convnet.errors import ConvnetError
from cuda_convnet.hdf5 import write_whole

COLOURS = {
    "ink": "#22252a",
    "soft": "#5d636b",
    "line": "#d9d5ca",
    "a": "#b4531f",
    "b": "#1b6a86",
    "cross": "#8a3c8f",
    "paper": "#fcfbf8",
}
"""The page's colours, and what they are in a file."""

KINDS = (".svg", ".png", ".pdf")
PIXELS_PER_POINT = 2
LETTER, BOLD_LETTER = 0.62, 0.7  # width of a letter, of the size of the type; few typefaces are wider
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Line:
    """A line through `points`; `dash` is its pattern, as "4 3"."""

    points: tuple[tuple[float, float], ...]
    colour: str = "soft"
    width: float = 1
    dash: str = ""


@dataclass(frozen=True)
class Dot:
    """A disc in `colour`, or a ring where `hollow`; a diamond where `square`."""

    x: float
    y: float
    radius: float
    colour: str = "ink"
    hollow: bool = False
    square: bool = False


@dataclass(frozen=True)
class Words:
    """One line of text whose baseline is at `y`; `anchor`: start, middle or end.

    `after` goes on where `text` ends, soft and regular.
    """

    x: float
    y: float
    text: str
    size: float = 11
    colour: str = "ink"
    anchor: str = "start"
    bold: bool = False
    after: str = ""


@dataclass
class Group:
    """What belongs together: `link` is where it leads in a page, `title` what is said on pointing at it."""

    link: str = ""
    title: str = ""
    parts: list[Line | Dot | Words] = field(default_factory=list)


class Drawing:
    """`width` x `height` points, to be drawn on in order; `alt` says in a sentence what it shows."""

    def __init__(self, width: float, height: float, alt: str) -> None:
        self.width, self.height, self.alt = width, height, alt
        self.groups: list[Group] = []

    def add(self, *parts: Line | Dot | Words) -> None:
        """Draw what is no link and has no title."""
        self.groups.append(Group(parts=list(parts)))

    @contextmanager
    def group(self, link: str, title: str) -> Iterator[list[Line | Dot | Words]]:
        """A list for what belongs together."""
        group = Group(link, title)
        yield group.parts
        self.groups.append(group)

    def inline(self, name: str) -> str:
        """An SVG element of class `name` for a page: linked, in the page's colours and type."""
        body = "".join(_svg_group(group, linked=True) for group in self.groups)
        view = f'viewBox="0 0 {self.width:g} {self.height:g}"'
        return f'<svg class="{name}" role="group" aria-label="{escape(self.alt)}" {view}>{body}</svg>'

    def save(self, path: Path) -> None:
        """Write a file in the kind that its name ends in; the same drawing gives the same bytes.

        Raises ConvnetError: another kind, matplotlib missing (not for .svg), a file that cannot be written.
        """
        kind = path.suffix.lower()
        if kind not in KINDS:
            raise ConvnetError(f"{path}: drawings are written as .svg, .png or .pdf; let the name end in one")
        content = self._file().encode() if kind == ".svg" else self._by_matplotlib(kind[1:])
        try:
            write_whole(path, content)
        except OSError as error:
            raise ConvnetError(f"{path}: cannot be written: {error.strerror}") from None

    def _file(self) -> str:
        """A whole SVG file."""
        body = "".join(_svg_group(group, linked=False) for group in self.groups)
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        paper = '<rect width="100%" height="100%" fill="var(--paper)"/>'
        text = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}">{paper}{body}</svg>\n'
        return re.sub(r"var\(--(\w+)\)", lambda found: COLOURS[found[1]], text)

    def _by_matplotlib(self, kind: str) -> bytes:
        if not machine.extra("plots").present:
            raise ConvnetError(
                f"a .{kind} needs {machine.EXTRAS['plots'][1]} (an .svg does not); "
                f"{machine.install_command('plots')}"
            )
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.patches import Circle, RegularPolygon
        from matplotlib.patheffects import Normal, withStroke
        from matplotlib.style import context

        content = io.BytesIO()
        with context("default"):
            figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=72 * PIXELS_PER_POINT)
            figure.set_facecolor(COLOURS["paper"])
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
            axes.set_xlim(0, self.width)
            axes.set_ylim(self.height, 0)
            halo = [withStroke(linewidth=3, foreground=COLOURS["paper"]), Normal()]
            parts = [part for group in self.groups for part in group.parts]
            for above, part in enumerate(parts, 1):
                colour = COLOURS[part.colour]
                style: dict[str, Any] = {"zorder": above}
                if isinstance(part, Line):
                    xs, ys = zip(*part.points, strict=True)
                    if part.dash:
                        dashes = [float(each) / part.width for each in part.dash.split()]
                        style["linestyle"] = (0, dashes)
                    line = Line2D(xs, ys, color=colour, linewidth=part.width, **style)
                    line.set_solid_capstyle("butt")
                    axes.add_line(line)
                elif isinstance(part, Dot):
                    style |= {"edgecolor": colour, "linewidth": 1.5}
                    style["facecolor"] = COLOURS["paper"] if part.hollow else colour
                    centre = (part.x, part.y)
                    if part.square:
                        axes.add_patch(RegularPolygon(centre, 4, radius=1.25 * part.radius, **style))
                    else:
                        axes.add_patch(Circle(centre, part.radius, **style))
                else:
                    style |= {"fontsize": part.size, "color": colour, "va": "baseline", "parse_math": False}
                    style |= {"ha": {"start": "left", "middle": "center", "end": "right"}[part.anchor]}
                    style |= {"weight": "bold" if part.bold else "normal", "path_effects": halo}
                    words = axes.text(part.x, part.y, part.text, **style)
                    if part.after:
                        style |= {"color": COLOURS["soft"], "weight": "normal", "xytext": (part.size / 2, 0)}
                        style |= {"va": "bottom", "textcoords": "offset points", "annotation_clip": False}
                        axes.annotate(part.after, (1, 0), xycoords=words, **style)
            metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
            figure.savefig(content, format=kind, metadata=metadata)
        return content.getvalue()


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a line is at most, about, whatever the page's type."""
    return (BOLD_LETTER if bold else LETTER) * size * len(text)


def _svg_group(group: Group, *, linked: bool) -> str:
    title = f"<title>{escape(group.title, quote=False)}</title>" if group.title else ""
    body = title + "".join(map(_svg, group.parts))
    if group.link and linked:
        return f'<a href="{escape(group.link)}">{body}</a>'
    return f"<g>{body}</g>" if title else body


def _svg(part: Line | Dot | Words) -> str:
    colour = f"var(--{part.colour})"
    if isinstance(part, Line):
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in part.points)
        dash = f' stroke-dasharray="{part.dash}"' if part.dash else ""
        return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{part.width:g}"{dash}/>'
    if isinstance(part, Dot):
        fill = "var(--paper)" if part.hollow else colour
        paint = f'fill="{fill}" stroke="{colour}" stroke-width="1.5"'
        if part.square:
            r = 1.25 * part.radius
            path = f"M{_n(part.x)} {_n(part.y - r)}l{r:g} {r:g}l-{r:g} {r:g}l-{r:g} -{r:g}z"
            return f'<path d="{path}" {paint}/>'
        return f'<circle cx="{_n(part.x)}" cy="{_n(part.y)}" r="{part.radius:g}" {paint}/>'
    place = f'x="{_n(part.x)}" y="{_n(part.y)}" font-size="{part.size:g}" fill="{colour}"'
    anchor = "" if part.anchor == "start" else f' text-anchor="{part.anchor}"'
    halo = ' paint-order="stroke" stroke="var(--paper)" stroke-width="3" stroke-linejoin="round"'
    said = escape(part.text, quote=False)
    if part.bold:
        said = f'<tspan font-weight="650">{said}</tspan>'
    if part.after:
        said += f'<tspan dx="{part.size / 2:g}" fill="var(--soft)">{escape(part.after, quote=False)}</tspan>'
    return f"<text {place}{anchor}{halo}>{said}</text>"


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
