"""`alexnet2012 study`: the reading room, built and served on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from alexnet2012 import machine
from alexnet2012.commands.cache_option import cache_option, run
from cuda_convnet.errors import ConvnetError

PORT = 8012

out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the site.  [default: study in the cache of the releases]",
)
fidelity_option = click.option(
    "--fidelity",
    "report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A report of `fidelity --json` to show.  [default: the one of the record]",
)
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes any free one."
)


def building(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of what builds the site."""
    return out_option(cache_option(fidelity_option(function)))


@click.group(invoke_without_command=True)
@building
@port_option
@click.pass_context
def command(ctx: click.Context, out: Path | None, cache: Path | None, report: Path | None, port: int) -> None:
    """The original and the port side by side, in a browser: builds the site and serves it on this machine."""
    if ctx.invoked_subcommand is None:
        serve_site(build_site(out, cache, report), port)
        return
    for option in ctx.command.params:
        if ctx.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE:
            word = option.opts[0]
            raise click.UsageError(f"{word} must stand behind {ctx.invoked_subcommand}, if that has it")


@command.command("build", short_help="build the site, and stop")
@building
def build_command(out: Path | None, cache: Path | None, report: Path | None) -> None:
    """Build the site into a folder. It needs no server: index.html opens from there, too."""
    build_site(out, cache, report)


@command.command("serve", short_help="serve the site that was built")
@out_option
@cache_option
@port_option
def serve_command(out: Path | None, cache: Path | None, port: int) -> None:
    """Serve the site that `study build` made, on this machine alone, until Ctrl-C."""
    from alexnet2012.study.site_folder import site_folder

    serve_site(site_folder(out, cache), port)


def build_site(out: Path | None, cache: Path | None, report: Path | None) -> Path:
    """Build the site and say so; gives its folder."""
    if lacking := machine.missing_packages("study"):
        raise ConvnetError(f"study needs {', '.join(lacking)}; {machine.install_command('study')}")
    from alexnet2012.study.fidelity import read_fidelity
    from alexnet2012.study.site import build
    from alexnet2012.study.site_folder import site_folder

    folder = site_folder(out, cache)
    start = time.perf_counter()
    room, pages = build(folder, read_fidelity(report), cache=cache)
    taken = time.perf_counter() - start
    for name in room.originals.releases:
        if name not in room.originals.folders:
            mend = f"`{run('fetch', [name], cache)}` brings it"
            click.echo(f"{name} is not on this machine, its side shows links; {mend}", err=True)
    click.echo(f"{pages} pages in {folder} ({taken:.1f} s)")
    return folder


def serve_site(folder: Path, port: int) -> None:
    """Serve a built site until Ctrl-C."""
    from alexnet2012.study.server import serve

    serve(
        folder, port, lambda address: click.echo(f"The reading room is open at {address}; Ctrl-C closes it")
    )
