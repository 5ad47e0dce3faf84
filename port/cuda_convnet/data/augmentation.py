"""The augmentations of 2012, as pure functions of images and of explicit draws.

Images are (channels, height, width, images); pixels go in as uint8 and come out as float32. What is random
is drawn beforehand (`draw_crops`, `draw_color_noise`) and handed over. For training the steps are, in this
order and each rounded to float32: crop and reflect, subtract the mean image, add colour noise, divide by
one plus its scale.

Answers to `CroppedImageNetDP` in `alexnet:convdata.py` and `CroppedCIFARDataProvider` in
`cuda-convnet:convdata.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NUM_POSITIONS = 5
ONE = np.float32(1)
BLOCK_BYTES = 1 << 21  # of rows of all images: fewer calls, and still in cache from step to step
NOISE_BYTES = 1 << 12  # over which noise is repeated, so that it is added in long rows


@dataclass(frozen=True)
class Crops:
    """Where to crop, for each chunk of `chunk` consecutive images (the last chunk may be shorter).

    y, x: the upper left corner of each chunk's crop.
    reflect: whether the crop is then mirrored left to right.
    before: how many images of the first chunk are not among these.
    """

    y: np.ndarray
    x: np.ndarray
    reflect: np.ndarray
    chunk: int
    before: int = 0

    def cut(self, start: int, stop: int) -> Crops:
        """Those of images `start` to `stop` alone."""
        start += self.before
        stop += self.before
        chunks = slice(start // self.chunk, -(-stop // self.chunk))
        return Crops(self.y[chunks], self.x[chunks], self.reflect[chunks], self.chunk, start % self.chunk)

    def runs(self, count: int) -> list[Run]:
        """Of `count` images, those that are cropped alike."""
        tops = range(-self.before, count, self.chunk)
        drawn = zip(self.y.tolist(), self.x.tolist(), self.reflect.tolist(), strict=True)
        return [
            Run(slice(max(0, top), min(top + self.chunk, count)), *crop)
            for top, crop in zip(tops, drawn, strict=True)
        ]


class Run(NamedTuple):
    """Images that lie one after the other and are cropped alike."""

    images: slice
    y: int
    x: int
    reflect: bool


def draw_crops(random: np.random.RandomState, images: int, border: int, chunk: int, reflect: bool) -> Crops:
    """Draw crops for `images` images, uniformly from the (2*border + 1)**2 positions.

    A chunk is reflected, if `reflect` allows it, with probability one half.
    """
    chunks = -(-images // chunk)
    corners = random.randint(0, 2 * border + 1, size=(chunks, 2))
    mirror = random.randint(0, 2, size=chunks) == 0 if reflect else np.zeros(chunks, bool)
    return Crops(corners[:, 0], corners[:, 1], mirror, chunk)


def draw_color_noise(
    random: np.random.RandomState, images: int, eigenvalues: np.ndarray, eigenvectors: np.ndarray
) -> np.ndarray:
    """PCA colour noise of unit scale: (channels, images) float32, in pixel values.

    A normal draw per component and image, times the component's standard deviation, the square root of its
    eigenvalue (the paper says: times the eigenvalue), along its eigenvector. The original redraws in a
    thread and uses old noise again while new noise is not ready.
    """
    # DEVIATION(fresh-noise): every batch has noise of its own, so that the bits don't depend on timing.
    channels = len(eigenvalues)
    deviations = np.sqrt(eigenvalues).astype(np.float32)
    vectors = eigenvectors.astype(np.float32)
    draws = random.randn(channels, images).astype(np.float32) * deviations[:, None]
    noise = vectors[:, :1] * draws[0]
    for i in range(1, channels):
        noise += vectors[:, i : i + 1] * draws[i]
    return noise


def crop_mean(mean_image: np.ndarray, border: int) -> np.ndarray:
    """The centre of the mean image: what is subtracted from every crop, wherever the crop lies."""
    return centre(mean_image, border)


def scalar_mean(mean_image: np.ndarray) -> np.ndarray:
    """The mean over the whole mean image, in its shape's place: (1, 1, 1) float32."""
    return mean_image.mean(dtype=np.float64, keepdims=True).astype(np.float32)


def centre(images: np.ndarray, border: int) -> np.ndarray:
    """A view of images or of a mean image without `border` pixels on each side."""
    height, width = images.shape[1:3]
    return images[:, border : height - border, border : width - border]


