"""Reads TOML files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cuda_convnet.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; ConfigError names the file and, where it is no TOML, the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the path of a TOML file") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
