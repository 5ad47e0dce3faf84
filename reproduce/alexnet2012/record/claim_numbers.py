"""The numbers of claims in words: the paper's as it prints them, archived ones with the release's digits."""

from __future__ import annotations

from collections.abc import Mapping

from alexnet2012.record.claims import Number
from alexnet2012.record.notebook_text import plain

ERROR = "top"
"""In the names of errors: top1, top5, test_top5."""


def printed(values: Mapping[str, Number]) -> str:
    """The paper's numbers in a row: errors as it prints them, others with their names.

    >>> printed({"top1": 0.017, "images": 1200})
    '1.7%, images 1,200'
    """
    return ", ".join(
        f"{_named(name)}{_percent(value) if ERROR in name else number(value)}"
        for name, value in values.items()
    )


def archived(values: Mapping[str, Number]) -> str:
    """Archived numbers in a row, with the digits of the release: errors alone, others with their names.

    >>> archived({"top1": 0.40664, "test_top5": 0.1821})
    '0.40664, test top5 0.1821'
    """
    return ", ".join(f"{_named(name)}{number(value)}" for name, value in values.items())


def number(value: Number) -> str:
    """A number with the digits that it has in the file; whole ones by thousands.

    >>> number(60_000_000)
    '60,000,000'
    """
    return f"{value:,}" if isinstance(value, int) else plain(value)


def _named(name: str) -> str:
    return "" if name in ("top1", "top5") else f"{name} ".replace("_", " ")


def _percent(value: Number) -> str:
    """A share as a percentage, as exact as it is written: 0.170 is 17.0%, 0.13 is 13%."""
    return f"{value:.{max(len(plain(value).partition('.')[2]) - 2, 0)}%}"
