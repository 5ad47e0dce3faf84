"""Reads TOML files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cuda_convnet.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Written(float):
    """A number of a file, and how it is written there: 0.182100 is not 0.1821 to who reads it."""

    text: str

    def __new__(cls, text: str) -> Written:
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.text,)


def read_toml(path: Path, number: Callable[[str], float] = float) -> dict[str, Any]:
    """The tables of a TOML file; ConfigError names the file and, where it is no TOML, the line.

    `number` makes the numbers with a point.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=number)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the path of a TOML file") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
