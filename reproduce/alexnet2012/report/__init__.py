"""The report of a reproduction: one page that needs nothing but itself.

`write_report` makes it of a `Reproduction`; it wants the extras `study` (jinja2) and `plots` (matplotlib).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet2012 import experiments
from alexnet2012.predictions import Predictions
from alexnet2012.report import fidelity_table, pictures
from alexnet2012.report.beside_145 import beside_145
from alexnet2012.report.diagram import network_svg
from alexnet2012.report.reproduction import Reproduction
from alexnet2012.report.words import number
from cuda_convnet.hdf5 import write_whole

__all__ = ["Reproduction", "render", "write_report"]

SHOWN_MISTAKES = 12
FILTERS_PER_ROW = 8


def write_report(run: Reproduction, path: Path) -> None:
    """Write the page of `run` as `path`, whole or not at all."""
    write_whole(path, render(run).encode())


def render(run: Reproduction) -> str:
    """The page of `run` as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("alexnet2012"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share, digits=1: f"{100 * share:.{digits}f}%"
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment.get_template("report.html.j2").render(
        run=run,
        predictions=run.predictions,
        network=Markup(network_svg(run.spec)),
        comparison=beside_145(run),
        curves=[Markup(svg) for svg in _curves(run)],
        filters=_filters(run.first_filters),
        samples=_samples(run.predictions),
        confusion=run.predictions.confusion().tolist(),
        hardest=_hardest(run.predictions),
        fidelity_rows=fidelity_table.rows(run.fidelity["cases"]) if run.fidelity else [],
        facts=_facts(run),
        how_to_go_on=_how_to_go_on(run),
    )


def _curves(run: Reproduction) -> list[str]:
    """Cost and error over the epochs."""
    cost = next(s.name for s in run.spec if s.type == "cost.logreg")
    batches = max(record["batch"] for record in run.metrics)

    def line(label: str, kind: str, value: int, factor: float) -> pictures.Line:
        records = [r for r in run.metrics if r["kind"] == kind]
        x = [r["epoch"] - 1 + r["batch"] / batches for r in records]
        y = [factor * r["costs"][cost][value] for r in records]
        return pictures.Line(label, x, y, test=kind == "test")

    def figure(name: str, label: str, value: int, factor: float, log: bool) -> str:
        lines = [line("training", "train", value, factor), line("held-out digits", "test", value, factor)]
        alt = f"{label} in training and on held-out digits, over the epochs"
        return pictures.curves(name, lines, label, log=log, drops=[epoch - 1 for epoch in run.drops], alt=alt)

    return [figure("cost", "cost per image", 0, 1, True), figure("errors", "errors in %", 1, 100, False)]


def _filters(first_filters: Mapping[str, NDArray[np.float32]]) -> list[dict[str, Any]]:
    """A sheet for each column, all on one scale; the scale leaves out the largest percent of the weights."""
    scale = (
        float(np.percentile(np.abs(np.concatenate([f.ravel() for f in first_filters.values()])), 99)) or 1.0
    )
    sheets = []
    for name, filters in first_filters.items():
        sheet = pictures.filter_sheet(filters, FILTERS_PER_ROW, scale)
        alt = (
            f"The {filters.shape[-1]} filters of {name}, each {filters.shape[1]} × {filters.shape[2]} pixels"
        )
        sheets.append(
            {
                "name": name,
                "alt": alt,
                "uri": pictures.png(sheet),
                "height": sheet.shape[0],
                "width": sheet.shape[1],
            }
        )
    return sheets


def _samples(predictions: Predictions) -> list[dict[str, str]]:
    """The first image of each class."""
    firsts = {
        name: np.flatnonzero(predictions.labels == i)[:1] for i, name in enumerate(predictions.class_names)
    }
    return [
        {"name": name, "uri": _image(predictions.images[i])} for name, found in firsts.items() for i in found
    ]


def _image(image: NDArray[np.uint8]) -> str:
    return pictures.png(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def _hardest(predictions: Predictions) -> list[dict[str, Any]]:
    """The worst mistakes and, where there are few, the images that nearly were some."""
    names, found = predictions.class_names, []
    for i in predictions.hardest(SHOWN_MISTAKES):
        truth, said = predictions.labels[i], predictions.predicted[i]
        found.append(
            {
                "uri": _image(predictions.images[i]),
                "truth": names[truth],
                "said": names[said],
                "mistake": bool(truth != said),
                "said_probability": float(predictions.probabilities[said, i]),
                "truth_probability": float(predictions.probabilities[truth, i]),
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
