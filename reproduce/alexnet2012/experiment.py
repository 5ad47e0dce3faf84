"""An experiment that `reproduce` can run: a folder with layers.cfg, params.cfg and experiment.toml.

experiment.toml holds

    title = "..."                 the report's headline
    [data]                        source = "digits", and what `cuda_convnet.data.digits.pack_digits` takes:
                                  size, border, seed, batch_size, crop_chunk
    [wanted]                      accuracy: the share of the held-out images that must be right
    [training]                    a `cuda_convnet.recipe.TrainingRecipe`

or, for a run that is recorded,

    [data]                        source = "folder"; made_by: the command that makes it; classes,
                                  train_images, image_size: how large it was then
    [recorded]                    what the run gave then, see `Recorded`
    [wanted]                      within: how far both errors may be from the recorded ones
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet2012 import experiments
from alexnet2012.toml_file import read_toml
from cuda_convnet.data.batches import BatchFolder, Progress
from cuda_convnet.data.digits import pack_digits
from cuda_convnet.errors import ConfigError
from cuda_convnet.recipe import TrainingRecipe

FILE = "experiment.toml"


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """What is to be done.

    `name` is the folder's; `reference` finds it again: the name of one of this package's, else the absolute
    path.
    """

    name: str
    reference: str
    folder: Path
    title: str
    recipe: TrainingRecipe

    @property
    def files(self) -> tuple[Path, Path]:
        """The layer file and the parameter file."""
        return self.folder / "layers.cfg", self.folder / "params.cfg"

    @property
    @abstractmethod
    def data_dims(self) -> dict[int, int]:
        """The values of each image and label that the network gets, as far as they are known beforehand."""


@dataclass(frozen=True, kw_only=True)
class DigitsExperiment(Experiment):
    """An experiment on digits that it packs itself.

    `data` are the arguments of `pack_digits`, `wanted` is the least accuracy, between 0 and 1.
    """

    data: Mapping[str, Any]
    wanted: float

    @property
    def data_dims(self) -> dict[int, int]:
        border = self.data["border"]
        cut = border if self.recipe.crop_border is None else self.recipe.crop_border
        side = self.data["size"] + 2 * (border - cut)
        return {0: side * side, 1: 1}

    def pack(self, out: Path, command: str, progress: Progress) -> BatchFolder:
        """Make the experiment's batch folder, or complete it. DataError, see `pack_digits`."""
        return pack_digits(out, **self.data, command=command, progress=progress)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a run gave, and where that is written.

    logprob, top1_error and top5_error are averages over `test_images` images, of the mean prediction for
    `views` views of each. `days` are from and to, on `hardware`.
    """

    where: str
    hardware: str
    days: tuple[float, float]
    test_images: int
    views: int
    logprob: float
    top1_error: float
    top5_error: float


@dataclass(frozen=True, kw_only=True)
class RecordedExperiment(Experiment):
    """An experiment whose outcome is recorded, on colour images in a folder that the user has.

    `made_by` is the command that makes the folder. There were `classes` classes and `train_images` images to
    learn from, `image_size` pixels wide and high. `within` is how far both errors may be from the recorded
    ones.
    """

    made_by: str
    classes: int
    train_images: int
    image_size: int
    recorded: Recorded
    within: float

    @property
    def images_per_second(self) -> tuple[float, float]:
        """From and to: what the recorded days mean."""
        fastest, slowest = (self.recipe.epochs * self.train_images / (86400 * d) for d in self.recorded.days)
        return slowest, fastest

    @property
    def data_dims(self) -> dict[int, int]:
        if self.recipe.crop_border is None:
            return {1: 1}  # the folder knows
        return {0: 3 * (self.image_size - 2 * self.recipe.crop_border) ** 2, 1: 1}


def names() -> list[str]:
    """The experiments of this package that `reproduce` can run."""
    return [name for name in experiments.names() if (experiments.path(name) / FILE).is_file()]


def read_experiment(name_or_folder: str, seed: int | None = None) -> DigitsExperiment | RecordedExperiment:
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
                f"no experiment {name_or_folder!r} to reproduce; there are {', '.join(names())}, or name a "
                f"folder with layers.cfg, params.cfg and {FILE}"
            )
    path = folder / FILE
    values = read_toml(path)
    data = values.get("data")
    is_recorded = isinstance(data, dict) and data.get("source") == "folder"
    tables = ("data", *(["recorded"] if is_recorded else []), "wanted", "training")
    _check_keys(values, ("title", *tables), path, "an experiment")
    if not isinstance(values["title"], str):
        raise ConfigError(f"{path}: title must be a text, not {values['title']!r}")
    for name in tables:
        if not isinstance(values[name], dict):
            raise ConfigError(f"{path}: {name} must be a table, as [{name}]")
    recipe = TrainingRecipe.from_dict(values["training"], f"{path}: [training]")
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    shared: dict[str, Any] = {
        "name": folder.resolve().name,
        "reference": reference,
        "folder": folder,
        "title": values["title"],
        "recipe": recipe,
    }
    return (_recorded if is_recorded else _digits)(values, path, shared)


def _digits(values: Mapping[str, Any], path: Path, shared: Mapping[str, Any]) -> DigitsExperiment:
    data = _read(values["data"], _DIGITS, path, "data", needed=())
    if data.pop("source", None) != "digits":
        raise ConfigError(
            f"{path}: source in [data] must be 'digits' or 'folder', not {values['data'].get('source')!r}"
        )
    wanted = _read(values["wanted"], {"accuracy": _SHARE}, path, "wanted")
    return DigitsExperiment(**shared, data=data, wanted=wanted["accuracy"])


def _recorded(values: Mapping[str, Any], path: Path, shared: Mapping[str, Any]) -> RecordedExperiment:
    data = _read(values["data"], _FOLDER, path, "data")
    del data["source"]
    recorded = Recorded(**_read(values["recorded"], _RECORDED, path, "recorded"))
    wanted = _read(values["wanted"], {"within": _SHARE}, path, "wanted")
    return RecordedExperiment(**shared, **data, recorded=recorded, within=wanted["within"])


Reader = Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _count(value: Any) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def _positive(value: Any) -> int:
    if _count(value) < 1:
        raise ValueError
    return int(value)


def _number(value: Any, low: float = 0, high: float = float("inf")) -> float:
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError
    return float(value)


def _range(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not 0 < _number(value[0]) <= _number(value[1]):
        raise ValueError
    return float(value[0]), float(value[1])


_TEXT: tuple[Reader, str] = (_text, "text")
_INTEGER: tuple[Reader, str] = (_count, "whole number")
_POSITIVE: tuple[Reader, str] = (_positive, "whole number of at least 1")
_NUMBER: tuple[Reader, str] = (_number, "number of at least 0")
_SHARE: tuple[Reader, str] = (lambda value: _number(value, 0, 1), "number from 0 to 1")
_RANGE: tuple[Reader, str] = (_range, "pair of numbers, from and to")

_DIGITS = {
    "source": _TEXT,
    **dict.fromkeys(("size", "border", "seed", "batch_size", "crop_chunk"), _INTEGER),
}
_FOLDER = {
    "source": _TEXT,
    "made_by": _TEXT,
    **dict.fromkeys(("classes", "train_images", "image_size"), _POSITIVE),
}
_RECORDED = {
    **dict.fromkeys(("where", "hardware"), _TEXT),
    "days": _RANGE,
    **dict.fromkeys(("test_images", "views"), _POSITIVE),
    "logprob": _NUMBER,
    **dict.fromkeys(("top1_error", "top5_error"), _SHARE),
}


def _read(
    values: Mapping[str, Any],
    readers: Mapping[str, tuple[Reader, str]],
    path: Path,
    table: str,
    needed: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """The values of [table], each read; ConfigError for what is unknown, missing or of the wrong kind."""
    for name in readers if needed is None else needed:
        if name not in values:
            raise ConfigError(f"{path}: [{table}] needs {name!r}; add it")
    result = {}
    for name, value in values.items():
        if name not in readers:
            raise ConfigError(f"{path}: [{table}] has no {name!r}; it has {', '.join(readers)}")
        reader, kind = readers[name]
        try:
            result[name] = reader(value)
        except ValueError:
            raise ConfigError(f"{path}: {name} in [{table}] must be a {kind}, not {value!r}") from None
    return result


def _check_keys(values: Mapping[str, Any], keys: tuple[str, ...], path: Path, what: str) -> None:
    """ConfigError unless `values` has exactly `keys`."""
    for key in keys:
        if key not in values:
            raise ConfigError(f"{path}: {what} needs {key!r}; add it")
    for key in values:
        if key not in keys:
            raise ConfigError(f"{path}: {what} has no {key!r}; it has {', '.join(keys)}")
