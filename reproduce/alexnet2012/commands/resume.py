"""`alexnet2012 resume`: go on with a run where its last checkpoint stands."""

from __future__ import annotations

from pathlib import Path

import click

from alexnet2012.running import run, tell_end
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.engines import ENGINES, get_engine
from cuda_convnet.errors import ConfigError
from cuda_convnet.training import Trainer

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="go on with a run where its last checkpoint stands")
@click.argument("run_folder", metavar="RUN", type=FOLDER)
@click.option(
    "--epochs", type=click.IntRange(1), help="Train to the end of this epoch.  [default: as before]"
)
@click.option("--params", type=FILE, help="Go on with other layer parameters: rates, momentum, decay, ...")
@click.option("--data", "--data-path", "data", type=FOLDER, help="The batch folder, if it has moved.")
@click.option("--engine", metavar="|".join(ENGINES), help="Who computes.  [default: as before]")
@click.option("--threads", type=click.IntRange(1), help="Cores to use.  [default: all]")
def command(
    run_folder: Path,
    epochs: int | None,
    params: Path | None,
    data: Path | None,
    engine: str | None,
    threads: int | None,
) -> None:
    """Go on with the run in folder RUN where its last checkpoint stands.

    Without --epochs and --params the run gives the same bits as if it had never stopped.
    """
    trainer = Trainer.resume(
        run_folder,
        folder=BatchFolder(data) if data else None,
        engine=get_engine(engine, threads) if engine else None,
        threads=threads,
        epochs=epochs,
        params=(read_text(params), str(params)) if params else None,
    )
    if trainer.done:
        again = f"alexnet2012 resume {run_folder} --epochs {2 * trainer.recipe.epochs}"
        click.echo(f"All {trainer.recipe.epochs} epochs are over. For more: {again}", err=True)
    tell_end(trainer, run(trainer))


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; give the path of a .cfg file") from None
