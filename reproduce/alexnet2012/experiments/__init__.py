"""The experiments that come with the package: one folder each, with layers.cfg and params.cfg."""

from __future__ import annotations

from pathlib import Path

from cuda_convnet.errors import ConvnetError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The experiments there are, in alphabetical order."""
    return sorted(folder.parent.name for folder in FOLDER.glob("*/layers.cfg"))


def path(name: str) -> Path:
    """The folder of experiment `name`. Raises ConvnetError, naming those there are, if there is none."""
    if name not in names():
        raise ConvnetError(f"there is no experiment '{name}'; there are {', '.join(names())}")
    return FOLDER / name
