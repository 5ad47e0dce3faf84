"""The file of a command's option `--json`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cuda_convnet.errors import DataError


def check_folder(path: Path) -> None:
    """DataError where the folder of the file is missing: to be told before hours of work, not after."""
    if not path.parent.is_dir():
        raise DataError(f"--json {path}: there is no folder {path.parent}; make it first")


def write_json(value: object, path: Path) -> None:
    """Write `value` to a file or, for `-`, to stdout; DataError where that is not possible."""
    try:
        with click.open_file(str(path), "w", encoding="utf-8") as file:
            file.write(json.dumps(value, indent=1) + "\n")
    except OSError as error:
        raise DataError(f"--json {path}: cannot be written ({error.strerror})") from error
