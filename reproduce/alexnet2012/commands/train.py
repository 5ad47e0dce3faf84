"""`alexnet2012 train`: train a network on a batch folder.

The run folder that it makes is described in `cuda_convnet.training`.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import click

from alexnet2012.recipes import read_recipe
from alexnet2012.running import run, tell_end
from cuda_convnet.config import NetworkSpec, read_network
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.data.loader import DummyData, Loader
from cuda_convnet.engines import ENGINES, get_engine
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import ConfigError
from cuda_convnet.recipe import Every
from cuda_convnet.training import Trainer, TrainingRecipe, data_dims, make_loader, make_network

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


class EveryType(click.ParamType):
    name = "every"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Every:
        if isinstance(value, Every):
            return value
        try:
            return Every.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(short_help="train a network on a batch folder")
@click.option(
    "--data", "--data-path", "data", type=FOLDER, help="The batch folder; `alexnet2012 data` makes them."
)
@click.option(
    "--layers", "--layer-def", "layers", type=FILE, required=True, help="The layer definition file."
)
@click.option(
    "--params", "--layer-params", "params", type=FILE, required=True, help="The layer parameter file."
)
@click.option("--run", "run_folder", type=FOLDER, help="The run folder to make.  [default: runs/LAYERS-TIME]")
@click.option(
    "--recipe", type=FILE, help="A TOML file whose table [training] has all that follows, and a schedule."
)
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training images.  [default: 1]")
@click.option(
    "--minibatch", "--mini", "minibatch", type=click.IntRange(1), help="Images per step.  [default: 128]"
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Of all random numbers.  [default: 0]")
@click.option(
    "--test-freq",
    "test_every",
    type=EveryType(),
    help="Test and save after so many batches, '2 epochs' or never.  [default: 1 epoch]",
)
@click.option(
    "--crop-border", type=click.IntRange(0), help="Pixels cut off each side.  [default: the data's own]"
)
@click.option("--color-noise", type=click.FloatRange(0), help="Scale of the colour noise.  [default: 0]")
@click.option("--scalar-mean/--mean-image", default=None, help="Subtract one mean, not the mean image.")
@click.option("--multiview-test/--centre-test", default=None, help="Average over views of each test image.")
@click.option(
    "--wupdate-freq", type=click.IntRange(1), help="Minibatches per update of weights.  [default: 1]"
)
@click.option("--conv-to-local", metavar="LAYER", multiple=True, help="Make a convolutional layer local.")
@click.option("--unshare-weights", metavar="LAYER[IDX]", multiple=True, help="Give it weights of its own.")
@click.option("--init-from", type=FILE, help="Start with the weights of this checkpoint.")
@click.option(
    "--engine", default=ENGINES[0], show_default=True, metavar="|".join(ENGINES), help="Who computes."
)
@click.option("--threads", type=click.IntRange(1), help="Cores to use.  [default: all]")
@click.option("--check-grads", is_flag=True, help="Compare all gradients with finite differences, and quit.")
def command(
    data: Path | None,
    layers: Path,
    params: Path,
    run_folder: Path | None,
    recipe: Path | None,
    init_from: Path | None,
    engine: str,
    threads: int | None,
    check_grads: bool,
    **given: Any,
) -> None:
    """Train a network on a batch folder.

    Makes a run folder: checkpoints/, metrics.jsonl (costs, a line per batch and per test), layers.cfg,
    params.cfg and recipe.json. Ctrl-C stops after the minibatch under way; `alexnet2012 resume` goes on.
    """
    values = {name: value for name, value in given.items() if value not in (None, ())}
    settings = dataclasses.replace(read_recipe(recipe) if recipe else TrainingRecipe(), **values)
    executor = get_engine(engine, threads)
    if check_grads:
        check_gradients(layers, params, settings, executor, data)
        return
    if data is None:
        raise click.UsageError("Missing option '--data'. It can be left out with --check-grads only.")
    folder = BatchFolder(data)
    spec = read_network_for(layers, params, folder, settings)
    for note in spec.notes:
        click.echo(f"note: {note}", err=True)
    run_folder = run_folder or Path("runs") / f"{layers.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    trainer = Trainer.start(spec, folder, settings, run_folder, engine=executor, weights_from=init_from)
    click.echo(
        f"Training {trainer.net.num_parameters:,} parameters; the run folder is {run_folder}", err=True
    )
    tell_end(trainer, run(trainer))


def read_network_for(layers: Path, params: Path, folder: BatchFolder, recipe: TrainingRecipe) -> NetworkSpec:
    """The network in two files, for the images of `folder` as `recipe` crops them."""
    loader = Loader(folder, "train", seed=recipe.seed, crop_border=recipe.crop_border)
    return read_network(layers, params, data_dims={0: loader.data_dims[0]}, num_classes=loader.num_classes)


def check_gradients(
    layers: Path, params: Path, recipe: TrainingRecipe, engine: Engine, data: Path | None
) -> None:
    """Print a table of all gradients beside finite differences; exit status 1 where one is wrong.

    On one minibatch: the first of `data` or, without, of random images of the size that the network wants.
    """
    provider: Loader | DummyData
    if data is not None:
        folder = BatchFolder(data)
        spec = read_network_for(layers, params, folder, recipe)
        provider = make_loader(folder, "train", recipe, data_dims(spec), prefetch=0)
    else:
        spec = read_network(layers, params)
        if spec.num_classes is None:
            raise ConfigError(f"{layers}: the number of classes cannot be told from the layers; give --data")
        cases = recipe.minibatch
        provider = DummyData(
            data_dims(spec), spec.num_classes, cases=cases, minibatch=cases, seed=recipe.seed
        )
    net = make_network(spec, recipe, engine)
    results = net.check_gradients(next(provider.minibatches()).data)
    width = max(len(result.name) for result in results)
    click.echo(f"{'gradient of':<{width}}  {'analytic':>10}  {'numeric':>10}  {'difference':>10}")
    for result in results:
        sizes = f"{result.analytic_norm:10.3e}  {result.numeric_norm:10.3e}  {result.relative_error:10.2e}"
        click.echo(f"{result.name:<{width}}  {sizes}  {'ok' if result.ok else 'WRONG'}")
    wrong = [result.name for result in results if not result.ok]
    if wrong:
        click.echo(f"{len(wrong)} of {len(results)} gradients are wrong.")
        sys.exit(1)
    click.echo(f"All {len(results)} gradients are right.")
