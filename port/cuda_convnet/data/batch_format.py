"""The HDF5 files of a batch folder: what is in them, and what must hold when they are read.

`meta.h5` describes the folder; `train/data_batch_0001.h5`, ..., `test/data_batch_0001.h5`, ... and, for
images whose classes are not known, `unlabelled/data_batch_0001.h5`, ... hold the images. All attributes and
datasets of a file carry checksums, see `cuda_convnet.hdf5`. Raw images lie as (channels, height, width,
images), the order in which the network takes them, in chunks of whole rows of all images (about a megabyte):
nothing is transposed between the disk and the first convolution.

Some images of a plan may turn out to be unusable. Their batch then holds fewer images than were planned and
says so; a batch that lost all of its images has no file.

Answers to `batches.meta` and `data_batch_N` of `cuda-convnet:data.py`.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cuda_convnet.data.jpeg import UndecodableImage, decode_jpegs
from cuda_convnet.data.statistics import Statistics
from cuda_convnet.errors import DataError
from cuda_convnet.hdf5 import CHUNK_BYTES, Allocate, Contents, UnreadableFile, read_hdf5, write_hdf5

FORMAT_VERSION = 2
FOLDER_FORMAT = "cuda_convnet batch folder"
BATCH_FORMAT = "cuda_convnet batch"

UNLABELLED = -1

Split = Literal["train", "test", "unlabelled"]
Encoding = Literal["raw", "jpeg"]
SPLITS: tuple[Split, ...] = ("train", "test", "unlabelled")


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
    counts: for "train", "test" and perhaps "unlabelled" (images whose labels are all -1), the number of
        images in each batch.
    class_ids: the id of each label where classes have one besides their name (ImageNet's wnids).
    command: the command that makes the folder, without its folder, for messages.
    """

    recipe: dict[str, Any]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    counts: dict[Split, tuple[int, ...]]
    augmentation: Augmentation
    encoding: Encoding = "raw"
    class_ids: tuple[str, ...] = ()
    command: str = ""

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that the dataset has, in the order of SPLITS."""
        return tuple(split for split in SPLITS if split in self.counts)

    @property
    def planned(self) -> dict[Split, tuple[int, ...]]:
        """The number of images in each batch, those that turned out to be unusable included."""
        return self.counts

    @property
    def dataset(self) -> str:
        """A fingerprint: equal for two folders with the same contents, whatever command made them."""
        a = self.augmentation
        identity = {
            "recipe": self.recipe,
            "class_names": self.class_names,
            "class_ids": self.class_ids,
            "image_shape": self.image_shape,
            "counts": self.planned,
            "augmentation": [a.crop_border, a.crop_chunk, a.reflect],
            "encoding": self.encoding,
            "format_version": FORMAT_VERSION,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def num_images(self, split: Split) -> int:
        return sum(self.counts.get(split, ()))


@dataclass(frozen=True, kw_only=True)
class DatasetMeta(DatasetPlan):
    """What `meta.h5` holds: the plan, and what came of it. `counts` are the images that the files hold.

    rejected: for each split that lost images, how many of each batch could not be used.
    rejections: the bytes of `rejected.csv`, which names them; None for a dataset made without it.
    made: what is known of the making, plain JSON: for ImageNet a hash over all source images, and counts.
    """

    statistics: Statistics
    rejected: dict[Split, tuple[int, ...]] = field(default_factory=dict)
    rejections: bytes | None = None
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def planned(self) -> dict[Split, tuple[int, ...]]:
        return {
            split: tuple(map(add, counts, self.rejected.get(split, (0,) * len(counts))))
            for split, counts in self.counts.items()
        }

    def plan(self) -> DatasetPlan:
        """The plan that the folder was made by."""
        shared = {each.name: getattr(self, each.name) for each in fields(DatasetPlan)}
        return DatasetPlan(**{**shared, "counts": self.planned})


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

    def jpegs(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Images `start` to `stop`, by default all."""
        offsets = self.offsets[start : None if stop is None else stop + 1]
        return [self.blob[a:b].tobytes() for a, b in pairwise(offsets)]


def batch_path(folder: Path, split: Split, number: int) -> Path:
    """Where batch `number` (from 1) of a split lies."""
    return folder / split / f"data_batch_{number:04d}.h5"


def batch_paths(folder: Path) -> list[Path]:
    """The files in a folder that have the place and name of a batch."""
    return [path for split in SPLITS for path in sorted((folder / split).glob("data_batch_*.h5"))]


def mend(folder: Path, command: str) -> str:
    """What to do about a file that is missing or damaged; a command with --run knows its folder."""
    if not command:
        return "make the folder again with the command that made it"
    where = "" if " --run " in command else f" --out {shlex.quote(str(folder))}"
    return f"run `{command}{where}`, which makes what is missing or damaged again"


