"""An experiment in miniature: a share of the classes, of their images, of the epochs; and all its schedule.

What is drawn depends on the seed and on the labels alone. The images are copied as their files hold them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet2012.stored_images import by_file, source_of, split_labels
from cuda_convnet.data.batches import (
    BatchFile,
    BatchFolder,
    BatchWriter,
    DatasetPlan,
    Progress,
    Split,
    no_progress,
)
from cuda_convnet.randomness import RandomStreams
from cuda_convnet.recipe import Change, Every, TrainingRecipe

CLASSES = 6  # the fewest of which five guesses can all be wrong
STEPS = 8  # an epoch has at least so many minibatches, and a batch so many: 1,024 of 128 in 2012
MINIBATCH = 4  # but minibatches do not get smaller than this
RATES = ("epsW", "epsB")
LABELLED: tuple[Split, ...] = ("train", "test")


def scaled_minibatch(minibatch: int, images: int) -> int:
    """`minibatch`, halved until an epoch of so many images has eight of them, or it holds four.

    >>> scaled_minibatch(128, 1_281_167), scaled_minibatch(128, 300), scaled_minibatch(128, 10)
    (128, 32, 4)
    """
    while images < STEPS * minibatch and minibatch >= 2 * MINIBATCH:
        minibatch //= 2
    return minibatch


def scaled_recipe(recipe: TrainingRecipe, scale: float, images: int) -> TrainingRecipe:
    """The recipe for a share of its epochs, and for `images` training images.

    Each epoch of the schedule keeps its place in the whole, and has an epoch of its own: there are at least
    as many epochs as phases. Learning rates shrink with the minibatch, for a gradient of fewer images is as
    much noisier. A run whose epochs are shorter than its saves are apart is saved after every epoch.
    """
    old = sorted({1, *(change.epoch for change in recipe.schedule if change.epoch <= recipe.epochs)})
    epochs = max(len(old), round(scale * recipe.epochs))
    new = [1 + round((epoch - 1) * epochs / recipe.epochs) for epoch in old]
    for i in range(1, len(new)):
        new[i] = max(new[i], new[i - 1] + 1)
    for i, room in enumerate(reversed(range(len(new)))):
        new[i] = min(new[i], epochs - room)
    place = dict(zip(old, new, strict=True))
    minibatch = scaled_minibatch(recipe.minibatch, images)
    save = recipe.save_every
    often = save is not None and not save.epochs and 0 < save.count * STEPS * minibatch < images
    slower = minibatch / recipe.minibatch
    return dataclasses.replace(
        recipe,
        epochs=epochs,
        minibatch=minibatch,
        save_every=save if often else Every(1, epochs=True),
        keep_epochs=(),
        schedule=(
            *((Change(1, multiply=dict.fromkeys(RATES, slower)),) if slower < 1 else ()),
            *(
                dataclasses.replace(change, epoch=place[change.epoch], set=_slowed(change.set, slower))
                for change in recipe.schedule
                if change.epoch in place
            ),
        ),
    )


def _slowed(values: Mapping[str, float], factor: float) -> dict[str, float]:
    """New values of parameters, the rates among them times `factor`."""
    return {name: value * factor if name in RATES else value for name, value in values.items()}


@dataclass(frozen=True)
class Chosen:
    """What is left of a folder: classes, by their old numbers; of each split places in it, from 0."""

    classes: NDArray[np.int64]
    places: Mapping[Split, NDArray[np.int64]]


def choose(labels: Mapping[Split, NDArray[np.int32]], classes: int, scale: float, seed: int) -> Chosen:
    """Draw a share of the classes, of those that have images of both splits, and of the images of each.

    Of each class at least one image of each split is left, of classes at least six. The order stays.
    """
    streams = RandomStreams(seed)
    there = [c for c in range(classes) if all((labels[split] == c).any() for split in LABELLED)]
    count = min(len(there), max(CLASSES, round(scale * classes)))
    chosen = np.sort(streams.at("order", path=("classes of a miniature",)).permutation(there)[:count]).astype(
        np.int64
    )
    places = {}
    for number, split in enumerate(LABELLED):
        kept = np.zeros(len(labels[split]), bool)
        for c in chosen:
            of_class = np.flatnonzero(labels[split] == c)
            random = streams.at("order", number, int(c), path=("images of a miniature",))
            kept[random.permutation(of_class)[: max(1, round(scale * len(of_class)))]] = True
        places[split] = np.flatnonzero(kept)
    return Chosen(chosen, places)


def scaled_folder(
    source: BatchFolder,
    out: Path,
    *,
    scale: float,
    seed: int,
    minibatch: int,
    command: str = "",
    progress: Progress = no_progress,
) -> BatchFolder:
    """Make a batch folder of a share of `source`, or complete it; its statistics are those of its own images.

    `minibatch` is that of the whole: batches hold eight of what becomes of it. DataError, see `BatchWriter`.
    """
    meta = source.meta
    labels = {split: split_labels(source.split(split)) for split in LABELLED}
    chosen = choose(labels, len(meta.class_names), scale, seed)
    size = STEPS * scaled_minibatch(minibatch, len(chosen.places["train"]))
    counts = {
        split: tuple(min(size, len(places) - first) for first in range(0, len(places), size))
        for split, places in chosen.places.items()
    }
    inherited = {field.name: getattr(meta, field.name) for field in fields(DatasetPlan)}
    plan = DatasetPlan(
        **inherited
        | {
            "recipe": {
                "source": f"a miniature of {source_of(meta)}",
                "of": meta.dataset,
                "scale": scale,
                "seed": seed,
            },
            "class_names": tuple(meta.class_names[c] for c in chosen.classes),
            "class_ids": tuple(meta.class_ids[c] for c in chosen.classes) if meta.class_ids else (),
            "counts": counts,
            "command": command,
        }
    )
    renumbered = np.full(len(meta.class_names), -1, np.int32)
    renumbered[chosen.classes] = np.arange(len(chosen.classes))
    writer = BatchWriter(out, plan)
    for split, number in writer.unfinished(progress):
        places = chosen.places[split][(number - 1) * size : number * size]
        _copy(source.split(split), places, renumbered, writer, split, number)
    return writer.finish()


def _copy(
    files: tuple[BatchFile, ...],
    places: NDArray[np.int64],
    renumbered: NDArray[np.int32],
    writer: BatchWriter,
    split: Split,
    number: int,
) -> None:
    """Write a batch of the images at `places`; one of the source's batches is in memory at a time."""
    labels: list[NDArray[np.int32]] = []
    names: list[str] = []
    jpegs: list[bytes] = []
    raw = (
        np.empty((*writer.plan.image_shape, len(places)), np.uint8) if writer.plan.encoding == "raw" else None
    )
    for which, inside in by_file(files, places.tolist()).items():
        file = files[which]
        if raw is None:
            contents = file.read_jpegs()
            offsets = contents.offsets
            jpegs += [contents.blob[offsets[i] : offsets[i + 1]].tobytes() for i in inside]
            file_labels, file_names = contents.labels, contents.names
        else:
            batch = file.read()
            raw[..., len(names) : len(names) + len(inside)] = batch.images_last[..., inside]
            file_labels, file_names = batch.labels, batch.names
        labels.append(renumbered[file_labels[inside]])
        names += [file_names[i] for i in inside]
    of_images = np.concatenate(labels)
    if raw is None:
        writer.write_jpegs(split, number, jpegs, of_images, names)
    else:
        writer.write(split, number, raw.transpose(3, 0, 1, 2), of_images, names)
