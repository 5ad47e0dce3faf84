"""Names of images and classes made into names of files that every system takes and that lead nowhere else."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from cuda_convnet.data.imagenet.images import EXTENSIONS

LONGEST = 200  # bytes; file systems take 255, and a number and an ending may follow
FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f]')
# What Windows takes for a device, whatever ending follows.
DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def safe_name(name: str, otherwise: str) -> str:
    """A name for one file or folder: no separators, no control characters, no leading dot or dash.

    What remains of a name of nothing but such characters is `otherwise`.
    """
    plain = FORBIDDEN.sub("_", unicodedata.normalize("NFC", name))
    plain = plain.lstrip(" .-").encode(errors="replace")[:LONGEST].decode(errors="ignore").rstrip(" .")
    if not plain.strip("_ .-"):
        return otherwise
    return f"_{plain}" if DEVICE.fullmatch(plain) else plain


def image_name(name: str, class_name: str, position: str) -> str:
    """The name of an image without its ending; without its class, if it begins with that as a folder.

    `position` is its name if it has none.
    """
    bare = name.removeprefix(f"{class_name}/")
    ending = PurePosixPath(bare).suffix
    return safe_name(bare.removesuffix(ending) if ending.lower() in EXTENSIONS else bare, position)


class UniqueNames:
    """Gives each name once: the second "crane" becomes "crane-2". Capitals do not tell names apart."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def give(self, name: str) -> str:
        number, unique = 1, name
        while unique.casefold() in self._given:
            number += 1
            unique = f"{name}-{number}"
        self._given.add(unique.casefold())
        return unique