def training_images(
    images: np.ndarray,
    mean: np.ndarray,
    crops: Crops | None,
    border: int,
    noise: np.ndarray | None = None,
    noise_scale: float = 0.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """What training sees: images cropped, minus the mean, with noise over 1 + its scale; in `out` or new.

    Without crops it is the centre, which is what a test on one view sees. The division keeps the scale of
    training images near that of test images, which get no noise. The same bits as one step after the other
    on whole images; done in blocks of rows that stay in cache.
    """
    runs = crops.runs(images.shape[-1]) if crops else [Run(slice(None), border, border, False)]
    noise = noise * np.float32(noise_scale) if noise is not None and noise_scale > 0 else None
    return _augment(images, runs, mean, border, noise, np.float32(1.0 + noise_scale), out)


def num_views(reflect: bool) -> int:
    """How many views of an image a test averages: ten, or five where mirror images make no sense."""
    return NUM_POSITIONS * (2 if reflect else 1)


def view_images(
    images: np.ndarray, mean: np.ndarray, border: int, view: int, out: np.ndarray | None = None
) -> np.ndarray:
    """What a multi-view test sees of each image in its view number `view` (from 0), minus the mean.

    Positions: upper left, upper right, centre, lower left, lower right; then their mirror images in the same
    order.
    """
    far = 2 * border
    y, x = ((0, 0), (0, far), (border, border), (far, 0), (far, far))[view % NUM_POSITIONS]
    run = Run(slice(None), y, x, view >= NUM_POSITIONS)
    return _augment(images, [run], mean, border, out=out)


def _augment(
    images: np.ndarray,
    runs: Sequence[Run],
    mean: np.ndarray,
    border: int,
    noise: np.ndarray | None = None,
    divisor: np.float32 = ONE,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Crops `runs` of images, minus the mean, and with noise (channels, images) plus noise over `divisor`.

    Some rows at a time, whose bytes and floats each have a block of their own that stays in cache. All
    channels of a row go together, because pixels of decoded JPEGs lie with their channels side by side.
    """
    if out is None:
        out = np.empty(_inner_shape(images, border), np.float32)
    channels, height, width, count = out.shape
    mean = np.broadcast_to(mean, out.shape[:3])[..., None]
    windows = [(run.images, _elements(_window(images, run, border))) for run in runs]
    rows = min(height, max(1, BLOCK_BYTES // (4 * channels * width * count)))
    for top in range(0, height, rows):
        here = slice(top, min(top + rows, height))
        if top == 0 or here.stop - top < rows:
            pixels = np.empty((channels, here.stop - top, width, count), np.uint8)
            floats = np.empty(pixels.shape, np.float32)
        for cases, window in windows:
            part = pixels[..., cases]
            part.view(window.dtype)[...] = window[:, here]
        np.copyto(floats, pixels)
        if noise is None:
            np.subtract(floats, mean[:, here], out=out[:, here])
        else:
            np.subtract(floats, mean[:, here], out=floats)
            _add_to_rows(floats.reshape(channels, -1, count), noise)
            np.divide(floats, divisor, out=out[:, here])
    return out


def _inner_shape(images: np.ndarray, border: int) -> tuple[int, int, int, int]:
    channels, height, width, count = images.shape
    return channels, height - 2 * border, width - 2 * border, count


def _window(images: np.ndarray, run: Run, border: int) -> np.ndarray:
    """The pixels of one run of images in its crop, mirrored if need be: a view."""
    _, height, width, _ = _inner_shape(images, border)
    window = images[:, run.y : run.y + height, run.x : run.x + width, run.images]
    return window[:, :, ::-1] if run.reflect else window


def _elements(window: np.ndarray) -> np.ndarray:
    """Where the images of a pixel lie side by side, their bytes as one element, which copies faster."""
    side_by_side = window.strides[-1] == 1 and window.size > 0
    return window.view(np.dtype((np.void, window.shape[-1]))) if side_by_side else window


def _add_to_rows(planes: np.ndarray, noise: np.ndarray) -> None:
    """Add noise (channels, images) to each row of planes (channels, rows, images).

    Several rows at once, where they are short.
    """
    channels, rows, count = planes.shape
    repeat = math.gcd(rows, max(1, NOISE_BYTES // (4 * count)))
    wide = planes.reshape(channels, -1, repeat * count)
    wide += np.tile(noise, repeat)[:, None]
