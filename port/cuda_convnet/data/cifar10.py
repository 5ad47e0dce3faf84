"""CIFAR-10 from its Python archive: five training batches and a test batch of 10,000 images of 32x32.

Answers to the batches that `cuda-convnet:data.py` reads.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np

from cuda_convnet.data import unpickle
from cuda_convnet.data.batches import (
    Augmentation,
    BatchFolder,
    BatchWriter,
    DatasetPlan,
    Progress,
    Split,
    no_progress,
)
from cuda_convnet.data.download import Source, download, hashes
from cuda_convnet.errors import DataError

SOURCE = Source(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    md5="c58f30108f718f92721af3b95e74349a",
)
IMAGE_SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
META = "batches.meta"
MEMBERS: dict[str, tuple[Split, int]] = {
    **{f"data_batch_{n}": ("train", n) for n in range(1, 6)},
    "test_batch": ("test", 1),
}
LARGEST_MEMBER = 1 << 26
# cuda-convnet crops CIFAR-10 image by image, by 4 pixels unless told otherwise.
AUGMENTATION = Augmentation(crop_border=4, crop_chunk=1, reflect=True)


def pack_cifar10(
    archive: str | Path, out: str | Path, *, command: str = "", progress: Progress = no_progress
) -> BatchFolder:
    """Make a batch folder of CIFAR-10 from its Python archive, or complete one; finished batches are kept.

    Training batches 1 to 5 become `train`, the test batch becomes `test`. `command` is what messages say to
    run again; `progress` counts images.

    Raises DataError: an archive that is cut short, that holds anything else than CIFAR-10's arrays, or
    paths that lead out of it; an `out` that holds another dataset; a full disk.
    """
    archive, out = Path(archive), Path(out)
    pickles = _read_archive(archive)
    meta = _load(archive, META, pickles[META])
    class_names = _class_names(archive, meta)
    size = meta.get("num_cases_per_batch")
    if type(size) is not int or size < 1:
        raise _wrong(archive, f"{META} does not say how many images a batch has")
    plan = DatasetPlan(
        recipe={"source": SOURCE.name, "sha256": hashes(archive)[0]},
        class_names=class_names,
        image_shape=IMAGE_SHAPE,
        counts={"train": (size,) * 5, "test": (size,)},
        augmentation=AUGMENTATION,
        command=command,
    )
    writer = BatchWriter(out, plan)
    members = {place: name for name, place in MEMBERS.items()}
    for split, number in writer.unfinished(progress):
        member = members[split, number]
        images, labels, names = _batch(archive, member, pickles[member], size, len(class_names))
        writer.write(split, number, images, labels, names)
    return writer.finish()


def download_cifar10(folder: str | Path, progress: Progress = no_progress) -> Path:
    """Fetch the published archive into `folder`, resuming and verifying, see `download`; returns its path."""
    return download(SOURCE, Path(folder), progress)


def _read_archive(archive: Path) -> dict[str, bytes]:
    """The pickles of the archive by name. Nothing is unpacked to disk."""
    wanted = {META, *MEMBERS}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise _wrong(archive, f"'{member.name}' leads out of the archive")
                if path.name not in wanted:
                    continue
                file = tar.extractfile(member) if member.isreg() and member.size <= LARGEST_MEMBER else None
                if file is None:
                    raise _wrong(archive, f"'{member.name}' is not a batch of CIFAR-10")
                found[path.name] = file.read()
    except FileNotFoundError:
        raise DataError(f"{archive}: there is no such file; {SOURCE.url} is where it is published") from None
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError):
        raise DataError(f"{archive} is cut short or not a .tar.gz archive; get it again") from None
    except OSError as error:
        raise DataError(f"{archive} cannot be read ({error.strerror})") from None
    missing = sorted(wanted - set(found))
    if missing:
        raise DataError(f"{archive} lacks '{missing[0]}': it is not CIFAR-10's Python archive ({SOURCE.url})")
    return found


def _load(archive: Path, member: str, data: bytes) -> dict[str, Any]:
    contents = unpickle.loads(data, f"{archive}: {member}")
    if not isinstance(contents, dict):
        raise _wrong(archive, f"{member} does not hold a dictionary")
    return contents


def _class_names(archive: Path, meta: dict[str, Any]) -> tuple[str, ...]:
    names = meta.get("label_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _wrong(archive, f"{META} does not name the classes")
    return tuple(names)


def _batch(
    archive: Path, member: str, data: bytes, size: int, classes: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images (images, 3, 32, 32), labels and names of one batch, checked."""
    contents = _load(archive, member, data)
    pixels, labels, names = contents.get("data"), contents.get("labels"), contents.get("filenames")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != (size, PIXELS):
        raise _wrong(archive, f"the images of {member} are not {size} x {PIXELS} bytes")
    if not _is_list(labels, int, size) or not all(0 <= label < classes for label in labels):
        raise _wrong(archive, f"the labels of {member} are not {size} numbers from 0 to {classes - 1}")
    if not _is_list(names, str, size):
        raise _wrong(archive, f"the names of {member} are not {size} strings")
    planes = np.ascontiguousarray(pixels.T).reshape(*IMAGE_SHAPE, size)
    return planes.transpose(3, 0, 1, 2), np.array(labels, np.int32), names


def _is_list(value: object, kind: type, size: int) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and len(value) == size and all(type(item) is kind for item in value)


def _wrong(archive: Path, what: str) -> DataError:
    return DataError(f"{archive}: {what}; get the archive again from {SOURCE.url}")
