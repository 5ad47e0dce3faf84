"""The answers of `original/paper.md`: what paper, code and this program say to a question, and the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from alexnet2012.record.places import original_path

FILE = "paper.md"
PARTS = "The source answers: "
ROWS = ("paper", "code", "here", "tests")


@dataclass(frozen=True)
class Answer:
    """One question: its heading, the part it stands in, and its table, each row as Markdown.

    `tests` are names as pytest takes them.
    """

    title: str
    part: str
    paper: str
    code: str
    here: str
    tests: tuple[str, ...]

    @property
    def anchor(self) -> str:
        return anchor(self.title)


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it: `224 or 227?` has `224-or-227`."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower().strip()))


def read_answers() -> tuple[Answer, ...]:
    """All answers, in the order of the page."""
    text = (original_path() / FILE).read_text(encoding="utf-8")
    return tuple(
        _answer(part, section)
        for part, sections in re.findall(
            rf"^## {PARTS}([^\n]+)\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL
        )
        for section in sections.split("\n### ")[1:]
    )


def _answer(part: str, section: str) -> Answer:
    rows = dict(re.findall(rf"^\| ({'|'.join(ROWS)}) \| (.*) \|$", section, re.MULTILINE))
    tests = tuple(re.findall(r"`([^`]+)`", rows.pop("tests")))
    return Answer(title=section.split("\n", 1)[0].strip(), part=part, tests=tests, **rows)
