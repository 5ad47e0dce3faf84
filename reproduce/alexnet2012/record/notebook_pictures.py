"""The two drawings of the lab notebook: errors against dates, and the family tree of the runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alexnet2012.record.drawing import Dot, Drawing, Line, Words, text_width
from alexnet2012.record.family import KINDS, Edge, Family
from alexnet2012.record.notebook import DATASETS, PAPER_RUNS, Error, Experiment, anchor
from alexnet2012.record.notebook_text import moved_from, percent, shortened, summary

WIDTH = 960
TYPE = 11
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DATASET_COLOURS = {
    "ILSVRC-2010": "a",
    "ILSVRC-2012": "b",
    "ILSVRC-2012-full": "ink",
    "ImageNet-2009-10k": "cross",
    "ImageNet-2011-20k": "cross",
}  # others are soft


def errors_svg(runs: Iterable[Experiment]) -> str:
    """The errors against the dates as an SVG element of class `notebook-errors`; runs link to `#run-ID`."""
    return errors_drawing(runs).inline("notebook-errors")


def tree_svg(runs: Iterable[Experiment]) -> str:
    """The family tree as an SVG element of class `notebook-tree`; runs link to `#run-ID`."""
    return tree_drawing(runs).inline("notebook-tree")


@dataclass(frozen=True)
class Calendar:
    """Dates along x: whole months between `left` and `right`."""

    first: datetime
    last: datetime
    left: float
    right: float

    @classmethod
    def of(cls, dates: Sequence[datetime], left: float, right: float) -> Calendar:
        """The months that hold all of `dates`."""
        first, last = min(dates), max(dates)
        return cls(datetime(first.year, first.month, 1), _next_month(last), left, right)

    def x(self, date: datetime) -> float:
        return self.left + (self.right - self.left) * ((date - self.first) / (self.last - self.first))

    @property
    def months(self) -> list[datetime]:
        """The first of each month, and of the one after the last."""
        found = [self.first]
        while found[-1] < self.last:
            found.append(_next_month(found[-1]))
        return found

    def draw(self, drawing: Drawing, top: float, bottom: float, *, above: bool) -> None:
        """A line for each month's first day, with names between them at the bottom and, if wanted, above."""
        for month in self.months:
            drawing.add(Line(((self.x(month), top), (self.x(month), bottom)), "line", 0.8))
        for month in self.months[:-1]:
            name = MONTHS[month.month - 1]
            if month in (self.first, datetime(month.year, 1, 1)):
                name += f" {month.year}"
            for y in [bottom + 14] + [top - 6] * above:
                drawing.add(Words(self.x(month) + 3, y, name, 10, "soft"))


def _next_month(date: datetime) -> datetime:
    return (datetime(date.year, date.month, 1) + timedelta(32)).replace(day=1)


# The family tree: a row for each run, dates to the right.

ROW, FAMILY_GAP, STEP = 16, 7, 10
TREE_LEFT, TREE_RIGHT, TREE_TOP = 14, 640, 78
EDGES = {
    "continues": ("b", 2.2, ""),
    "initialised_from": ("cross", 1.8, "5 2"),
    "based_on": ("soft", 1, ""),
}


def tree_drawing(runs: Iterable[Experiment], elsewhere: Collection[str] = ()) -> Drawing:
    """Each run in a row below the one that it comes from, at the day when it started.

    A run stands at least a step to the right of what it comes from. Runs that are only named by others, and
    runs without a date, stand just before the first that comes from them, or just after what they come from.
    Of runs that are named and not drawn, `elsewhere` has those of which the notes tell.
    """
    family = Family(tuple(runs))
    told = {run.id: run for run in family.experiments}
    dates = [run.started for run in told.values() if run.started]
    calendar = Calendar.of(dates or [datetime(2012, 1, 1)], TREE_LEFT + STEP, TREE_RIGHT)
    xs = _tree_xs(family, told, calendar)
    ys = _tree_ys(family, xs)
    bottom = max(ys.values()) + ROW
    drawing = Drawing(WIDTH, bottom + 22, f"The family tree of {len(told)} runs, by the day of their start.")
    _tree_legend(drawing, [each for each in family.ids if each not in told], elsewhere)
    calendar.draw(drawing, TREE_TOP - 12, bottom, above=True)
    for kind in reversed(KINDS):  # the closest above the others
        for edge in family.edges:
            if edge.kind == kind:
                drawing.add(_edge_line(edge, edge == family.closest[edge.child], xs, ys))
    for run in family.ids:
        x, y, room = xs[run], ys[run], WIDTH - xs[run] - 14
        if run not in told:
            drawing.add(_named_dot(x, y, run in elsewhere), Words(x + 7, y + 4, run, TYPE, "soft"))
            continue
        known = told[run]
        with drawing.group(f"#{anchor(run)}", summary(known)) as parts:
            parts.append(Dot(x, y, 3.6, "ink", hollow=not known.errors, square=run in PAPER_RUNS))
            left = room - text_width(f"{run} ", TYPE, bold=True)
            what = shortened(moved_from(known), int(left / text_width(" ", TYPE)))
            parts.append(Words(x + 7, y + 4, run, TYPE, bold=True, after=what))
    return drawing


