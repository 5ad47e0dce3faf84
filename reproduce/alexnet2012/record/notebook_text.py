"""The lab notebook in words: a table of runs, and everything about one of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from alexnet2012.record.family import KINDS, Family
from alexnet2012.record.notebook import Change, Ensemble, Error, Experiment, Place, Value
from alexnet2012.record.releases import Release
from alexnet2012.toml_file import Written

COLUMNS = (
    *("run", "started", "dataset", "against", "what changed", "machines"),
    *("ended", "top-1", "top-5", "views"),
)
NUMBERS = ("top-1", "top-5")  # right-aligned
LETTERS = {"what changed": 40, "machines": 16}  # of a column, at most
WIDTH, KEYS = 100, 14
VIEWS = {"ten": "ten views", "centre": "centre view", "not told": "views not told"}
SETS = {"validation": "validation set", "test": "test set", "not told": "set not told"}


def plain(value: Value) -> str:
    """A value as people write it, a number of a file with the digits that it has there.

    >>> plain(0.00001), plain(91), plain(8.11295), plain("dexp[500,4]"), plain(Written("0.182100"))
    ('0.00001', '91', '8.11295', 'dexp[500,4]', '0.182100')
    """
    if isinstance(value, Written) and "e" not in value.text.lower():
        return value.text
    if isinstance(value, float):
        written = f"{value:.16f}".rstrip("0") if abs(value) < 1e-4 else repr(value)
        return written.removesuffix("0").removesuffix(".") if written.endswith((".", ".0")) else written
    return str(value).lower() if isinstance(value, bool) else str(value)


def percent(share: float | None) -> str:
    """A share as a percentage.

    >>> percent(0.40664), percent(None)
    ('40.7%', '')
    """
    return "" if share is None else f"{100 * share:.1f}%"


def shortened(text: str, letters: int) -> str:
    """A text of at most so many letters; an ellipsis stands for what has no room.

    >>> shortened("no low-resolution input", 20)
    'no low-resolution…'
    """
    if len(text) <= letters:
        return text
    return text[: max(letters - 1, 0)].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def summary(run: Experiment) -> str:
    """A run in one sentence."""
    parts = [run.dataset if run.dataset != "unknown" else "dataset not told"]
    if run.started:
        parts.append(f"started {run.started:%Y-%m-%d}")
    if run.changes:
        parts.append(f"against {run.based_on}: {run.changes}" if run.based_on else run.changes)
    if best := run.best("top1"):
        top5 = f", top-5 {percent(best.top5)}" if best.top5 is not None else ""
        parts.append(f"top-1 {percent(best.top1)}{top5} ({VIEWS[best.views]})")
    return f"{run.id}: " + "; ".join(parts)


def ending(run: Experiment) -> str:
    """How a run ended, in words."""
    return ", ".join([run.ended, *_epoch(run.ended_epoch, run.ended_batch)])


def moved_from(run: Experiment) -> str:
    """What tells a run from that which it is set against, or else comes from; empty where nothing does."""
    if run.changes or run.based_on:
        return run.changes
    if run.continues:
        return f"goes on from {run.continues}"
    return f"weights from {run.initialised_from}" if run.initialised_from else ""


def row(run: Experiment) -> dict[str, str]:
    """A run's row; errors are those of its result with the best top-1, or without one the best top-5."""
    best = run.best("top1") or run.best("top5")
    views = "" if best is None else best.views + (", test" if best.set == "test" else "")
    cells = {
        "run": run.id,
        "started": f"{run.started:%Y-%m-%d}" if run.started else "",
        "dataset": run.dataset,
        "against": run.based_on,
        "what changed": moved_from(run),
        "machines": ", ".join(run.machines),
        "ended": "" if run.ended == "not told" else ending(run).replace("epoch ", ""),
        "top-1": percent(best.top1) if best else "",
        "top-5": percent(best.top5) if best else "",
        "views": views,
    }
    return {name: shortened(cells[name], LETTERS.get(name, 1000)) for name in COLUMNS}


def table(runs: Sequence[Experiment]) -> list[str]:
    """The lines of a table of `runs`, with what stands below it."""
    rows = [row(run) for run in runs]
    header = {name: name for name in COLUMNS}
    widths = {name: max(len(each[name]) for each in [header, *rows]) for name in COLUMNS}

    def line(cells: Mapping[str, str]) -> str:
        placed = (cells[n].rjust(widths[n]) if n in NUMBERS else cells[n].ljust(widths[n]) for n in COLUMNS)
        return "  ".join(placed).rstrip()

    rule = "─" * (sum(widths.values()) + 2 * (len(widths) - 1))
    results = sum(bool(run.errors) for run in runs)
    count = f"{len(runs)} run{'s' * (len(runs) != 1)}, {results} with errors"
    return [
        line(header),
        rule,
        *map(line, rows),
        rule,
        f"{count}; test: of the test set, others of the validation set or not told",
    ]


