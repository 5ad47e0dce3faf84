"""What all pages of the reading room draw upon, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from alexnet2012.record.claims import Claim
from alexnet2012.record.crosswalk import Row
from alexnet2012.record.notebook import Notebook
from alexnet2012.report.page import fill
from alexnet2012.study.fidelity import FidelityReport
from alexnet2012.study.pairs import Originals
from alexnet2012.study.parts import Part, read_parts
from alexnet2012.study.shown import Shown
from alexnet2012.study.stages import Stage, stages_of_run_145

ROOMS = (
    ("Network", "network.html"),
    ("Program", "parts.html"),
    ("Kernels", "kernels.html"),
    ("Notebook", "notebook.html"),
    ("Claims", "claims.html"),
    ("Answers", "answers.html"),
    ("Crosswalk", "crosswalk/index.html"),
)
"""The rooms, by name and first page."""

Item = TypeVar("Item")


@dataclass
class ReadingRoom:
    """The originals, the record, what the engines gave, and our texts."""

    originals: Originals
    fidelity: FidelityReport
    notebook: Notebook
    claims: tuple[Claim, ...]
    shown: Shown = field(default_factory=Shown)
    """What stands side by side where; the pages of the parts fill it."""

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in reading order."""
        return read_parts()

    @cached_property
    def kernels(self) -> tuple[Part, ...]:
        """The parts that are kernels."""
        return tuple(part for part in self.parts if part.group == "kernels")

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of run 145, from the images to the cost."""
        return stages_of_run_145()

    @cached_property
    def rows(self) -> list[Row]:
        """The crosswalk."""
        return [row for rows in self.originals.rows.values() for row in rows]

    @cached_property
    def layer_pages(self) -> dict[str, str]:
        """The page of each layer of run 145."""
        return {layer.name: stage_page(stage) for stage in self.stages for layer in stage.layers}


def part_page(part: Part) -> str:
    """The address of a part's page."""
    return f"parts/{part.slug}.html"


def stage_page(stage: Stage) -> str:
    """The address of a stage's page."""
    return f"stages/{stage.slug}.html"


def crosswalk_page(release: str, path: str) -> str:
    """The address of the page of a file of the original."""
    return f"crosswalk/{release}/{path.replace('/', '-')}.html"


def page(template: str, href: str, title: str, *, room: str = "", **values: Any) -> str:
    """A page from its template. `room`: the first page of the room that it belongs to, if it is another."""
    return fill(
        f"study/{template}.html.j2",
        root=root_of(href),
        rooms=ROOMS,
        room=room or href,
        title=title,
        **values,
    )


def root_of(href: str) -> str:
    """The way from a page to the folder of the first page."""
    return "../" * href.count("/")


def neighbours(all: Sequence[Item], one: Item) -> tuple[Item | None, Item | None]:
    """What stands before and after one of all."""
    i = all.index(one)
    return all[i - 1] if i else None, all[i + 1] if i + 1 < len(all) else None
