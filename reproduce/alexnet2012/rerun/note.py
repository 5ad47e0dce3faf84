"""`reproduction.json`: of which experiment a folder of `reproduce` is, with which seed, data and scale."""

from __future__ import annotations

import dataclasses
import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet2012.experiment import DigitsExperiment, RecordedExperiment, read_experiment
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.errors import ConfigError, DataError
from cuda_convnet.hdf5 import write_whole

FILE = "reproduction.json"
DEFAULT = "digits"


@dataclass(frozen=True, kw_only=True)
class Note:
    """What was asked for.

    `experiment` is the reference of an experiment. `data` is the batch folder and `dataset` its fingerprint,
    None where the experiment packs its own images. `scale` is the share in miniature, None for the whole.
    """

    experiment: str
    seed: int
    data: str | None = None
    dataset: str | None = None
    scale: float | None = None

    @classmethod
    def read(cls, path: Path) -> Note:
        """The note at `path`; ConfigError where it is not one."""
        try:
            note = cls(**json.loads(path.read_text(encoding="utf-8")))
            kinds: tuple[tuple[Any, Any], ...] = (
                (note.experiment, str),
                (note.seed, int),
                (note.data, str | None),
                (note.dataset, str | None),
                (note.scale, float | None),
            )
            good = all(isinstance(value, kind) for value, kind in kinds)
            good = good and 0 <= note.seed < 2**64 and (note.scale is None or 0 < note.scale < 1)
            good = good and (note.data is None) == (note.dataset is None)
        except (OSError, ValueError, TypeError):
            good = False
        if not good:
            raise ConfigError(f"{path}: cannot be read; give a new folder")
        return note


Asked = tuple[DigitsExperiment | RecordedExperiment, Note, Path]


def read_run(
    name: str | None,
    run_folder: Path | None,
    *,
    seed: int | None = None,
    data: Path | None = None,
    scale: float | None = None,
) -> Asked:
    """The experiment, its note and its folder: of a new reproduction, or of the one there, which goes on.

    ConfigError or DataError where the folder holds another experiment, seed, scale or data than is asked for;
    where an experiment that needs --data has none; where one that has its own gets some.
    """
    if run_folder is not None and (run_folder / FILE).is_file():
        return _read(run_folder, name, seed=seed, data=data, scale=scale)
    what = read_experiment(name or DEFAULT, seed)
    scale = None if scale == 1 else scale
    note = Note(experiment=what.reference, seed=what.recipe.seed, scale=scale)
    if isinstance(what, DigitsExperiment):
        given = next((option for option, value in (("--data", data), ("--scale", scale)) if value), None)
        if given:
            raise ConfigError(f"experiment {what.name} packs its own images; leave {given} out")
    elif data is None:
        raise ConfigError(
            f"experiment {what.name} needs --data DIR, a folder of images for it; `{what.made_by}` makes it"
        )
    else:
        note = dataclasses.replace(
            note, data=str(data.resolve()), dataset=open_source(what, data).meta.dataset
        )
    return what, note, run_folder or Path("runs") / f"{what.name}-{time.strftime('%Y%m%d-%H%M%S')}"


def make_run(run_folder: Path, note: Note) -> None:
    """Make the folder and its note; ConfigError where it holds something else, or cannot be written."""
    values = {name: value for name, value in dataclasses.asdict(note).items() if value is not None}
    try:
        run_folder.mkdir(parents=True, exist_ok=True)
        if any(run_folder.iterdir()) and not (run_folder / FILE).is_file():
            raise ConfigError(
                f"{run_folder}: not empty and not made by `reproduce`; give a new folder, or one that it made"
            )
        write_whole(run_folder / FILE, (json.dumps(values) + "\n").encode())
    except OSError as error:
        raise ConfigError(
            f"{run_folder}: cannot write into the folder of the run: {error.strerror}"
        ) from None


def open_source(what: RecordedExperiment, data: str | Path) -> BatchFolder:
    """The user's folder of images; DataError, with the command that makes one, where it is none or unfit."""
    try:
        folder = BatchFolder(data)
    except DataError as error:
        if Path(data).is_dir():
            raise
        raise DataError(f"{str(error).partition(';')[0]}; `{what.made_by}` makes one") from None
    wanted = (3, what.image_size, what.image_size)
    if folder.meta.image_shape != wanted:
        channels, height, width = folder.meta.image_shape
        raise DataError(
            f"{folder.path}: has images of {width}x{height} with {channels} channels, and experiment "
            f"{what.name} wants {what.image_size}x{what.image_size} in colour; "
            f"`{what.made_by}` makes such a folder"
        )
    return folder


def command_to_go_on(run_folder: Path) -> str:
    return f"alexnet2012 reproduce --run {shlex.quote(str(run_folder))}"


def _read(
    run_folder: Path, name: str | None, *, seed: int | None, data: Path | None, scale: float | None
) -> Asked:
    """What a reproduction that goes on is of; with `data`, its images have moved there."""
    note = Note.read(run_folder / FILE)
    what = read_experiment(note.experiment, note.seed)
    if isinstance(what, RecordedExperiment) != (note.data is not None):
        raise ConfigError(
            f"{run_folder}: experiment {what.name} is another than when this run began; give a new folder"
        )
    asked: tuple[tuple[Any, Any, str], ...] = (
        (name and read_experiment(name).reference, note.experiment, "experiment"),
        (seed, note.seed, "seed"),
        (scale, note.scale or 1.0, "scale"),
    )
    for wanted, noted, option in asked:
        if wanted is not None and wanted != noted:
            raise ConfigError(
                f"{run_folder}: a run of {option} {noted}, not {wanted}; give another folder, or no {option}"
            )
    if data is not None and str(data.resolve()) != note.data:
        if isinstance(what, DigitsExperiment):
            raise ConfigError(f"experiment {what.name} packs its own images; leave --data out")
        if open_source(what, data).meta.dataset != note.dataset:
            raise DataError(f"{data}: not the images of the run in {run_folder}, which are {note.data}")
        note = dataclasses.replace(note, data=str(data.resolve()))
    return what, note, run_folder
