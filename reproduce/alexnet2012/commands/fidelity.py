"""`alexnet2012 fidelity`: an engine against the archived activations of the original."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from alexnet2012 import machine
from alexnet2012.commands.json_option import json_option
from alexnet2012.fidelity.archive import Archive, open_archive
from alexnet2012.fidelity.networks import FEW_IMAGES, replay_networks
from alexnet2012.fidelity.ops import replay_ops
from alexnet2012.fidelity.report import Case, Report, failures, summary, table
from alexnet2012.json_file import check_folder, write_json
from alexnet2012.record import places
from cuda_convnet.engines import ENGINES, engine_names, get_engine
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import DataError


def replay(archive: Archive, engine: Engine, *, slow: bool = False) -> Iterator[Case]:
    """Every comparison that an archive of any kind gives; those that take minutes only if `slow`."""
    if archive.kind == "ops":
        return replay_ops(archive, engine)
    return replay_networks(archive, engine, slow=slow)


def left_out(archive: Archive) -> list[str]:
    """The groups of an archive that are replayed only if `slow`."""
    if archive.kind != "imagenet-net":
        return []
    return [name for name, group in archive.file.items() if group.attrs.get("num_images", 0) > FEW_IMAGES]


def check(engine: Engine, archives: list[Path], *, slow: bool = False, silent: bool = False) -> Report:
    """Replay the archives; unless `silent`, print the table of each as soon as it is done."""
    cases: list[Case] = []
    for path in archives:
        with open_archive(path) as archive:
            found = list(replay(archive, engine, slow=slow))
            missing = [] if slow else left_out(archive)
        if not found and not missing:
            raise DataError(f"{path}: there is nothing in it to compare; name an archive of activations")
        cases += found
        if not silent:
            click.secho(f"{path.name}, engine {engine.name}", bold=True)
            click.echo(table(found) + "\n")
        if missing:
            click.echo(f"{path.name}: {', '.join(missing)} left out; --slow checks it too\n", err=silent)
    return Report(engine.name, machine.describe(), cases)


def merged(reports: list[Report]) -> dict[str, object]:
    """The reports as JSON values: one as it is; several as one whose cases name their engines."""
    if len(reports) == 1:
        return reports[0].to_json()
    parts = [report.to_json() for report in reports]
    counts = [part["summary"] for part in parts]
    return {
        "engine": "all",
        "machine": parts[0]["machine"],
        "cases": [case | {"engine": part["engine"]} for part in parts for case in part["cases"]],
        "summary": {name: sum(count[name] for count in counts) for name in counts[0]},
    }


@click.command()
@click.argument("archives", nargs=-1, type=click.Path(path_type=Path), metavar="[ARCHIVE.h5 ...]")
@click.option(
    "--engine",
    "engine_name",
    default=ENGINES[0],
    show_default=True,
    metavar="|".join((*ENGINES, "all")),
    help="The engine to check; all: those that this machine can run.",
)
@click.option(
    "--slow",
    is_flag=True,
    help="Also check what takes minutes and much memory: run 145 on more than 32 images.",
)
@json_option("the report")
def command(archives: tuple[Path, ...], engine_name: str, slow: bool, json_path: Path | None) -> None:
    """Check an engine against archived activations of the original; without archives, against all there are.

    Exit status: 0 if every comparison holds, 1 if one does not, 2 if it could not run.
    """
    names = engine_names() if engine_name == "all" else (engine_name,)
    engines = [get_engine(name) for name in names]
    paths = list(archives) or places.activation_archives()
    to_stdout = json_path == Path("-")
    if json_path is not None:
        check_folder(json_path)
    reports = [check(engine, paths, slow=slow, silent=to_stdout) for engine in engines]
    if json_path is not None:
        write_json(merged(reports), json_path)
    for report in reports:
        for line in (*failures(report.cases), summary(report)):
            click.echo(line, err=to_stdout)
    sys.exit(0 if all(report.ok for report in reports) else 1)
