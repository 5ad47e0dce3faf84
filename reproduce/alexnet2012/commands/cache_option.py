"""The option by which the commands of the releases are told where they lie."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from alexnet2012.record.cache import VARIABLE
from alexnet2012.record.disk import shown


def run(verb: str, names: Sequence[str], cache: Path | None) -> str:
    """`alexnet2012 original VERB NAMES`, for a message: of the cache that was named."""
    where = [] if cache is None else ["--cache", str(cache)]
    return shown(shlex.join(["alexnet2012", "original", verb, *names, *where]))


cache_option = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=f"Where releases are kept; by default ${VARIABLE}, else ~/.cache/alexnet2012.",
)
