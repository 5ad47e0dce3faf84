"""Decodes JPEG images, through simplejpeg or else Pillow: an extra, needed for batches of JPEGs only."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Protocol

import numpy as np

from cuda_convnet.errors import DataError

BLOCK = 32  # images interleaved at a time, so that writes with images last stay in cache
# Bytes between images, so that the same pixel of all images does not fall on one line of the cache.
APART = 320


class Decoder(Protocol):
    """Gives the pixels of a JPEG, grey or in colour, (height, width, channels) uint8, perhaps in `out`."""

    def __call__(self, jpeg: bytes, grey: bool, out: np.ndarray | None = None) -> np.ndarray: ...


class UndecodableImage(Exception):
    """Image `index` of a sequence is not a JPEG of the shape that was asked for."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def decode_jpegs(jpegs: Sequence[bytes], shape: tuple[int, int, int]) -> np.ndarray:
    """The pixels of JPEGs: (images, channels, height, width) uint8, a view of memory in which images lie
    last.

    `shape` is (channels, height, width) of every image, with one channel or three. Both decoders give the
    same pixels, but of inks (CMYK), which they round otherwise. Raises UndecodableImage, and DataError when
    no decoder is installed.
    """
    images = np.empty((*shape, len(jpegs)), np.uint8)
    memory = np.empty(block_bytes(BLOCK, shape), np.uint8)
    for first in range(0, len(jpegs), BLOCK):
        part = jpegs[first : first + BLOCK]
        try:
            pixels = decode_block(part, shape, memory)
        except UndecodableImage as error:
            raise UndecodableImage(first + error.index) from None
        images[..., first : first + len(part)] = pixels.transpose(3, 1, 2, 0)
    return images.transpose(3, 0, 1, 2)


def block_bytes(count: int, shape: tuple[int, int, int]) -> int:
    """How much memory `decode_block` needs for `count` images."""
    return count * (math.prod(shape) + APART)


def decode_block(jpegs: Sequence[bytes], shape: tuple[int, int, int], memory: np.ndarray) -> np.ndarray:
    """The pixels of JPEGs, one after the other: (images, height, width, channels) uint8, a view of `memory`.

    `memory` has at least `block_bytes` bytes. Otherwise like `decode_jpegs`.
    """
    decode = _decoder()
    channels, height, width = shape
    size = math.prod(shape)
    lines = memory[: block_bytes(len(jpegs), shape)].reshape(len(jpegs), -1)[:, :size]
    images = lines.reshape(-1, height, width, channels)
    for i, (jpeg, image) in enumerate(zip(jpegs, images, strict=True)):
        try:
            pixels = decode(jpeg, channels == 1, image)
        # The decoders raise whatever the damaged bytes lead them to.
        except Exception:
            raise UndecodableImage(i) from None
        if pixels.shape != image.shape:
            raise UndecodableImage(i)
        if not np.may_share_memory(pixels, image):
            image[...] = pixels
    return images


@cache
def _decoder() -> Decoder:
    with suppress(ImportError):
        return _simplejpeg()
    with suppress(ImportError):
        return _pillow()
    raise DataError("reading JPEG batches needs a decoder: pip install 'alexnet2012[images]'")


def _simplejpeg() -> Decoder:
    import simplejpeg

    def decode(jpeg: bytes, grey: bool, out: np.ndarray | None = None) -> np.ndarray:
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            jpeg, colorspace="GRAY" if grey else "RGB", fastdct=False, fastupsample=False, buffer=out
        )
        return pixels

    return decode


def _pillow() -> Decoder:
    from PIL import Image

    def decode(jpeg: bytes, grey: bool, out: np.ndarray | None = None) -> np.ndarray:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if grey:
                image.draft("L", image.size)  # the brightness that the file holds, as simplejpeg gives it
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
        return pixels[..., None] if grey else pixels

    return decode
