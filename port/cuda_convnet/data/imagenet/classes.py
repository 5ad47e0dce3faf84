"""Which classes a dataset has, and in which order: their places are the labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from cuda_convnet.data.imagenet.images import printable
from cuda_convnet.errors import DataError


def choose(option: str | None, present: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The classes that `option` asks for, in the order of labels.

    option: names between commas, @FILE with a name in each line, a number N for the first N, or None for all.
    present: the classes that have training images, in the order of labels. known: all that have a name.

    Raises DataError: a class that is not there or is named twice, a number that is too great or small.
    """
    if option is None:
        return tuple(present)
    if option.strip().isdecimal():
        # Far fewer digits than int() would refuse.
        count = int(option.strip()[:9])
        if not 1 <= count <= len(present):
            raise DataError(
                f"--classes {option}: there are {len(present)} classes; give a number from 1 to that"
            )
        return tuple(present[:count])
    names = _names(option)
    places = {name: place for place, name in enumerate(present)}
    for name in names:
        if name not in places:
            what = "has no training images here" if name in known else "is not a class of this dataset"
            raise DataError(f"--classes: '{printable(name)}' {what}; classes are named as '{present[0]}' is")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"--classes: '{twice}' is named twice")
    return tuple(sorted(names, key=places.__getitem__))


def _names(option: str) -> list[str]:
    if not option.startswith("@"):
        parts = option.split(",")
        source = "--classes"
    else:
        path = Path(option[1:])
        try:
            parts = path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise DataError(f"--classes: {path} cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise DataError(f"--classes: {path} is not a text with a class in each line") from None
        source = str(path)
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        raise DataError(f"{source} names no class; give names between commas, @FILE or a number")
    return names
