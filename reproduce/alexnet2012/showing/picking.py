"""Finds what a user asks to see: a batch of a folder by its number, an image by its place or name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

import numpy as np

from alexnet2012.stored_images import short_class_name
from cuda_convnet.data.batches import BatchFile, BatchFolder, Split
from cuda_convnet.errors import DataError

PLACE = re.compile("0|[1-9][0-9]{0,8}")
SUGGESTIONS = 3
SEARCHED = 20_000  # names among which near ones are looked for, which takes a while


@dataclass(frozen=True)
class Picked:
    """One image of a batch folder.

    pixels: (channels, height, width) uint8.
    index: its place in its batch, from 0.
    label: the number of its class, or -1 where that is not known.
    """

    folder: BatchFolder
    file: BatchFile
    index: int
    name: str
    pixels: np.ndarray
    label: int

    @property
    def class_name(self) -> str:
        """Its class in short, see `short_class_name`."""
        return short_class_name(self.folder, self.label)


def pick_batch(folder: BatchFolder, split: Split, number: int) -> BatchFile:
    """Batch `number` of a split. DataError where there is none."""
    files = _files(folder, split)
    for file in files:
        if file.number == number:
            return file
    numbers = f"1 to {files[-1].number}" if len(files) > 1 else "batch 1 alone"
    if len(files) != files[-1].number:
        numbers = ", ".join(str(file.number) for file in files)
    raise DataError(f"{folder.path}: {split} has no batch {number}; there is {numbers}")


def pick_image(folder: BatchFolder, split: Split, number: int | None, wanted: str) -> Picked:
    """The image that `wanted` names: its name, or the end of it, or its place in the batch from 0.

    Without a batch `number`, a name is looked for in all batches of the split, and a place is in the first.
    DataError where there is no such image, or several.
    """
    files = _files(folder, split) if number is None else (pick_batch(folder, split, number),)
    names = {file.number: file.read_labels()[1] for file in files}
    found = [(file, i) for file in files for i in _matches(names[file.number], wanted)]
    exact = [(file, i) for file, i in found if names[file.number][i] == wanted]
    found = exact or found
    if not found and PLACE.fullmatch(wanted) and int(wanted) < files[0].num_images:
        found = [(files[0], int(wanted))]
    if not found:
        raise _not_found(folder, split, files, names, wanted)
    if len(found) > 1:
        places = ", ".join(
            f"'{names[file.number][i]}' (batch {file.number}, {i})" for file, i in found[:SUGGESTIONS]
        )
        more = f" and {len(found) - SUGGESTIONS} more" if len(found) > SUGGESTIONS else ""
        raise DataError(
            f"{folder.path}: '{wanted}' may be {places}{more}; give the whole name, or --batch and the number"
        )
    file, index = found[0]
    contents = file.read()
    pixels = np.ascontiguousarray(contents.images[index])
    return Picked(folder, file, index, contents.names[index], pixels, int(contents.labels[index]))


def _files(folder: BatchFolder, split: Split) -> tuple[BatchFile, ...]:
    files = folder.split(split) if folder.meta.num_images(split) else ()
    if not files:
        there = " and ".join(each for each in folder.meta.counts if folder.meta.num_images(each))
        raise DataError(f"{folder.path} has no {split} images; it has {there}: choose with --split")
    return files


def _matches(names: tuple[str, ...], wanted: str) -> list[int]:
    """Where a name is: the whole, its file's part, or that without its ending."""
    return [i for i, name in enumerate(names) if wanted in _forms(name)]


def _forms(name: str) -> tuple[str, str, str]:
    file = name.rpartition("/")[2]
    return name, file, file.rpartition(".")[0] or file


def _not_found(
    folder: BatchFolder,
    split: Split,
    files: tuple[BatchFile, ...],
    names: dict[int, tuple[str, ...]],
    wanted: str,
) -> DataError:
    where = f"batch {files[0].number} of {split}" if len(files) == 1 else split
    all_names = (name for file in files for name in names[file.number])
    forms = {form: name for name in islice(all_names, SEARCHED) for form in _forms(name)}
    near = dict.fromkeys(forms[form] for form in get_close_matches(wanted, forms, n=2 * SUGGESTIONS))
    if near:
        mend = "near it are " + ", ".join(f"'{name}'" for name in list(near)[:SUGGESTIONS])
    else:
        some = names[files[0].number]
        mend = f"give a name such as '{some[0]}', or a number from 0 to {len(some) - 1}"
    return DataError(f"{folder.path}: {where} has no image '{wanted}'; {mend}")
