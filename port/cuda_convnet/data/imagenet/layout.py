"""What a folder holds: the archives of ILSVRC2012 by their names, unpacked ones, or images of one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from cuda_convnet.data.imagenet.devkit import DEVKIT_NAME
from cuda_convnet.data.imagenet.folders import subfolders
from cuda_convnet.errors import DataError

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VAL_TAR = "ILSVRC2012_img_val.tar"
TEST_TAR = re.compile(r"ILSVRC2012_img_test\w*\.tar")
CLASS_TAR = re.compile(r"(n\d{8})\.tar")
DEVKITS = (DEVKIT_NAME, "ILSVRC2012_devkit_t12.tar", "ILSVRC2012_devkit_t12")
COMPRESSED_TAR = re.compile(r"(ILSVRC2012_img_\w+)\.(tar\.(gz|bz2|xz|zst)|tgz|tbz2?|txz)")
TRAIN_FOLDERS = ("train", "ILSVRC2012_img_train")
VAL_FOLDERS = ("val", "ILSVRC2012_img_val", "validation", "valid")
TEST_FOLDERS = ("test", "ILSVRC2012_img_test")
# Where an archive that holds more than images, such as Kaggle's, has the training set of ILSVRC2012.
BELOW = tuple("*/" * depth + found for depth in (1, 2, 3) for found in (TRAIN_TAR, "train/n" + "[0-9]" * 8))
EXPECTED = (
    f"{TRAIN_TAR}, {VAL_TAR} and {DEVKIT_NAME}, or train/<class>/ and val/<class>/, "
    "or a folder for each class"
)


@dataclass(frozen=True)
class Layout:
    """Where in a folder what is. Of train_tar, class_tars and train_folder one is given.

    class_tars: of one folder. train_folder: holds a folder for each class. val, test: a tar or a folder.
    own: the classes' folders lie directly in `src`. unused: names in `src` that are none of these.
    """

    src: Path
    train_tar: Path | None = None
    class_tars: tuple[Path, ...] = ()
    train_folder: Path | None = None
    val: Path | None = None
    test: Path | None = None
    devkit: Path | None = None
    own: bool = False
    unused: tuple[str, ...] = ()

    def relative(self, path: Path) -> str:
        """A path as rejections name it."""
        return relative_name(path, self.src)


def relative_name(path: Path, src: Path) -> str:
    """A path below `src` (both absolute) as rejections name it."""
    return path.relative_to(src).as_posix() if path != src else src.name


def find_layout(src: Path) -> Layout:
    """Recognise what `src` holds. Raises DataError: no such folder, no training images, a compressed tar."""
    try:
        names = {path.name: path for path in sorted(src.iterdir())}
    except FileNotFoundError:
        raise DataError(f"{src}: there is no such folder; give one that holds {EXPECTED}") from None
    except NotADirectoryError:
        raise DataError(f"{src} is a file; give the folder that holds it: {EXPECTED}") from None
    except OSError as error:
        raise DataError(f"{src} cannot be read ({error.strerror})") from None
    folders = {name: path for name, path in names.items() if path.is_dir()}
    files = {name: path for name, path in names.items() if name not in folders}
    layout = Layout(
        src,
        val=files.get(VAL_TAR) or _first(folders, VAL_FOLDERS),
        test=_test_tar(files) or _first(folders, TEST_FOLDERS),
        devkit=_first(names, DEVKITS),
    )
    layout = _with_training_set(layout, files, folders)
    if layout.val is None and layout.test in folders.values() and layout.test and subfolders(layout.test):
        layout = replace(layout, val=layout.test, test=None)
    tars = layout.class_tars
    used = {layout.train_tar, layout.train_folder, layout.val, layout.test, layout.devkit, *tars}
    for path in sorted(filter(None, used)):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise DataError(f"{path} is neither a file nor a folder; give a folder that holds {EXPECTED}")
    used |= {path.parent for path in tars}
    return replace(layout, unused=tuple(name for name, path in names.items() if path not in used))


def _with_training_set(layout: Layout, files: dict[str, Path], folders: dict[str, Path]) -> Layout:
    src = layout.src
    if TRAIN_TAR in files:
        return replace(layout, train_tar=files[TRAIN_TAR])
    compressed = next((name for name in files if COMPRESSED_TAR.fullmatch(name)), None)
    if compressed:
        raise DataError(
            f"{src / compressed} is compressed: unpack it to a plain .tar first, out of which images are read"
        )
    for folder in (src, *(folders[name] for name in TRAIN_FOLDERS if name in folders)):
        tars = tuple(path for path in sorted(folder.glob("n*.tar")) if CLASS_TAR.fullmatch(path.name))
        if tars:
            return replace(layout, class_tars=tars)
    train = _first(folders, TRAIN_FOLDERS)
    if train is not None:
        if not subfolders(train):
            raise DataError(f"{train} has no folders of classes; give a folder that holds {EXPECTED}")
        return replace(layout, train_folder=train)
    if VAL_TAR in files or layout.val is not None:
        raise DataError(f"{src} has no training images; give a folder that holds {EXPECTED}")
    if not any(path != layout.devkit and not name.startswith(".") for name, path in folders.items()):
        raise DataError(f"{src} has none of what is recognised; give a folder that holds {EXPECTED}")
    for pattern in BELOW:
        below = min(src.glob(pattern), default=None)
        if below is not None:
            folder = below.parent if below.name == TRAIN_TAR else below.parent.parent
            raise DataError(f"{src} has no folders of classes, and {folder} has: give that")
    # A class of one's own may be called "test".
    return replace(layout, train_folder=src, test=None, own=True)


def _first(paths: dict[str, Path], names: tuple[str, ...]) -> Path | None:
    return next((paths[name] for name in names if name in paths), None)


def _test_tar(files: dict[str, Path]) -> Path | None:
    found = [path for name, path in files.items() if TEST_TAR.fullmatch(name)]
    if len(found) > 1:
        raise DataError(f"{found[1]} and {found[0].name} are both test sets; leave one of them there")
    return found[0] if found else None
