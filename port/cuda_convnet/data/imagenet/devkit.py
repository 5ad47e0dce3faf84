"""The development kit of ILSVRC2012: which class has which number, and what the validation images show.

Answers to `parse_devkit_meta` of `cuda-convnet2:make-data/make-data.py`.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import scipy.io

from cuda_convnet.errors import DataError

DEVKIT_NAME = "ILSVRC2012_devkit_t12.tar.gz"
META = "data/meta.mat"
TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
LARGEST_FILE = 1 << 26
# Of the 1,860 synsets of meta.mat those with greater numbers are inner nodes of WordNet.
LAST_CLASS = 1000
VALIDATION_IMAGES = 50_000


@dataclass(frozen=True)
class Devkit:
    """What a development kit says.

    ids: ILSVRC2012_ID of each class, ascending; wnids, words: its WordNet ID and its name.
    truth: the ILSVRC2012_ID that each validation image shows, number 1 first; None if the kit lacks it.
    """

    path: Path
    ids: tuple[int, ...]
    wnids: tuple[str, ...]
    words: tuple[str, ...]
    truth: tuple[int, ...] | None

    def validation_classes(self) -> tuple[str, ...]:
        """The WordNet ID that each validation image shows, number 1 first. Raises DataError: not there."""
        if self.truth is None:
            raise DataError(f"{self.path} lacks {TRUTH}, without which the validation images have no labels")
        wnids = dict(zip(self.ids, self.wnids, strict=True))
        return tuple(wnids[number] for number in self.truth)


def read_devkit(path: Path) -> Devkit:
    """Read a development kit, packed as it was published (.tar.gz), or a folder.

    Raises DataError: a file that is damaged, missing, or contradicts itself.
    """
    try:
        files = _unpacked(path) if path.is_dir() else _packed(path)
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read ({error.strerror or error})") from None
    if META not in files:
        raise DataError(f"{path} lacks {META}, which says how classes are numbered; get the kit again")
    ids, wnids, words = _classes(path, files[META])
    truth = _truth(path, files[TRUTH], set(ids)) if TRUTH in files else None
    if truth is not None and len(ids) == LAST_CLASS and len(truth) != VALIDATION_IMAGES:
        raise DataError(
            f"{path}: {TRUTH} has {len(truth)} lines, and there are {VALIDATION_IMAGES} validation images; "
            "get the kit again"
        )
    return Devkit(path, ids, wnids, words, truth)


def _unpacked(folder: Path) -> dict[str, bytes]:
    files = {}
    for name in (META, TRUTH):
        path = folder / name
        if path.is_file():
            files[name] = path.read_bytes()
    return files


def _packed(archive: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                name = "/".join(PurePosixPath(member.name).parts[-2:])
                if name not in (META, TRUTH) or name in files or not member.isreg():
                    continue
                if member.size > LARGEST_FILE:
                    raise DataError(f"{archive}: {name} has {member.size} bytes: it is no development kit")
                file = tar.extractfile(member)
                if file is not None:
                    files[name] = file.read()
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError):
        raise DataError(f"{archive} is cut short or not a .tar.gz archive; get it again") from None
    return files


def _classes(path: Path, mat: bytes) -> tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...]]:
    try:
        file: Any = io.BytesIO(mat)  # which scipy's type stubs do not know it takes
        synsets = scipy.io.loadmat(file, variable_names=["synsets"], squeeze_me=True)["synsets"]
        found = sorted(
            (int(synset["ILSVRC2012_ID"]), str(synset["WNID"]), str(synset["words"]))
            for synset in np.atleast_1d(synsets)
        )
    # scipy reports damage through whichever exception the damaged byte leads to.
    except Exception:
        raise DataError(
            f"{path}: {META} is damaged or not the one of ILSVRC2012 (a struct array 'synsets'); "
            "get the kit again"
        ) from None
    classes = [row for row in found if 1 <= row[0] <= LAST_CLASS]
    if not classes:
        raise DataError(f"{path}: {META} has no class with an ILSVRC2012_ID of 1 to {LAST_CLASS}")
    ids, wnids, words = zip(*classes, strict=True)
    for values, what in ((ids, "ILSVRC2012_ID"), (wnids, "WNID")):
        if len(set(values)) < len(values):
            raise DataError(f"{path}: {META} has the same {what} twice; get the kit again")
    return ids, wnids, words


def _truth(path: Path, text: bytes, ids: set[int]) -> tuple[int, ...]:
    numbers = []
    for n, line in enumerate(text.rstrip().splitlines(), 1):
        number = int(line) if re.fullmatch(rb"\s*\d{1,9}\s*", line) else 0
        if number not in ids:
            shown = line.strip().decode("ascii", "replace")[:40]
            raise DataError(
                f"{path}: {TRUTH}, line {n}: '{shown}' is not the number of a class in {META}; "
                "get the kit again"
            )
        numbers.append(number)
    if not numbers:
        raise DataError(f"{path}: {TRUTH} is empty; get the kit again")
    return tuple(numbers)
