"""What a worker does: one batch, from the bytes in the archives to the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cuda_convnet.data.batch_format import batch_path
from cuda_convnet.data.batches import BatchFile, DatasetPlan, Split, cannot_write
from cuda_convnet.data.imagenet.images import Images, Rejection
from cuda_convnet.data.imagenet.layout import relative_name
from cuda_convnet.data.imagenet.notes import Note, note_path, read_note, write_note
from cuda_convnet.data.imagenet.pictures import Unusable, prepare
from cuda_convnet.data.imagenet.reader import Reader, SourceError
from cuda_convnet.data.imagenet.stores import JpegStore, RawStore, Store
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError


@dataclass(frozen=True)
class Job:
    """What all tasks of a run share.

    out: the batch folder, and plan: of it. notes: the folder for notes. src: the folder that sources are
    named from, and containers: where images are, see `Images`. size: of an image's sides. quality: of JPEGs,
    None for raw pixels. strict: whether an image that cannot be used ends the run.
    """

    out: Path
    plan: DatasetPlan
    notes: Path
    src: Path
    containers: tuple[str, ...]
    size: int
    quality: int | None
    strict: bool


@dataclass(frozen=True)
class Task:
    """One batch and its planned images.

    known: how many images it holds and its hash over sources, where the folder has been finished before.
    """

    split: Split
    number: int
    images: Images
    known: tuple[int, str] | None = None


def make_batch(job: Job, task: Task) -> None:
    """Make a batch, unless it is there and whole: first its note, then its file.

    Raises DataError: a source that cannot be read or has changed, a full disk, too little memory, with
    `strict` an image that cannot be used.
    """
    try:
        if not _is_there(job, task):
            _make(job, task)
    except Exception as error:
        if _out_of_memory(error):
            raise DataError(
                f"{job.out}: memory ran out over batch {task.number} of {task.split}; run the same command "
                "again with fewer workers, or give another folder and a smaller --batch-size"
            ) from None
        raise


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether it came of a MemoryError, which h5py hides behind another when it closes its file."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__context__
    return error is not None


def _make(job: Job, task: Task) -> None:
    store = (
        RawStore(job.plan.image_shape, len(task.images)) if job.quality is None else JpegStore(job.quality)
    )
    digest = hashlib.sha256()
    rejections: list[Rejection] = []
    kept: list[int] = []

    def added() -> Iterator[np.ndarray]:
        for index, pixels in _prepared(job, task, digest.update, rejections):
            kept.append(index)
            store.add(pixels)
            yield pixels

    sums = None
    if task.split == "train":
        sums = PixelSums.of_pictures(added(), job.plan.image_shape)
    else:
        for _ in added():
            pass
    note = Note(len(kept), digest.hexdigest(), tuple(rejections), sums if kept else None)
    if task.known is None:
        _write_note(job, task, note)
    elif task.known != (note.images, note.sources_sha256):
        raise DataError(
            f"{job.src}: its images for batch {task.number} of {task.split} are not those that {job.out} was "
            "made of; give another folder"
        )
    if kept:
        _write_batch(job, task, kept, store)


def strict_stop(rejection: Rejection) -> DataError:
    """Why a strict run stops."""
    return DataError(
        f"{rejection.source}: '{rejection.name}' cannot be used ({rejection.reason}); "
        "without --strict it is left out and reported"
    )


def _is_there(job: Job, task: Task) -> bool:
    """Whether the batch needs nothing more. A batch that lost all of its images has a note alone."""
    images = task.known[0] if task.known else None
    if images is None:
        note = read_note(note_path(job.notes, task.split, task.number), job.plan.dataset)
        if note is None:
            return False
        if job.strict and note.rejections:
            raise strict_stop(note.rejections[0])
        images = note.images
    if images == 0:
        return True
    with suppress(DataError):
        return BatchFile(job.out, job.plan, task.split, task.number).check() == images
    return False


def _prepared(
    job: Job, task: Task, hash_update: Callable[[bytes], None], rejections: list[Rejection]
) -> Iterator[tuple[int, np.ndarray]]:
    """The index and the pixels (size, size, 3) of each image that can be used; the others are rejected."""
    with closing(Reader(job.containers)) as reader:
        for index in range(len(task.images)):
            data = _read(job, task, index, reader)
            hash_update(len(data).to_bytes(8, "little"))
            hash_update(data)
            pixels = _pixels(job, task, index, data)
            if isinstance(pixels, Rejection):
                rejections.append(pixels)
            else:
                yield index, pixels


def _read(job: Job, task: Task, index: int, reader: Reader) -> bytes:
    try:
        return reader.read(task.images, index)
    except SourceError as gone:
        name = task.images.names[index].decode()
        raise DataError(
            f"{_container(job, task, index)}: '{name}' {gone.reason}; mend that and run the same command "
            "again: batches that are finished are kept"
        ) from None


def _pixels(job: Job, task: Task, index: int, data: bytes) -> np.ndarray | Rejection:
    try:
        return prepare(data, job.size)
    except Unusable as unusable:
        rejection = _rejection(job, task, index, unusable.reason)
    if job.strict:
        raise strict_stop(rejection)
    return rejection


def _container(job: Job, task: Task, index: int) -> Path:
    return Path(job.containers[task.images.containers[index]])


def _rejection(job: Job, task: Task, index: int, reason: str) -> Rejection:
    source = relative_name(_container(job, task, index), job.src.absolute())
    return Rejection(task.split, task.images.names[index].decode(), source, reason)


def _write_note(job: Job, task: Task, note: Note) -> None:
    path = note_path(job.notes, task.split, task.number)
    try:
        write_note(path, job.plan.dataset, note)
    except OSError as error:
        raise cannot_write(path, error) from None


def _write_batch(job: Job, task: Task, kept: list[int], store: Store) -> None:
    path = batch_path(job.out, task.split, task.number)
    names = [name.decode() for name in task.images.names[kept].tolist()]
    labels = task.images.labels[kept]
    rejected = len(task.images) - len(kept)
    try:
        store.write(path, job.plan, task.split, task.number, labels, names, rejected)
    except OSError as error:
        raise cannot_write(path, error) from None
