"""`alexnet2012 reproduce`: run an experiment from its images to its report.

The folder of a reproduction is a run folder (see `cuda_convnet.training`) with more in it:

    reproduction.json   which experiment, with which seed, data and scale
    data/               the batch folder that the experiment packs, or the images of a miniature
    views/              what the network said of each test batch, of experiments that are recorded
    fidelity.json       the engine against the archived activations
    report.html         the report
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from alexnet2012 import machine
from alexnet2012.commands.fidelity import replay
from alexnet2012.commands.train import read_network_for
from alexnet2012.experiment import DigitsExperiment
from alexnet2012.fidelity.archive import open_archive
from alexnet2012.fidelity.report import Case, Report
from alexnet2012.predictions import predict
from alexnet2012.progress import progress_bar
from alexnet2012.record import places
from alexnet2012.report import RecordedReproduction, Reproduction, write_report
from alexnet2012.report.reproduction import first_filters
from alexnet2012.rerun import needs, recorded
from alexnet2012.rerun.note import command_to_go_on, make_run, read_run
from alexnet2012.running import run
from cuda_convnet.checkpoint import list_checkpoints
from cuda_convnet.engines import ENGINES, get_engine
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import ConvnetError, DataError
from cuda_convnet.hdf5 import write_whole
from cuda_convnet.metrics import read_metrics
from cuda_convnet.training import Trainer, data_dims, make_loader

EXTRAS = ("study", "plots")


@click.command(short_help="run an experiment; without arguments, the miniature on digits")
@click.argument("experiment", required=False)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The batch folder of images, for experiments that do not bring their own, such as 145.",
)
@click.option(
    "--scale",
    type=click.FloatRange(0, 1, min_open=True),
    help="In miniature: this share of the classes, of the images of each, and of the epochs.",
)
@click.option(
    "--run",
    "run_folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to make, or to go on with.  [default: runs/EXPERIMENT-TIME]",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), help="Of all random numbers.  [default: the recipe's]"
)
@click.option(
    "--engine",
    "engine_name",
    default=ENGINES[0],
    show_default=True,
    metavar="|".join(ENGINES),
    help="Who computes.",
)
@click.option("--threads", type=click.IntRange(1), help="Cores to use.  [default: all]")
@click.option(
    "--list", "listing", is_flag=True, help="Say what each experiment needs here and should reach, and quit."
)
@click.option("--json", "as_json", is_flag=True, help="With --list: print a JSON object.")
def command(
    experiment: str | None,
    data: Path | None,
    scale: float | None,
    run_folder: Path | None,
    seed: int | None,
    engine_name: str,
    threads: int | None,
    listing: bool,
    as_json: bool,
) -> None:
    """Run EXPERIMENT from its images to its report.

    EXPERIMENT is one of this package (the default is digits; --list tells of all) or a folder with
    layers.cfg, params.cfg and experiment.toml. Ctrl-C saves, and --run with the folder of an interrupted run
    goes on with it, also after a crash.

    Exit status 1 where what the experiment wants is not reached or the engine's arithmetic is not the
    original's. A run that cannot be compared, such as one with --scale, has reached its end.
    """
    if as_json and not listing:
        raise click.UsageError("--json goes with --list.")
    if scale is not None and math.isnan(scale):
        raise click.BadParameter("a share is wanted, such as 0.1", param_hint="'--scale'")
    engine = get_engine(engine_name, threads)
    if listing:
        list_experiments(engine, as_json)
        return
    what, note, run_folder = read_run(experiment, run_folder, seed=seed, data=data, scale=scale)
    need_extras(("digits", *EXTRAS) if isinstance(what, DigitsExperiment) else EXTRAS)
    make_run(run_folder, note)
    with told_how_to_go_on(run_folder):
        click.echo(f"{what.title}. Everything goes into {run_folder}", err=True)
        page: Reproduction | RecordedReproduction
        if isinstance(what, DigitsExperiment):
            trainer = make_trainer(what, run_folder, engine)
        else:
            trainer = recorded.make_trainer(what, note, run_folder, engine)
        run(trainer, again=command_to_go_on(run_folder))
        if isinstance(what, DigitsExperiment):
            page = describe(what, trainer, fidelity_report(engine, run_folder))
        else:
            page = recorded.describe(what, note, trainer, fidelity_report(engine, run_folder))
        write_report(page, run_folder / "report.html")
    summarise(page)
    sys.exit(0 if page.reached is not False and page.holds is not False else 1)


def list_experiments(engine: Engine, as_json: bool) -> None:
    """Print what the experiments need, with the hours measured with `engine`, and what they should reach."""
    found = needs.needs(engine)
    click.echo(json.dumps(needs.to_json(found, engine), indent=1) if as_json else needs.told(found, engine))


def need_extras(names: tuple[str, ...]) -> None:
    """ConvnetError, with the command that installs them, where optional packages are missing."""
    found = {name: machine.missing_packages(name) for name in names}
    missing = {name: packages for name, packages in found.items() if packages}
    if missing:
        needed = ", ".join(package for packages in missing.values() for package in packages)
        raise ConvnetError(f"`reproduce` needs {needed}; {machine.install_command(','.join(missing))}")


@contextmanager
def told_how_to_go_on(run_folder: Path) -> Iterator[None]:
    """Before and after training, Ctrl-C ends the process at once, and tells how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nStopped. To go on: {command_to_go_on(run_folder)}")
        sys.exit(130)


