"""The option by which a command writes JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def json_option(what: str) -> Callable[[Any], Any]:
    """`--json`; `what` is written, as the help says it. The command gets the path as `json_path`."""
    return click.option(
        "--json",
        "json_path",
        type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
        help=f"Write {what} as JSON to a file ('-': stdout).",
    )
