"""`alexnet2012 reproduce`: run an experiment from its images to its report.

The folder of a reproduction is a run folder (see `cuda_convnet.training`) with more in it:

    reproduction.json   which experiment, with which seed and engine
    data/               the batch folder that the experiment packs
    fidelity.json       the engine against the archived activations
    report.html         the report
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from alexnet2012 import machine, records
from alexnet2012.commands.data import progress_bar
from alexnet2012.commands.fidelity import replay
from alexnet2012.commands.train import read_network_for
from alexnet2012.experiment import Experiment, read_experiment
from alexnet2012.fidelity.archive import open_archive
from alexnet2012.fidelity.report import Case, Report
from alexnet2012.predictions import predict
from alexnet2012.report import Reproduction, write_report
from alexnet2012.running import run
from cuda_convnet.checkpoint import list_checkpoints
from cuda_convnet.config.specs import ConvSpec, DataSpec
from cuda_convnet.data.loader import Loader
from cuda_convnet.engines import ENGINES, get_engine
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import ConfigError, ConvnetError, DataError
from cuda_convnet.hdf5 import write_whole
from cuda_convnet.metrics import read_metrics
from cuda_convnet.training import Trainer, data_dims

NOTE = "reproduction.json"
EXTRAS = ("digits", "study", "plots")


@click.command(short_help="run an experiment; without arguments, the miniature on digits")
@click.argument("experiment", required=False)
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
def command(
    experiment: str | None, run_folder: Path | None, seed: int | None, engine_name: str, threads: int | None
) -> None:
    """Run EXPERIMENT from its images to its report.

    EXPERIMENT is one of this package (the default is digits) or a folder with layers.cfg, params.cfg and
    experiment.toml. Ctrl-C saves, and --run with the folder of an interrupted run goes on with it.

    Exit status 1 where the accuracy that the experiment wants is not reached or the engine's arithmetic is
    not the original's.
    """
    need_extras()
    engine = get_engine(engine_name, threads)
    what, run_folder = open_folder(experiment, run_folder, seed)
    with told_how_to_go_on(run_folder):
        click.echo(f"{what.title}. Everything goes into {run_folder}", err=True)
        trainer = make_trainer(what, run_folder, engine)
        run(trainer, again=command_to_go_on(run_folder))
        report = fidelity_report(engine, run_folder)
        page = describe(what, trainer, report)
        write_report(page, run_folder / "report.html")
    summarise(page)
    sys.exit(0 if page.reached and page.holds is not False else 1)


def need_extras() -> None:
    """ConvnetError, with the command that installs them, where optional packages are missing."""
    missing = [name for name in EXTRAS if not machine.extra(name).present]
    if missing:
        packages = ", ".join(machine.EXTRAS[name][1] for name in missing)
        raise ConvnetError(f"`reproduce` needs {packages}; {machine.install_command(','.join(missing))}")


def open_folder(name: str | None, run_folder: Path | None, seed: int | None) -> tuple[Experiment, Path]:
    """The experiment, and its folder: a new one with its note, or the one of a reproduction that goes on.

    ConfigError where the folder holds something else, or another experiment or seed than is asked for.
    """
    if run_folder is not None and (run_folder / NOTE).is_file():
        return read_note(run_folder, name, seed), run_folder
    what = read_experiment(name or "digits", seed)
    run_folder = run_folder or Path("runs") / f"{what.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        run_folder.mkdir(parents=True, exist_ok=True)
        if any(run_folder.iterdir()):
            raise ConfigError(
                f"{run_folder}: not empty and not made by `reproduce`; give a new folder, or one that it made"
            )
        note = {"experiment": what.reference, "seed": what.recipe.seed}
        write_whole(run_folder / NOTE, (json.dumps(note) + "\n").encode())
    except OSError as error:
        raise ConfigError(
            f"{run_folder}: cannot write into the folder of the run: {error.strerror}"
        ) from None
    return what, run_folder


def read_note(run_folder: Path, name: str | None, seed: int | None) -> Experiment:
    """The experiment of a reproduction that goes on."""
    try:
        note = json.loads((run_folder / NOTE).read_text(encoding="utf-8"))
        reference, noted_seed = str(note["experiment"]), int(note["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{run_folder / NOTE}: cannot be read; give a new folder") from None
    what = read_experiment(reference, noted_seed)
    for asked, noted, option in (
        (name and read_experiment(name).reference, reference, "experiment"),
        (seed, noted_seed, "seed"),
    ):
        if asked is not None and asked != noted:
            raise ConfigError(
                f"{run_folder}: a run of {option} {noted}, not {asked}; give another folder, or no {option}"
            )
    return what


def command_to_go_on(run_folder: Path) -> str:
    return f"alexnet2012 reproduce --run {shlex.quote(str(run_folder))}"


@contextmanager
def told_how_to_go_on(run_folder: Path) -> Iterator[None]:
    """Before and after training, Ctrl-C ends the process at once, and tells how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nStopped. To go on: {command_to_go_on(run_folder)}")
        sys.exit(130)


