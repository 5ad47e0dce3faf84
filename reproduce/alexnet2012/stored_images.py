"""Reads a little of a batch folder: the labels of a batch without its images, some images of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.data.batches import BatchFile, BatchFolder, Split
from cuda_convnet.data.jpeg import UndecodableImage, decode_jpegs
from cuda_convnet.hdf5 import UnreadableFile, read_hdf5


def labels_and_names(file: BatchFile) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """The labels and names of a batch's images. DataError where the file is not as it should be."""
    try:
        datasets = read_hdf5(file.path, only=("labels", "names")).datasets
        labels, names = datasets["labels"], tuple(name.decode() for name in datasets["names"].tolist())
    except (UnreadableFile, KeyError, AttributeError, UnicodeDecodeError):
        contents = file.read()  # which says what is wrong
        labels, names = contents.labels, contents.names
    return labels, names


def split_labels(files: Iterable[BatchFile]) -> NDArray[np.int32]:
    """The labels of all images of some batches, one after the other."""
    return np.concatenate([labels_and_names(file)[0] for file in files])


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
        jpegs = [contents.blob[contents.offsets[i] : contents.offsets[i + 1]].tobytes() for i in places]
        try:
            return [np.ascontiguousarray(image) for image in decode_jpegs(jpegs, file.plan.image_shape)]
        except UndecodableImage as error:
            raise file.undecodable(contents.names[places[error.index]]) from None
    images = file.read().images
    return [np.ascontiguousarray(images[i]) for i in places]
