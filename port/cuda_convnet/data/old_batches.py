"""Folders of batches of 2012 (cuda-convnet, run 145's, CIFAR-10's, cuda-convnet2's) made into batch folders.

Everything is read twice, a batch at a time, and no more than a batch is in memory. The first time, `survey`
counts images, checks labels and the headers of encoded images, and hashes the files: a plan must say how many
images each batch has before the first is written, and only the old pickles themselves know. The second time,
`import_old_batches` decodes and writes. A batch stays a batch.

Answers to `get_batch` of `cuda-convnet:data.py` and to the data providers of `alexnet:convdata.py`,
`alexnet:convdata_jpeg.py` and `cuda-convnet2:convdata.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from cuda_convnet.data import cifar10
from cuda_convnet.data.batches import (
    Augmentation,
    BatchFolder,
    BatchWriter,
    DatasetPlan,
    Outcome,
    Progress,
    Split,
    no_progress,
)
from cuda_convnet.data.old_contents import LEAVE_OUT, NO_LABEL, Form, OldMeta, Part, read_meta, read_part
from cuda_convnet.data.old_layout import CIFAR_PIXELS, META, OldBatch, divide, find_batches, spans
from cuda_convnet.data.old_pictures import UnusableImage, are_jpegs_of, decode, decoded
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError

WNID = re.compile(r"n[0-9]{8}")
SOURCES: Final[dict[Form, str]] = {
    "matrix": "batches of cuda-convnet",
    "strings": "batches of cuda-convnet2",
    "triple": "JPEG batches of 2012",
}


@dataclass(frozen=True)
class Survey:
    """What an old data folder holds, in all that a plan must know; `notes` are one line each."""

    source: Path
    meta: OldMeta
    plan: DatasetPlan
    batches: dict[tuple[Split, int], OldBatch]
    digests: dict[Path, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Imported:
    """A batch folder made of old batches; `notes` are one line each."""

    folder: BatchFolder
    notes: tuple[str, ...]


@dataclass
class _Seen:
    """What the first reading has met so far."""

    form: Form | None = None
    all_jpegs: bool = True
    counts: dict[str, int] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)
    wnids: dict[int, set[str]] = field(default_factory=dict)
    unlabelled: set[str] = field(default_factory=set)


def survey(
    source: str | Path,
    *,
    train_range: range | None = None,
    test_range: range | None = None,
    command: str = "",
    progress: Progress = no_progress,
) -> Survey:
    """Read an old data folder for the first time, see `cuda_convnet.data.old_layout.divide` for the ranges.

    `command` is what messages say to run again; `progress` counts batches. Batches for testing whose images
    have no labels become the split "unlabelled".

    Raises DataError, one line that names the file and the entry: what is damaged, what asks for anything else
    than data, several labels of one image, a training image without label, images that do not fit.
    """
    source = Path(source)
    found, notes = find_batches(source)
    meta, digest = read_meta(source / META)
    division = divide(source, found, meta.pixels, train_range, test_range)
    wanted = (*division.train, *division.test)
    seen = _Seen(digests={source / META: digest})
    for done, batch in enumerate(wanted):
        progress(done, len(wanted))
        _look(batch, meta, seen, train=batch in division.train)
    progress(len(wanted), len(wanted))
    test = tuple(batch for batch in division.test if batch.name not in seen.unlabelled)
    unlabelled = tuple(batch for batch in division.test if batch.name in seen.unlabelled)
    if not test:
        raise DataError(
            f"{source}: no image of the batches for testing has a label; "
            "give batches with labels as --test-range A-B"
        )
    splits: dict[Split, tuple[OldBatch, ...]] = {"train": division.train, "test": test}
    if unlabelled:
        splits["unlabelled"] = unlabelled
    form = seen.form or "matrix"
    jpegs = form != "matrix" and seen.all_jpegs
    sha256 = hashlib.sha256()
    for path, digest in sorted(seen.digests.items()):
        sha256.update(f"{path.relative_to(source).as_posix()} {digest}\n".encode())
    plan = DatasetPlan(
        recipe={
            "source": SOURCES[form],
            "sha256": sha256.hexdigest(),
            "batches": {split: _described(batches) for split, batches in splits.items()},
        },
        class_names=meta.class_names,
        class_ids=_class_ids(seen, meta),
        image_shape=meta.image_shape,
        counts={split: tuple(seen.counts[b.name] for b in batches) for split, batches in splits.items()},
        augmentation=_augmentation(form, meta),
        encoding="jpeg" if jpegs else "raw",
        command=command,
    )
    numbered = {
        (split, number): batch for split, batches in splits.items() for number, batch in enumerate(batches, 1)
    }
    more = _notes(source, meta, form, jpegs, unlabelled)
    return Survey(source, meta, plan, numbered, seen.digests, (*notes, *division.notes, *more))


def import_old_batches(surveyed: Survey, out: str | Path, *, progress: Progress = no_progress) -> Imported:
    """Make a batch folder of what was surveyed, or complete one; finished batches are kept.

    JPEGs are stored as they are when all have the size of `batches.meta`, else pixels are stored. The mean
    image is computed from the images; a note says how far that of `batches.meta` is from it. `progress`
    counts images.

    Raises DataError: an image that cannot be decoded, a source that has changed since, an `out` that holds
    another dataset, a full disk.
    """
    meta, plan = surveyed.meta, surveyed.plan
    if Path(out).resolve() == surveyed.source.resolve():
        raise DataError(f"{out} is the folder of the old batches; give another one as --out")
    writer = BatchWriter(out, plan)
    channels = meta.image_shape[0]
    sums = PixelSums(0, np.zeros(meta.image_shape, np.int64), np.zeros((channels, channels), np.int64))
    for split, number in writer.unfinished(progress):
        batch = surveyed.batches[split, number]
        parts = list(_parts(batch, meta, surveyed.digests))
        labels = np.concatenate([part.labels for part in parts])
        names = _names(batch, parts)
        if plan.encoding == "jpeg":
            for pixels in _decoded(parts, meta):
                if split == "train":
                    sums += PixelSums.of(pixels)
            writer.write_jpegs(split, number, [s for part in parts for s in part.strings], labels, names)
        else:
            images = _images(parts, meta)
            if split == "train":
                sums += PixelSums.of(images)
            writer.write(split, number, images, labels, names)
    # Of batches that an earlier run has finished, `finish` makes the sums.
    whole = sums.images == plan.num_images("train")
    folder = writer.finish(Outcome(sums=sums, rejected={}, rejections=None, made={}) if whole else None)
    notes = list(surveyed.notes)
    if meta.mean is not None:
        difference = float(np.abs(meta.mean - folder.meta.statistics.mean_image).max())
        notes.append(
            f"the mean of {META} differs by up to {difference:.3g} from that of the training images, "
            "which is the one stored"
        )
    return Imported(folder, tuple(notes))


def _look(batch: OldBatch, meta: OldMeta, seen: _Seen, *, train: bool) -> None:
    """Read a batch for the first time."""
    without: list[bool] = []
    for path in batch.parts:
        part, seen.digests[path] = read_part(path, meta)
        seen.form = seen.form or part.form
        if part.form != seen.form:
            raise DataError(
                f"{path} is one of {SOURCES[part.form]}, and those before it are {SOURCES[seen.form]}; "
                "give folders of one kind"
            )
        if part.strings:
            with _naming_entries(part):
                exact = are_jpegs_of(part.strings, meta.image_shape, meta.no_crop)
            seen.all_jpegs = seen.all_jpegs and exact
        missing = part.labels == NO_LABEL
        if missing.any() and (train or not missing.all()):
            of = "it is for training" if train else "others of the batch have one"
            raise DataError(f"{path}: entry {int(missing.argmax())} has no label, and {of}; {LEAVE_OUT}")
        without.append(bool(missing.all()))
        if without[-1] != without[0]:
            labels = "no labels" if without[-1] else "labels"
            raise DataError(f"{path} has {labels}, unlike {batch.parts[0].name}; {LEAVE_OUT}")
        for label, wnid in zip(part.labels.tolist(), part.wnids, strict=False):
            if label != NO_LABEL:
                seen.wnids.setdefault(label, set()).add(wnid)
        seen.counts[batch.name] = seen.counts.get(batch.name, 0) + len(part)
    if without[0]:
        seen.unlabelled.add(batch.name)


def _parts(batch: OldBatch, meta: OldMeta, digests: dict[Path, str]) -> Iterator[Part]:
    for path in batch.parts:
        part, digest = read_part(path, meta)
        if digest != digests[path]:
            raise DataError(f"{path} has changed while it was being read; run the same command again")
        yield part


def _decoded(parts: list[Part], meta: OldMeta) -> Iterator[np.ndarray]:
    """The pixels of JPEGs (images, channels, height, width), some at a time."""
    for part in parts:
        with _naming_entries(part):
            yield from decoded(part.strings, meta.image_shape)


def _images(parts: list[Part], meta: OldMeta) -> np.ndarray:
    """(images, channels, height, width) uint8, a view of memory in which images lie last."""
    arrays = [_pixels(part, meta) for part in parts]
    return (arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)).transpose(3, 0, 1, 2)


def _pixels(part: Part, meta: OldMeta) -> np.ndarray:
    """(channels, height, width, images) uint8."""
    if part.pixels is not None:
        return part.pixels.reshape(*meta.image_shape, len(part))
    frame = int(meta.mean.mean()) if meta.no_crop and meta.mean is not None else None
    with _naming_entries(part):
        return decode(part.strings, meta.image_shape, frame)


@contextmanager
def _naming_entries(part: Part) -> Iterator[None]:
    """An image of the part that cannot be used is named.

    DEVIATION(unreadable-images): 2012's release leaves it out of its batch without a word.
    """
    try:
        yield
    except UnusableImage as error:
        raise DataError(f"{part.path}: entry {error.index} {error}; get the file again") from None


def _names(batch: OldBatch, parts: list[Part]) -> list[str]:
    names: list[str] = []
    for part in parts:
        numbered = (f"{batch.name}/{len(names) + i}" for i in range(len(part)))
        names.extend(list(part.names) or list(numbered))
    return names


def _class_ids(seen: _Seen, meta: OldMeta) -> tuple[str, ...]:
    """The wnid of each class, if the labels of all classes have exactly one beside them."""
    ids = [seen.wnids.get(label, set()) for label in range(len(meta.class_names))]
    if all(len(of_class) == 1 for of_class in ids):
        flat = tuple(wnid for of_class in ids for wnid in of_class)
        if len(set(flat)) == len(flat) and all(WNID.fullmatch(wnid) for wnid in flat):
            return flat
    return ()


def _augmentation(form: Form, meta: OldMeta) -> Augmentation:
    """As the data providers of these batches did; run 145 crops 256x256 by 16 on each side."""
    channels, _, size = meta.image_shape
    if meta.pixels == CIFAR_PIXELS:
        return cifar10.AUGMENTATION
    return Augmentation(
        crop_border=size // 16, crop_chunk=1 if form == "strings" else 32, reflect=channels == 3
    )


def _described(batches: tuple[OldBatch, ...]) -> str:
    numbers = [batch.number for batch in batches if batch.number is not None]
    return spans(numbers) or batches[0].name


def _notes(
    source: Path, meta: OldMeta, form: Form, jpegs: bool, unlabelled: tuple[OldBatch, ...]
) -> list[str]:
    notes = []
    if unlabelled:
        notes.append(f"batches without labels ({_described(unlabelled)}) became the split 'unlabelled'")
    if form != "matrix" and not jpegs:
        _, height, width = meta.image_shape
        how = "framed with the mean" if meta.no_crop else "cut to their centre"
        notes.append(
            f"not all images of {source} are JPEGs of {width}x{height}: others were {how}, "
            "and all are stored as pixels"
        )
    return notes
