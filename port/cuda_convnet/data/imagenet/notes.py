"""What a worker notes beside a batch, for the end of the run: sums of pixels, a hash, what was rejected."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from cuda_convnet.data.batches import Split
from cuda_convnet.data.imagenet.images import Rejection
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.hdf5 import UnreadableFile, read_hdf5, write_hdf5

FORMAT = "cuda_convnet batch note"
COLUMNS = ("split", "name", "source", "reason")


@dataclass(frozen=True)
class Note:
    """What is known of a batch besides its file.

    images: how many it holds. sources_sha256: over the bytes of all images of its plan, in order, each after
    its length (8 bytes, little-endian). sums: of the pixels before they are encoded; None where there
    are none, and for batches that are not for training.
    """

    images: int
    sources_sha256: str
    rejections: tuple[Rejection, ...]
    sums: PixelSums | None


def note_path(folder: Path, split: Split, number: int) -> Path:
    """Where the note of a batch lies."""
    return folder / f"{split}_{number:04d}.h5"


def write_note(path: Path, dataset: str, note: Note) -> None:
    """Write a note for a batch of the plan with fingerprint `dataset`. Raises OSError."""
    rejections = json.dumps([astuple(rejection) for rejection in note.rejections])
    datasets = {"rejections": np.frombuffer(rejections.encode(), np.uint8)}
    if note.sums:
        # A pixel's sum over a batch needs 32 bits, and the notes of a large set are a gigabyte already.
        datasets |= {"pixels": note.sums.pixels.astype(np.uint32), "products": note.sums.products}
    write_hdf5(
        path,
        {
            "format": FORMAT,
            "dataset": dataset,
            "name": path.name,
            "images": note.images,
            "sources_sha256": note.sources_sha256,
        },
        datasets,
    )


def read_note(path: Path, dataset: str) -> Note | None:
    """A note of `write_note`; None if it is missing, damaged, or of another dataset."""
    with suppress(UnreadableFile, KeyError, ValueError, TypeError):
        contents = read_hdf5(path)
        found, arrays = contents.attributes, contents.datasets
        if (found["format"], found["dataset"], found["name"]) == (FORMAT, dataset, path.name):
            images = int(found["images"])
            rejections = json.loads(arrays["rejections"].tobytes())
            return Note(
                images,
                str(found["sources_sha256"]),
                tuple(Rejection(*rejection) for rejection in rejections),
                PixelSums(images, arrays["pixels"].astype(np.int64), arrays["products"])
                if "pixels" in arrays
                else None,
            )
    return None


def rejections_csv(rejections: Iterable[Rejection]) -> bytes:
    """The contents of `rejected.csv`: sorted, under a header.

    A path that a spreadsheet would compute as a formula ("=...", "@...") begins with "./" there.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = ((r.split, _no_formula(r.name), _no_formula(r.source), r.reason) for r in rejections)
    writer.writerows(sorted(rows))
    return text.getvalue().encode()


def _no_formula(path: str) -> str:
    return f"./{path}" if path.startswith(("=", "+", "-", "@")) else path


def read_rejections(data: bytes) -> list[Rejection]:
    """What `rejections_csv` gave."""
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    return [Rejection(*row) for row in rows][1:]
