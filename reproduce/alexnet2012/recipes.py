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

from pathlib import Path

from alexnet2012.toml_file import read_toml
from cuda_convnet.errors import ConfigError
from cuda_convnet.recipe import TrainingRecipe


def read_recipe(path: Path) -> TrainingRecipe:
    """The recipe in the table `[training]` of `path`; ConfigError names the file, the key and the mend."""
    table = read_toml(path).get("training", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: training must be a table; write [training] on a line of its own")
    return TrainingRecipe.from_dict(table, f"{path}: [training]")
