"""`alexnet2012 test`: test a trained network on a batch folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from alexnet2012.running import told_costs
from cuda_convnet.checkpoint import load_checkpoint, load_latest
from cuda_convnet.cost import Cost
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.engines import ENGINES, get_engine
from cuda_convnet.evaluation import averages, evaluate
from cuda_convnet.training import TrainingRecipe, data_dims, make_loader, make_network


@click.command(short_help="test a trained network on a batch folder")
@click.argument("target", metavar="RUN|CHECKPOINT", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "--data-path",
    "data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The batch folder.  [default: the one that the network is trained on]",
)
@click.option("--multiview", is_flag=True, help="Average the predictions for several views of each image.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option(
    "--engine", default=ENGINES[0], show_default=True, metavar="|".join(ENGINES), help="Who computes."
)
@click.option("--threads", type=click.IntRange(1), help="Cores to use.  [default: all]")
def command(
    target: Path, data: Path | None, multiview: bool, as_json: bool, engine: str, threads: int | None
) -> None:
    """Test a network, of a run folder's last checkpoint or of one CHECKPOINT, on all test images."""
    if target.is_dir():
        checkpoint, path = load_latest(
            target / "checkpoints", lambda _, error: click.echo(f"warning: {error}", err=True)
        )
    else:
        checkpoint, path = load_checkpoint(target), target
    recipe = TrainingRecipe.from_dict(checkpoint.recipe, str(path))
    spec = checkpoint.spec(path)
    folder = BatchFolder(data if data is not None else checkpoint.data.path)
    loader = make_loader(folder, "test", recipe, data_dims(spec), multiview=multiview)
    net = make_network(spec, recipe, get_engine(engine, threads))
    checkpoint.restore(net, path)
    cost = sum((cost for _, cost in evaluate(net, loader)), Cost(0, {}, {}))
    costs = averages(cost)
    if as_json:
        report = {
            "checkpoint": str(path),
            "position": checkpoint.position._asdict(),
            "data": str(folder.path),
            "views": loader.num_views,
            "cases": cost.num_cases,
            "costs": costs,
        }
        click.echo(json.dumps(report))
        return
    views = f", {loader.num_views} views of each" if multiview else ""
    click.echo(f"{path.name} on {cost.num_cases:,} test images of {folder.path}{views}: {told_costs(costs)}")
