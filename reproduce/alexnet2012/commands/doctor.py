"""`alexnet2012 doctor`: what this machine can run, and the command that adds what is missing."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform

import click

from alexnet2012 import machine
from alexnet2012.machine import Check
from cuda_convnet.engines import ENGINES, engine_problem
from cuda_convnet.engines.numpy_engine.parallel import available_cores


def basics() -> list[Check]:
    """Python, the packages that are always there, and the processor."""
    packages = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scipy", "h5py", "click")
    )
    return [
        Check("Python", True, f"{platform.python_version()} with {packages}"),
        Check("processor", True, f"{machine.processor()}, {available_cores()} cores for this process"),
        machine.blas(),
    ]


def engines() -> list[Check]:
    """The engines, and what keeps this machine from running them."""
    return [machine.engine(name, engine_problem(name)) for name in ENGINES]


SECTIONS = {
    "What runs here": lambda: [*basics(), *engines()],
    "For kernels on the processor": lambda: [machine.compiler()],
    "For kernels on a GPU": lambda: [machine.nvcc(), machine.gpu(), machine.pycuda(), machine.cublas()],
    "For many devices": lambda: [machine.mpi()],
    "Optional packages": lambda: [machine.extra(name) for name in machine.EXTRAS],
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Say what this machine can run, and what is missing for more."""
    findings = {title: section() for title, section in SECTIONS.items()}
    if as_json:
        click.echo(
            json.dumps(
                {t: [dataclasses.asdict(c) for c in checks] for t, checks in findings.items()}, indent=1
            )
        )
        return
    for title, checks in findings.items():
        click.secho(title, bold=True)
        for check in checks:
            mark = click.style("yes", fg="green") if check.present else click.style("no ", fg="yellow")
            click.echo(f"  {mark}  {check.name:<14} {check.detail}")
            if not check.present:
                click.echo(f"       {'':<14} add it: {check.mend}")
