"""The augmentations of 2012, as pure functions of images and of explicit draws.

Images are (channels, height, width, images); pixels go in as uint8 and come out as float32. What is random
is drawn beforehand (`draw_crops`, `draw_color_noise`) and handed over. For training the steps are, in this
order and each rounded to float32: crop and reflect, subtract the mean image, add colour noise, divide by
one plus its scale.

Answers to `CroppedImageNetDP` in `alexnet:convdata.py` and `CroppedCIFARDataProvider` in
`cuda-convnet:convdata.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NUM_POSITIONS = 5
BLOCK_BYTES = 1 << 19  # of rows of all images, so that they stay in cache from step to step


@dataclass(frozen=True)
class Crops:
    """Where to crop, for each chunk of `chunk` consecutive images (the last chunk may be shorter).

    y, x: the upper left corner of each chunk's crop.
    reflect: whether the crop is then mirrored left to right.
    """

    y: np.ndarray
    x: np.ndarray
    reflect: np.ndarray
    chunk: int


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


def crop(images: np.ndarray, crops: Crops, border: int) -> np.ndarray:
    """Crop and reflect: float32 (channels, height - 2*border, width - 2*border, images)."""
    out = _empty(images, border)
    cropper = _Cropper(images, crops, border)
    for channel in range(len(out)):
        for rows in _row_blocks(out):
            cropper.crop(channel, rows, out[channel, rows])
    return out


def subtract_mean(images: np.ndarray, mean: np.ndarray) -> None:
    """Subtract the mean image (channels, height, width), or a mean that broadcasts to it, in place."""
    images -= mean[..., None]


def add_color_noise(images: np.ndarray, noise: np.ndarray, scale: float) -> None:
    """Add noise (channels, images) times `scale` to every pixel, then divide by 1 + `scale`, in place.

    The division keeps the scale of training images near that of test images, which get no noise.
    """
    images += (noise * np.float32(scale))[:, None, None, :]
    images /= np.float32(1.0 + scale)


def training_images(
    images: np.ndarray,
    mean: np.ndarray,
    crops: Crops | None,
    border: int,
    noise: np.ndarray | None = None,
    noise_scale: float = 0.0,
) -> np.ndarray:
    """What training sees: `crop`, `subtract_mean`, and with noise `add_color_noise`.

    Without crops it is the centre. The same bits as those functions one after the other; done in blocks of
    rows that stay in cache.
    """
    out = _empty(images, border)
    middle = centre(images, border)
    mean = np.broadcast_to(mean, out.shape[:3])
    cropper = _Cropper(images, crops, border) if crops else None
    for channel in range(len(out)):
        for rows in _row_blocks(out):
            block = out[channel : channel + 1, rows]
            if cropper:
                cropper.crop(channel, rows, block[0])
            else:
                block[0] = middle[channel, rows]
            subtract_mean(block, mean[channel : channel + 1, rows])
            if noise is not None and noise_scale > 0:
                add_color_noise(block, noise[channel : channel + 1], noise_scale)
    return out


def central_images(images: np.ndarray, mean: np.ndarray, border: int) -> np.ndarray:
    """What a test sees: the centre of each image, minus the mean."""
    return training_images(images, mean, None, border)


def num_views(reflect: bool) -> int:
    """How many views of an image a test averages: ten, or five where mirror images make no sense."""
    return NUM_POSITIONS * (2 if reflect else 1)


def view_images(images: np.ndarray, mean: np.ndarray, border: int, reflect: bool) -> np.ndarray:
    """The views of a multi-view test, minus the mean, view after view along the image axis.

    Positions: upper left, upper right, centre, lower left, lower right; then, if `reflect`, their mirror
    images in the same order. Column `view * images + i` is view `view` of image i.
    """
    channels, height, width, count = images.shape
    inner_height, inner_width = height - 2 * border, width - 2 * border
    views = num_views(reflect)
    out = np.empty((channels, inner_height, inner_width, views, count), np.float32)
    corners = [(0, 0), (0, 2 * border), (border, border), (2 * border, 0), (2 * border, 2 * border)]
    for view, (y, x) in enumerate(corners):
        picture = images[:, y : y + inner_height, x : x + inner_width]
        out[..., view, :] = picture
        if reflect:
            out[..., NUM_POSITIONS + view, :] = picture[:, :, ::-1]
    flat = out.reshape(channels, inner_height, inner_width, views * count)
    subtract_mean(flat, mean)
    return flat


class _Cropper:
    """Crops rows of one channel of all images at once, by an index of where each chunk's pixels come from."""

    def __init__(self, images: np.ndarray, crops: Crops, border: int) -> None:
        width, count = images.shape[2:]
        self.whole = count // crops.chunk
        self.split = self.whole * crops.chunk
        inner = np.arange(width - 2 * border)[:, None]
        columns = crops.x + np.where(crops.reflect, inner[::-1], inner)
        self.starts = crops.y * width + columns  # of each chunk's first row: (inner width, chunks)
        self.width = width
        self.planes = self._chunks(images[..., : self.split], crops.chunk)
        self.rest = self._chunks(images[..., self.split :], count - self.split)

    @staticmethod
    def _chunks(images: np.ndarray, chunk: int) -> np.ndarray:
        """(channels, pixels * chunks) of elements that are the bytes of a whole chunk."""
        if images.size == 0:
            return np.empty((len(images), 0), np.uint8)
        return np.ascontiguousarray(images).view(np.dtype((np.void, chunk))).reshape(len(images), -1)

    def crop(self, channel: int, rows: slice, out: np.ndarray) -> None:
        """Rows `rows` of the crops of one channel into `out` (rows, inner width, images) float32."""
        below = np.arange(rows.start, rows.stop)[:, None, None] * self.width
        at = below + self.starts
        if self.whole:
            index = at[..., : self.whole] * self.whole + np.arange(self.whole)
            out[..., : self.split] = self._take(self.planes[channel], index)
        if self.rest.size:
            out[..., self.split :] = self._take(self.rest[channel], at[..., self.whole :])

    @staticmethod
    def _take(elements: np.ndarray, index: np.ndarray) -> np.ndarray:
        taken = elements.take(index)
        return taken.view(np.uint8).reshape(*index.shape[:2], -1)


def _empty(images: np.ndarray, border: int) -> np.ndarray:
    channels, height, width, count = images.shape
    return np.empty((channels, height - 2 * border, width - 2 * border, count), np.float32)


def _row_blocks(out: np.ndarray) -> list[slice]:
    _, height, width, count = out.shape
    step = max(1, BLOCK_BYTES // (4 * width * count))
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]
