"""A sheet to draw pictures and words on, placed by the point, and written as PNG, PDF, SVG, ...

Places and sizes are in points (1/72 inch) from the upper left corner. A PNG has `PIXELS_PER_POINT` pixels a
point, and `shown_size` gives pictures a size at which each of their pixels covers a whole number of the
sheet's. Whoever draws has made sure that matplotlib is there.
"""

from __future__ import annotations

import io
import math
import unicodedata
import warnings
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cuda_convnet.errors import ConvnetError
from cuda_convnet.hdf5 import write_whole

PIXELS_PER_POINT = 2
LARGEST = 1 << 15  # pixels on a side of a sheet
USUAL = "DejaVu Sans"  # comes with matplotlib
NO_LETTERS = ("Last Resort", "STIXNonUnicode", "STIXSize", "cm")
INK = "#1f2328"
FAINT = "#6e7781"
ELLIPSIS = "…"
LEADING = 1.3  # from line to line, of the size of the type
BREAKS = " -_/."  # after these a line is broken rather than within a word


class Sheet:
    """A white sheet, `width` x `height` points.

    `words` are all words that will be written: where the usual typeface lacks a character, they are written
    in what typefaces this machine has for it. Raises ConvnetError: a sheet too large to draw.
    """

    def __init__(self, width: float, height: float, words: Iterable[str] = ()) -> None:
        from matplotlib.figure import Figure

        self._families = families(words)
        width, height = math.ceil(width), math.ceil(height)
        if max(width, height) * PIXELS_PER_POINT > LARGEST:
            pixels = f"{width * PIXELS_PER_POINT}x{height * PIXELS_PER_POINT}"
            raise ConvnetError(
                f"a sheet of {pixels} pixels is too large to draw; show fewer pictures at once"
            )
        with _style():
            dpi = 72 * PIXELS_PER_POINT
            self._figure = Figure(figsize=(width / 72, height / 72), dpi=dpi, facecolor="white")
            self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.autoscale(False)

    def picture(self, pixels: np.ndarray, x: float, y: float, width: float) -> None:
        """Draw pixels (channels, height, width) uint8, grey or RGB, `width` points wide.

        The upper left corner goes where the sheet's nearest pixel begins.
        """
        channels, rows, columns = pixels.shape
        x, y = (round(at * PIXELS_PER_POINT) / PIXELS_PER_POINT for at in (x, y))
        image = np.repeat(pixels, 3 if channels == 1 else 1, axis=0).transpose(1, 2, 0)
        height = width * rows / columns
        smooth = columns > width * PIXELS_PER_POINT
        self._axes.imshow(
            image,
            extent=(x, x + width, y + height, y),
            aspect="auto",
            interpolation="antialiased" if smooth else "nearest",
        )

    def frame(self, x: float, y: float, width: float, height: float, color: str) -> None:
        """Draw a frame that stands out from any picture."""
        from matplotlib.patches import Rectangle
        from matplotlib.patheffects import Normal, withStroke

        halo = [withStroke(linewidth=3.4, foreground="white", alpha=0.8), Normal()]
        frame = Rectangle(
            (x, y), width, height, fill=False, edgecolor=color, linewidth=1.8, joinstyle="miter"
        )
        frame.set_path_effects(halo)
        self._axes.add_patch(frame)

    def swatch(self, x: float, y: float, side: float, color: str) -> None:
        """Fill a square with a colour."""
        from matplotlib.patches import Rectangle

        self._axes.add_patch(Rectangle((x, y), side, side, facecolor=color, linewidth=0))

    def write(
        self, text: str, x: float, y: float, size: float, *, color: str = INK, bold: bool = False
    ) -> None:
        """Write one line whose upper edge is at `y`, as it is."""
        style: dict[str, Any] = {"weight": "bold" if bold else "normal", "family": self._families}
        style |= {"va": "baseline", "parse_math": False, "usetex": False}
        # Lines share a baseline, as far below the upper edge as the type is high, whatever their letters.
        self._axes.text(x, y + size, text, fontsize=size, color=color, **style)

    def save(self, path: Path) -> None:
        """Write the sheet, in the format that the end of the name says. The same sheet gives the same bytes.

        Raises ConvnetError: a format that there is not, a file that cannot be written.
        """
        kind = path.suffix[1:].lower()
        kinds = self._figure.canvas.get_supported_filetypes()
        if kind not in kinds:
            usual = [f".{each}" for each in ("png", "pdf", "svg") if each in kinds]
            raise ConvnetError(
                f"{path}: pictures are written as {', '.join(usual[:-1])} or {usual[-1]}; "
                "let the name end in one"
            )
        dates = {"pdf": ("CreationDate",), "svg": ("Date",), "ps": ("CreationDate",)}.get(kind, ())
        content = io.BytesIO()
        with _style(), warnings.catch_warnings():
            # A character that no typeface of this machine has is drawn as a box.
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
            more: dict[str, Any] = {"metadata": dict.fromkeys(dates)} if dates else {}
            self._figure.savefig(content, format=kind, **more)
        try:
            write_whole(path, content.getvalue())
        except OSError as error:
            raise ConvnetError(f"{path}: cannot be written: {error.strerror}") from None


