"""Scikit-learn's 1,797 handwritten digits as a batch folder: real images that need no download.

The digits are 8x8 with values 0 to 16: too small for a network that pools three times. They are enlarged,
and get a margin so that crops at all positions hold nearly the whole digit.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from cuda_convnet.data.batches import (
    Augmentation,
    BatchFolder,
    BatchWriter,
    DatasetPlan,
    Progress,
    no_progress,
)
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams

SOURCE_SIZE = 8
LEVELS = 16
TEST_EVERY = 5


def pack_digits(
    out: str | Path,
    *,
    size: int = 16,
    border: int = 2,
    seed: int = 0,
    batch_size: int = 512,
    crop_chunk: int = 32,
    command: str = "",
    progress: Progress = no_progress,
) -> BatchFolder:
    """Make a batch folder of the digits: 1,437 for training, 360 held out, every class in proportion.

    size: the digits are enlarged to `size` x `size` pixels, bilinearly.
    border: pixels of margin on each side, of the background's 0; images are then `size + 2*border` wide, the
        crop border of the dataset is `border`, and a crop is `size` wide.
    seed: which digits are held out, and the order of the rest.
    batch_size: images in a batch file.
    crop_chunk: how many images share a crop. Digits are never reflected.

    Raises DataError: a size that makes no sense, scikit-learn is not installed, `out` holds another dataset,
    a full disk.
    """
    for name, value, least in (
        ("size", size, SOURCE_SIZE),
        ("border", border, 0),
        ("seed", seed, 0),
        ("batch_size", batch_size, 1),
        ("crop_chunk", crop_chunk, 1),
    ):
        if value < least:
            raise DataError(f"{out}: digits with {name} {value} cannot be made; {name} is at least {least}")
    values, labels = _load()
    width = size + 2 * border
    images = np.zeros((len(values), 1, width, width), np.uint8)
    images[:, 0, border : border + size, border : border + size] = enlarge(values, size)
    chosen = dict(zip(("train", "test"), _split(labels, seed), strict=True))
    plan = DatasetPlan(
        recipe={
            "source": "scikit-learn load_digits",
            "sha256": hashlib.sha256(values.tobytes() + labels.tobytes()).hexdigest(),
            "size": size,
            "border": border,
            "enlarged": "bilinear",
            "held out": f"one in {TEST_EVERY} of each class",
            "seed": seed,
        },
        class_names=tuple(str(digit) for digit in range(10)),
        image_shape=(1, width, width),
        counts={
            "train": _counts(len(chosen["train"]), batch_size),
            "test": _counts(len(chosen["test"]), batch_size),
        },
        augmentation=Augmentation(crop_border=border, crop_chunk=crop_chunk, reflect=False),
        command=command,
    )
    writer = BatchWriter(out, plan)
    for split, number in writer.unfinished(progress):
        of_batch = chosen[split][(number - 1) * batch_size : number * batch_size]
        writer.write(split, number, images[of_batch], labels[of_batch], [f"digit {i}" for i in of_batch])
    return writer.finish()


def enlarge(values: np.ndarray, size: int) -> np.ndarray:
    """Digits (images, 8, 8) with values 0 to 16 as (images, size, size) uint8, 0 to 255, bilinearly.

    Pixel centres are aligned and edges repeat. In whole numbers throughout, so that the pixels are the same
    on every machine.
    """
    # Where each target pixel's centre lies between two source centres, in units of 1/(2*size) source pixel.
    unit = 2 * size
    at = np.clip((2 * np.arange(size) + 1) * SOURCE_SIZE - size, 0, (SOURCE_SIZE - 1) * unit)
    below = np.minimum(at // unit, SOURCE_SIZE - 2)
    weights = np.zeros((size, SOURCE_SIZE), np.int64)
    weights[np.arange(size), below] = unit - (at - below * unit)
    weights[np.arange(size), below + 1] = at - below * unit
    sums = np.einsum("ij,njk,lk->nil", weights, values.astype(np.int64), weights)
    whole = LEVELS * unit**2
    return ((sums * 255 + whole // 2) // whole).astype(np.uint8)


def _load() -> tuple[np.ndarray, np.ndarray]:
    """The digits (images, 8, 8) uint8, 0 to 16, and their labels (images,) int32."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError("the digits come with scikit-learn: pip install 'alexnet2012[digits]'") from None
    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target.astype(np.int32)


def _split(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test indices, shuffled by the seed; every fifth of each class in turn is for testing."""
    order = RandomStreams(seed).at("order").permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    held_out = np.isin(order, by_class[::TEST_EVERY])
    return order[~held_out], order[held_out]


def _counts(images: int, batch_size: int) -> tuple[int, ...]:
    return tuple(min(batch_size, images - first) for first in range(0, images, batch_size))
