"""Batch folders: opened, written batch by batch, and verified.

A batch is a file, as in 2012, so that many processes can write, a crash costs one batch, and a corrupt one
is named. `meta.h5` is written last: a folder without it is not finished, and the command that began it
completes it.

Answers to `DataProvider` of `cuda-convnet:data.py` and to `write_batches` of
`cuda-convnet2:make-data/make-data.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import accumulate
from operator import sub
from pathlib import Path
from typing import Any

import numpy as np

from cuda_convnet.data.batch_format import (
    SPLITS,
    UNLABELLED,
    Augmentation,
    BatchContents,
    BatchFile,
    DatasetMeta,
    DatasetPlan,
    Encoding,
    JpegContents,
    Split,
    batch_attributes,
    batch_path,
    batch_paths,
    mend,
    read_meta,
    write_jpeg_batch,
    write_meta,
    write_raw_batch,
)
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError
from cuda_convnet.hdf5 import TEMPORARY, write_whole

__all__ = [
    "SPLITS",
    "Augmentation",
    "BatchContents",
    "BatchFile",
    "BatchFolder",
    "BatchWriter",
    "DatasetMeta",
    "DatasetPlan",
    "Encoding",
    "JpegContents",
    "Outcome",
    "Problem",
    "Progress",
    "Split",
    "verify",
]

REJECTED = "rejected.csv"

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


def no_progress(done: int, total: int) -> None:
    """A Progress that shows nothing."""


def cannot_write(path: Path, error: OSError) -> DataError:
    """Why a file of a batch folder could not be written (a full disk, say), and how to go on."""
    return DataError(
        f"{path} cannot be written ({error.strerror}); mend that and run the same command again: "
        "batches that are finished are kept"
    )


class BatchFolder:
    """A finished folder of batches.

    `meta` describes it; `train`, `test` and `unlabelled` (often empty) are its batch files in order, without
    batches that lost all of their images. Opening reads `meta.h5` and sees that no file is missing; each
    file is checked when it is read.

    Raises DataError: no such folder, no or a damaged `meta.h5`, no images, a missing batch.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _check_is_folder(self.path)
        if not (self.path / "meta.h5").exists() and not batch_paths(self.path):
            raise DataError(
                f"{self.path} is not a batch folder: meta.h5 is missing; "
                "`alexnet2012 data` makes folders of batches"
            )
        self.meta = read_meta(self.path)
        self._files = {split: self._files_of(split) for split in self.meta.splits}
        self.train, self.test, self.unlabelled = (self.split(split) for split in SPLITS)

    def split(self, split: Split) -> tuple[BatchFile, ...]:
        """The batch files of a split, by its name."""
        return self._files.get(split, ())

    def _files_of(self, split: Split) -> tuple[BatchFile, ...]:
        if split != "unlabelled" and self.meta.num_images(split) == 0:
            raise DataError(f"{self.path / split} has no images; {mend(self.path, self.meta.command)}")
        files = _batch_files(self.path, self.meta, split)
        for file in files:
            if not file.path.exists():
                raise DataError(f"{file.path} is missing; {mend(self.path, self.meta.command)}")
        return files


def _check_is_folder(path: Path) -> None:
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; `alexnet2012 data` makes folders of batches")


