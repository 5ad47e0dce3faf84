"""`alexnet2012 original experiments`: the lab notebook of 2012, as lists, details and drawings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

import click

from alexnet2012.commands.json_option import json_option
from alexnet2012.json_file import check_folder, write_json
from alexnet2012.record.family import Family
from alexnet2012.record.notebook import Ensemble, Experiment, Notebook, number, read_notebook
from alexnet2012.record.notebook_pictures import errors_drawing, tree_drawing
from alexnet2012.record.notebook_text import details, ensemble_details, table
from alexnet2012.record.releases import Release, read_releases
from cuda_convnet.errors import DataError

RELEASE = "alexnet"
MOST_VALUES = 10
DRAWINGS = ("errors", "tree")
SORTS: dict[str, Callable[[Experiment], Any]] = {
    "number": lambda run: run.order,
    "started": lambda run: (run.started or datetime.max, run.order),
    "top1": lambda run: (_least(run, "top1"), run.order),
    "top5": lambda run: (_least(run, "top5"), run.order),
}


@click.command()
@click.argument("names", nargs=-1, metavar="[RUN ...]")
@click.option("--dataset", metavar="NAME", help="Those on this dataset.")
@click.option("--machine", metavar="NAME", help="Those that ran on this machine.")
@click.option("--network", metavar="FILE", help="Those of this layer file of the release.")
@click.option("--since", metavar="DATE", help="Those started on this day or later.")
@click.option("--until", metavar="DATE", help="Those started on this day or earlier.")
@click.option("--of", "ancestor", metavar="RUN", help="This run and all that come from it.")
@click.option("--with-errors", is_flag=True, help="Those of which an error is told.")
@click.option(
    "--sort",
    type=click.Choice(list(SORTS)),
    default="number",
    show_default=True,
    help="What orders the runs.",
)
@json_option("the runs")
@click.option("--draw", type=click.Choice(DRAWINGS), help="Draw errors by date, or the family tree.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The drawing's file, .svg, .png or .pdf by its ending.  [default: an SVG here, named after it]",
)
def command(
    names: tuple[str, ...],
    dataset: str | None,
    machine: str | None,
    network: str | None,
    since: str | None,
    until: str | None,
    ancestor: str | None,
    with_errors: bool,
    sort: str,
    json_path: Path | None,
    draw: str | None,
    out: Path | None,
) -> None:
    """List the runs of 2012 that the notes in the release's parameter files tell of.

    With RUN, everything about it: schedule, errors, verdict, and links to the lines that tell of it. Options
    choose among the runs, also for a drawing; an average of runs is shown where none of them is given.
    """
    if out is not None and draw is None:
        raise DataError(f"--out {out}: goes with --draw; say what to draw: {' or '.join(DRAWINGS)}")
    if json_path is not None:
        check_folder(json_path)
    notebook = read_notebook()
    family = Family(notebook.experiments)
    averages = [each for each in notebook.ensembles if not names or each.id in names]
    named = [name for name in dict.fromkeys(names) if name not in {each.id for each in averages}]
    runs = [_find(notebook, name) for name in named] if names else list(notebook)
    filters: dict[str, Callable[[Experiment], bool]] = {}
    if dataset is not None:
        _known("--dataset", dataset, (run.dataset for run in notebook))
        filters[f"--dataset {dataset}"] = lambda run: run.dataset == dataset
    if machine is not None:
        _known("--machine", machine, (each for run in notebook for each in run.machines))
        filters[f"--machine {machine}"] = lambda run: machine in run.machines
    if network is not None:
        wanted = PurePosixPath(network).name
        _known("--network", wanted, (PurePosixPath(run.network).name for run in notebook if run.network))
        filters[f"--network {wanted}"] = lambda run: PurePosixPath(run.network).name == wanted
    if since is not None:
        first = _day("--since", since, notebook)
        filters[f"--since {since}"] = lambda run: run.started is not None and run.started.date() >= first
    if until is not None:
        last = _day("--until", until, notebook)
        filters[f"--until {until}"] = lambda run: run.started is not None and run.started.date() <= last
    if ancestor is not None:
        if ancestor not in family.ids:
            _find(notebook, ancestor)
        below = family.descendants(ancestor)
        filters[f"--of {ancestor}"] = lambda run: run.id in below
    if with_errors:
        filters["--with-errors"] = lambda run: bool(run.errors)
    if draw == "errors":
        filters["--draw errors"] = lambda run: bool(run.best("top1") or run.best("top5"))
    elif draw is not None:
        filters[f"--draw {draw}"] = lambda run: True
    chosen = sorted(_left(runs, filters), key=SORTS[sort])
    if filters:
        averages = []
    release = read_releases()[RELEASE]
    if json_path is not None:
        ensembles = [_report(each, release) for each in averages]
        write_json(
            {"experiments": [_report(run, release) for run in chosen], "ensembles": ensembles}, json_path
        )
    if draw is not None:
        told = frozenset(run.id for run in notebook)
        drawing = errors_drawing(chosen) if draw == "errors" else tree_drawing(chosen, told)
        path = out or Path(f"{draw}.svg")
        drawing.save(path)
        if json_path != Path("-"):
            click.echo(path)
    elif json_path != Path("-"):
        if names:
            parts = [details(run, family, release) for run in chosen]
            parts += [ensemble_details(each, release) for each in averages]
            click.echo("\n\n".join("\n".join(part) for part in parts))
        else:
            click.echo("\n".join(table(chosen)))


def _left(
    runs: Sequence[Experiment], filters: Mapping[str, Callable[[Experiment], bool]]
) -> Sequence[Experiment]:
    """The runs that pass all filters; DataError names the first filter, an option, that leaves none."""
    for option, passes in filters.items():
        runs = [run for run in runs if passes(run)]
        if not runs:
            raise DataError(
                f"{option}: of what else is chosen no run is left; take this away, or choose wider"
            )
    return runs


def _least(run: Experiment, field: str) -> float:
    error = run.best(field)
    return float("inf") if error is None else float(getattr(error, field))


def _find(notebook: Notebook, name: str) -> Experiment:
    """The run of that id; DataError with those of its number."""
    if name in notebook:
        return notebook[name]
    alike = [run.id for run in notebook if number(name) and number(run.id) == number(name)]
    known = f"of that number there are {', '.join(alike)}" if alike else "without RUN, all are listed"
    raise DataError(f"{name}: the notes tell of no run of that name; {known}")


def _known(option: str, value: str, values: Iterable[str]) -> None:
    """DataError, with the values there are or those most like it, where `value` is none of them."""
    known = sorted(set(values))
    if value not in known:
        alike = known if len(known) <= MOST_VALUES else get_close_matches(value, known, MOST_VALUES, 0)
        more = f" and {len(known) - len(alike)} more" if len(alike) < len(known) else ""
        raise DataError(f"{option} {value}: no run has it; there are {', '.join(alike)}{more}")


def _day(option: str, text: str, notebook: Notebook) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        days = sorted(run.started for run in notebook if run.started)
        span = f"; the runs started from {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}" if days else ""
        raise DataError(f"{option} {text}: no date; write YYYY-MM-DD{span}") from None


def _report(entry: Experiment | Ensemble, release: Release) -> dict[str, Any]:
    """An entry for machines: its fields, and a link for each place that tells of it."""
    fields = dataclasses.asdict(entry)
    if isinstance(entry, Experiment):
        fields["started"] = entry.started.isoformat() if entry.started else None
    for place in fields["told_in"]:
        place["link"] = release.permalink(place["file"], place["first"], place["last"])
    return fields
