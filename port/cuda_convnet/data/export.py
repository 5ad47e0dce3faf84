"""Batch folders made into class folders of images, and into NumPy files, for people with other code.

`export.json` in the folder that is made says what it is, how it is laid out, and how far it has come. A
folder with anything in it and without that file is not touched. A run that was interrupted goes on after the
last finished batch, and makes again what has been removed. Each file is written under another name and then
moved to its place.
"""

from __future__ import annotations

import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np

from cuda_convnet.data.batches import (
    SPLITS,
    BatchFile,
    BatchFolder,
    Progress,
    Split,
    cannot_write,
    no_progress,
)
from cuda_convnet.data.file_names import UniqueNames, image_name, safe_name
from cuda_convnet.data.pillow import import_pillow
from cuda_convnet.errors import DataError

Form = Literal["folders", "numpy"]
FORMAT: Final = "alexnet2012 export"
STATE: Final = "export.json"
CLASSES: Final = "classes.json"
PIECE: Final = 64
UNFINISHED: Final = ".alexnet2012-unfinished"
# ImageNet's names: its validation images are those for testing, and its test images have no labels.
FOLDERS: Final[dict[Split, str]] = {"train": "train", "test": "val", "unlabelled": "test"}


def export(folder: BatchFolder, out: str | Path, form: Form, *, progress: Progress = no_progress) -> None:
    """Write a batch folder as class folders ("folders") or as NumPy files ("numpy"), or go on with that.

    Class folders hold JPEGs as they are stored, and pixels as PNG; NumPy files hold pixels. `progress` counts
    images.

    Raises DataError: a damaged batch, an `out` that holds something else, a full disk.
    """
    writer: _Export = (_ClassFolders if form == "folders" else _NumpyFiles)(folder, Path(out))
    try:
        writer.run(progress)
    except OSError as error:
        raise cannot_write(Path(error.filename or writer.out), error) from None


