"""Encoded images in old batches: what they are, told from their headers, and their pixels.

Answers to `load_jpeg_batch` of `alexnet:convdata_jpeg.py` and to `cuda-convnet2:cudaconvnet/src/jpeg.cpp`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType

import numpy as np

from cuda_convnet.data.jpeg import UndecodableImage, decode_jpegs
from cuda_convnet.data.pillow import import_pillow

FORMATS = ("JPEG", "PNG")
BLOCK = 256


class UnusableImage(Exception):
    """Why image `index` of a sequence cannot be used, as the rest of a sentence that starts with its name."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


def are_jpegs_of(images: Sequence[bytes], shape: tuple[int, int, int], may_be_smaller: bool) -> bool:
    """Whether all encoded images are JPEGs of `shape` (channels, height, width), by their headers alone.

    Raises UnusableImage: not an image, or of another size than can be cut or framed to `shape`: the shorter
    side is that of `shape`, or, if images may be smaller, the longer side at most that. DataError when Pillow
    is not installed.
    """
    pillow = import_pillow()
    _, height, width = shape
    exact = True
    for index, data in enumerate(images):
        try:
            w, h, kind = _header(pillow, data)
        # Pillow raises whatever the damaged bytes lead it to.
        except Exception:
            raise UnusableImage(index, "is not a JPEG or PNG image") from None
        if not (max(w, h) <= width if may_be_smaller else min(w, h) == width):
            raise UnusableImage(index, f"has {w}x{h} pixels, and batches.meta says {width}x{height}")
        exact = exact and kind != "PNG" and (h, w) == (height, width)
    return exact


def decoded(jpegs: Sequence[bytes], shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """The pixels of JPEGs of `shape`, some at a time, see `decode_jpegs`. Raises UnusableImage."""
    first = 0
    try:
        for first in range(0, len(jpegs), BLOCK):
            yield decode_jpegs(jpegs[first : first + BLOCK], shape)
    except UndecodableImage as error:
        raise UnusableImage(first + error.index, "is a damaged JPEG") from None


def decode(images: Sequence[bytes], shape: tuple[int, int, int], frame: int | None) -> np.ndarray:
    """Pixels (channels, height, width, images) uint8 of encoded images.

    Of larger images the centre is cut out, as cuda-convnet2 does in testing; smaller ones stand in the middle
    of a frame of the value `frame`, as 2012's `no_crop`. Raises UnusableImage.
    """
    pillow = import_pillow()
    channels, height, width = shape
    pixels = np.empty((channels, height, width, len(images)), np.uint8)
    if frame is not None:
        pixels[:] = frame
    for index, data in enumerate(images):
        try:
            with pillow.open(io.BytesIO(data), formats=FORMATS) as image:
                found = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        # As above.
        except Exception:
            raise UnusableImage(index, "is damaged") from None
        planes = found.reshape(*found.shape[:2], channels).transpose(2, 0, 1)
        (top, to_y, h), (left, to_x, w) = _placed(planes.shape[1], height), _placed(planes.shape[2], width)
        pixels[:, to_y : to_y + h, to_x : to_x + w, index] = planes[:, top : top + h, left : left + w]
    return pixels


def _header(pillow: ModuleType, data: bytes) -> tuple[int, int, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of images with very many pixels: their size is checked
        with pillow.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width, image.height, image.format


def _placed(length: int, size: int) -> tuple[int, int, int]:
    """Where to begin in the image, where in the target, and for how many pixels."""
    return max(0, (length - size) // 2), max(0, (size - length) // 2), min(length, size)
