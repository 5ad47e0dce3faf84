"""The HDF5 files of a batch folder: what is in them, and what must hold when they are read.

`meta.h5` describes the folder; `train/data_batch_0001.h5`, ... and `test/data_batch_0001.h5`, ... hold the
images. All attributes and datasets of a file carry checksums, see `cuda_convnet.hdf5`. Raw images lie as
(channels, height, width, images), the order in which the network takes them, in chunks of whole rows of all
images (about a megabyte): nothing is transposed between the disk and the first convolution.

Answers to `batches.meta` and `data_batch_N` of `cuda-convnet:data.py`.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cuda_convnet.data.jpeg import UndecodableImage, decode_jpegs
from cuda_convnet.data.statistics import Statistics
from cuda_convnet.errors import DataError
from cuda_convnet.hdf5 import CHUNK_BYTES, Contents, UnreadableFile, read_hdf5, write_hdf5

FORMAT_VERSION = 1
FOLDER_FORMAT = "cuda_convnet batch folder"
BATCH_FORMAT = "cuda_convnet batch"

Split = Literal["train", "test"]
Encoding = Literal["raw", "jpeg"]
SPLITS: tuple[Split, Split] = ("train", "test")


@dataclass(frozen=True)
class Augmentation:
    """How the images of a dataset are varied in training; a matter of the dataset, not of a run.

    crop_border: pixels on each side by which a crop is smaller than the image, unless the loader is told
        otherwise.
    crop_chunk: how many images share one crop and one reflection (32 for ImageNet in 2012, 1 for CIFAR-10).
    reflect: whether a mirrored image is still one of its class.
    """

    crop_border: int
    crop_chunk: int
    reflect: bool


@dataclass(frozen=True, kw_only=True)
class DatasetPlan:
    """What is known of a dataset before its first batch is written.

    recipe: how it is made (source, hashes, seed, sizes): plain JSON.
    class_names: the name of each label.
    image_shape: (channels, height, width).
    counts: for "train" and "test", the number of images in each batch.
    command: the command that makes the folder, without its folder, for messages.
    """

    recipe: dict[str, Any]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    counts: dict[Split, tuple[int, ...]]
    augmentation: Augmentation
    encoding: Encoding = "raw"
    command: str = ""

    @property
    def dataset(self) -> str:
        """A fingerprint: equal for two folders with the same contents, whatever command made them."""
        a = self.augmentation
        identity = {
            "recipe": self.recipe,
            "class_names": self.class_names,
            "image_shape": self.image_shape,
            "counts": self.counts,
            "augmentation": [a.crop_border, a.crop_chunk, a.reflect],
            "encoding": self.encoding,
            "format_version": FORMAT_VERSION,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def num_images(self, split: Split) -> int:
        return sum(self.counts[split])


@dataclass(frozen=True, kw_only=True)
class DatasetMeta(DatasetPlan):
    """What `meta.h5` holds: the plan, and the statistics of the training set."""

    statistics: Statistics


@dataclass(frozen=True)
class BatchContents:
    """A batch in memory.

    images: (images, channels, height, width) uint8, a view of memory in which images lie last.
    labels: (images,) int32.
    names: the name of each image.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    @property
    def images_last(self) -> np.ndarray:
        """The images as (channels, height, width, images), without a copy."""
        return self.images.transpose(1, 2, 3, 0)


@dataclass(frozen=True)
class JpegContents:
    """A batch of JPEGs in memory, not decoded: image i is `blob[offsets[i]:offsets[i + 1]]`."""

    blob: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def jpegs(self) -> list[bytes]:
        return [self.blob[a:b].tobytes() for a, b in pairwise(self.offsets)]


def batch_path(folder: Path, split: Split, number: int) -> Path:
    """Where batch `number` (from 1) of a split lies."""
    return folder / split / f"data_batch_{number:04d}.h5"


def mend(folder: Path, command: str) -> str:
    """What to do about a file that is missing or damaged."""
    if not command:
        return "make the folder again with the command that made it"
    return f"run `{command} --out {shlex.quote(str(folder))}`, which makes what is missing or damaged again"


def write_meta(path: Path, meta: DatasetMeta) -> None:
    """Write `meta.h5`. Raises OSError."""
    channels, height, width = meta.image_shape
    write_hdf5(
        path,
        {
            "format": FOLDER_FORMAT,
            "format_version": FORMAT_VERSION,
            "dataset": meta.dataset,
            "command": meta.command,
            "encoding": meta.encoding,
            "channels": channels,
            "height": height,
            "width": width,
            "crop_border": meta.augmentation.crop_border,
            "crop_chunk": meta.augmentation.crop_chunk,
            "reflect": int(meta.augmentation.reflect),
        },
        {
            "mean_image": meta.statistics.mean_image,
            "color_eigenvalues": meta.statistics.color_eigenvalues,
            "color_eigenvectors": meta.statistics.color_eigenvectors,
            "class_names": _json_bytes(meta.class_names),
            "recipe": _json_bytes(meta.recipe),
            "train_counts": np.array(meta.counts["train"], np.int64),
            "test_counts": np.array(meta.counts["test"], np.int64),
        },
    )


