"""HDF5 files that are written whole or not at all, and of which every bit is checked when they are read.

A file is built in memory, written to a temporary name, fsynced and renamed: whoever opens the final name
finds a whole file, also after a power cut or on a full disk. Datasets are chunked and carry HDF5's
fletcher32 checksum; the file format is 1.10's, whose superblock, object headers and chunk indexes carry
checksums of their own, and what these do not cover (variable-length data, the global heap) is not used.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SIGNATURE = b"\x89HDF\r\n\x1a\n"
CHUNK_BYTES = 1 << 20
TEMPORARY = ".tmp-"

Attribute = int | float | str

Allocate = Callable[[tuple[int, ...], np.dtype[Any]], np.ndarray]
"""Gives an array of a shape and type, with any contents."""


class UnreadableFile(Exception):
    """Why a file cannot be used, as the rest of a sentence that starts with its name."""


@dataclass(frozen=True)
class Contents:
    """What a file holds: small values by name, and arrays by name."""

    attributes: dict[str, Attribute]
    datasets: dict[str, np.ndarray]


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` so that a crash at any moment leaves the old file or the new one.

    Raises OSError (a full disk, say), and then leaves nothing behind.
    """
    temporary = path.with_name(f"{path.name}{TEMPORARY}{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_hdf5(
    path: Path,
    attributes: Mapping[str, Attribute],
    datasets: Mapping[str, np.ndarray],
    chunks: Mapping[str, tuple[int, ...]] | None = None,
) -> None:
    """Write attributes and datasets as one file; the same contents give the same bytes.

    `chunks` gives the chunk shape of a dataset; else it is cut along its first dimension into about a
    megabyte. Datasets have at least one dimension and one element. Raises OSError, see `write_whole`.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", libver=("v110", "v110")) as file:
        for name, value in attributes.items():
            if isinstance(value, str):
                encoded = value.encode()
                kind = h5py.string_dtype("utf-8", max(1, len(encoded)))
                file.attrs.create(name, np.array(encoded, kind), dtype=kind)
            else:
                file.attrs[name] = value
        for name, array in datasets.items():
            file.create_dataset(
                name,
                data=array,
                chunks=(chunks or {}).get(name) or _default_chunks(array),
                fletcher32=True,
                track_times=False,
            )
    write_whole(path, image.getbuffer())


def read_hdf5(path: Path, only: Collection[str] | None = None, empty: Allocate = np.empty) -> Contents:
    """Read a file of `write_hdf5`, or of its datasets only those named, and verify every checksum on the way.

    `empty` gives the arrays that are read into.

    Raises UnreadableFile: no such file, not HDF5, cut short, a checksum that fails, a dataset without
    checksum.
    """
    try:
        with open(path, "rb") as file:
            signature = file.read(len(SIGNATURE))
    except FileNotFoundError:
        raise UnreadableFile("is missing") from None
    except OSError as error:
        raise UnreadableFile(f"cannot be read ({error.strerror})") from None
    if not signature:
        raise UnreadableFile("is empty")
    if signature != SIGNATURE[: len(signature)]:
        raise UnreadableFile("is not an HDF5 file")
    name = ""
    try:
        with h5py.File(path, "r", locking=False) as file:
            attributes = {key: _plain(file.attrs[key]) for key in file.attrs}
            names: list[str] = []
            file.visititems(lambda key, item: names.append(key) if isinstance(item, h5py.Dataset) else None)
            datasets = {}
            for name in names:
                if only is None or name in only:
                    datasets[name] = _read(file[name], empty)
            return Contents(attributes, datasets)
    except UnreadableFile:
        raise
    # HDF5's bindings report damage through whichever exception the damaged byte leads to.
    except Exception as error:
        raise UnreadableFile(_reason(error, name)) from None


def _read(dataset: h5py.Dataset, empty: Allocate) -> np.ndarray:
    if not dataset.fletcher32 or dataset.dtype.hasobject:
        raise UnreadableFile(f"has a dataset '{dataset.name[1:]}' without a checksum")
    array = empty(dataset.shape, dataset.dtype)
    if array.size:
        dataset.read_direct(array)
    return array


def _default_chunks(array: np.ndarray) -> tuple[int, ...]:
    row = max(1, array.nbytes // array.shape[0])
    return (min(array.shape[0], max(1, CHUNK_BYTES // row)), *array.shape[1:])


def _plain(value: object) -> Attribute:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode()
    if not isinstance(value, Attribute):
        raise UnreadableFile("has an attribute that is neither a number nor a string")
    return value


def _reason(error: Exception, dataset: str) -> str:
    text = str(error)
    cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", text)
    if cut:
        return f"is cut short ({cut[1]} of {cut[2]} bytes)"
    if dataset:
        return f"is damaged: the dataset '{dataset}' fails its checksum or cannot be read"
    return "is damaged: HDF5 cannot read it"
