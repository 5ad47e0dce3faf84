"""From the bytes of a picture, whatever they turn out to be, to the square of pixels that a batch holds.

The exact scripts of 2012 were not released. The paper says: the shorter side scaled to 256, the central
256x256 cut out. How pictures were resampled is known only of the author's next release, cuda-convnet2: by
OpenCV, area averaging to reduce, cubic convolution to enlarge, then JPEG of quality 95. That is what is done
here, see `cuda_convnet.data.imagenet.resampling`. Answers to `cuda-convnet2:make-data/pyext/src/pyext.cpp`.

JPEGs are decoded by libjpeg-turbo (simplejpeg) with its accurate transform and smooth upsampling; everything
else, told by its first bytes and not by its name, by Pillow. As with OpenCV then: grey becomes colour, alpha
is dropped, of 16 bits the upper 8 are kept, inks (CMYK, YCCK) are taken to be stored inverted as Adobe does,
and orientation in EXIF, colour profiles and gamma are not looked at.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import re
import threading
import warnings
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np

from cuda_convnet.data.imagenet.resampling import central_square
from cuda_convnet.errors import DataError

RESAMPLING = "as OpenCV: area averaging to reduce, cubic convolution (a = -0.75) to enlarge, rounded once"
MAX_PIXELS = 1 << 26
"""JPEGs with more pixels are refused before they are decoded, other pictures with more than half as many:
decoding takes up to twelve bytes per pixel (a progressive JPEG) or seventeen (WebP), 0.8 GB at the limit."""

MAX_SCANS = 500
"""JPEGs with more scans are refused: each goes over all pixels, so that a small file could take hours. That
is libjpeg-turbo's own suggestion; a progressive photograph has ten."""

_JPEG = b"\xff\xd8\xff"
_START_OF_SCAN = b"\xff\xda"
_KINDS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "Png"),
    (re.compile(rb"GIF8"), "Gif"),
    (re.compile(rb"BM"), "Bmp"),
    (re.compile(rb"II\*\0|MM\0\*"), "Tiff"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP"),
)
_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B")
_warnings_lock = threading.Lock()
_KEPT_BYTES = 1 << 24


class _Memory(threading.local):
    """Memory that a thread decodes into again and again: to clear new memory takes a third of decoding."""

    def __init__(self) -> None:
        self._kept = np.empty(0, np.uint8)

    def take(self, size: int) -> np.ndarray:
        """`size` bytes, which hold what was decoded last until they are taken again."""
        if size > _KEPT_BYTES:
            return np.empty(size, np.uint8)
        if size > self._kept.size:
            self._kept = np.empty(size, np.uint8)
        return self._kept[:size]


_memory = _Memory()


class Unusable(Exception):
    """A picture that cannot be used; `reason` is a phrase, the same on every machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def prepare(data: bytes, size: int = 256) -> np.ndarray:
    """The centre of a picture, its shorter side scaled to `size`: (size, size, 3) uint8 RGB in C order.

    Raises Unusable: no picture of a kind that is known, cut off, damaged beyond decoding, or of more than
    MAX_PIXELS allows. What libjpeg only warns of (bytes too many between segments, say) is no reason. Raises
    DataError: a decoder is not installed.
    """
    return central_square(_decode_jpeg(data) if data.startswith(_JPEG) else _decode_other(data), size)


def encode(pixels: np.ndarray, quality: int) -> bytes:
    """A JPEG of (height, width, 3) uint8 RGB, colours at half resolution (4:2:0), as OpenCV makes it.

    By Pillow: below a quality of 96 simplejpeg has only libjpeg's fast, less accurate transform. Raises
    DataError: the encoder is not installed.
    """
    file = io.BytesIO()
    _module("PIL.Image").fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def libraries() -> dict[str, str]:
    """The versions of the libraries that decide about pixels. Raises DataError: one is not installed."""
    for name in ("simplejpeg", "PIL.Image"):
        _module(name)
    return {name: importlib.metadata.version(name) for name in ("simplejpeg", "pillow")}


def _decode_jpeg(data: bytes) -> np.ndarray:
    simplejpeg = _module("simplejpeg")
    if data.count(_START_OF_SCAN) > MAX_SCANS:
        raise Unusable(f"a JPEG of more than {MAX_SCANS} scans")
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        _refuse_if_cut(error)
        # A warning about the header stops simplejpeg, and it knows fewer kinds of JPEG than Pillow.
        return _decode_with_pillow(data, "Jpeg")
    _check_size(width, height, MAX_PIXELS)
    try:
        return _pixels(simplejpeg, data, width * height, strict=True)
    except ValueError as error:
        _refuse_if_cut(error)
    with suppress(ValueError):
        return _pixels(simplejpeg, data, width * height, strict=False)
    return _decode_with_pillow(data, "Jpeg")


def _refuse_if_cut(error: ValueError) -> None:
    """Unusable at libjpeg's two messages for data that ends too early: of the file, or of a segment."""
    if "remature end" in str(error):
        raise Unusable("truncated JPEG") from None


def _pixels(simplejpeg: ModuleType, data: bytes, count: int, *, strict: bool) -> np.ndarray:
    """The pixels of a JPEG of so many, in memory that the next one gets, too."""
    memory = _memory.take(3 * count)
    pixels: np.ndarray = simplejpeg.decode_jpeg(
        data, colorspace="RGB", fastdct=False, fastupsample=False, strict=strict, buffer=memory
    )
    return pixels


def _decode_other(data: bytes) -> np.ndarray:
    for beginning, kind in _KINDS:
        if beginning.match(data):
            return _decode_with_pillow(data, kind)
    raise Unusable("not an image" if data else "empty")


def _decode_with_pillow(data: bytes, kind: str) -> np.ndarray:
    image_file = getattr(_module(f"PIL.{kind}ImagePlugin"), f"{kind}ImageFile")
    # Pillow's open() also warns of sizes, which are judged here. Other warnings are about what is ignored
    # here. Filters of warnings belong to the whole process: one thread at a time.
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with image_file(io.BytesIO(data)) as image:
                width, height = image.size
                _check_size(width, height, MAX_PIXELS if kind == "Jpeg" else MAX_PIXELS // 2)
                return _rgb(image)
        except (Unusable, MemoryError):
            raise
        # A damaged file leads Pillow into many kinds of exceptions.
        except Exception as error:
            cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
            raise Unusable(f"{'truncated' if cut else 'damaged'} {kind.upper()}") from None


def _rgb(image: Any) -> np.ndarray:
    """The pixels of a Pillow image as (height, width, 3) uint8."""
    image.load()
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise Unusable("more than 16 bits per pixel")
        grey = (deep >> 8).astype(np.uint8)
        return np.broadcast_to(grey[..., None], (*grey.shape, 3))
    if image.mode == "F":
        raise Unusable("floating-point pixels")
    image.info.pop("transparency", None)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _check_size(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise Unusable(f"{width} x {height} pixels: more than {most}")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise DataError(
            "preparing images needs simplejpeg and Pillow: pip install 'alexnet2012[images]'"
        ) from None
