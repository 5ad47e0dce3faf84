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
from pathlib import Path

import numpy as np

from cuda_convnet.data.batch_format import (
    SPLITS,
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
    mend,
    read_meta,
    write_jpeg_batch,
    write_meta,
    write_raw_batch,
)
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError
from cuda_convnet.hdf5 import TEMPORARY

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
    "Problem",
    "Progress",
    "Split",
    "verify",
]

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


def no_progress(done: int, total: int) -> None:
    """A Progress that shows nothing."""


class BatchFolder:
    """A finished folder of batches.

    `meta` describes it; `train` and `test` are its batch files, number 1 first. Opening reads `meta.h5` and
    sees that no file is missing; each file is checked when it is read.

    Raises DataError: no such folder, no or a damaged `meta.h5`, no images, a missing batch.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DataError(
                f"{self.path}: there is no such folder; `alexnet2012 data` makes folders of batches"
            )
        if not (self.path / "meta.h5").exists() and not any(self.path.glob("t*/data_batch_*.h5")):
            raise DataError(
                f"{self.path} is not a batch folder: meta.h5 is missing; "
                "`alexnet2012 data` makes folders of batches"
            )
        self.meta = read_meta(self.path)
        self.train, self.test = (self._files(split) for split in SPLITS)

    def split(self, split: Split) -> tuple[BatchFile, ...]:
        """The batch files of a split, by its name."""
        return self.train if split == "train" else self.test

    def _files(self, split: Split) -> tuple[BatchFile, ...]:
        counts = self.meta.counts[split]
        if sum(counts) == 0:
            raise DataError(f"{self.path / split} has no images; {mend(self.path, self.meta.command)}")
        files = tuple(BatchFile(self.path, self.meta, split, number) for number in range(1, len(counts) + 1))
        for file in files:
            if not file.path.exists():
                raise DataError(f"{file.path} is missing; {mend(self.path, self.meta.command)}")
        return files


class BatchWriter:
    """Makes a batch folder, or completes one that the same plan began.

    >>> writer = BatchWriter(path, plan)                           # doctest: +SKIP
    >>> for split, number in writer.unfinished():                  # doctest: +SKIP
    ...     writer.write(split, number, *images_of(split, number)) # doctest: +SKIP
    >>> folder = writer.finish()                                   # doctest: +SKIP

    Batches may be written in any order and by several processes, each with a writer of its own; one of them
    finishes when all are written.

    Raises DataError: the folder holds another dataset, or cannot be written (a full disk, say).
    """

    def __init__(self, path: str | Path, plan: DatasetPlan) -> None:
        self.path = Path(path)
        self.plan = plan
        for split in SPLITS:
            if plan.num_images(split) == 0:
                raise DataError(f"{self.path}: there are no images for {split}; nothing was written")
            try:
                (self.path / split).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self._cannot_write(self.path / split, error) from None
        self._refuse_another_dataset()

    def unfinished(self, progress: Progress = no_progress) -> Iterator[tuple[Split, int]]:
        """The batches that are not there yet or that are damaged, as (split, number), training set first.

        `progress` counts images, those of batches that are already there included.
        """
        total = sum(self.plan.num_images(split) for split in SPLITS)
        done = 0
        for split in SPLITS:
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
            raise self._cannot_write(path, error) from None

    def write_jpegs(
        self, split: Split, number: int, jpegs: Sequence[bytes], labels: np.ndarray, names: Sequence[str]
    ) -> None:
        """Write one batch of JPEGs, each of the plan's image shape."""
        self._check(split, number, len(jpegs), labels, names, "jpeg")
        path = batch_path(self.path, split, number)
        try:
            write_jpeg_batch(path, self.plan, split, number, jpegs, labels, names)
        except OSError as error:
            raise self._cannot_write(path, error) from None

    def finish(self) -> BatchFolder:
        """Compute the statistics of the training set, write `meta.h5`, and open the folder."""
        path = self.path / "meta.h5"
        if self._meta() is None:
            files = [
                BatchFile(self.path, self.plan, "train", n + 1) for n in range(len(self.plan.counts["train"]))
            ]
            sums = PixelSums.of(files[0].read().images)
            for file in files[1:]:
                sums += PixelSums.of(file.read().images)
            plan = {field.name: getattr(self.plan, field.name) for field in fields(DatasetPlan)}
            try:
                write_meta(path, DatasetMeta(statistics=sums.statistics(), **plan))
            except OSError as error:
                raise self._cannot_write(path, error) from None
        for leftover in (*self.path.glob(f"meta.h5{TEMPORARY}*"), *self.path.glob(f"t*/*.h5{TEMPORARY}*")):
            leftover.unlink(missing_ok=True)
        return BatchFolder(self.path)

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
        if labels.min() < 0 or labels.max() >= len(self.plan.class_names):
            raise ValueError(f"labels go from 0 to {len(self.plan.class_names) - 1}")
        if encoding != self.plan.encoding:
            raise ValueError(f"the images of this dataset are {self.plan.encoding}, not {encoding}")

    def _is_finished(self, split: Split, number: int) -> bool:
        file = BatchFile(self.path, self.plan, split, number)
        with suppress(DataError):
            file.check()
            return True
        return False

    def _meta(self) -> DatasetMeta | None:
        with suppress(DataError):
            return read_meta(self.path)
        return None

    def _refuse_another_dataset(self) -> None:
        meta = self._meta()
        found = {meta.dataset} if meta else {batch.get("dataset") for batch in batch_attributes(self.path)}
        if found - {self.plan.dataset}:
            was = f" (made by `{meta.command}`)" if meta and meta.command else ""
            raise DataError(f"{self.path} holds another dataset{was}; give another folder, or empty this one")

    def _cannot_write(self, path: Path, error: OSError) -> DataError:
        return DataError(
            f"{path} cannot be written ({error.strerror}); mend that and run the same command again: "
            "batches that are finished are kept"
        )


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of a batch folder: one line that names the file and the mend."""

    path: Path
    message: str


def verify(path: str | Path, progress: Progress = no_progress) -> Iterator[Problem]:
    """Read a whole batch folder and yield what is wrong with it; nothing, if nothing is.

    Checked are every file's checksums, types, shapes, counts and labels, that no file is missing or one too
    many, and, for raw images, that the mean image is theirs. `progress` counts batches.
    """
    folder = Path(path)
    try:
        meta = read_meta(folder)
    except DataError as error:
        yield Problem(folder / "meta.h5", str(error))
        return
    total = sum(len(meta.counts[split]) for split in SPLITS)
    done = 0
    sums: PixelSums | None = None
    whole = True
    for split in SPLITS:
        if meta.num_images(split) == 0:
            yield Problem(folder / split, f"{folder / split} has no images; {mend(folder, meta.command)}")
        files = [BatchFile(folder, meta, split, n + 1) for n in range(len(meta.counts[split]))]
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
