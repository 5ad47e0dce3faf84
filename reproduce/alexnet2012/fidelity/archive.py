"""Archived activations of the original, opened and checked.

The format is that of original/activations/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from cuda_convnet.errors import ConvnetError

FORMAT_VERSION = 1

Kind = Literal["ops", "nets", "imagenet-net"]


class ArchiveError(ConvnetError):
    """An archive that is missing, damaged, or not one of archived activations."""


@dataclass(frozen=True)
class Archive:
    """An open archive. `kind` says what it holds:

    `ops`: single operations, `/<op>/<case>/in|out/<name>`; `nets`: small nets with training steps, a group
    each, beside the `images` and `labels` they share; `imagenet-net`: passes through one net whose weights
    are drawn again from their seed, a group for each number of images.
    """

    path: Path
    kind: Kind
    file: h5py.File

    @property
    def name(self) -> str:
        """The file's name, as reports give it."""
        return self.path.name

    def read(self, dataset: h5py.Dataset) -> NDArray[Any]:
        """The dataset's values; ArchiveError where its bytes are damaged (its checksum does not hold)."""
        try:
            return np.asarray(dataset[()])
        except (OSError, RuntimeError) as error:
            raise ArchiveError(
                f"{self.path}: {dataset.name} is damaged and cannot be read; fetch the file again"
            ) from error

    def stored(self, dataset: h5py.Dataset) -> StoredArray:
        """A dataset of which perhaps only a part is stored."""
        return StoredArray(self.read(dataset), dict(dataset.attrs))


@dataclass(frozen=True)
class StoredArray:
    """An array of which the archive may hold every `stride`-th value (in C order), with sums over the whole.

    >>> part = StoredArray(np.float32([0, 3]), {"shape": [2, 2], "stored": "subsample", "subsample_stride": 3,
    ...                                         "sum": 6.0, "sumsq": 14.0})
    >>> part.of(np.float32([[0, 1], [2, 3]]))
    array([0., 3.], dtype=float32)
    >>> part.sum_errors(np.float32([[0, 1], [2, 3]]))
    (0.0, 0.0)
    """

    values: NDArray[np.float32]
    attrs: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole."""
        return tuple(int(n) for n in np.atleast_1d(self.attrs.get("shape", self.values.shape)))

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def stride(self) -> int:
        return int(self.attrs.get("subsample_stride", 1))

    def of(self, whole: NDArray[np.float32]) -> NDArray[np.float32]:
        """The stored entries of `whole`, in the shape of `values`; ValueError if its size differs."""
        if whole.size != self.size:
            raise ValueError(f"{whole.size} values where the archive has {self.size}")
        return np.ascontiguousarray(whole).reshape(-1)[:: self.stride].reshape(self.values.shape)

    def sum_errors(self, whole: NDArray[np.float32]) -> tuple[float, float]:
        """How far the sum and the sum of squares of `whole` are from those of the archived whole.

        Of the sum: the distance divided by sqrt(size * sumsq), which no sum exceeds; of the sum of squares:
        by itself. (0, 0) where the archive has no sums.
        """
        if "sum" not in self.attrs or "sumsq" not in self.attrs:
            return 0.0, 0.0
        wide = whole.astype(np.float64).reshape(-1)
        total, squares = float(self.attrs["sum"]), float(self.attrs["sumsq"])
        apart = abs(float(wide.sum()) - total), abs(float(wide @ wide) - squares)
        largest = float(np.sqrt(self.size * squares)), squares
        return tuple(a / b if a else 0.0 for a, b in zip(apart, largest, strict=True))  # type: ignore[return-value]


def _kind(file: h5py.File) -> Kind | None:
    groups = [group for group in file.values() if isinstance(group, h5py.Group)]
    if "images" in file and "labels" in file and any("layers" in group.attrs for group in groups):
        return "nets"
    if "init" in file and any("acts" in group and "grads" in group for group in groups):
        return "imagenet-net"
    if groups and all(
        isinstance(case, h5py.Group) and "out" in case for group in groups for case in group.values()
    ):
        return "ops"
    return None


@contextmanager
def open_archive(path: str | Path) -> Iterator[Archive]:
    """Open an archive of any kind.

    Raises ArchiveError, in one line that names the file, when it is no archive or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder; name the .h5 files in it" if path.is_dir() else "no such archive"
        raise ArchiveError(f"{path}: {what}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "is truncated" if "truncated" in str(error) else "is not a readable HDF5 file"
        raise ArchiveError(f"{path}: {reason}; fetch it again or name an archive of activations") from error
    with file:
        version = file.attrs.get("format_version")
        if version is None:
            raise ArchiveError(f"{path}: not an archive of activations (it has no format_version)")
        if version != FORMAT_VERSION:
            raise ArchiveError(
                f"{path}: format version {version}; this program reads version {FORMAT_VERSION}"
            )
        kind = _kind(file)
        if kind is None:
            raise ArchiveError(
                f"{path}: neither operations nor networks are in it, as the archives' README has them"
            )
        yield Archive(path, kind, file)
