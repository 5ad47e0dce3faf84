"""Decodes JPEG images, through simplejpeg or else Pillow: an extra, needed for batches of JPEGs only."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

import numpy as np

from cuda_convnet.errors import DataError

BLOCK = 32  # images interleaved at a time, so that writes with images last stay in cache

Decoder = Callable[[bytes, bool], np.ndarray]


class UndecodableImage(Exception):
    """Image `index` of a sequence is not a JPEG of the shape that was asked for."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def decode_jpegs(jpegs: Sequence[bytes], shape: tuple[int, int, int]) -> np.ndarray:
    """The pixels of JPEGs: (images, channels, height, width) uint8, a view of memory in which images lie
    last.

    `shape` is (channels, height, width) of every image, with one channel or three. Both decoders give the
    same pixels. Raises UndecodableImage, and DataError when no decoder is installed.
    """
    decode = _decoder()
    channels, height, width = shape
    images = np.empty((channels, height, width, len(jpegs)), np.uint8)
    block = np.empty((height, width, channels, BLOCK), np.uint8)
    for first in range(0, len(jpegs), BLOCK):
        count = min(BLOCK, len(jpegs) - first)
        for i in range(count):
            try:
                pixels = decode(jpegs[first + i], channels == 1)
            # The decoders raise whatever the damaged bytes lead them to.
            except Exception:
                raise UndecodableImage(first + i) from None
            if pixels.shape != (height, width, channels):
                raise UndecodableImage(first + i)
            block[..., i] = pixels
        images[..., first : first + count] = block[..., :count].transpose(2, 0, 1, 3)
    return images.transpose(3, 0, 1, 2)


@cache
def _decoder() -> Decoder:
    with suppress(ImportError):
        return _simplejpeg()
    with suppress(ImportError):
        return _pillow()
    raise DataError("reading JPEG batches needs a decoder: pip install 'alexnet2012[images]'")


def _simplejpeg() -> Decoder:
    import simplejpeg

    def decode(jpeg: bytes, grey: bool) -> np.ndarray:
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            jpeg, colorspace="GRAY" if grey else "RGB", fastdct=False, fastupsample=False
        )
        return pixels

    return decode


def _pillow() -> Decoder:
    from PIL import Image

    def decode(jpeg: bytes, grey: bool) -> np.ndarray:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
        return pixels[..., None] if grey else pixels

    return decode