def _batch_files(folder: Path, plan: DatasetPlan, split: Split) -> tuple[BatchFile, ...]:
    """The batches of a split that hold images."""
    counts = enumerate(plan.counts[split], 1)
    return tuple(BatchFile(folder, plan, split, number) for number, count in counts if count > 0)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a plan, for `BatchWriter.finish`; the fields are those of DatasetMeta."""

    sums: PixelSums
    rejected: dict[Split, tuple[int, ...]]
    rejections: bytes | None
    made: dict[str, Any]


class BatchWriter:
    """Makes a batch folder, or completes one that the same plan began.

    >>> writer = BatchWriter(path, plan)                           # doctest: +SKIP
    >>> for split, number in writer.unfinished():                  # doctest: +SKIP
    ...     writer.write(split, number, *images_of(split, number)) # doctest: +SKIP
    >>> folder = writer.finish()                                   # doctest: +SKIP

    Batches may be written in any order and by several processes; one of them finishes when all are written.

    Raises DataError: the folder holds another dataset, or cannot be written (a full disk, say).
    """

    def __init__(self, path: str | Path, plan: DatasetPlan) -> None:
        self.path = Path(path)
        self.plan = plan.plan() if isinstance(plan, DatasetMeta) else plan
        for split in plan.splits:
            if plan.num_images(split) == 0:
                raise DataError(f"{self.path}: there are no images for {split}; nothing was written")
        self._refuse_another_dataset()
        folders = [self.path / split for split in plan.splits]
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def unfinished(self, progress: Progress = no_progress) -> Iterator[tuple[Split, int]]:
        """The batches that are not there yet or that are damaged, as (split, number), training set first.

        `progress` counts images, those of batches that are already there included.
        """
        total = sum(map(self.plan.num_images, SPLITS))
        done = 0
        for split in self.plan.splits:
            for number, count in enumerate(self.plan.counts[split], 1):
                if not self._is_finished(split, number):
                    yield split, number
                done += count
                progress(done, total)

    def write(
        self, split: Split, number: int, images: np.ndarray, labels: np.ndarray, names: Sequence[str]
    ) -> None:
        """Write one batch of raw images (images, channels, height, width) uint8.

        Images that lie last in memory (a transposed view) are written without a copy.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.plan.image_shape:
            raise ValueError(
                f"images are uint8 {self.plan.image_shape}, not {images.dtype} {images.shape[1:]}"
            )
        self._check(split, number, len(images), labels, names, "raw")
        path = batch_path(self.path, split, number)
        try:
            write_raw_batch(path, self.plan, split, number, images, labels, names)
        except OSError as error:
            raise cannot_write(path, error) from None

    def write_jpegs(
        self, split: Split, number: int, jpegs: Sequence[bytes], labels: np.ndarray, names: Sequence[str]
    ) -> None:
        """Write one batch of JPEGs, each of the plan's image shape."""
        self._check(split, number, len(jpegs), labels, names, "jpeg")
        path = batch_path(self.path, split, number)
        try:
            write_jpeg_batch(path, self.plan, split, number, jpegs, labels, names)
        except OSError as error:
            raise cannot_write(path, error) from None

    def finish(self, outcome: Outcome | None = None) -> BatchFolder:
        """Write `rejected.csv`, if there is one, then `meta.h5`, last; and open the folder.

        Without an outcome no image was lost, and the statistics of the training set are computed from its
        batches.
        """
        meta = self.meta() or self._meta_of(outcome)
        if meta.rejections is not None and self._bytes(REJECTED) != meta.rejections:
            self._write(REJECTED, lambda path: write_whole(path, meta.rejections or b""))
        if self.meta() is None:
            self._write("meta.h5", lambda path: write_meta(path, meta))
        self.remove_leftovers()
        return BatchFolder(self.path)

    def remove_leftovers(self) -> None:
        """Remove what a writer that was killed left half written; while no other process writes."""
        for name in ("meta.h5", REJECTED, *(f"{split}/*.h5" for split in SPLITS)):
            for leftover in self.path.glob(f"{name}{TEMPORARY}*"):
                leftover.unlink(missing_ok=True)

    def meta(self) -> DatasetMeta | None:
        """What `meta.h5` says, if the folder has been finished."""
        with suppress(DataError):
            return read_meta(self.path)
        return None

    def _meta_of(self, outcome: Outcome | None) -> DatasetMeta:
        plan = {field.name: getattr(self.plan, field.name) for field in fields(DatasetPlan)}
        if outcome is None:
            train = _batch_files(self.path, self.plan, "train")
            *_, sums = accumulate(PixelSums.of(file.read().images) for file in train)
            return DatasetMeta(statistics=sums.statistics(), **plan)
        plan["counts"] = {
            split: tuple(map(sub, planned, outcome.rejected.get(split, (0,) * len(planned))))
            for split, planned in self.plan.counts.items()
        }
        return DatasetMeta(
            statistics=outcome.sums.statistics(),
            rejected=outcome.rejected,
            rejections=outcome.rejections,
            made=outcome.made,
            **plan,
        )

    def _bytes(self, name: str) -> bytes | None:
        with suppress(OSError):
            return (self.path / name).read_bytes()
        return None

    def _write(self, name: str, write: Callable[[Path], None]) -> None:
        try:
            write(self.path / name)
        except OSError as error:
            raise cannot_write(self.path / name, error) from None

    def _check(
        self,
        split: Split,
        number: int,
        count: int,
        labels: np.ndarray,
        names: Sequence[str],
        encoding: Encoding,
    ) -> None:
        expected = self.plan.counts[split][number - 1]
        if not count == len(labels) == len(names) == expected:
            raise ValueError(
                f"batch {number} of {split} has {expected} images, labels and names, not {count}"
            )
        if split == "unlabelled":
            lowest = highest = UNLABELLED
        else:
            lowest, highest = 0, len(self.plan.class_names) - 1
        if labels.min() < lowest or labels.max() > highest:
            raise ValueError(f"labels go from {lowest} to {highest}")
        if encoding != self.plan.encoding:
            raise ValueError(f"the images of this dataset are {self.plan.encoding}, not {encoding}")

    def _is_finished(self, split: Split, number: int) -> bool:
        file = BatchFile(self.path, self.plan, split, number)
        with suppress(DataError):
            file.check()
            return True
        return False

    def _refuse_another_dataset(self) -> None:
        meta = self.meta()
        found = {meta.dataset} if meta else {batch.get("dataset") for batch in batch_attributes(self.path)}
        if found - {self.plan.dataset}:
            was = f" (made by `{meta.command}`)" if meta and meta.command else ""
            raise DataError(f"{self.path} holds another dataset{was}; give another folder, or empty this one")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of a batch folder: one line that names the file and the mend."""

    path: Path
    message: str


def verify(path: str | Path, progress: Progress = no_progress) -> Iterator[Problem]:
    """Read a whole batch folder and yield what is wrong with it; nothing, if nothing is.

    Checked are every file's checksums, types, shapes, counts and labels, that no batch is missing or one too
    many, that `rejected.csv` is the folder's, and, for raw images, that the mean image is theirs. `progress`
    counts batches. Raises DataError: no such folder.
    """
    folder = Path(path)
    _check_is_folder(folder)
    try:
        meta = read_meta(folder)
    except DataError as error:
        yield Problem(folder / "meta.h5", str(error))
        return
    yield from _verify_rejected(folder, meta)
    files_of = {split: _batch_files(folder, meta, split) for split in meta.splits}
    total = sum(map(len, files_of.values()))
    done = 0
    sums: PixelSums | None = None
    whole = True
    for split in SPLITS:
        files = files_of.get(split, ())
        if not files and split != "unlabelled":
            yield Problem(folder / split, f"{folder / split} has no images; {mend(folder, meta.command)}")
        for file in files:
            try:
                if meta.encoding == "raw" and split == "train":
                    batch = PixelSums.of(file.read().images)
                    sums = sums + batch if sums else batch
                else:
                    file.check()
            except DataError as error:
                whole = False
                yield Problem(file.path, str(error))
            done += 1
            progress(done, total)
        known = {file.path for file in files}
        for extra in sorted(set((folder / split).glob("*")) - known):
            yield Problem(extra, f"{extra} does not belong to this dataset; remove it")
    if whole and sums and not np.array_equal(sums.mean_image(), meta.statistics.mean_image):
        meta_path = folder / "meta.h5"
        yield Problem(
            meta_path,
            f"{meta_path} has a mean image that is not its batches'; "
            f"remove it and {mend(folder, meta.command)}",
        )


def _verify_rejected(folder: Path, meta: DatasetMeta) -> Iterator[Problem]:
    path = folder / REJECTED
    if meta.rejections is None:
        return
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        reason = "is missing"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    else:
        if found == meta.rejections:
            return
        reason = "is damaged: its contents are not those that meta.h5 has kept"
    yield Problem(path, f"{path} {reason}; {mend(folder, meta.command)}")
