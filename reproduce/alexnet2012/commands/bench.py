"""`alexnet2012 bench`: training steps of 2012's networks, and the preparing and loading of images.

Both are measured beside PyTorch in the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from alexnet2012 import experiments, machine, measure
from alexnet2012.json_file import check_folder, write_json
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec
from cuda_convnet.engines import ENGINES, engine_problem, get_engine
from cuda_convnet.engines.numpy_engine.parallel import available_cores
from cuda_convnet.errors import ConvnetError
from cuda_convnet.network import ConvNet

NETWORKS = ("145", "cifar10-80sec")
KERNELS_LAYER = "conv2a"


def peer_step(spec: Any, data: measure.Data, threads: int) -> tuple[str, Callable[[], Any]] | None:
    """PyTorch's name and its training step of the same network; None where it is not installed."""
    if not machine.extra("peer").present:
        return None
    import torch

    from alexnet2012.peers.torch_network import TorchNetwork

    net = TorchNetwork(spec, threads)
    return f"PyTorch {torch.__version__}", lambda: net.train_minibatch(data)


def bench_network(name: str, engine_name: str, threads: int, cases: int, rounds: int) -> dict[str, Any]:
    """Measure one experiment's network; see `command` for what is in the result."""
    folder = experiments.path(name)
    spec = measure.learning(read_network(folder / "layers.cfg", folder / "params.cfg"))
    classes = spec.num_classes or 10
    data = measure.random_data(spec, cases, classes)
    net = ConvNet(spec, engine=get_engine(engine_name, threads=threads), seed=0, minibatch_size=cases)

    def step() -> None:
        net.train_minibatch(data)

    runs = {"alexnet2012": step}
    peer = peer_step(spec, data, threads)
    if peer:
        runs[peer[0]] = peer[1]
    peak = measure.sgemm_rate()
    times = dict(zip(runs, measure.in_turn(list(runs.values()), rounds), strict=True))
    peak = max(peak, measure.sgemm_rate())
    flops = measure.step_flops(spec, cases)
    result: dict[str, Any] = {
        "network": name,
        "minibatch": cases,
        "step_gflop": flops / 1e9,
        "sgemm_gflops": peak / 1e9,
        "steps": {
            who: {
                "seconds": taken,
                "images_per_second": cases / statistics.median(taken),
                "share_of_sgemm": flops / statistics.median(taken) / peak,
            }
            for who, taken in times.items()
        },
        "layers": [
            {
                "layer": t.layer.name,
                "forward_ms": 1e3 * t.forward,
                "backward_ms": 1e3 * t.backward,
                "forward_gflops": 2e-9 * t.layer.multiply_adds * cases / t.forward if t.forward else 0.0,
            }
            for t in measure.layer_times(net, step, rounds)
            if t.layer.inputs
        ],
    }
    if peer:
        ratios = [theirs / ours for ours, theirs in zip(times["alexnet2012"], times[peer[0]], strict=True)]
        result["ratio"] = {"to": peer[0], "median": statistics.median(ratios), "all": ratios}
    return result


def bench_kernels(threads: int, cases: int) -> dict[str, Any]:
    """Multiply-adds per second of the kernels on one core of the processor, in conv2 of run 145."""
    folder = experiments.path("145")
    layer = read_network(folder / "layers.cfg", folder / "params.cfg")[KERNELS_LAYER]
    assert isinstance(layer, ConvSpec)
    rates = measure.convolution_rates(layer, get_engine("host", threads=threads), threads, cases)
    return {"layer": layer.name, "minibatch": cases, "multiply_adds_per_second_and_core": rates}


def show_kernels(result: dict[str, Any]) -> None:
    """Print the kernels' rates."""
    rates = result["multiply_adds_per_second_and_core"]
    of_what = f"{result['layer']} of run 145, {result['minibatch']} images"
    click.secho(f"\nkernels on the processor: {of_what}", bold=True)
    click.echo("  GMAC/s per core: " + ", ".join(f"{what} {rate / 1e9:.2f}" for what, rate in rates.items()))


