"""Images of a source, and what of it is no image: kept as arrays, because there are 1.28 million of them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EXTENSIONS = frozenset({".jpeg", ".jpg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
LARGEST_IMAGE = 1 << 28
LONGEST_NAME = 255
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Images:
    """Images by name, label and place; arrays of one length.

    names: bytes ('S'), UTF-8, unique: "n01440764/n01440764_10026.JPEG", "ILSVRC2012_val_00000001.JPEG".
    labels: int32, -1 where there is none.
    containers: int32, index into `Catalogue.containers`.
    offsets: int64, where the image starts in that tar; 0 for a file, which is <container>/<name>.
    sizes: int64, bytes.
    """

    names: np.ndarray
    labels: np.ndarray
    containers: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> Images:
        """The images at `indices`, in that order."""
        return Images(
            self.names[indices],
            self.labels[indices],
            self.containers[indices],
            self.offsets[indices],
            self.sizes[indices],
        )


@dataclass(frozen=True, order=True)
class Rejection:
    """A member of a source that is not used, and why.

    source: the archive or folder it was found in, relative to the folder that was given.
    """

    split: str
    name: str
    source: str
    reason: str


class ImageList:
    """Collects images, and keeps them as arrays; `seal` after every thousand or so."""

    def __init__(self) -> None:
        self._parts: list[Images] = []
        self._open: list[tuple[bytes, int, int, int, int]] = []

    def add(self, name: str, label: int, container: int, offset: int, size: int) -> None:
        self._open.append((name.encode(), label, container, offset, size))

    def seal(self) -> None:
        """Turn what was added since the last time into arrays, in the order of the names."""
        if self._open:
            names, labels, containers, offsets, sizes = zip(*sorted(self._open), strict=True)
            self._parts.append(
                Images(
                    np.array(names),
                    np.array(labels, np.int32),
                    np.array(containers, np.int32),
                    np.array(offsets, np.int64),
                    np.array(sizes, np.int64),
                )
            )
            self._open = []

    def images(self) -> Images:
        """All of them, in the order of their names."""
        self.seal()
        if not self._parts:
            empty = np.zeros(0, np.int64)
            return Images(np.zeros(0, "S1"), empty.astype(np.int32), empty.astype(np.int32), empty, empty)
        whole = Images(
            np.concatenate([part.names for part in self._parts]),
            np.concatenate([part.labels for part in self._parts]),
            np.concatenate([part.containers for part in self._parts]),
            np.concatenate([part.offsets for part in self._parts]),
            np.concatenate([part.sizes for part in self._parts]),
        )
        return whole.take(np.argsort(whole.names, kind="stable"))


def printable(name: str) -> str:
    """A name as UTF-8 in one line: bytes that are not, and control characters, become \\xNN."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def objection(name: str, size: int) -> str | None:
    """Why a file of this name (within its split) and size cannot be an image to use, or None."""
    if "/." in f"/{name}":
        return "a hidden file"
    if posixpath.splitext(name)[1].lower() not in EXTENSIONS:
        return "its name is not that of an image"
    if len(name.encode()) > LONGEST_NAME:
        return f"its name has more than {LONGEST_NAME} bytes"
    if size == 0:
        return "zero bytes"
    if size > LARGEST_IMAGE:
        return f"{size} bytes: more than an image can have here ({LARGEST_IMAGE})"
    return None