def _tree_xs(family: Family, told: dict[str, Experiment], calendar: Calendar) -> dict[str, float]:
    xs: dict[str, float] = {}

    def place(run: str) -> None:
        started = told[run].started if run in told else None
        least = xs[family.closest[run].parent] + STEP if run in family.closest else calendar.left - STEP
        if started:
            xs[run] = max(calendar.x(started), least)
        else:
            xs[run] = max(earliest(run) - STEP, least)
        for child in family.children(run):
            place(child)

    def earliest(run: str) -> float:
        below = [calendar.x(date) for each in family.descendants(run) if (date := _date(told, each))]
        return min(below, default=calendar.left)

    for root in family.roots:
        place(root)
    return xs


def _date(told: dict[str, Experiment], run: str) -> datetime | None:
    return told[run].started if run in told else None


def _tree_ys(family: Family, xs: dict[str, float]) -> dict[str, float]:
    ys: dict[str, float] = {}
    y: float = TREE_TOP + 4
    closest = {child: edge.kind for child, edge in family.closest.items()}
    kinds = list(KINDS)  # children by kind, lest lines downwards hide one another

    def place(run: str) -> None:
        nonlocal y
        ys[run] = y
        y += ROW
        for child in sorted(family.children(run), key=lambda each: (kinds.index(closest[each]), xs[each])):
            place(child)

    alone = [run for run in family.roots if not family.children(run)]
    for root in family.roots:
        if root not in alone:
            place(root)
            y += FAMILY_GAP
    for run in alone:
        place(run)
    return ys


def _edge_line(edge: Edge, closest: bool, xs: dict[str, float], ys: dict[str, float]) -> Line:
    colour, width, dash = EDGES[edge.kind]
    start, end = (xs[edge.parent], ys[edge.parent]), (xs[edge.child], ys[edge.child])
    if not closest:
        return Line((start, end), colour, 0.8, "2 3")
    return Line((start, (start[0], end[1]), end), colour, width, dash)


def _named_dot(x: float, y: float, elsewhere: bool) -> Dot:
    """A run that is named by those in the drawing: one that the notes tell of, or not."""
    return Dot(x, y, 3.6 if elsewhere else 2, "soft", hollow=elsewhere)


def _tree_legend(drawing: Drawing, named: Sequence[str], elsewhere: Collection[str]) -> None:
    x, y = float(TREE_LEFT), 16
    for kind, meaning in KINDS.items():
        colour, width, dash = EDGES[kind]
        drawing.add(Line(((x, y - 4), (x + 24, y - 4)), colour, width, dash), Words(x + 29, y, meaning))
        x += 29 + text_width(meaning, TYPE) + 14
    x, y = float(TREE_LEFT), 34
    dots = (
        (Dot(x, y - 4, 3.6), "an error is told"),
        (Dot(x, y - 4, 3.6, hollow=True), "none is"),
        (Dot(x, y - 4, 3.6, square=True), "a run of the paper"),
        (_named_dot(x, y - 4, False), "only named by others"),
        (_named_dot(x, y - 4, True), "not chosen"),
    )
    shown = {"only named by others": set(named) - set(elsewhere), "not chosen": set(named) & set(elsewhere)}
    for dot, meaning in dots:
        if not shown.get(meaning, True):
            continue
        drawing.add(
            Dot(x + 4, dot.y, dot.radius, dot.colour, dot.hollow, dot.square), Words(x + 13, y, meaning)
        )
        x += 13 + text_width(meaning, TYPE) + 14
    drawing.add(Words(x, y, "A run without a date stands next to what it comes from.", TYPE, "soft"))


# The errors: a panel for top-1 and one for top-5, dates to the right.

LEFT, RIGHT, TOP, PANEL, BETWEEN = 44, WIDTH - 12, 54, 350, 46
FAR = 0.08  # shares apart, where the scale leaves out what is between
STRIP, BREAK = 54, 14
LABEL = 10.5
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Point:
    """A result's place in a panel."""

    run: Experiment
    error: Error
    x: float
    y: float

    @property
    def box(self) -> Box:
        return self.x - 5, self.y - 5, self.x + 5, self.y + 5


