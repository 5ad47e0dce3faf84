"""Training recipes in TOML: the table `[training]` of an `experiment.toml`, or of any such file.

    [training]
    epochs = 90
    color_noise = 0.1
    test_every = "50 batches"

    [[training.schedule]]
    epoch = 25
    multiply = { epsW = 0.1, epsB = 0.1 }

    [[training.schedule]]
    epoch = 67
    layers = ["conv1a", "conv1b"]
    set = { epsW = 0.00001 }
    color_noise = 0.0

The keys are those of `cuda_convnet.recipe.TrainingRecipe` and, in the schedule, of `Change`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cuda_convnet.errors import ConfigError
from cuda_convnet.recipe import TrainingRecipe

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


def read_recipe(path: Path) -> TrainingRecipe:
    """The recipe in the table `[training]` of `path`; ConfigError names the file, the key and the mend."""
    table = read_toml(path).get("training", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: training must be a table; write [training] on a line of its own")
    return TrainingRecipe.from_dict(table, f"{path}: [training]")
