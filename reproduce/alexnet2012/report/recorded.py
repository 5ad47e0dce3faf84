"""The report of a reproduction of a run that is recorded: obtained beside recorded."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alexnet2012.report import fidelity_table, pictures
from alexnet2012.report.diagram import network_svg
from alexnet2012.report.happened import beginning, happened
from alexnet2012.report.page import fill, filter_sheets
from alexnet2012.report.reproduction import RecordedReproduction
from alexnet2012.stored_images import images_at, short_class_name, source_of
from alexnet2012.words import duration, number

SHOWN = 8  # of the best and of the worst
CURVES = (4.6, 3.3)


def render(run: RecordedReproduction) -> str:
    """The page of `run` as HTML."""
    from markupsafe import Markup

    steps = schedule(run)
    predictions, classes = run.predictions, len(run.predictions.class_names)
    mistakes = [
        int(i) for i in predictions.hardest(SHOWN) if predictions.predicted[i] != predictions.labels[i]
    ]
    worst = _shown(run, mistakes)
    best = _shown(run, predictions.surest(SHOWN).tolist())
    return fill(
        "recorded.html.j2",
        run=run,
        what=run.experiment,
        recorded=run.experiment.recorded,
        predictions=predictions,
        views=number(predictions.views),
        compared=run.compared,
        guessing=max(0.0, 1 - 5 / classes),
        guessing_cost=math.log(classes),
        took=duration(run.train_seconds / 3600),
        whole=duration(
            run.experiment.recipe.epochs
            * run.experiment.train_images
            / max(1e-9, run.images_per_second)
            / 3600
        ),
        speeds=_speeds(run),
        network=Markup(network_svg(run.spec)),
        curves=[Markup(svg) for svg in _curves(run, steps)],
        begin=beginning(run.metrics),
        steps=steps,
        filters=filter_sheets(run.first_filters),
        worst=worst,
        best=best,
        fidelity_rows=fidelity_table.rows(run.fidelity["cases"]) if run.fidelity else [],
        facts=_facts(run),
        how_to_go_on=_how_to_go_on(run),
    )


@dataclass(frozen=True)
class Step:
    """A change of the schedule as it happened here, and the epoch of the recorded run in which it came."""

    number: int
    epoch: int
    then: int | None
    lines: tuple[str, ...]


def schedule(run: RecordedReproduction) -> list[Step]:
    """The changes of the schedule, in their order."""
    then = sorted({change.epoch for change in run.experiment.recipe.schedule if change.epoch > 1})
    here = sorted({change.epoch for change in run.recipe.schedule if change.epoch > 1})
    of_then = dict(zip(here, then, strict=False))
    return [
        Step(number, change.epoch, of_then.get(change.epoch), change.lines)
        for number, change in enumerate(happened(run.metrics), 1)
    ]


def _curves(run: RecordedReproduction, steps: Sequence[Step]) -> list[str]:
    """Cost and errors over the epochs, with the changes of the schedule by their numbers."""
    batches = max(record["batch"] for record in run.metrics)
    marks = [pictures.Mark(step.epoch - 1, str(step.number), upright=True) for step in steps]

    def line(label: str, kind: str, value: int, factor: float, faint: bool = False) -> pictures.Line:
        records = [r for r in run.metrics if r["kind"] == kind]
        x = [r["epoch"] - 1 + r["batch"] / batches for r in records]
        y = [factor * r["costs"][run.cost][value] for r in records]
        return pictures.Line(label, x, y, test=kind == "test", faint=faint)

    cost = [line("training", "train", 0, 1), line("test", "test", 0, 1)]
    errors = [
        line("training", "train", 1, 100),
        line("test", "test", 1, 100),
        line("test, top-5", "test", 2, 100, faint=True),
    ]
    told = "in training and in tests of the centre of each image, over the epochs"
    return [
        pictures.curves(
            "cost", cost, "cost per image", log=False, marks=marks, alt=f"The cost {told}", size=CURVES
        ),
        pictures.curves(
            "errors", errors, "errors in %", log=False, marks=marks, alt=f"The errors {told}", size=CURVES
        ),
    ]


def _shown(run: RecordedReproduction, places: Sequence[int]) -> list[dict[str, Any]]:
    """Test images with the five guesses of each."""
    predictions, found = run.predictions, []
    for i, image in zip(places, images_at(run.data, "test", places), strict=True):
        truth = int(predictions.labels[i])
        guesses = zip(
            predictions.guesses[i].tolist(), predictions.guess_probabilities[i].tolist(), strict=True
        )
        found.append(
            {
                "uri": pictures.photo(image),
                "name": predictions.names[i],
                "truth": short_class_name(run.data, truth),
                "truth_probability": float(predictions.truth_probabilities[i]),
                "among": truth in predictions.guesses[i],
                "guesses": [
                    {
                        "name": short_class_name(run.data, label),
                        "probability": probability,
                        "right": label == truth,
                    }
                    for label, probability in guesses
                ],
            }
        )
    return found


def _speeds(run: RecordedReproduction) -> list[dict[str, Any]]:
    """Images per second, here and then, as bars: from and to, in percent of the longest."""
    low, high = run.experiment.images_per_second
    here = run.images_per_second
    longest = max(here, high)
    return [
        {
            "who": "here",
            "told": f"{here:,.0f}" if here >= 10 else f"{here:.1f}",
            "sure": 100 * here / longest,
            "most": 100 * here / longest,
        },
        {
            "who": "2012",
            "told": f"{round(low, -1):.0f} to {round(high, -1):.0f}",
            "sure": 100 * low / longest,
            "most": 100 * high / longest,
        },
    ]


def _facts(run: RecordedReproduction) -> dict[str, str]:
    meta, views = run.data.meta, run.predictions.views
    lost = sum(map(sum, meta.rejected.values()))
    source = f"{run.data.path.resolve()}: {source_of(meta)}"
    return {
        "Seed": f"{run.recipe.seed}; the same seed gives the same weights, on any number of cores",
        "Machine": run.machine,
        "Engine": run.engine,
        "Training": f"{duration(run.train_seconds / 3600)}, {run.images_per_second:,.1f} images per second",
        "Images": source + (f"; {lost:,} were unusable" if lost else ""),
        "Learned from": f"{run.train_images:,} images of {len(meta.class_names):,} classes, "
        f"{run.recipe.epochs} times; {run.recipe.minibatch} in a step",
        "Test": f"{len(run.predictions.labels):,} images, {number(views)} views of each",
        "Recorded in": run.experiment.recorded.where,
        "Run folder": str(run.run_folder.resolve()),
        "Finished": time.strftime("%d %B %Y, %H:%M"),
    }


def _how_to_go_on(run: RecordedReproduction) -> list[tuple[str, str]]:
    """What may be done next, and the command that does it."""
    folder = shlex.quote(str(run.run_folder))
    what = shlex.quote(run.experiment.reference)
    found = []
    if run.scale is not None:
        larger = min(1.0, 2 * run.scale)
        found += [
            ("A larger miniature:", f"alexnet2012 reproduce {what} --data DIR --scale {larger:g}"),
            ("The whole of it:", f"alexnet2012 reproduce {what} --data DIR"),
        ]
    again = f" --scale {run.scale:g}" if run.scale is not None else ""
    return [
        *found,
        (
            "Draw other random numbers: how much luck was there in this result?",
            f"alexnet2012 reproduce {what} --data DIR{again} --seed {run.recipe.seed + 1}",
        ),
        ("Test this network once more:", f"alexnet2012 test {folder} --multiview"),
        ("Compare the arithmetic once more, the network of 2012 included:", "alexnet2012 fidelity"),
    ]