@dataclass(frozen=True)
class Band:
    """A part of a scale: shares from `low`, at y = `bottom`, to `high`, at `top`."""

    low: float
    high: float
    top: float
    bottom: float

    def y(self, share: float) -> float:
        return self.bottom - (self.bottom - self.top) * (share - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """Round shares, no closer than their labels allow."""
        for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
            if (self.bottom - self.top) * step / (self.high - self.low) >= 22:
                break
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [step * i for i in range(first, last + 1)]


def errors_drawing(runs: Iterable[Experiment]) -> Drawing:
    """Top-1 and top-5 errors at the day when their run started, in the colour of its dataset."""
    with_errors = [run for run in runs if run.best("top1") or run.best("top5")]
    dated = sorted((run for run in with_errors if run.started), key=_started)
    rows = _undated_rows([run for run in with_errors if not run.started])
    below = TOP + (2 * PANEL + BETWEEN + 24 if dated else 0)
    alt = f"Errors of {len(with_errors)} runs, by the day of their start."
    drawing = Drawing(WIDTH, below + 16 * len(rows) + 4, alt)
    _errors_legend(drawing, dated)
    if dated:
        calendar = Calendar.of([_started(run) for run in dated], LEFT, RIGHT)
        for i, (field, name) in enumerate((("top1", "top-1 error"), ("top5", "top-5 error"))):
            _panel(drawing, dated, field, name, calendar, TOP + i * (PANEL + BETWEEN))
    for i, row in enumerate(rows):
        y = below + 16 * i + 10
        if not i:
            drawing.add(Words(LEFT, y, UNDATED, LABEL, "soft"))
        for x, run in row:
            with drawing.group(f"#{anchor(run.id)}", summary(run)) as parts:
                parts.append(Words(x, y, run.id, LABEL, after=_least(run)))
    return drawing


UNDATED = "No date is told of"
DATES = "By the day of the start; a run in another's folder has that folder's date."


def _undated_rows(runs: Sequence[Experiment]) -> list[list[tuple[float, Experiment]]]:
    """Runs without a date in lines, each with its x."""
    rows: list[list[tuple[float, Experiment]]] = []
    x: float = RIGHT
    for run in runs:
        width = text_width(f"{run.id} {_least(run)}", LABEL) + 10
        if x + width > RIGHT:
            rows.append([])
            x = LEFT + text_width(UNDATED, LABEL) + 10
        rows[-1].append((x, run))
        x += width
    return rows


def _least(run: Experiment) -> str:
    error = run.best("top1") or run.best("top5")
    assert error
    return percent(error.top5 if error.top1 is None else error.top1)


def _started(run: Experiment) -> datetime:
    assert run.started
    return run.started


def _panel(
    drawing: Drawing, runs: Sequence[Experiment], field: str, name: str, calendar: Calendar, top: float
) -> None:
    bottom = top + PANEL
    shares = [share for run in runs for error in run.errors if (share := getattr(error, field)) is not None]
    if not shares:
        return
    bands = _bands(shares, top + 8, bottom)
    calendar.draw(drawing, top, bottom, above=False)
    drawing.add(Words(LEFT, top - 6, name, TYPE, "ink", bold=True))
    for band in bands:
        for share in band.ticks:
            y = band.y(share)
            drawing.add(Line(((LEFT, y), (RIGHT, y)), "line", 0.8))
            drawing.add(Words(LEFT - 6, y + 3.5, f"{100 * share:.0f}%", 10, "soft", "end"))
    for lower in bands[1:]:
        y = lower.top - BREAK / 2
        zigzag = tuple((LEFT + 8 * i, y + (3 if i % 2 else -3)) for i in range((RIGHT - LEFT) // 8 + 1))
        drawing.add(Line(zigzag, "line", 1))

    def y_of(share: float) -> float:
        return next(band for band in bands if band.low <= share <= band.high).y(share)

    points = [
        [
            Point(run, error, calendar.x(_started(run)), y_of(share))
            for error in run.errors
            if (share := getattr(error, field)) is not None
        ]
        for run in runs
    ]
    labels = _labels([of_run for of_run in points if of_run], (LEFT + 2, top, RIGHT, bottom - 2))
    for of_run in points:
        if not of_run:
            continue
        run = of_run[0].run
        with drawing.group(f"#{anchor(run.id)}", summary(run)) as parts:
            x, ys = of_run[0].x, [point.y for point in of_run]
            if len(ys) > 1:
                parts.append(Line(((x, min(ys)), (x, max(ys))), _colour(run), 0.8))
            parts.extend(_error_dot(point) for point in of_run)
            parts.extend(labels.get(run.id, ()))


def _bands(shares: Sequence[float], top: float, bottom: float) -> list[Band]:
    """The scale from above, in parts where values lie far apart; most room where most values are."""
    ordered = sorted(shares)
    groups = [[ordered[0]]]
    for share in ordered[1:]:
        if share - groups[-1][-1] > FAR:
            groups.append([])
        groups[-1].append(share)
    groups.reverse()
    largest = max(groups, key=len)
    heights = [STRIP if group is not largest else 0 for group in groups]
    rest = bottom - top - sum(heights) - BREAK * (len(groups) - 1)
    bands = []
    for group, height in zip(groups, heights, strict=True):
        low, high = math.floor(100 * group[0] - 0.4) / 100, math.ceil(100 * group[-1] + 0.4) / 100
        bands.append(Band(low, high, top, top + (height or rest)))
        top += (height or rest) + BREAK
    return bands


def _error_dot(point: Point) -> Dot:
    radius = 2.2 if point.error.views == "not told" else 3.6
    return Dot(
        point.x,
        point.y,
        radius,
        _colour(point.run),
        hollow=point.error.views == "centre",
        square=point.run.id in PAPER_RUNS,
    )


def _colour(run: Experiment) -> str:
    return DATASET_COLOURS.get(run.dataset, "soft")


def _labels(points: Sequence[Sequence[Point]], room: Box) -> dict[str, list[Line | Words]]:
    """The id of each run beside its smallest error, for as many as have room; the paper's come first."""
    taken = [point.box for of_run in points for point in of_run]
    for of_run in points:  # the line between a run's results
        ys = [point.y for point in of_run]
        taken.append((of_run[0].x - 1, min(ys), of_run[0].x + 1, max(ys)))
    found: dict[str, list[Line | Words]] = {}
    best = [max(of_run, key=lambda point: point.y) for of_run in points]
    for point in sorted(best, key=lambda point: (point.run.id not in PAPER_RUNS, -point.y)):
        bold = point.run.id in PAPER_RUNS
        width = text_width(point.run.id, LABEL, bold)
        for dx, dy in _OFFSETS:
            left = point.x + dx - (width if dx < 0 else 0 if dx > 0 else width / 2)
            box = (left - 1, point.y + dy - 7, left + width + 1, point.y + dy + 6)
            inside = room[0] <= box[0] and room[1] <= box[1] and box[2] <= room[2] and box[3] <= room[3]
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                colour = "ink" if bold else "soft"
                words = Words(left, point.y + dy + 3.5, point.run.id, LABEL, colour, bold=bold)
                far = math.hypot(dx, dy) > 16
                end = (left + width / 2 if not dx else point.x + dx, point.y + dy)
                leader = [Line(((point.x, point.y), end), "soft", 0.6)] if far else []
                found[point.run.id] = [*leader, words]
                break
    return found


# Where a label may stand, best first: to the right, left, below, above, then farther with a line to it.
_OFFSETS = [(7, 0), (-7, 0), (0, 12), (0, -12)] + [
    (r * math.cos(math.radians(a)), r * math.sin(math.radians(a)))
    for r in (18, 28, 40, 52, 66, 82)
    for a in (30, 60, 150, 120, -30, -60, -150, -120)
]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _errors_legend(drawing: Drawing, runs: Sequence[Experiment]) -> None:
    present = Counter(_colour(run) for run in runs)
    x, y = float(LEFT), 16
    for colour in [each for each in ("a", "b", "ink", "cross", "soft") if each in present]:
        names = [d for d in DATASETS if any(run.dataset == d and _colour(run) == colour for run in runs)]
        said = ", ".join(names)
        drawing.add(Dot(x + 4, y - 4, 3.6, colour), Words(x + 13, y, said))
        x += 13 + text_width(said, TYPE) + 12
    drawing.add(Words(LEFT, y + 14, DATES, 10, "soft"))
    x = RIGHT
    dots = (
        (Dot(0, y - 4, 3.6, "ink", square=True), "a run of the paper"),
        (Dot(0, y - 4, 2.2, "ink"), "not told"),
        (Dot(0, y - 4, 3.6, "ink", hollow=True), "centre view"),
        (Dot(0, y - 4, 3.6, "ink"), "ten views"),
    )
    y += 14
    for dot, said in dots:
        x -= 13 + text_width(said, TYPE) + 10
        drawing.add(Dot(x + 4, y - 4, dot.radius, dot.colour, dot.hollow, dot.square), Words(x + 13, y, said))
