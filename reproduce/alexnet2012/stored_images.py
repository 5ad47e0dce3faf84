"""Reads a little of a batch folder: what its images are, the labels without the images, or some images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.data.batch_format import DatasetMeta
from cuda_convnet.data.batches import BatchFile, BatchFolder, Split
from cuda_convnet.data.jpeg import UndecodableImage, decode_jpegs


def source_of(meta: DatasetMeta) -> str:
    """What the images of a folder are, in short: "CIFAR-10", "ILSVRC2012"."""
    return str(meta.recipe.get("source") or meta.recipe.get("kind", "images"))


def short_class_name(folder: BatchFolder, label: int) -> str:
    """The first of a class's synonyms, "tench" of "tench, Tinca tinca"; empty where it is not known."""
    return folder.meta.class_names[label].split(",")[0].strip() if label >= 0 else ""


def split_labels(files: Iterable[BatchFile]) -> NDArray[np.int32]:
    """The labels of all images of some batches, one after the other."""
    return np.concatenate([file.read_labels()[0] for file in files])


def by_file(files: Sequence[BatchFile], places: Iterable[int]) -> dict[int, list[int]]:
    """Places in a split, counted over its files from 0: for each file that has some, their places in it."""
    starts = np.array([0, *accumulate(file.num_images for file in files)])
    found: dict[int, list[int]] = defaultdict(list)
    for place in places:
        number = int(np.searchsorted(starts, place, side="right")) - 1
        found[number].append(place - int(starts[number]))
    return dict(found)


def images_at(folder: BatchFolder, split: Split, places: Sequence[int]) -> list[NDArray[np.uint8]]:
    """The images (channels, height, width) at `places` of a split, counted from 0 over its batches.

    One batch is in memory at a time. DataError where one cannot be read.
    """
    files = folder.split(split)
    found: dict[int, NDArray[np.uint8]] = {}
    starts = [0, *accumulate(file.num_images for file in files)]
    for number, inside in by_file(files, sorted(set(places))).items():
        pixels = _some_images(files[number], inside)
        found |= {starts[number] + i: image for i, image in zip(inside, pixels, strict=True)}
    return [found[place] for place in places]


def _some_images(file: BatchFile, places: Sequence[int]) -> list[NDArray[np.uint8]]:
    if file.plan.encoding == "jpeg":
        contents = file.read_jpegs()
        jpegs = [jpeg for i in places for jpeg in contents.jpegs(i, i + 1)]
        try:
            return [np.ascontiguousarray(image) for image in decode_jpegs(jpegs, file.plan.image_shape)]
        except UndecodableImage as error:
            raise file.undecodable(contents.names[places[error.index]]) from None
    images = file.read().images
    return [np.ascontiguousarray(images[i]) for i in places]