def details(run: Experiment, family: Family, release: Release) -> list[str]:
    """Everything about a run, in lines; `family` is that of all runs."""
    lines = [run.id]
    for key, value in (
        ("dataset", f"{run.dataset} ({dataset_source(run)})"),
        ("against", _against(run)),
        ("goes on from", run.continues),
        ("weights from", run.initialised_from),
        ("network", run.network),
        ("machines", ", ".join(run.machines)),
        ("started", f"{run.started:%Y-%m-%d %H:%M:%S}" if run.started else "not told"),
        ("checkpoint", run.checkpoint),
        ("logs", ", ".join(run.logs)),
        ("ended", ending(run)),
    ):
        lines += _entry(key, [value] if value else [])
    lines += _entry("schedule", [change(each) for each in run.schedule], hang=12)
    lines += _entry("errors", [error(each) for each in run.errors])
    lines += _entry("verdict", [run.verdict] if run.verdict else [], hang=0)
    heirs = [f"{', '.join(names)}: {KINDS[kind]} it" for kind, names in family.heirs(run.id).items()]
    lines += _entry("came from it", heirs)
    return lines + _entry("told in", [_place(place, release) for place in run.told_in])


def ensemble_details(ensemble: Ensemble, release: Release) -> list[str]:
    """Everything about an average of runs, in lines."""
    coefficients = ", ".join(map(plain, ensemble.coefficients))
    lines = [ensemble.id]
    lines += _entry("members", [", ".join(ensemble.members) or "not told"])
    lines += _entry("coefficients", [coefficients or "not told"])
    lines += _entry("verdict", [ensemble.verdict] if ensemble.verdict else [])
    return lines + _entry("told in", [_place(place, release) for place in ensemble.told_in])


def dataset_source(run: Experiment) -> str:
    """What tells on which images a run was trained."""
    return {
        "notes": "the notes tell",
        "file name": "from the file's name",
        "inferred": "inferred",
        "unknown": "nothing tells",
    }[run.dataset_from]


def _against(run: Experiment) -> str:
    return ": ".join(part for part in (run.based_on, run.changes) if part)


def _entry(key: str, values: Sequence[str], hang: int = 2) -> list[str]:
    """`values` wrapped, the first beside its key; what follows on a new line is `hang` letters in."""
    lines = []
    for value in values:
        for i, part in enumerate(value.split("\n")):
            lines += textwrap.wrap(
                part,
                WIDTH - KEYS - 2,
                subsequent_indent=" " * hang,
                initial_indent=" " * hang if i else "",
                break_on_hyphens=False,
                break_long_words=False,
            )
    return [f"  {'' if i else key:<{KEYS}}{line}" for i, line in enumerate(lines)]


def change(made: Change) -> str:
    """A line of a schedule: when, what, on which layers."""
    when = "start" if made.start else ", ".join(_epoch(made.epoch, made.batch))
    was = [f"{name} {plain(value)}" for name, value in made.was.items() if name not in made.set]
    values = [
        f"{name} {plain(value)}" + (f" (was {plain(made.was[name])})" if name in made.was else "")
        for name, value in made.set.items()
    ]
    where = f"on {', '.join(made.layers)}" if made.layers else ""
    said = ", ".join(values + [f"was {each}" for each in was])
    text = " ".join(part for part in (said, where) if part)
    return f"{when:<11} " + "; ".join(part for part in (text, made.note) if part)


def _epoch(epoch: int | None, batch: int | None) -> list[str]:
    parts = (("epoch", epoch), ("batch", batch))
    return [f"{name} {value}" for name, value in parts if value is not None]


def error(result: Error) -> str:
    """A result with the numbers of the notes, and what is noted of it on a line of its own."""
    views = VIEWS[result.views] + (" (inferred)" if result.views_inferred else "")
    images = SETS[result.set] + (" (inferred)" if result.set_inferred else "")
    values = [
        f"{name} {plain(value)}"
        for name, value in (("top-1", result.top1), ("top-5", result.top5), ("logprob", result.logprob))
        if value is not None
    ]
    note = f"\n{result.note}" if result.note else ""
    return f"{', '.join([views, images, *_epoch(result.epoch, None)])}: {', '.join(values)}{note}"


def _place(place: Place, release: Release) -> str:
    return f"{place}\n{release.permalink(place.file, place.first, place.last)}"
