"""ImageNet, or images of one's own, as a batch folder: decoded, scaled, shuffled, stored by many workers.

What 2012 did: the shorter side of an image scaled to 256, the central 256x256 kept, training images shuffled
once, 1,024 in a batch. A worker's task is one batch, from the bytes in the archives to the file; the leader
hands out numbers only. Beside each batch it keeps a note (in `unfinished/`) of exact sums of its pixels, of a
hash over its sources and of images that could not be used; when all batches are there, the notes become the
mean image, the covariance of colours, `rejected.csv` and `meta.h5`, and go. So a run that is killed at any
moment goes on where it was, and gives the same bytes as one that was not, with any number of workers.

Sums are of the pixels as they stream by: of those that raw batches hold, of those before they are encoded
where JPEGs are stored.

Answers to `cuda-convnet2:make-data/make-data.py`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuda_convnet.data.batches import (
    SPLITS,
    Augmentation,
    BatchFolder,
    BatchWriter,
    DatasetMeta,
    DatasetPlan,
    Encoding,
    Outcome,
    Progress,
    Split,
    cannot_write,
    no_progress,
)
from cuda_convnet.data.imagenet.catalogue import Catalogue, make_catalogue
from cuda_convnet.data.imagenet.layout import (
    DEVKITS,
    TEST_FOLDERS,
    TRAIN_FOLDERS,
    VAL_FOLDERS,
    find_layout,
)
from cuda_convnet.data.imagenet.notes import note_path, read_note, read_rejections, rejections_csv
from cuda_convnet.data.imagenet.pictures import RESAMPLING, libraries
from cuda_convnet.data.imagenet.task import Job, Task, make_batch, strict_stop
from cuda_convnet.data.imagenet.workers import worker_pool
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams

UNFINISHED = "unfinished"
LARGEST_SIZE = 2048
LARGEST_BATCH = 1 << 16
MOST_WORKERS = 1024
CROP_CHUNK = 32  # how many images share a crop and a reflection, as in 2012
BORDER_SHARE = 16  # 256x256 images are cropped to 224x224: a border of a sixteenth on each side


@dataclass(frozen=True)
class Packed:
    """What `pack_imagenet` made.

    sources: how many files of the sources were looked at: the images in the folder and `rejected`.
    rejected: how many of them are in `rejected.csv`.
    notes: what the user should know, one line each.
    """

    folder: BatchFolder
    sources: int
    rejected: int
    notes: tuple[str, ...]


def pack_imagenet(
    src: str | Path,
    out: str | Path,
    *,
    classes: str | None = None,
    store: Encoding = "jpeg",
    quality: int = 95,
    size: int = 256,
    batch_size: int = 1024,
    seed: int = 0,
    workers: int | None = None,
    executor: Executor | None = None,
    strict: bool = False,
    command: str = "",
    cataloguing: Progress = no_progress,
    progress: Progress = no_progress,
) -> Packed:
    """Make a batch folder of the images in `src`, or complete one; finished batches are kept.

    src: what `make_catalogue` knows: the archives of ILSVRC2012, the same unpacked, or images by class.
    classes: a part of the classes, see `make_catalogue`.
    store: "jpeg" (of `quality`) or "raw" pixels.
    size: images become `size` x `size` pixels; the border for crops is a sixteenth of it.
    seed: of the order of training images. Test images come in the order of their names.
    workers: how many processes, by default one per core; or an `executor` that does the work.
    strict: stop at the first image that cannot be used, instead of reporting it in `rejected.csv`.
    command: what messages say to run again. `cataloguing` counts what `make_catalogue` says, `progress`
        images.

    Raises DataError: options that make no sense, sources that cannot be used or that change meanwhile, an
    `out` that holds another dataset, a full disk, with `strict` an image that cannot be used.
    """
    for name, value, least, most in (
        ("quality", quality, 1, 100),
        ("size", size, 1, LARGEST_SIZE),
        ("batch_size", batch_size, 1, LARGEST_BATCH),
        ("seed", seed, 0, 2**64 - 1),
        ("workers", 1 if workers is None else workers, 1, MOST_WORKERS),
    ):
        if not least <= value <= most:
            raise DataError(f"{name} = {value} is outside {least} to {most}")
    src, out = Path(src), Path(out)
    libraries()
    _refuse_out_among_images(src, out)
    notes = out / UNFINISHED
    saved = notes / f"catalogue-{_key(src, classes)}.h5"
    loaded = Catalogue.load(saved)
    catalogue = loaded or make_catalogue(src, classes, cataloguing)
    if strict and catalogue.rejections:
        raise strict_stop(catalogue.rejections[0])
    recipe = {"seed": seed, "batch_size": batch_size, "size": size, "store": store}
    if store == "jpeg":
        recipe["quality"] = quality
    plan = _plan(catalogue, recipe, store, size, batch_size, command)
    writer = BatchWriter(out, plan)
    writer.remove_leftovers()
    meta = writer.meta()
    if strict and meta and (rejected := read_rejections(meta.rejections or b"")):
        raise strict_stop(rejected[0])
    if meta is None:
        try:
            notes.mkdir(exist_ok=True)
            if loaded is None:
                catalogue.save(saved)
        except OSError as error:
            raise cannot_write(saved, error) from None
    job = Job(
        out=out,
        plan=plan,
        notes=notes,
        src=src.absolute(),
        containers=catalogue.containers,
        size=size,
        quality=quality if store == "jpeg" else None,
        strict=strict,
    )
    tasks = _tasks(catalogue, plan, seed, batch_size, meta)
    with nullcontext(executor) if executor else worker_pool(workers) as pool:
        if pool is None:
            raise ValueError("under mpirun rank 0 alone leads, with the executor of worker_pool")
        _run(pool, job, tasks, progress)
    folder = writer.finish(None if meta else _outcome(job, catalogue, tasks))
    shutil.rmtree(notes, ignore_errors=True)
    return _packed(folder, catalogue.notes)


def _refuse_out_among_images(src: Path, out: Path) -> None:
    """Batches among the images would be taken for images when a run goes on."""
    try:
        layout = find_layout(src.absolute())
    except OSError:
        return  # of which the catalogue will tell
    images = {*filter(None, (layout.train_folder, layout.val, layout.test, layout.devkit))}
    images |= {src / name for name in (*TRAIN_FOLDERS, *VAL_FOLDERS, *TEST_FOLDERS, *DEVKITS)}
    taken = {os.path.realpath(path) for path in images}
    for place in (out, *(out / split for split in SPLITS)):
        real = Path(os.path.realpath(place))
        if taken & {str(path) for path in (real, *real.parents)}:
            raise DataError(f"{out} lies among the images of {src}; give --out a folder elsewhere")


def _key(src: Path, classes: str | None) -> str:
    """What tells the catalogue of one choice from that of another."""
    chosen = classes or ""
    if chosen.startswith("@"):
        path = Path(chosen[1:])
        # A pipe can be read but once, and that is for the catalogue.
        chosen = os.urandom(16).hex()
        with suppress(OSError):
            if path.is_file():
                chosen = path.read_text("utf-8", "replace")
    return hashlib.sha256(
        f"{os.path.realpath(src)}\0{chosen}".encode("utf-8", "surrogateescape")
    ).hexdigest()[:16]


def _plan(
    catalogue: Catalogue, recipe: dict[str, Any], store: Encoding, size: int, batch_size: int, command: str
) -> DatasetPlan:
    return DatasetPlan(
        recipe={
            **catalogue.description,
            "catalogue_sha256": catalogue.digest,
            **recipe,
            "resampling": RESAMPLING,
            "statistics": "of the scaled pixels, before they are encoded",
            "libraries": libraries(),
        },
        class_names=catalogue.class_names,
        class_ids=catalogue.class_ids,
        image_shape=(3, size, size),
        counts={split: _counts(len(images), batch_size) for split, images in catalogue.splits.items()},
        augmentation=Augmentation(crop_border=size // BORDER_SHARE, crop_chunk=CROP_CHUNK, reflect=True),
        encoding=store,
        command=command,
    )


def _counts(images: int, batch_size: int) -> tuple[int, ...]:
    return tuple(min(batch_size, images - first) for first in range(0, images, batch_size))


def _tasks(
    catalogue: Catalogue, plan: DatasetPlan, seed: int, batch_size: int, meta: DatasetMeta | None
) -> list[Task]:
    """All batches, those of the training set first. Only that is shuffled."""
    tasks = []
    for split in plan.splits:
        images = catalogue.splits[split]
        if split == "train":
            images = images.take(RandomStreams(seed).at("order").permutation(len(images)))
        for number in range(1, len(plan.counts[split]) + 1):
            of_batch = images.take(slice((number - 1) * batch_size, number * batch_size))
            tasks.append(Task(split, number, of_batch, _known(meta, split, number)))
    return tasks


def _known(meta: DatasetMeta | None, split: Split, number: int) -> tuple[int, str] | None:
    if meta is None:
        return None
    return meta.counts[split][number - 1], meta.made["batches"][split][number - 1]


def _run(pool: Executor, job: Job, tasks: Sequence[Task], progress: Progress) -> None:
    """Have all batches made that are not there yet."""
    total = sum(len(task.images) for task in tasks)
    done = 0
    progress(done, total)
    futures = {pool.submit(make_batch, job, task): len(task.images) for task in tasks}
    try:
        for future in as_completed(futures):
            future.result()
            done += futures[future]
            progress(done, total)
    except BrokenExecutor:
        raise DataError(
            f"{job.out}: a worker was ended from outside (did memory run out?); run the same command again, "
            "perhaps with fewer workers: batches that are finished are kept"
        ) from None
    finally:
        for future in futures:
            future.cancel()


def _outcome(job: Job, catalogue: Catalogue, tasks: Sequence[Task]) -> Outcome:
    """What the notes come to, in the order of the tasks."""
    rejections = list(catalogue.rejections)
    rejected: dict[Split, list[int]] = {split: [] for split in job.plan.splits}
    hashes: dict[Split, list[str]] = {split: [] for split in job.plan.splits}
    sums: PixelSums | None = None
    digest = hashlib.sha256()
    for task in tasks:
        path = note_path(job.notes, task.split, task.number)
        note = read_note(path, job.plan.dataset)
        if note is None:
            raise DataError(f"{path} is missing or damaged; run the same command again, which makes it again")
        rejections += note.rejections
        rejected[task.split].append(len(task.images) - note.images)
        hashes[task.split].append(note.sources_sha256)
        digest.update(bytes.fromhex(note.sources_sha256))
        if note.sums:
            sums = sums + note.sums if sums else note.sums
    for split in ("train", "test"):
        lost = [rejection for rejection in rejections if rejection.split == split]
        if sum(rejected[split]) == job.plan.num_images(split):
            raise DataError(
                f"{job.src}: none of the images for {split} can be used: {len(lost)} are rejected, "
                f"'{lost[0].name}' for one: {lost[0].reason}"
            )
    if sums is None:
        raise AssertionError("training images without sums of their pixels")
    made = {
        "sources": sum(len(task.images) for task in tasks) + len(catalogue.rejections),
        "rejected": len(rejections),
        "sources_sha256": digest.hexdigest(),
        "batches": hashes,
    }
    return Outcome(
        sums=sums,
        rejected={split: tuple(numbers) for split, numbers in rejected.items()},
        rejections=rejections_csv(rejections),
        made=made,
    )


def _packed(folder: BatchFolder, notes: tuple[str, ...]) -> Packed:
    """What was made; every source is in the folder or among the rejections."""
    made = folder.meta.made
    used = sum(map(folder.meta.num_images, folder.meta.splits))
    if used + made["rejected"] != made["sources"]:
        raise AssertionError(f"{made['sources']} sources, {used} used, {made['rejected']} rejected")
    return Packed(folder, made["sources"], made["rejected"], notes)
