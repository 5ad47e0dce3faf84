"""Where the site shows which lines: so that a symbol leads to the page on which it can be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from alexnet2012.record import symbols
from alexnet2012.record.crosswalk import Row
from alexnet2012.study.source import Excerpt


@dataclass
class Shown:
    """The excerpts that stand side by side, each with the address of the first pair that shows it."""

    _spans: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)

    def add(self, excerpt: Excerpt, address: str) -> None:
        """An excerpt is shown at this address."""
        self._spans.setdefault(excerpt.shown, {}).setdefault((excerpt.first, excerpt.last), address)

    def original(self, row: Row) -> str:
        """Where a symbol of the original is shown, by itself or within another; '' if nowhere."""
        return self._address(f"{row.release}/{row.path}", row.line, row.end)

    def ours(self, symbol: str) -> str:
        """The same of a symbol of ours."""
        place = symbols.find(symbol)
        return self._address(place.shown, place.first, place.last)

    def _address(self, file: str, first: int, last: int) -> str:
        """That of the smallest excerpt that holds these lines."""
        holding = [span for span in self._spans.get(file, {}) if span[0] <= first and last <= span[1]]
        if not holding:
            return ""
        return self._spans[file][min(holding, key=lambda span: span[1] - span[0])]
