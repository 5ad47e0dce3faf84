"""The catalogue of a source of images: where each image is, its label, and what is not used and why.

Making one reads headers and folders only, no image. It can be saved, so that work that was broken off need
not scan a hundred gigabytes again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from cuda_convnet.data.batches import Progress, Split, no_progress
from cuda_convnet.data.imagenet.images import Images, Rejection
from cuda_convnet.data.imagenet.layout import Layout, find_layout
from cuda_convnet.data.imagenet.scan import HELD_OUT, WNID, Scan
from cuda_convnet.data.imagenet.walk import state
from cuda_convnet.errors import DataError
from cuda_convnet.hdf5 import UnreadableFile, read_hdf5, write_hdf5

__all__ = ["Catalogue", "Images", "Rejection", "make_catalogue"]

FORMAT = "cuda_convnet catalogue of images"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What a source holds.

    containers: absolute paths of tars and folders, which `Images.containers` counts.
    class_ids, class_names: of each label.
    splits: "train" and "test", neither of them empty; "unlabelled" where there is a test set of the contest.
        In the order of their names.
    rejections: members that are not used, sorted.
    notes: what the user should know, a line each.
    description: kind of source, archives (names and sizes), choice of classes: plain JSON.
    digest: SHA-256 of names, labels, sizes and class_ids: the same images in other containers have the same.
    source: the folder that was scanned.
    watched: size and time of change of what was scanned.
    """

    containers: tuple[str, ...]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: dict[Split, Images]
    rejections: tuple[Rejection, ...]
    notes: tuple[str, ...]
    description: dict[str, Any]
    digest: str
    source: str
    watched: dict[str, tuple[int, int]]

    def save(self, path: Path) -> None:
        """Write the catalogue as an HDF5 file. Raises OSError."""
        facts = {
            "containers": self.containers,
            "class_ids": self.class_ids,
            "class_names": self.class_names,
            "splits": list(self.splits),
            "rejections": [astuple(rejection) for rejection in self.rejections],
            "notes": self.notes,
            "description": self.description,
            "source": self.source,
            "watched": self.watched,
        }
        datasets = {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
        for split, images in self.splits.items():
            datasets |= {f"{split}/{field.name}": getattr(images, field.name) for field in fields(Images)}
        write_hdf5(
            path, {"format": FORMAT, "format_version": FORMAT_VERSION, "digest": self.digest}, datasets
        )

    @classmethod
    def load(cls, path: Path) -> Catalogue | None:
        """A catalogue that was saved; None if there is none, it is damaged, or what it lists has changed."""
        try:
            contents = read_hdf5(path)
            if (contents.attributes["format"], contents.attributes["format_version"]) != (
                FORMAT,
                FORMAT_VERSION,
            ):
                return None
            facts = json.loads(contents.datasets["facts"].tobytes())
            splits = {
                split: Images(*(contents.datasets[f"{split}/{field.name}"] for field in fields(Images)))
                for split in facts["splits"]
            }
            catalogue = cls(
                containers=tuple(facts["containers"]),
                class_ids=tuple(facts["class_ids"]),
                class_names=tuple(facts["class_names"]),
                splits=splits,
                rejections=tuple(Rejection(*row) for row in facts["rejections"]),
                notes=tuple(facts["notes"]),
                description=facts["description"],
                digest=str(contents.attributes["digest"]),
                source=facts["source"],
                watched={name: (size, time) for name, (size, time) in facts["watched"].items()},
            )
        except (UnreadableFile, KeyError, TypeError, ValueError):
            return None
        return catalogue if catalogue.unchanged() else None

    def unchanged(self) -> bool:
        """Whether all that was scanned is as it was, and nothing was added beside it."""
        try:
            if _names(find_layout(Path(self.source))) != self.description["found"]:
                return False
            return all(state(Path(name)) == then for name, then in self.watched.items())
        except (OSError, DataError):
            return False


def make_catalogue(src: Path, classes: str | None = None, progress: Progress = no_progress) -> Catalogue:
    """List what `src` holds: the archives of ILSVRC2012, unpacked or not, or a folder for each class.

    classes: which classes to use; names between commas, @FILE, a number N for the first N, or None for all.
        Labels count from 0 in the order of ILSVRC2012_ID (of names, without a development kit).
    progress: counts bytes of archives, or folders.

    Where there is no validation set, one image in ten of each class is held out for testing. What cannot be
    used is in `rejections`. Raises DataError: nothing that could be used, archives or a development kit
    without which the rest cannot be, a class that is not there.
    """
    src = Path(src).absolute()
    try:
        layout = find_layout(src)
        scan = Scan(layout, classes, progress)
        scan.run()
    except OSError as error:
        raise DataError(f"{error.filename or src} cannot be read ({error.strerror or error})") from None
    splits: dict[Split, Images] = {}
    for split, found in scan.images.items():
        images = found.images()
        if len(images):
            splits[split] = images  # type: ignore[index]
    for split, what in (("train", "training"), ("test", "validation")):
        if split not in splits:
            first = next((r for r in scan.walk.rejections if r.split == split), None)
            why = f"; '{first.name}', for one: {first.reason}" if first else ""
            raise DataError(f"{src} has no {what} images that could be used{why}")
    return Catalogue(
        containers=tuple(scan.walk.containers),
        class_ids=scan.class_ids,
        class_names=scan.class_names,
        splits=splits,
        rejections=tuple(sorted(scan.walk.rejections)),
        notes=tuple(scan.notes),
        description=_description(layout, scan, classes),
        digest=_digest(splits, scan.class_ids),
        source=str(src),
        watched=scan.walk.watched,
    )


def _names(layout: Layout) -> dict[str, Any]:
    """What was found, by names relative to the folder."""

    def relative(path: Path | None) -> str | None:
        return None if path is None else layout.relative(path) if path != layout.src else "."

    return {
        "training": (
            [path.name for path in layout.class_tars]
            or relative(layout.train_tar)
            or relative(layout.train_folder)
        ),
        "validation": relative(layout.val),
        "test": relative(layout.test),
        "development_kit": relative(layout.devkit),
    }


def _description(layout: Layout, scan: Scan, classes: str | None) -> dict[str, Any]:
    archives = {
        layout.relative(Path(name)): size
        for name, (size, _) in sorted(scan.walk.watched.items())
        if size >= 0
    }
    return {
        "kind": "ILSVRC2012" if all(map(WNID.fullmatch, scan.class_ids)) else "images by class",
        "found": _names(layout),
        "archives": archives,
        "classes": "all" if classes is None else "chosen",
        "left_out": scan.left_out,
        "hold_out": f"one in {HELD_OUT} of each class" if layout.val is None else None,
    }


def _digest(splits: dict[Split, Images], class_ids: tuple[str, ...]) -> str:
    sha256 = hashlib.sha256(json.dumps([class_ids, {split: len(i) for split, i in splits.items()}]).encode())
    for images in splits.values():
        sha256.update(b"\0".join(images.names.tolist()))
        sha256.update(images.labels.astype("<i4").tobytes())
        sha256.update(images.sizes.astype("<i8").tobytes())
    return sha256.hexdigest()
