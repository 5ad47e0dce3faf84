"""Where the record of the original lies: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from cuda_convnet.errors import DataError

ACTIVATIONS = "activations"


def original_path() -> Path:
    """The folder `original`: the record of what was released, and the archived activations."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1] / "original"
    return checkout if checkout.is_dir() else package / "original"


def activation_archives() -> list[Path]:
    """All archives of activations, by name.

    Raises DataError, which says how to get them, where they are not installed.
    """
    folder = original_path() / ACTIVATIONS
    found = sorted(folder.glob("*.h5"))
    if not found:
        raise DataError(
            f"{folder}: no archives of activations; they come with a checkout of the project's "
            "repository, not with the installed package: name them as arguments"
        )
    return found