def show(result: dict[str, Any], layers: bool) -> None:
    """Print one network's figures."""
    click.secho(f"\n{result['network']}: training steps of {result['minibatch']} images", bold=True)
    click.echo(
        f"  {result['step_gflop']:.1f} GFLOP a step; sgemm reaches {result['sgemm_gflops']:.0f} GFLOP/s here"
    )
    for who, figures in result["steps"].items():
        taken = statistics.median(figures["seconds"])
        click.echo(
            f"  {who:<20} {figures['images_per_second']:8.1f} images/s   {taken:7.3f} s a step   "
            f"{figures['share_of_sgemm']:4.0%} of sgemm"
        )
    if ratio := result.get("ratio"):
        low, high = min(ratio["all"]), max(ratio["all"])
        click.echo(
            f"  {ratio['median']:.2f} times the rate of {ratio['to']} ({low:.2f} to {high:.2f}, step by step)"
        )
    if layers:
        click.echo(f"  {'layer':<16}{'forward ms':>12}{'backward ms':>13}{'forward GFLOP/s':>17}")
        for row in result["layers"]:
            rate = f"{row['forward_gflops']:.0f}" if row["forward_gflops"] else ""
            click.echo(f"  {row['layer']:<16}{row['forward_ms']:>12.2f}{row['backward_ms']:>13.2f}{rate:>17}")


class Bench(click.Group):
    """A group whose command `networks` need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["networks", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Bench)
def command() -> None:
    """Measure speed: `bench [EXPERIMENT]...` is short for `bench networks [EXPERIMENT]...`."""


JSON_FILE = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here."
)


@command.command()
@click.argument("networks", nargs=-1, metavar="[EXPERIMENT]...")
@click.option("--engine", default=ENGINES[0], metavar="|".join(ENGINES), show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Threads; the cores of this process by default.")
@click.option("--minibatch", default=128, type=click.IntRange(1), show_default=True)
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True, help="Steps that count.")
@click.option("--layers", is_flag=True, help="Show the time of each layer.")
@JSON_FILE
def networks(
    networks: tuple[str, ...],
    engine: str,
    threads: int | None,
    minibatch: int,
    rounds: int,
    layers: bool,
    json_file: Path | None,
) -> None:
    """Measure training steps of the networks of EXPERIMENTs (145 and cifar10-80sec by default).

    Ours and PyTorch's steps take turns in one run, so that the ratio holds when the machine's speed drifts.
    Without EXPERIMENTs the kernels are measured too: on the processor, in a convolution of run 145.
    """
    if json_file:
        check_folder(json_file)
    for name in networks:
        if name not in experiments.names():
            raise ConvnetError(f"{name}: no such experiment; there are {', '.join(experiments.names())}")
    click.echo(machine.describe())
    if not machine.extra("peer").present:
        click.echo(f"PyTorch is not here; to measure beside it: {machine.install_command('peer')}")
    results = []
    for name in networks or NETWORKS:
        results.append(bench_network(name, engine, threads or available_cores(), minibatch, rounds))
        show(results[-1], layers)
    figures: dict[str, Any] = {"machine": machine.describe(), "networks": results}
    if not networks:
        if problem := engine_problem("host"):
            click.echo(f"\nkernels on the processor: not measured; {problem}")
        else:
            figures["kernels"] = bench_kernels(threads or available_cores(), minibatch)
            show_kernels(figures["kernels"])
    if json_file:
        write_json(figures, json_file)


@command.command()
@click.option("--images", default=2000, type=click.IntRange(40), show_default=True)
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True, help="Turns that count.")
@click.option(
    "--workers",
    default=1,
    type=click.IntRange(1),
    show_default=True,
    help="Also pack with so many processes.",
)
@JSON_FILE
def data(images: int, rounds: int, workers: int, json_file: Path | None) -> None:
    """Measure how fast images become batches, and batches what a network takes, per core.

    Packing is `data imagenet` as it is, from files to finished batches, beside decoding, resizing and
    encoding alone. Loading is from batches (of JPEGs or raw pixels, in the system's memory) to float32
    224x224 crops with colour noise, minus the mean, beside the decoder alone and PyTorch's DataLoader. All
    take turns in one run; rates are medians.
    """
    from alexnet2012.bench_data import bench_data, report

    if json_file:
        check_folder(json_file)
    click.echo(machine.describe())
    if not machine.extra("peer").present:
        click.echo(f"PyTorch is not here; to measure beside it: {machine.install_command('peer')}")
    figures = bench_data(images, rounds, workers)
    for line in report(figures):
        click.echo(line)
    if json_file:
        write_json(figures, json_file)