def write_meta(path: Path, meta: DatasetMeta) -> None:
    """Write `meta.h5`. Raises OSError."""
    # At most eight attributes, and eight datasets in a group: HDF5 keeps more in B-trees, parts of which no
    # checksum covers.
    write_hdf5(
        path,
        {
            "format": FOLDER_FORMAT,
            "format_version": FORMAT_VERSION,
            "dataset": meta.dataset,
            "command": meta.command,
            "encoding": meta.encoding,
            "crop_border": meta.augmentation.crop_border,
            "crop_chunk": meta.augmentation.crop_chunk,
            "reflect": int(meta.augmentation.reflect),
        },
        {
            "mean_image": meta.statistics.mean_image,
            "color_eigenvalues": meta.statistics.color_eigenvalues,
            "color_eigenvectors": meta.statistics.color_eigenvectors,
            "class_names": _json_bytes(meta.class_names),
            "class_ids": _json_bytes(meta.class_ids),
            "recipe": _json_bytes(meta.recipe),
            "made": _json_bytes(meta.made),
            **_counts(meta),
        },
    )


def _counts(meta: DatasetMeta) -> dict[str, np.ndarray]:
    """Per split, how many images each of its batches holds, and how many it lost; and which."""
    counts = {
        f"batches/{split}_{name}": np.array(numbers, np.int64)
        for split in meta.splits
        for name, numbers in (
            ("counts", meta.counts[split]),
            ("rejected", meta.rejected.get(split, (0,) * len(meta.counts[split]))),
        )
    }
    if meta.rejections is not None:
        counts["batches/rejected"] = np.frombuffer(meta.rejections, np.uint8)
    return counts


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
    rejected: int = 0,
) -> None:
    """Write images (images, channels, height, width) uint8 as batch `number` of a split. Raises OSError.

    `rejected` is how many planned images of the batch could not be used.
    """
    planes = np.ascontiguousarray(images.transpose(1, 2, 3, 0))
    _, height, width, count = planes.shape
    chunk = (1, min(height, max(1, CHUNK_BYTES // (width * count))), width, count)
    write_hdf5(
        path,
        {**_batch_attributes(plan, split, number), "rejected": rejected},
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
    rejected: int = 0,
) -> None:
    """Write JPEGs as batch `number` of a split, as one blob with offsets. Raises OSError.

    `rejected` is how many planned images of the batch could not be used.
    """
    write_hdf5(
        path,
        {**_batch_attributes(plan, split, number), "rejected": rejected},
        {
            "jpeg_bytes": np.frombuffer(b"".join(jpegs), np.uint8),
            "jpeg_offsets": np.cumsum([0, *map(len, jpegs)]),
            "labels": labels.astype(np.int32),
            "names": _encoded(names),
        },
    )


class BatchFile:
    """One batch of a folder; reading it verifies every checksum, shape, type, count and label.

    `plan` is what the folder's `meta.h5` says, or while the folder is not finished the plan itself.
    """

    def __init__(self, folder: Path, plan: DatasetPlan, split: Split, number: int) -> None:
        self.folder = folder
        self.plan = plan
        self.split: Split = split
        self.number = number
        self.path = batch_path(folder, split, number)

    @property
    def num_images(self) -> int:
        return self.plan.counts[self.split][self.number - 1]

    def read(self, empty: Allocate = np.empty) -> BatchContents:
        """The batch with its pixels, decoded if need be. Raises DataError, one line with the mend.

        `empty` gives the arrays that a file is read into.
        """
        if self.plan.encoding == "jpeg":
            contents = self.read_jpegs()
            try:
                images = decode_jpegs(contents.jpegs(), self.plan.image_shape)
            except UndecodableImage as error:
                raise self.undecodable(contents.names[error.index]) from None
            return BatchContents(images, contents.labels, contents.names)
        datasets, rejected = self._datasets(("images", "labels", "names"), empty)
        planes = datasets["images"]
        if planes.dtype != np.uint8 or planes.ndim != 4 or planes.shape[:3] != self.plan.image_shape:
            raise self._error(
                f"holds images of {planes.shape[:3]}, and the folder's are {self.plan.image_shape}"
            )
        labels, names = self._labels_and_names(datasets, rejected)
        self._check_count(planes.shape[3], rejected)
        return BatchContents(planes.transpose(3, 0, 1, 2), labels, names)

    def read_jpegs(self) -> JpegContents:
        """The batch with its JPEGs as they are. Raises DataError, one line with the mend."""
        datasets, rejected = self._datasets(("jpeg_bytes", "jpeg_offsets", "labels", "names"))
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
        labels, names = self._labels_and_names(datasets, rejected)
        self._check_count(offsets.size - 1, rejected)
        return JpegContents(blob, offsets, labels, names)

    def read_labels(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """The labels and the names alone. Raises DataError, one line with the mend."""
        names = ("labels", "names")
        datasets, rejected = self._datasets(names, only=names)
        return self._labels_and_names(datasets, rejected)

    def undecodable(self, name: str) -> DataError:
        """The error for an image, called `name`, that a decoder cannot use."""
        _, height, width = self.plan.image_shape
        return self._error(f"has an image that is not a JPEG of {width}x{height}: '{name}'")

    def check(self) -> int:
        """Read the batch without decoding JPEGs; gives how many images it holds.

        Raises DataError, one line with the mend.
        """
        contents = self.read_jpegs() if self.plan.encoding == "jpeg" else self.read()
        return len(contents.labels)

    def _datasets(
        self, names: tuple[str, ...], empty: Allocate = np.empty, only: tuple[str, ...] | None = None
    ) -> tuple[dict[str, np.ndarray], int]:
        """The datasets, `names` among them, and how many planned images the batch lost."""
        try:
            contents = read_hdf5(self.path, only, empty)
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
        rejected = contents.attributes.get("rejected")
        if not isinstance(rejected, int):
            raise self._error("does not say how many images it lost")
        return contents.datasets, rejected

    def _labels_and_names(
        self, datasets: dict[str, np.ndarray], rejected: int
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        labels, encoded = datasets["labels"], datasets["names"]
        if labels.dtype != np.int32 or labels.ndim != 1:
            raise self._error("has labels that are not one int32 per image")
        self._check_count(labels.size, rejected)
        if self.split == "unlabelled":
            if (labels != UNLABELLED).any():
                raise self._error(f"has labels that are not {UNLABELLED}, though it is unlabelled")
        elif labels.min() < 0 or labels.max() >= len(self.plan.class_names):
            raise self._error(f"has labels outside 0 to {len(self.plan.class_names) - 1}")
        if encoded.dtype.kind != "S" or encoded.shape != labels.shape:
            raise self._error("has names that are not one string per image")
        try:
            return labels, tuple(name.decode() for name in encoded.tolist())
        except UnicodeDecodeError:
            raise self._error("has names that are not UTF-8") from None

    def _check_count(self, count: int, rejected: int) -> None:
        if count == 0:
            raise self._error("has no images")
        planned = self.plan.planned[self.split][self.number - 1]
        expected = self.num_images if isinstance(self.plan, DatasetMeta) else planned - rejected
        if count != expected:
            raise self._error(f"has {count} images, and {expected} belong in it")
        if count + rejected != planned:
            raise self._error(f"has {count} images and lost {rejected}, and {planned} were planned")

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
    for path in batch_paths(folder):
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
    statistics = Statistics(
        datasets["mean_image"], datasets["color_eigenvalues"], datasets["color_eigenvectors"]
    )
    channels, height, width = statistics.mean_image.shape
    if (
        statistics.mean_image.dtype != np.float32
        or statistics.color_eigenvalues.shape != (channels,)
        or statistics.color_eigenvectors.shape != (channels, channels)
        or attributes["encoding"] not in ("raw", "jpeg")
    ):
        raise ValueError
    splits = [
        split for split in SPLITS if split in ("train", "test") or f"batches/{split}_counts" in datasets
    ]
    counts = {split: _numbers(datasets[f"batches/{split}_counts"]) for split in splits}
    rejected = {split: _numbers(datasets[f"batches/{split}_rejected"]) for split in splits}
    return DatasetMeta(
        recipe=json.loads(datasets["recipe"].tobytes()),
        class_names=tuple(json.loads(datasets["class_names"].tobytes())),
        image_shape=(channels, height, width),
        counts=counts,
        augmentation=Augmentation(
            int(attributes["crop_border"]), int(attributes["crop_chunk"]), bool(attributes["reflect"])
        ),
        encoding="jpeg" if attributes["encoding"] == "jpeg" else "raw",
        class_ids=tuple(json.loads(datasets["class_ids"].tobytes())),
        command=str(attributes["command"]),
        statistics=statistics,
        rejected={split: numbers for split, numbers in rejected.items() if any(numbers)},
        rejections=datasets["batches/rejected"].tobytes() if "batches/rejected" in datasets else None,
        made=json.loads(datasets["made"].tobytes()),
    )


def _numbers(array: np.ndarray) -> tuple[int, ...]:
    if array.dtype != np.int64 or array.ndim != 1 or (array < 0).any():
        raise ValueError
    return tuple(array.tolist())


def _json_bytes(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value, ensure_ascii=False, sort_keys=True).encode(), np.uint8)


def _encoded(names: Sequence[str]) -> np.ndarray:
    return np.array([name.encode() for name in names], dtype="S")
