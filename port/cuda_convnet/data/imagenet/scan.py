"""Lists the images of a source: every member becomes an image, or a rejection that says why not.

Answers to the first half of `cuda-convnet2:make-data/make-data.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cuda_convnet.data.batches import Progress
from cuda_convnet.data.imagenet.classes import choose
from cuda_convnet.data.imagenet.devkit import DEVKIT_NAME, META, TRUTH, Devkit, read_devkit
from cuda_convnet.data.imagenet.folders import files_below, hidden_folders, subfolders
from cuda_convnet.data.imagenet.images import ImageList, printable
from cuda_convnet.data.imagenet.layout import VAL_TAR, Layout
from cuda_convnet.data.imagenet.tars import UNKNOWN
from cuda_convnet.data.imagenet.walk import TWICE, ClassSource, Found, Walk
from cuda_convnet.errors import DataError

VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.\w+", re.IGNORECASE)
WNID = re.compile(r"n\d{8}")
HELD_OUT = 10
NAMED_IN_NOTE = 5


class Scan:
    """What a source holds. After `run`: classes, images by split, notes, and what the `walk` has seen.

    left_out: how many validation images are of classes that were not chosen. held_out: how many images of the
    training set are in "test" because there is no validation set.
    """

    def __init__(self, layout: Layout, classes: str | None, progress: Progress) -> None:
        self.layout = layout
        self.walk = Walk(layout, progress)
        self.images = {split: ImageList() for split in ("train", "test", "unlabelled")}
        self.notes: list[str] = []
        self.class_ids: tuple[str, ...] = ()
        self.class_names: tuple[str, ...] = ()
        self.left_out = 0
        self.held_out = 0
        self._option = classes
        self._devkit: Devkit | None = None
        self._labels: dict[str, int] = {}
        self._truth: tuple[str, ...] = ()

    def run(self) -> None:
        """Raises DataError: what makes a catalogue impossible."""
        layout = self.layout
        if layout.devkit is not None:
            for path in (layout.devkit, layout.devkit / META, layout.devkit / TRUTH):
                if path.exists():
                    self.walk.watch(path)
            self._devkit = read_devkit(layout.devkit)
        if layout.train_tar is not None and layout.val is None:
            raise DataError(
                f"{layout.src} has no validation images, by which a network is tested; "
                f"put {VAL_TAR} (and {DEVKIT_NAME}) there"
            )
        if layout.val is not None and not layout.val.is_dir():
            self._read_truth(layout.val)  # says before hours of work that a kit is missing
        sources = self._class_sources()
        self._choose_classes(sources)
        self.walk.total = self._work(sources)
        self._training_set(sources)
        if layout.val is not None:
            self._validation_set(layout.val)
        if layout.test is not None:
            self._test_set(layout.test)
        self._describe_unused()

    # The classes

    def _class_sources(self) -> list[ClassSource]:
        layout = self.layout
        if layout.train_tar is not None:
            return self._class_tars_within(layout.train_tar)
        if layout.class_tars:
            return self._class_tars_beside(layout.class_tars)
        root = layout.train_folder
        assert root is not None
        return self._class_folders(root, "train")

    def _class_tars_within(self, path: Path) -> list[ClassSource]:
        found: dict[str, ClassSource] = {}
        for member in self.walk.members("train", path):
            name = printable(member.name)
            reason = None
            if member.kind == "folder":
                continue
            if member.kind != "file":
                reason = f"{member.kind}, not the tar of a class"
            elif member.leads_out:
                reason = "its path leads out of the archive"
            elif PurePosixPath(name).name.startswith("."):
                reason = "a hidden file"
            elif not name.endswith(".tar"):
                reason = "not the tar of a class by its name"
            elif PurePosixPath(name).stem in found:
                reason = TWICE
            if reason is None:
                stem = PurePosixPath(name).stem
                found[stem] = ClassSource(stem, path, member.offset, member.offset + member.size)
            else:
                self.walk.reject("train", name, path, reason)
            if member.there < member.size:
                self.walk.reject("train", path.name, path, f"cut off within {name}: {UNKNOWN}")
        return list(found.values())

    def _class_tars_beside(self, tars: tuple[Path, ...]) -> list[ClassSource]:
        """Class tars that lie in a folder; some may be unpacked beside the others."""
        root = tars[0].parent
        for path in (root, *tars):
            self.walk.watch(path)
        sources = {path.stem: ClassSource(path.stem, path, 0, path.stat().st_size) for path in tars}
        unpacked = [name for name in subfolders(root) if WNID.fullmatch(name)]
        both = [name for name in unpacked if name in sources]
        if both:
            self.notes.append(f"of what is there as a tar and as a folder, the tar is used: {_some(both)}")
        return [
            *sources.values(),
            *(ClassSource(name, root / name) for name in unpacked if name not in sources),
        ]

    def _class_folders(self, root: Path, split: str) -> list[ClassSource]:
        """The class folders in `root`; whatever else lies there is rejected."""
        layout = self.layout
        apart = {path.name for path in (layout.devkit,) if path is not None and path.parent == root}
        for file in self.walk.files(root, deeper=False):
            if file.name not in apart:
                hidden = "a hidden file" if file.name.startswith(".") else None
                self.walk.reject(split, file.name, root, file.objection or hidden or "in no class's folder")
        for name in hidden_folders(root):
            self.walk.reject(split, printable(name), root, "a hidden folder")
        sources = []
        for name in subfolders(root):
            if name in apart:
                continue
            if printable(name) != name:
                self.walk.reject(split, printable(name), root, "its name is not plain UTF-8: rename it")
            else:
                sources.append(ClassSource(name, root / name))
        return sources

    def _choose_classes(self, sources: list[ClassSource]) -> None:
        found = {source.name for source in sources}
        kit = self._devkit
        known = kit.wnids if kit else tuple(sorted(found))
        present = tuple(name for name in known if name in found)
        if not present:
            raise DataError(
                f"{self.layout.src} has no training images"
                + (f" of the classes that {kit.path.name} knows" if kit and found else "")
            )
        self.class_ids = choose(self._option, present, known)
        self._labels = {name: label for label, name in enumerate(self.class_ids)}
        words = dict(zip(kit.wnids, kit.words, strict=True)) if kit else {}
        self.class_names = tuple(words.get(name, name) for name in self.class_ids)
        if kit and self._option is None and len(present) < len(known):
            absent = [name for name in known if name not in found]
            self.notes.append(
                f"{len(absent)} of the {len(known)} classes of the development kit have no training images "
                f"here and are left out: {_some(absent)}"
            )
        if not kit and all(WNID.fullmatch(name) for name in present):
            self.notes.append(
                "there is no development kit: labels are in the order of the classes' names, "
                "not in that of 2012"
            )

    def _unknown(self, name: str) -> str | None:
        """Why a class's images are rejected; None if it is chosen, "" if it is left out on purpose."""
        if name in self._labels:
            return None
        if self._devkit and name not in self._devkit.wnids:
            return f"the development kit does not know the class {name}"
        return ""

    # The training set

    def _training_set(self, sources: list[ClassSource]) -> None:
        hold_out = self.layout.val is None
        empty = []
        for source in sorted(sources, key=lambda source: (str(source.path), source.start)):
            reason = self._unknown(source.name)
            if reason == "":
                continue
            if source.is_folder:
                found = self.walk.folder_images("train", source.path, f"{source.name}/", reason)
            else:
                found = self.walk.tar_images("train", source, reason)
            images = list(found)
            self.walk.step(int(source.is_folder))
            if reason is None:
                self._add_class(source, images, hold_out)
                if not images:
                    empty.append(source.name)
        if empty:
            self.notes.append(f"{_classes(len(empty))} without training images: {_some(sorted(empty))}")
        if hold_out:
            self.notes.append(
                f"there are no validation images: one image in {HELD_OUT} of each class is held out for "
                f"testing ({self.held_out} images)"
            )

    def _add_class(self, source: ClassSource, images: list[Found], hold_out: bool) -> None:
        container = self.walk.container(source.path.parent if source.is_folder else source.path)
        label = self._labels[source.name]
        images.sort()
        for place, (name, offset, size) in enumerate(images):
            held = hold_out and len(images) > 1 and place % HELD_OUT == 0
            self.images["test" if held else "train"].add(name, label, container, offset, size)
            self.held_out += held
        for split in ("train", "test"):
            self.images[split].seal()

    # The validation set and the test set

    def _validation_set(self, path: Path) -> None:
        images = self.images["test"]
        numbered: set[int] = set()
        seen: set[str] = set()
        if not path.is_dir():
            container = self.walk.container(path)
            for name, offset, size in self.walk.flat_tar("test", path):
                self._numbered(path, name, container, offset, size, numbered)
        elif any(VAL_NAME.fullmatch(file.name) for file in files_below(path, deeper=False)):
            container = self.walk.container(path)
            for name, offset, size in self.walk.folder_images("test", path, "", None):
                self._numbered(path, name, container, offset, size, numbered)
            self.walk.step(1)
        else:
            for source in self._class_folders(path, "test"):
                self._validation_class(source, seen)
                self.walk.step(1)
        images.seal()
        kit = self._devkit
        names = (PurePosixPath(r.name).name for r in self.walk.rejections if r.split == "test")
        numbered.update(int(match[1]) for match in map(VAL_NAME.fullmatch, names) if match)
        if numbered and kit and kit.truth and len(kit.truth) > max(numbered):
            self.notes.append(
                f"the last validation image is number {max(numbered)}, and the development kit has labels "
                f"for {len(kit.truth)}"
            )
        if self.left_out:
            self.notes.append(f"{self.left_out} validation images are of classes that are left out")

    def _read_truth(self, path: Path) -> tuple[str, ...]:
        """The class of each validation image."""
        if self._truth:
            return self._truth
        if self._devkit is None:
            raise DataError(
                f"{path} has images without labels, which are in the development kit; "
                f"put {DEVKIT_NAME} into {self.layout.src}"
            )
        self._truth = self._devkit.validation_classes()
        return self._truth

    def _numbered(
        self, path: Path, name: str, container: int, offset: int, size: int, numbered: set[int]
    ) -> None:
        """A validation image whose label is found by the number in its name."""
        truth = self._read_truth(path)
        match = VAL_NAME.fullmatch(name)
        if match is None:
            self.walk.reject("test", name, path, "no number of a validation image in its name")
            return
        number = int(match[1])
        if not 1 <= number <= len(truth):
            self.walk.reject(
                "test", name, path, f"number {number}, and the development kit has labels 1 to {len(truth)}"
            )
            return
        numbered.add(number)
        label = self._labels.get(truth[number - 1])
        if label is None:
            self.left_out += 1
        else:
            self.images["test"].add(name, label, container, offset, size)

    def _validation_class(self, source: ClassSource, seen: set[str]) -> None:
        reason = self._unknown(source.name)
        if reason == "" and not self._devkit and self._option is None:
            reason = f"the class {source.name} has no training images"
        label = self._labels.get(source.name, -1)
        by_class = self.walk.container(source.path)
        within_all = self.walk.container(source.path.parent)
        for name, _, size in self.walk.folder_images("test", source.path, f"{source.name}/", reason or None):
            bare = name.removeprefix(f"{source.name}/")
            # A name of 2012 stands alone, as in the published tar: the same images, the same dataset.
            alone = VAL_NAME.fullmatch(bare) is not None
            if label < 0:
                self.left_out += 1
            elif alone and bare in seen:
                self.walk.reject("test", name, source.path.parent, TWICE)
            elif alone:
                seen.add(bare)
                self.images["test"].add(bare, label, by_class, 0, size)
            else:
                self.images["test"].add(name, label, within_all, 0, size)

    def _test_set(self, path: Path) -> None:
        container = self.walk.container(path)
        found = (
            self.walk.folder_images("unlabelled", path, "", None)
            if path.is_dir()
            else self.walk.flat_tar("unlabelled", path)
        )
        for name, offset, size in found:
            self.images["unlabelled"].add(name, -1, container, offset, size)
        self.walk.step(1 if path.is_dir() else 0)

    def _work(self, sources: Iterable[ClassSource]) -> int:
        """How much there is to do: bytes of tars, and one for each folder."""
        layout = self.layout
        work = sum(source.work for source in sources if self._unknown(source.name) != "")
        for path in (layout.val, layout.test):
            if path is not None:
                work += (len(subfolders(path)) or 1) if path.is_dir() else path.stat().st_size
        return work

    def _describe_unused(self) -> None:
        names = [
            printable(name)
            for name in self.layout.unused
            if not name.startswith(".") and not WNID.fullmatch(name)
        ]
        if names and not self.layout.own:
            self.notes.append(f"not used: {_some(names)}")


def _classes(count: int) -> str:
    return "1 class is" if count == 1 else f"{count} classes are"


def _some(names: list[str]) -> str:
    more = len(names) - NAMED_IN_NOTE
    return ", ".join(names[:NAMED_IN_NOTE]) + (f" and {more} more" if more > 0 else "")