class _Export(ABC):
    form: ClassVar[Form]
    layout: ClassVar[dict[str, str]]

    def __init__(self, folder: BatchFolder, out: Path) -> None:
        self.folder, self.meta, self.out = folder, folder.meta, out

    @abstractmethod
    def classes(self) -> list[dict[str, Any]]:
        """What is known of each class, in the order of labels."""

    @abstractmethod
    def prepare(self) -> None:
        """Write what belongs to no batch."""

    @abstractmethod
    def is_there(self, file: BatchFile) -> bool:
        """Whether all files of a finished batch are in their places."""

    @abstractmethod
    def write(self, file: BatchFile) -> None:
        """Write a batch."""

    def run(self, progress: Progress) -> None:
        total = sum(map(self.meta.num_images, SPLITS))
        finished = self._begin()
        done = 0
        for number, file in enumerate(self._files(), 1):
            if number > finished or not self.is_there(file):
                self.write(file)
                finished = max(finished, number)
                self._save(finished)
            done += file.num_images
            progress(done, total)
        for left in (self.out / UNFINISHED).iterdir():
            left.unlink()
        (self.out / UNFINISHED).rmdir()

    def put(self, name: str, data: Iterable[bytes | memoryview], *, durable: bool = False) -> None:
        """Write a file of `out`, given by its path in it, whole or not at all."""
        temporary = self.out / UNFINISHED / str(os.getpid())
        try:
            with open(temporary, "wb") as file:
                file.writelines(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, self.out / name)
        except OSError as error:
            raise cannot_write(self.out / name, error) from None

    def put_json(self, name: str, value: object, *, durable: bool = False) -> None:
        self.put(name, [json.dumps(value, ensure_ascii=False, indent=1).encode(), b"\n"], durable=durable)

    def _files(self) -> Iterator[BatchFile]:
        for split in self.meta.splits:
            yield from self.folder.split(split)

    def _begin(self) -> int:
        """Take possession of `out`; gives how many batches an earlier run has finished."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = self._state()
        if state is None and any(path.name != UNFINISHED for path in self.out.iterdir()):
            raise DataError(f"{self.out} is not empty and is no export; give another folder, or empty it")
        if state and (state.get("dataset"), state.get("form")) != (self.meta.dataset, self.form):
            raise DataError(f"{self.out} is another export; give another folder, or empty it")
        (self.out / UNFINISHED).mkdir(exist_ok=True)
        if state is None:
            self._save(0)
        self.prepare()
        self.put_json(CLASSES, self.classes())
        finished = state.get("finished_batches") if state else 0
        return finished if isinstance(finished, int) else 0

    def _state(self) -> dict[str, Any] | None:
        try:
            state = json.loads((self.out / STATE).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return state if isinstance(state, dict) and state.get("format") == FORMAT else None

    def _save(self, finished: int) -> None:
        """Record how many batches are finished, when their files are on the disk."""
        if finished:
            os.sync()
        state = {
            "format": FORMAT,
            "form": self.form,
            "dataset": self.meta.dataset,
            "recipe": self.meta.recipe,
            "layout": self.layout,
            "images": {split: self.meta.num_images(split) for split in self.meta.splits},
            "batches": len(list(self._files())),
            "finished_batches": finished,
        }
        self.put_json(STATE, state, durable=True)


class _ClassFolders(_Export):
    form = "folders"
    layout: ClassVar = {
        "train/CLASS/NAME.JPEG": "an image for training; NAME.png where the batch folder holds pixels",
        "val/CLASS/NAME.JPEG": "an image for testing",
        "test/NAME.JPEG": "an image without label, if there are any",
        CLASSES: "in the order of labels, each class's name, id if it has one, and folder",
    }

    def __init__(self, folder: BatchFolder, out: Path) -> None:
        super().__init__(folder, out)
        channels = self.meta.image_shape[0]
        if self.meta.encoding == "raw" and channels not in (1, 3):
            raise DataError(
                f"{folder.path} has images of {channels} channels, which PNG cannot hold; use numpy"
            )
        self.ending = "JPEG" if self.meta.encoding == "jpeg" else "png"
        unique = UniqueNames()
        self.names = self.meta.class_ids or self.meta.class_names
        self.of_label = [unique.give(safe_name(name, f"class_{i}")) for i, name in enumerate(self.names)]
        self.given: dict[str, UniqueNames] = {}
        self.placed: tuple[BatchFile | None, list[str]] = (None, [])

    def classes(self) -> list[dict[str, Any]]:
        return [{**known, "folder": self.of_label[known["label"]]} for known in _classes(self.folder)]

    def prepare(self) -> None:
        for split in self.meta.splits:
            for name in self.of_label if split != "unlabelled" else [""]:
                (self.out / FOLDERS[split] / name).mkdir(parents=True, exist_ok=True)

    def is_there(self, file: BatchFile) -> bool:
        try:
            paths = self._paths(file, *file.read_labels())
        except DataError:
            return False  # writing it says what is wrong
        return all((self.out / path).is_file() for path in paths)

    def write(self, file: BatchFile) -> None:
        if self.meta.encoding == "jpeg":
            jpegs = file.read_jpegs()
            paths = self._paths(file, jpegs.labels, jpegs.names)
            for path, (start, end) in zip(paths, pairwise(jpegs.offsets), strict=True):
                self.put(path, [jpegs.blob[start:end].data])
        else:
            batch = file.read()
            paths = self._paths(file, batch.labels, batch.names)
            for path, image in zip(paths, batch.images, strict=True):
                self.put(path, [png(image)])

    def _paths(self, file: BatchFile, labels: np.ndarray, names: Sequence[str]) -> list[str]:
        """Where the images of a batch go; the same in each run, for batches come in order."""
        if self.placed[0] is not file:
            paths = []
            for i, (label, name) in enumerate(zip(labels.tolist(), names, strict=True)):
                folder, of_class = FOLDERS[file.split], ""
                if file.split != "unlabelled":
                    folder, of_class = f"{folder}/{self.of_label[label]}", self.names[label]
                unique = self.given.setdefault(folder, UniqueNames())
                stem = image_name(name, of_class, f"{file.split}_{file.number:04d}_{i}")
                paths.append(f"{folder}/{unique.give(stem)}.{self.ending}")
            self.placed = file, paths
        return self.placed[1]


class _NumpyFiles(_Export):
    form = "numpy"
    layout: ClassVar = {
        "train_images_0001.npy": "uint8 (images, height, width, channels); channels are red, green, blue",
        "train_labels_0001.npy": "int32 (images,), from 0",
        "train_names_0001.json": "the names of the images",
        "test_images_0001.npy, ...": "the same for testing",
        "unlabelled_images_0001.npy, ...": "the same of images without label, which is -1, if there are any",
        "mean.npy": "float32 (height, width, channels), the mean of the images for training",
        "color_eigenvalues.npy": "float64 (channels,), of the covariance of the channels, ascending",
        "color_eigenvectors.npy": "float64 (channels, channels), one in each column",
        CLASSES: "in the order of labels, each class's name, and id if it has one",
    }

    def classes(self) -> list[dict[str, Any]]:
        return _classes(self.folder)

    def prepare(self) -> None:
        statistics = self.meta.statistics
        self.put("mean.npy", npy(statistics.mean_image.transpose(1, 2, 0)))
        self.put("color_eigenvalues.npy", npy(statistics.color_eigenvalues))
        self.put("color_eigenvectors.npy", npy(statistics.color_eigenvectors))

    def is_there(self, file: BatchFile) -> bool:
        return all((self.out / name).is_file() for name in self._names(file))

    def write(self, file: BatchFile) -> None:
        batch = file.read()
        images, labels, names = self._names(file)
        self.put(images, npy(batch.images.transpose(0, 2, 3, 1)))
        self.put(labels, npy(batch.labels))
        self.put_json(names, batch.names)

    def _names(self, file: BatchFile) -> tuple[str, str, str]:
        number = f"{file.number:04d}"
        return (
            f"{file.split}_images_{number}.npy",
            f"{file.split}_labels_{number}.npy",
            f"{file.split}_names_{number}.json",
        )


def npy(array: np.ndarray) -> Iterator[bytes | memoryview]:
    """An array as an .npy file, in C order, piece by piece."""
    header = io.BytesIO()
    dtype = np.lib.format.dtype_to_descr(array.dtype)
    np.lib.format.write_array_header_1_0(
        header, {"descr": dtype, "fortran_order": False, "shape": array.shape}
    )
    yield header.getvalue()
    for first in range(0, len(array), PIECE):
        some = array[first : first + PIECE]
        piece = np.empty(some.shape, some.dtype)
        if array.ndim == 1:
            piece[:] = some
        else:
            for row in range(array.shape[1]):  # what a row touches stays in cache
                piece[:, row] = some[:, row]
        yield piece.data


def png(image: np.ndarray) -> bytes:
    """An image (channels, height, width) uint8, of one channel or three, as a PNG file."""
    file = io.BytesIO()
    pixels = np.ascontiguousarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    import_pillow().fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _classes(folder: BatchFolder) -> list[dict[str, Any]]:
    meta = folder.meta
    ids = meta.class_ids or (None,) * len(meta.class_names)
    return [
        {"label": label, "name": name, **({} if of_class is None else {"id": of_class})}
        for label, (name, of_class) in enumerate(zip(meta.class_names, ids, strict=True))
    ]
