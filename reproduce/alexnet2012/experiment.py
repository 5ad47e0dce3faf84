"""An experiment that `reproduce` can run: a folder with layers.cfg, params.cfg and experiment.toml.

experiment.toml holds

    title = "..."                 the report's headline
    [data]                        source = "digits", and what `cuda_convnet.data.digits.pack_digits` takes:
                                  size, border, seed, batch_size, crop_chunk
    [wanted]                      accuracy: the share of the held-out images that must be right
    [training]                    a `cuda_convnet.recipe.TrainingRecipe`
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet2012 import experiments
from alexnet2012.recipes import read_toml
from cuda_convnet.data.batches import BatchFolder, Progress
from cuda_convnet.data.digits import pack_digits
from cuda_convnet.errors import ConfigError
from cuda_convnet.recipe import TrainingRecipe

FILE = "experiment.toml"
DATA_OPTIONS = {"source": str, "size": int, "border": int, "seed": int, "batch_size": int, "crop_chunk": int}


@dataclass(frozen=True)
class Experiment:
    """What is to be done, and what is to come out.

    `name` is the folder's; `reference` finds it again: the name of one of this package's, else the absolute
    path. `data` are the arguments of `pack_digits`, `wanted` is the least accuracy, between 0 and 1.
    """

    name: str
    reference: str
    folder: Path
    title: str
    data: Mapping[str, Any]
    wanted: float
    recipe: TrainingRecipe

    @property
    def data_dims(self) -> dict[int, int]:
        """The values of each image and label that the network gets: a crop of a grey image, and a number."""
        side = self.data["size"] + 2 * (self.data["border"] - self.recipe.crop_border)
        return {0: side * side, 1: 1}

    def pack(self, out: Path, command: str, progress: Progress) -> BatchFolder:
        """Make the experiment's batch folder, or complete it. DataError, see `pack_digits`."""
        return pack_digits(out, **self.data, command=command, progress=progress)


def names() -> list[str]:
    """The experiments of this package that `reproduce` can run."""
    return [name for name in experiments.names() if (experiments.path(name) / FILE).is_file()]


def read_experiment(name_or_folder: str, seed: int | None = None) -> Experiment:
    """The experiment of that name, or in the folder of that path; `seed` takes the place of the recipe's.

    ConfigError where there is no such experiment, or where its experiment.toml is wrong.
    """
    if name_or_folder in names():
        folder, reference = experiments.path(name_or_folder), name_or_folder
    else:
        folder = Path(name_or_folder)
        reference = str(folder.resolve())
        if not (folder / FILE).is_file():
            raise ConfigError(
                f"no experiment {name_or_folder!r} to reproduce; there is {', '.join(names())}, or name a "
                f"folder with layers.cfg, params.cfg and {FILE}"
            )
    path = folder / FILE
    values = read_toml(path)
    _check_keys(values, ("title", "data", "wanted", "training"), path, "an experiment")
    title, data, wanted = values["title"], values["data"], values["wanted"]
    if not isinstance(title, str):
        raise ConfigError(f"{path}: title must be a text, not {title!r}")
    for table, name in ((data, "data"), (wanted, "wanted"), (values["training"], "training")):
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} must be a table, as [{name}]")
    for name, value in data.items():
        kind = DATA_OPTIONS.get(name)
        if kind is None:
            raise ConfigError(f"{path}: [data] has no {name!r}; it has {', '.join(DATA_OPTIONS)}")
        if type(value) is not kind:
            wants = "text" if kind is str else "whole number"
            raise ConfigError(f"{path}: {name} in [data] must be a {wants}, not {value!r}")
    if data.get("source") != "digits":
        raise ConfigError(f"{path}: source in [data] must be 'digits', not {data.get('source')!r}")
    _check_keys(wanted, ("accuracy",), path, "[wanted]")
    accuracy = wanted["accuracy"]
    if type(accuracy) not in (int, float) or not 0 <= accuracy <= 1:
        raise ConfigError(f"{path}: accuracy in [wanted] must be a number from 0 to 1, not {accuracy!r}")
    recipe = TrainingRecipe.from_dict(values["training"], f"{path}: [training]")
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    arguments = {name: value for name, value in data.items() if name != "source"}
    return Experiment(folder.resolve().name, reference, folder, title, arguments, float(accuracy), recipe)


def _check_keys(values: Mapping[str, Any], keys: tuple[str, ...], path: Path, what: str) -> None:
    """ConfigError unless `values` has exactly `keys`."""
    for key in keys:
        if key not in values:
            raise ConfigError(f"{path}: {what} needs {key!r}; add it")
    for key in values:
        if key not in keys:
            raise ConfigError(f"{path}: {what} has no {key!r}; it has {', '.join(keys)}")
