"""What the pickles of an old data folder hold: `batches.meta`, and batches in the three forms they had.

matrix: a dictionary whose `data` is a matrix of pixels, channel after channel: (pixels, images) in
    cuda-convnet, (images, pixels) in CIFAR-10's Python version.
strings: a dictionary whose `data` is a list of encoded images and whose `labels` is a list of lists of
    numbers (cuda-convnet2).
triple: a tuple of encoded images, their original sizes, and pairs of wnid and label, which is None in the
    contest's test set (2012); or of encoded images, labels and wnids (2012's folder of 2010's contest).

Files may be packed with gzip or zip, as `pickle` of cuda-convnet could. Entries are counted from 0.

Answers to `cuda-convnet:data.py`, `alexnet:convdata.py`, `alexnet:convdata_jpeg.py`,
`alexnet:fix-big-imgnet.py` and `cuda-convnet2:convdata.py`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cuda_convnet.data import unpickle
from cuda_convnet.errors import DataError

LARGEST_UNPACKED = 1 << 32
NO_LABEL = -1
LEAVE_OUT = "choose other batches with --train-range and --test-range"

Form = Literal["matrix", "strings", "triple"]


@dataclass(frozen=True)
class OldMeta:
    """What `batches.meta` says.

    mean: (channels, height, width) float64, or None.
    label_offset: what is added to each label to give the number of its class.
    no_crop: images may be smaller than `image_shape` and are then framed with the mean (2012).
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: np.ndarray | None
    label_offset: int
    no_crop: bool

    @property
    def pixels(self) -> int:
        return math.prod(self.image_shape)


