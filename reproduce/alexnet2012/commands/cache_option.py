"""The option by which the commands of the releases are told where they lie."""

from __future__ import annotations

from pathlib import Path

import click

from alexnet2012.record.cache import VARIABLE

cache_option = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=f"Where releases are kept; by default ${VARIABLE}, else ~/.cache/alexnet2012.",
)
