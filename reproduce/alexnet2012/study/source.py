"""Source text as HTML, a line at a time, highlighted in few classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from alexnet2012.record import symbols

LEXERS = {".py": "python", ".cfg": "ini", ".toml": "toml", ".sh": "bash", ".cutemp": "cuda", ".mk": "make"}
"""Pygments' lexers by ending; all else is CUDA."""

CLASSES = (
    ("Comment.Preproc", "p"),
    ("Comment", "c"),
    ("Literal.String", "s"),
    ("Literal.Number", "m"),
    ("Keyword.Type", "t"),
    ("Keyword", "k"),
    ("Operator.Word", "k"),
    ("Name.Decorator", "p"),
    ("Name.Function", "d"),
    ("Name.Class", "d"),
    ("Name.Attribute", "k"),
)
"""The stylesheet's classes by kinds of tokens; the first that fits holds. Other tokens have none."""


@dataclass(frozen=True)
class Excerpt:
    """Lines `first` to `last` of a file, as HTML; without lines where the file is not at hand.

    `shown` is the path to show; `link` leads to the lines elsewhere, if anything does.
    """

    title: str
    shown: str
    first: int
    last: int
    lines: tuple[str, ...] = ()
    link: str = ""

    @property
    def where(self) -> str:
        span = f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"
        return f"{self.shown}:{span}"


@cache
def highlighted(path: Path) -> tuple[str, ...]:
    """All lines of a file as HTML."""
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(LEXERS.get(path.suffix, "cuda"), stripnl=False, ensurenl=False)
    text = path.read_text(encoding="utf-8", errors="replace").expandtabs(4)
    return tuple(_lines(lexer.get_tokens(text)))


def _lines(tokens: Any) -> Iterator[str]:
    line: list[str] = []
    for kind, value in tokens:
        name = _class(str(kind))
        for i, part in enumerate(value.split("\n")):
            if i:
                yield "".join(line)
                line = []
            if part:
                text = escape(part, quote=False)
                line.append(f'<b class="{name}">{text}</b>' if name and not part.isspace() else text)
    if line:
        yield "".join(line)


@cache
def _class(kind: str) -> str:
    kind = kind.removeprefix("Token.")
    return next((name for start, name in CLASSES if kind.startswith(start)), "")


def ours(symbol: str) -> Excerpt:
    """A symbol of the port, a kernel or a command. Raises DataError if there is none."""
    place = symbols.find(symbol)
    lines = highlighted(place.path)[place.first - 1 : place.last]
    return Excerpt(symbol.rpartition(":")[2], place.shown, place.first, place.last, lines)