def _style() -> AbstractContextManager[None]:
    """What no one's settings of matplotlib change."""
    from matplotlib.style import context

    style: AbstractContextManager[None] = context(
        ["default", {"svg.hashsalt": "sheet", "image.composite_image": False}]
    )
    return style


def shown_size(pixels: int, wanted: float) -> float:
    """The points nearest to `wanted` in which `pixels` pixels are each a whole number of the sheet's.

    Where there are more pixels than the sheet has, `wanted`.
    """
    across = wanted * PIXELS_PER_POINT
    return wanted if pixels > across else pixels * round(across / pixels) / PIXELS_PER_POINT


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a line is, in points, or a few hundredths more: letters that move together count in full."""
    return size * sum(_advance(char, bold) for char in text)


@cache
def _advance(char: str, bold: bool) -> float:
    """How far a character moves on the next one, of the size of the type."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    size, times = 100, 8
    font = FontProperties(family=families((char,)), size=size, weight="bold" if bold else "normal")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        with_it, without = (
            text_to_path.get_text_width_height_descent(f"|{inner}|", font, False)[0]
            for inner in (char * times, "")
        )
    width: float = (with_it - without) / (size * times)
    return width


def wrapped(
    text: str, width: float, lines: int, size: float, *, bold: bool = False, head: int | None = None
) -> list[str]:
    """A text in at most `lines` lines of `width` points; an ellipsis stands for what has no room.

    It stands for the end, or with `head` for what follows that many characters: names of files differ at
    their ends.
    """
    text = one_line(text)

    def shortened(length: int) -> list[str]:
        if head is None:
            return _lines(text[:length].rstrip() + ELLIPSIS, width, size, bold)
        return _lines(text[:head] + ELLIPSIS + text[len(text) - length :], width, size, bold)

    whole = _lines(text, width, size, bold)
    if len(whole) <= lines:
        return whole
    length = bisect_right(range(len(text)), lines, key=lambda length: len(shortened(length))) - 1
    return shortened(max(length, 0))


def one_line(text: str) -> str:
    """A text as it can be drawn: characters composed, control characters and line breaks as spaces."""
    printable = (char if char.isprintable() else " " for char in unicodedata.normalize("NFC", text))
    return " ".join("".join(printable).split())


def families(words: Iterable[str]) -> list[str]:
    """The typefaces for some words: the usual one, and others for the characters that it lacks."""
    return [USUAL, *_others(frozenset("".join(words)) - _characters(_usual_file()))]


def _lines(text: str, width: float, size: float, bold: bool) -> list[str]:
    """A text in lines of `width`, broken after a space or mark if one is near, else within a word."""
    lines = []
    while text:
        cut = bisect_right(
            range(1, len(text) + 1), width, key=lambda length: text_width(text[:length].rstrip(), size, bold)
        )
        if cut < len(text):
            soft = max((i + 1 for i, char in enumerate(text[:cut]) if char in BREAKS), default=0)
            space = cut if text[cut] == " " else 0
            cut = max(soft, space) if max(soft, space) > cut // 3 else cut
            while cut > 0 and unicodedata.combining(text[cut]):
                cut -= 1
        cut = max(cut, 1)
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return lines


@cache
def _usual_file() -> str:
    from matplotlib.font_manager import findfont

    path: str = findfont(USUAL)
    return path


@cache
def _characters(path: str) -> frozenset[str]:
    """The characters that a file of type has."""
    from matplotlib.font_manager import get_font

    font = get_font(path)
    return frozenset(map(chr, font.get_charmap()) if font.scalable else ())  # others are pictures, of emojis


@cache
def _others(missing: frozenset[str]) -> tuple[str, ...]:
    """Upright typefaces of this machine that have the characters, as far as there are any."""
    from matplotlib.font_manager import fontManager

    found: list[str] = []
    for font in fontManager.ttflist if missing else ():
        if font.style != "normal" or font.name.startswith(NO_LETTERS):
            continue
        with suppress(OSError, RuntimeError):  # a file that is gone, or no typeface
            if has := missing & _characters(font.fname):
                found.append(font.name)
                missing -= has
        if not missing:
            break
    return tuple(found)