def read_meta(folder: Path) -> DatasetMeta:
    """Read and check `meta.h5` of a batch folder. Raises DataError, one line with the mend."""
    path = folder / "meta.h5"
    try:
        contents = read_hdf5(path)
        _check_format(contents, FOLDER_FORMAT)
        meta = _meta(contents)
    except UnreadableFile as reason:
        raise DataError(f"{path} {reason}; {mend(folder, _command_of_a_batch(folder))}") from None
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{path} does not hold what a batch folder's meta.h5 holds; {mend(folder, '')}"
        ) from None
    if meta.dataset != contents.attributes["dataset"]:
        raise DataError(f"{path} contradicts itself; {mend(folder, meta.command)}")
    return meta


def write_raw_batch(
    path: Path,
    plan: DatasetPlan,
    split: Split,
    number: int,
    images: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
) -> None:
    """Write images (images, channels, height, width) uint8 as batch `number` of a split. Raises OSError."""
    planes = np.ascontiguousarray(images.transpose(1, 2, 3, 0))
    _, height, width, count = planes.shape
    chunk = (1, min(height, max(1, CHUNK_BYTES // (width * count))), width, count)
    write_hdf5(
        path,
        _batch_attributes(plan, split, number),
        {"images": planes, "labels": labels.astype(np.int32), "names": _encoded(names)},
        {"images": chunk},
    )


def write_jpeg_batch(
    path: Path,
    plan: DatasetPlan,
    split: Split,
    number: int,
    jpegs: Sequence[bytes],
    labels: np.ndarray,
    names: Sequence[str],
) -> None:
    """Write JPEGs as batch `number` of a split, as one blob with offsets. Raises OSError."""
    write_hdf5(
        path,
        _batch_attributes(plan, split, number),
        {
            "jpeg_bytes": np.frombuffer(b"".join(jpegs), np.uint8),
            "jpeg_offsets": np.cumsum([0, *map(len, jpegs)]),
            "labels": labels.astype(np.int32),
            "names": _encoded(names),
        },
    )


class BatchFile:
    """One batch of a folder; reading it verifies every checksum, shape, type, count and label."""

    def __init__(self, folder: Path, plan: DatasetPlan, split: Split, number: int) -> None:
        self.folder = folder
        self.plan = plan
        self.split: Split = split
        self.number = number
        self.path = batch_path(folder, split, number)

    @property
    def num_images(self) -> int:
        return self.plan.counts[self.split][self.number - 1]

    def read(self) -> BatchContents:
        """The batch with its pixels, decoded if need be. Raises DataError, one line with the mend."""
        if self.plan.encoding == "jpeg":
            contents = self.read_jpegs()
            try:
                images = decode_jpegs(contents.jpegs(), self.plan.image_shape)
            except UndecodableImage as error:
                _, height, width = self.plan.image_shape
                raise self._error(
                    f"has an image that is not a JPEG of {width}x{height}: '{contents.names[error.index]}'"
                ) from None
            return BatchContents(images, contents.labels, contents.names)
        datasets = self._datasets(("images", "labels", "names"))
        planes = datasets["images"]
        if planes.dtype != np.uint8 or planes.ndim != 4 or planes.shape[:3] != self.plan.image_shape:
            raise self._error(
                f"holds images of {planes.shape[:3]}, and the folder's are {self.plan.image_shape}"
            )
        labels, names = self._labels_and_names(datasets)
        self._check_count(planes.shape[3])
        return BatchContents(planes.transpose(3, 0, 1, 2), labels, names)

    def read_jpegs(self) -> JpegContents:
        """The batch with its JPEGs as they are. Raises DataError, one line with the mend."""
        datasets = self._datasets(("jpeg_bytes", "jpeg_offsets", "labels", "names"))
        blob, offsets = datasets["jpeg_bytes"], datasets["jpeg_offsets"]
        sound = (
            blob.dtype == np.uint8
            and blob.ndim == 1
            and offsets.dtype == np.int64
            and offsets.ndim == 1
            and (offsets.size > 0 and offsets[0] == 0 and offsets[-1] == blob.size)
            and (np.diff(offsets) > 0).all()
        )
        if not sound:
            raise self._error("has offsets that do not fit its JPEG bytes")
        labels, names = self._labels_and_names(datasets)
        self._check_count(offsets.size - 1)
        return JpegContents(blob, offsets, labels, names)

    def check(self) -> None:
        """Read the batch without decoding JPEGs. Raises DataError, one line with the mend."""
        if self.plan.encoding == "jpeg":
            self.read_jpegs()
        else:
            self.read()

    def _datasets(self, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        try:
            contents = read_hdf5(self.path)
            _check_format(contents, BATCH_FORMAT)
        except UnreadableFile as reason:
            raise self._error(str(reason)) from None
        expected = _batch_attributes(self.plan, self.split, self.number)
        if contents.attributes.get("dataset") != expected["dataset"]:
            raise DataError(
                f"{self.path} belongs to another dataset than its folder; remove it and "
                f"{mend(self.folder, self.plan.command)}"
            )
        found = contents.attributes.get("split"), contents.attributes.get("number")
        if found != (self.split, self.number):
            raise self._error(f"is batch {found[1]} of {found[0]} under another's name")
        missing = [name for name in names if name not in contents.datasets]
        if missing:
            raise self._error(f"lacks the dataset '{missing[0]}'")
        return contents.datasets

    def _labels_and_names(self, datasets: dict[str, np.ndarray]) -> tuple[np.ndarray, tuple[str, ...]]:
        labels, encoded = datasets["labels"], datasets["names"]
        if labels.dtype != np.int32 or labels.ndim != 1:
            raise self._error("has labels that are not one int32 per image")
        self._check_count(labels.size)
        highest = len(self.plan.class_names) - 1
        if labels.min() < 0 or labels.max() > highest:
            raise self._error(f"has labels outside 0 to {highest}")
        if encoded.dtype.kind != "S" or encoded.shape != labels.shape:
            raise self._error("has names that are not one string per image")
        try:
            return labels, tuple(name.decode() for name in encoded.tolist())
        except UnicodeDecodeError:
            raise self._error("has names that are not UTF-8") from None

    def _check_count(self, count: int) -> None:
        if count == 0:
            raise self._error("has no images")
        if count != self.num_images:
            raise self._error(f"has {count} images, and {self.num_images} belong in it")

    def _error(self, reason: str) -> DataError:
        return DataError(f"{self.path} {reason}; {mend(self.folder, self.plan.command)}")


def _check_format(contents: Contents, expected: str) -> None:
    if contents.attributes.get("format") != expected:
        raise UnreadableFile(f"is not a {expected}'s file")
    version = contents.attributes.get("format_version")
    if version != FORMAT_VERSION:
        raise UnreadableFile(f"has format version {version}, and this program reads version {FORMAT_VERSION}")


def _batch_attributes(plan: DatasetPlan, split: Split, number: int) -> dict[str, int | float | str]:
    return {
        "format": BATCH_FORMAT,
        "format_version": FORMAT_VERSION,
        "dataset": plan.dataset,
        "command": plan.command,
        "split": split,
        "number": number,
    }


def batch_attributes(folder: Path) -> Iterator[dict[str, int | float | str]]:
    """The attributes of each batch file of a folder that can say what it is."""
    for path in sorted(folder.glob("t*/data_batch_*.h5")):
        with suppress(UnreadableFile):
            contents = read_hdf5(path, only=())
            _check_format(contents, BATCH_FORMAT)
            yield contents.attributes


def _command_of_a_batch(folder: Path) -> str:
    """The command that was making an unfinished folder."""
    attributes = next(batch_attributes(folder), {})
    return str(attributes.get("command", ""))


def _meta(contents: Contents) -> DatasetMeta:
    attributes, datasets = contents.attributes, contents.datasets
    shape = (int(attributes["channels"]), int(attributes["height"]), int(attributes["width"]))
    statistics = Statistics(
        datasets["mean_image"], datasets["color_eigenvalues"], datasets["color_eigenvectors"]
    )
    channels = shape[0]
    if (
        (statistics.mean_image.dtype, statistics.mean_image.shape) != (np.float32, shape)
        or statistics.color_eigenvalues.shape != (channels,)
        or statistics.color_eigenvectors.shape != (channels, channels)
        or attributes["encoding"] not in ("raw", "jpeg")
    ):
        raise ValueError
    counts: dict[Split, tuple[int, ...]] = {
        "train": tuple(datasets["train_counts"].tolist()),
        "test": tuple(datasets["test_counts"].tolist()),
    }
    return DatasetMeta(
        recipe=json.loads(datasets["recipe"].tobytes()),
        class_names=tuple(json.loads(datasets["class_names"].tobytes())),
        image_shape=shape,
        counts=counts,
        augmentation=Augmentation(
            int(attributes["crop_border"]), int(attributes["crop_chunk"]), bool(attributes["reflect"])
        ),
        encoding="jpeg" if attributes["encoding"] == "jpeg" else "raw",
        command=str(attributes["command"]),
        statistics=statistics,
    )


def _json_bytes(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value, ensure_ascii=False, sort_keys=True).encode(), np.uint8)


def _encoded(names: Sequence[str]) -> np.ndarray:
    return np.array([name.encode() for name in names], dtype="S")