def make_trainer(what: Experiment, run_folder: Path, engine: Engine) -> Trainer:
    """Pack the images, and start the run or take it up where its last checkpoint stands."""
    with progress_bar("Packing") as progress:
        folder = what.pack(run_folder / "data", command_to_go_on(run_folder), progress)
    if list_checkpoints(run_folder / "checkpoints"):
        return Trainer.resume(run_folder, folder=folder, engine=engine)
    spec = read_network_for(what.folder / "layers.cfg", what.folder / "params.cfg", folder, what.recipe)
    return Trainer.start(spec, folder, what.recipe, run_folder, engine=engine)


def fidelity_report(engine: Engine, run_folder: Path) -> dict[str, Any] | None:
    """Check `engine` against the archived operations and small networks, and write fidelity.json.

    The network of 2012 is left to `alexnet2012 fidelity`, for it takes longer. None, and a warning, where the
    archives are not installed.
    """
    try:
        paths = records.activation_archives()
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


def describe(what: Experiment, trainer: Trainer, fidelity: dict[str, Any] | None) -> Reproduction:
    """Test the trained network, and gather what there is to tell."""
    folder, net, recipe = trainer.folder, trainer.net, trainer.recipe
    loader = Loader(
        folder, "test", seed=recipe.seed, crop_border=recipe.crop_border, multiview=recipe.multiview_test,
        scalar_mean=recipe.scalar_mean, data_dims=data_dims(trainer.spec),
    )  # fmt: skip
    predictions = predict(net, loader, folder, recipe.minibatch)
    metrics = read_metrics(trainer.run / "metrics.jsonl")
    train = [record for record in metrics if record["kind"] == "train"]
    train_seconds = sum(record["seconds"] for record in train)
    state = net.get_state()
    first = [
        s for s in trainer.spec if isinstance(s, ConvSpec) and isinstance(trainer.spec[s.inputs[0]], DataSpec)
    ]
    return Reproduction(
        title=what.title,
        spec=trainer.spec,
        recipe=recipe,
        metrics=metrics,
        predictions=predictions,
        wanted=what.wanted,
        train_images=folder.meta.num_images("train"),
        num_parameters=net.num_parameters,
        first_filters={s.name: state[f"{s.name}/weights0"].reshape(s.weight_shapes[0]) for s in first},
        fidelity=fidelity,
        train_seconds=sum(record["seconds"] for record in metrics),
        images_per_second=sum(record["cases"] for record in train) / train_seconds,
        engine=trainer.engine.name,
        machine=machine.describe(),
        run_folder=trainer.run,
    )


def summarise(page: Reproduction) -> None:
    """Print what was obtained beside what was wanted."""
    predictions = page.predictions
    right = f"{predictions.correct:,} of {len(predictions.labels):,} held-out images right"
    lines = [("accuracy", f"{predictions.accuracy:.1%}", f"wanted: at least {page.wanted:.0%}", right)]
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
        click.echo(f"  {name:<10}{click.style(f'{obtained:>10}', bold=True)}   {wanted:<24}{more}")
    reached = "Reached." if page.reached and page.holds is not False else "Not reached."
    click.echo(f"\n{reached} The report: {page.run_folder / 'report.html'}")