def make_trainer(what: DigitsExperiment, run_folder: Path, engine: Engine) -> Trainer:
    """Pack the images, and start the run or take it up where its last checkpoint stands."""
    with progress_bar("Packing") as progress:
        folder = what.pack(run_folder / "data", command_to_go_on(run_folder), progress)
    if list_checkpoints(run_folder / "checkpoints"):
        return Trainer.resume(run_folder, folder=folder, engine=engine)
    spec = read_network_for(*what.files, folder, what.recipe)
    return Trainer.start(spec, folder, what.recipe, run_folder, engine=engine)


def fidelity_report(engine: Engine, run_folder: Path) -> dict[str, Any] | None:
    """Check `engine` against the archived operations and small networks, and write fidelity.json.

    The network of 2012 is left to `alexnet2012 fidelity`, for it takes longer. None, and a warning, where the
    archives are not installed.
    """
    try:
        paths = places.activation_archives()
    except DataError as error:
        click.echo(f"warning: {error}", err=True)
        return None
    cases: list[Case] = []
    for path in paths:
        with open_archive(path) as archive:
            if archive.kind != "imagenet-net":
                click.echo(f"Comparing the engine's arithmetic with the original's: {path.name}", err=True)
                cases += replay(archive, engine)
    report = Report(engine.name, machine.describe(), cases).to_json()
    write_whole(run_folder / "fidelity.json", (json.dumps(report, indent=1) + "\n").encode())
    return report


def describe(what: DigitsExperiment, trainer: Trainer, fidelity: dict[str, Any] | None) -> Reproduction:
    """Test the trained network, and gather what there is to tell."""
    folder, recipe = trainer.folder, trainer.recipe
    loader = make_loader(folder, "test", recipe, data_dims(trainer.spec), multiview=recipe.multiview_test)
    return Reproduction(
        title=what.title,
        spec=trainer.spec,
        recipe=recipe,
        metrics=read_metrics(trainer.run / "metrics.jsonl"),
        predictions=predict(trainer.net, loader, folder),
        data=folder,
        wanted=what.wanted,
        num_parameters=trainer.net.num_parameters,
        first_filters=first_filters(trainer.net),
        fidelity=fidelity,
        engine=trainer.engine.name,
        machine=machine.describe(),
        run_folder=trainer.run,
    )


Line = tuple[str, str, str, str]


def summarise(page: Reproduction | RecordedReproduction) -> None:
    """Print what was obtained beside what was wanted or is recorded."""
    lines = _outcome(page) if isinstance(page, Reproduction) else _outcome_of_recorded(page)
    if page.fidelity is not None:
        counts = page.fidelity["summary"]
        bits = f"{counts['bitwise']:,} equal to the original in every bit"
        lines.append(("fidelity", f"{counts['ok']:,} hold", f"wanted: all {counts['cases']:,}", bits))
    lines.append(
        (
            "training",
            f"{page.train_seconds:.0f} s",
            f"{page.num_parameters:,} parameters",
            f"{page.images_per_second:,.0f} images/s",
        )
    )
    click.echo()
    for name, obtained, wanted, more in lines:
        click.echo(f"  {name:<12}{click.style(f'{obtained:>16}', bold=True)}   {wanted:<26}{more}".rstrip())
    if page.reached is None and page.holds is not False:
        click.echo(f"\nNot to be compared with the recorded run: {'; '.join(page.differs)}.")
        outcome = "It ran to its end."
    else:
        outcome = "Reached." if page.reached is not False and page.holds is not False else "Not reached."
    click.echo(f"\n{outcome} The report: {page.run_folder / 'report.html'}")


def _outcome(page: Reproduction) -> list[Line]:
    predictions = page.predictions
    right = f"{predictions.correct:,} of {len(predictions.labels):,} held-out images right"
    return [("accuracy", f"{predictions.accuracy:.1%}", f"wanted: at least {page.wanted:.0%}", right)]


def _outcome_of_recorded(page: RecordedReproduction) -> list[Line]:
    views = f"mean of {page.predictions.views} views"
    lines = []
    for line in page.compared:
        obtained, recorded = line.obtained, line.recorded
        if line.name == "cost":
            told = f"{obtained.value:.4f} ± {obtained.error:.4f}", f"recorded: {recorded.value:.4f}"
        else:
            told = f"{obtained.value:.2%} ± {obtained.error:.2%}", f"recorded: {recorded.value:.2%}"
        lines.append((line.name, *told, views))
    return lines