@dataclass(frozen=True)
class Part:
    """The contents of one pickle, checked.

    pixels: (pixels, images) uint8, of the form "matrix"; else None.
    strings: encoded images, of the other forms; else empty.
    labels: (images,) int32 from 0, -1 where there is none.
    wnids: for each image, if they are known; else empty.
    names: for each image, if they are known; else empty.
    """

    path: Path
    form: Form
    pixels: np.ndarray | None
    strings: tuple[bytes, ...]
    labels: np.ndarray
    wnids: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def read_pickle(path: Path) -> tuple[Any, str]:
    """The contents of a pickle file, packed or not, and the SHA-256 of the file. Raises DataError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(data).hexdigest()
    return unpickle.loads(_unpacked(path, data), path), digest


def read_meta(path: Path) -> tuple[OldMeta, str]:
    """`batches.meta`, and the SHA-256 of the file. Raises DataError, one line that names it."""
    contents, digest = read_pickle(path)
    if not isinstance(contents, dict):
        raise DataError(f"{path} does not hold a dictionary; give a folder with cuda-convnet's batches.meta")
    contents = {_key(key): value for key, value in contents.items()}
    pixels = _whole(contents.get("num_vis"))
    if pixels is None or pixels < 1:
        raise DataError(f"{path} does not say how many values an image has (num_vis)")
    shape = _square(pixels)
    if shape is None:
        raise DataError(f"{path}: images of {pixels} values (num_vis) are not square, in one colour or three")
    offset = _whole(contents.get("label_offset", 0))
    if offset is None:
        raise DataError(f"{path}: label_offset is not a whole number")
    mean = contents.get("data_mean")
    if mean is not None:
        if not isinstance(mean, np.ndarray) or mean.dtype.kind not in "fiu" or mean.size != pixels:
            raise DataError(
                f"{path}: data_mean is not one number for each of the {pixels} values of an image"
            )
        mean = mean.astype(np.float64).reshape(shape)
        if not np.isfinite(mean).all() or mean.min() < 0 or mean.max() > 255:
            raise DataError(f"{path}: data_mean is not a mean of pixels from 0 to 255")
    no_crop = bool(contents.get("no_crop", False))
    if no_crop and mean is None:
        raise DataError(f"{path}: no_crop asks for a frame of the mean, and there is no data_mean")
    return OldMeta(_class_names(path, contents.get("label_names")), shape, mean, offset, no_crop), digest


def read_part(path: Path, meta: OldMeta) -> tuple[Part, str]:
    """One pickle of a batch, and the SHA-256 of the file. Raises DataError, which names file and entry."""
    contents, digest = read_pickle(path)
    if isinstance(contents, dict):
        contents = {_key(key): value for key, value in contents.items()}
        data, labels = contents.get("data"), contents.get("labels")
        names = _texts(path, contents.get("filenames", ()), "filenames")
        if data is None or labels is None:
            raise DataError(f"{path} has no `{'labels' if data is not None else 'data'}`; it is no batch")
        if isinstance(data, np.ndarray):
            pixels = _matrix(path, data, meta)
            part = _part(path, "matrix", meta, pixels, (), labels, names)
        else:
            part = _part(path, "strings", meta, None, _strings(path, data), labels, names)
    elif isinstance(contents, tuple | list) and len(contents) == 3:
        strings, second, third = contents
        if isinstance(third, list) and third and all(isinstance(entry, str | bytes) for entry in third):
            wnids = [_text(path, entry, "wnids") for entry in third]
            third = list(zip(wnids, second, strict=False)) if isinstance(second, list) else ()
        part = _part(path, "triple", meta, None, _strings(path, strings), third, ())
    else:
        raise DataError(f"{path} holds neither a dictionary nor three lists; it is no batch")
    if len(part) == 0:
        raise DataError(f"{path} has no images; remove it, or get it again")
    return part, digest


def _unpacked(path: Path, data: bytes) -> bytes:
    try:
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(data)) as file:
                unpacked = file.read(LARGEST_UNPACKED + 1)
        elif data.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open("data") as member:
                unpacked = member.read(LARGEST_UNPACKED + 1)
        else:
            return data
    except (OSError, EOFError, KeyError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile):
        raise DataError(f"{path} cannot be unpacked; get the file again") from None
    if len(unpacked) > LARGEST_UNPACKED:
        raise DataError(f"{path} unpacks to more than {LARGEST_UNPACKED >> 30} GiB; it is no batch")
    return unpacked


def _part(
    path: Path,
    form: Form,
    meta: OldMeta,
    pixels: np.ndarray | None,
    strings: tuple[bytes, ...],
    labels: object,
    names: tuple[str, ...],
) -> Part:
    count = len(strings) if pixels is None else pixels.shape[1]
    entries, wnids = _entries(path, labels, count)
    numbers = np.full(count, NO_LABEL, np.int32)
    highest = len(meta.class_names) - 1
    for i, entry in enumerate(entries):
        if entry is None:
            # DEVIATION(no-label): 2012's release takes class 0 for these; here they belong to no class.
            continue
        number = entry + meta.label_offset
        if not 0 <= number <= highest:
            raise DataError(
                f"{path}: entry {i} has the label {number}, and batches.meta names classes 0 to {highest}"
            )
        numbers[i] = number
    if names and len(names) != count:
        raise DataError(f"{path} has {count} images and {len(names)} filenames; get the file again")
    return Part(path, form, pixels, strings, numbers, wnids, names)


def _matrix(path: Path, data: np.ndarray, meta: OldMeta) -> np.ndarray:
    """Pixels (pixels, images) uint8."""
    if data.ndim != 2 or meta.pixels not in data.shape:
        raise DataError(f"{path}: `data` is {_sizes(data)}, and an image has {meta.pixels} values (num_vis)")
    # As many images as values leave the order open: only cuda-convnet's own folders have a mean.
    in_columns = data.shape[0] == meta.pixels and (data.shape[1] != meta.pixels or meta.mean is not None)
    if data.dtype != np.uint8:
        if data.dtype.kind not in "biuf" or not (
            data.size and data.min() >= 0 and data.max() <= 255 and (data == np.floor(data)).all()
        ):
            raise DataError(f"{path}: `data` is not of whole numbers from 0 to 255, so it is not of pixels")
        data = data.astype(np.uint8)
    return np.ascontiguousarray(data if in_columns else data.T)


def _strings(path: Path, data: object) -> tuple[bytes, ...]:
    if not isinstance(data, list | tuple):
        raise DataError(f"{path}: `data` is neither a matrix of pixels nor a list of encoded images")
    strings = []
    for i, entry in enumerate(data):
        if isinstance(entry, str):
            try:
                entry = entry.encode("latin1")
            except UnicodeEncodeError:
                raise DataError(f"{path}: entry {i} is a text, not an encoded image") from None
        if not isinstance(entry, bytes) or not entry:
            raise DataError(f"{path}: entry {i} is not an encoded image")
        strings.append(entry)
    return tuple(strings)


def _entries(path: Path, labels: object, count: int) -> tuple[list[int | None], tuple[str, ...]]:
    """The label of each image, or None; and the wnids, if they stand beside the labels."""
    if isinstance(labels, np.ndarray):
        if labels.shape not in ((count,), (1, count), (count, 1)):
            raise DataError(f"{path}: `labels` is {_sizes(labels)}, not one label for each of {count} images")
        labels = labels.ravel().tolist()
    if not isinstance(labels, list | tuple) or len(labels) != count:
        raise DataError(f"{path} does not have one label for each of its {count} images; get the file again")
    found: list[int | None] = []
    wnids: list[str] = []
    for i, entry in enumerate(labels):
        if isinstance(entry, np.ndarray):
            entry = entry.ravel().tolist()
        if isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[0], str | bytes):
            wnids.append(_text(path, entry[0], f"entry {i}"))
            entry = entry[1]
        if isinstance(entry, tuple | list) and len(entry) > 1:
            # DEVIATION(several-labels): cuda-convnet2 draws one of them each time it reads the batch.
            raise DataError(
                f"{path}: entry {i} has {len(entry)} labels, and a batch folder has one for each image; "
                f"{LEAVE_OUT}"
            )
        if isinstance(entry, tuple | list):
            entry = entry[0] if entry else None
        number = None if entry is None else _whole(entry)
        if entry is not None and number is None:
            raise DataError(f"{path}: the label of entry {i} is not a whole number")
        found.append(number)
    return found, tuple(wnids) if len(wnids) == count else ()


def _class_names(path: Path, names: object) -> tuple[str, ...]:
    found = _texts(path, names, "label_names") if names is not None else ()
    if not found:
        raise DataError(f"{path} does not name the classes (label_names)")
    return found


def _texts(path: Path, values: object, what: str) -> tuple[str, ...]:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, list | tuple):
        raise DataError(f"{path}: {what} is not a list of strings")
    return tuple(_text(path, value, what) for value in values)


def _text(path: Path, value: object, what: str) -> str:
    """A string of Python 2, read as latin-1 though it may be UTF-8, or one of Python 3."""
    try:
        if isinstance(value, str):
            try:
                return value.encode("latin1").decode().rstrip("\0")
            except UnicodeError:
                value = value.encode().decode()
        elif isinstance(value, bytes):
            value = value.decode("latin1")
    except UnicodeError:
        value = None
    if not isinstance(value, str):
        raise DataError(f"{path}: {what} has something else than a string")
    return value.rstrip("\0")


def _sizes(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape)) or "a number"


def _key(key: object) -> object:
    return key.decode("latin1") if isinstance(key, bytes) else key


def _whole(value: object) -> int | None:
    """A whole number, of whatever type of number; else None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else None


def _square(pixels: int) -> tuple[int, int, int] | None:
    for channels in (3, 1):
        size = math.isqrt(pixels // channels)
        if channels * size**2 == pixels:
            return channels, size, size
    return None
