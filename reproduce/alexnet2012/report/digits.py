"""The report of a reproduction on digits."""

from __future__ import annotations

import shlex
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet2012 import experiments
from alexnet2012.report import fidelity_table, pictures
from alexnet2012.report.beside_145 import beside_145
from alexnet2012.report.diagram import network_svg
from alexnet2012.report.page import fill, filter_sheets
from alexnet2012.report.reproduction import Reproduction
from alexnet2012.stored_images import images_at
from alexnet2012.words import number

SHOWN_MISTAKES = 12


def render(run: Reproduction) -> str:
    """The page of `run` as HTML."""
    from markupsafe import Markup

    return fill(
        "report.html.j2",
        run=run,
        predictions=run.predictions,
        network=Markup(network_svg(run.spec)),
        comparison=beside_145(run),
        curves=[Markup(svg) for svg in _curves(run)],
        filters=filter_sheets(run.first_filters),
        samples=_samples(run),
        confusion=run.predictions.confusion().tolist(),
        hardest=_hardest(run),
        fidelity_rows=fidelity_table.rows(run.fidelity["cases"]) if run.fidelity else [],
        facts=_facts(run),
        how_to_go_on=_how_to_go_on(run),
    )


def _curves(run: Reproduction) -> list[str]:
    """Cost and error over the epochs."""
    cost = run.cost
    marks = [pictures.Mark(epoch - 1, "rate falls") for epoch in run.drops]
    batches = max(record["batch"] for record in run.metrics)

    def line(label: str, kind: str, value: int, factor: float) -> pictures.Line:
        records = [r for r in run.metrics if r["kind"] == kind]
        x = [r["epoch"] - 1 + r["batch"] / batches for r in records]
        y = [factor * r["costs"][cost][value] for r in records]
        return pictures.Line(label, x, y, test=kind == "test")

    def figure(name: str, label: str, value: int, factor: float, log: bool) -> str:
        lines = [line("training", "train", value, factor), line("held-out digits", "test", value, factor)]
        alt = f"{label} in training and on held-out digits, over the epochs"
        return pictures.curves(name, lines, label, log=log, marks=marks, alt=alt)

    return [figure("cost", "cost per image", 0, 1, True), figure("errors", "errors in %", 1, 100, False)]


def _samples(run: Reproduction) -> list[dict[str, str]]:
    """The first image of each class."""
    labels = run.predictions.labels
    firsts = {name: np.flatnonzero(labels == i)[:1] for i, name in enumerate(run.predictions.class_names)}
    places = [int(i) for found in firsts.values() for i in found]
    images = iter(images_at(run.data, "test", places))
    return [{"name": name, "uri": _image(next(images))} for name, found in firsts.items() for _ in found]


def _image(image: NDArray[np.uint8]) -> str:
    return pictures.png(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def _hardest(run: Reproduction) -> list[dict[str, Any]]:
    """The worst mistakes and, where there are few, the images that nearly were some."""
    predictions = run.predictions
    names, found = predictions.class_names, []
    places = predictions.hardest(SHOWN_MISTAKES)
    for i, image in zip(places, images_at(run.data, "test", places.tolist()), strict=True):
        truth, said = predictions.labels[i], predictions.predicted[i]
        found.append(
            {
                "uri": _image(image),
                "truth": names[truth],
                "said": names[said],
                "mistake": bool(truth != said),
                "said_probability": float(predictions.guess_probabilities[i, 0]),
                "truth_probability": float(predictions.truth_probabilities[i]),
            }
        )
    return found


def _facts(run: Reproduction) -> dict[str, str]:
    test_images, views = len(run.predictions.labels), run.predictions.views
    return {
        "Seed": f"{run.recipe.seed}; the same seed gives the same weights, on any number of cores",
        "Machine": run.machine,
        "Engine": run.engine,
        "Training": f"{run.train_seconds:.1f} s, {run.images_per_second:,.0f} images per second",
        "Test": f"{test_images:,} images, {number(views)} views of each",
        "Run folder": str(run.run_folder.resolve()),
        "Finished": time.strftime("%d %B %Y, %H:%M"),
    }


def _how_to_go_on(run: Reproduction) -> list[tuple[str, str]]:
    """What may be done next, and the command that does it."""
    folder = shlex.quote(str(run.run_folder))
    run_145 = shlex.join(str(experiments.path("145") / name) for name in ("layers.cfg", "params.cfg"))
    return [
        (
            "Draw other random numbers: how much luck was there in this result?",
            "alexnet2012 reproduce --seed 1",
        ),
        ("Look at run 145 itself, layer by layer:", f"alexnet2012 net {run_145}"),
        ("Compare the arithmetic once more, the network of 2012 included:", "alexnet2012 fidelity"),
        ("Train this network on:", f"alexnet2012 resume {folder} --epochs {2 * run.recipe.epochs}"),
    ]
