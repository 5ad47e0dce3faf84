"""Collects the images of a batch as they will be stored, and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from cuda_convnet.data.batch_format import DatasetPlan, Split, write_jpeg_batch, write_raw_batch
from cuda_convnet.data.imagenet.pictures import encode

BLOCK = 32  # images interleaved at a time, so that writes with images last stay in cache


class Store(Protocol):
    """A batch that grows, image by image."""

    def add(self, pixels: np.ndarray) -> None:
        """Take one more image, (height, width, channels) uint8."""

    def write(
        self,
        path: Path,
        plan: DatasetPlan,
        split: Split,
        number: int,
        labels: np.ndarray,
        names: Sequence[str],
        rejected: int,
    ) -> None:
        """Write the batch. Raises OSError."""


class JpegStore:
    """Keeps JPEGs of a quality from 1 to 100."""

    def __init__(self, quality: int) -> None:
        self._quality = quality
        self._jpegs: list[bytes] = []

    def add(self, pixels: np.ndarray) -> None:
        self._jpegs.append(encode(pixels, self._quality))

    def write(
        self,
        path: Path,
        plan: DatasetPlan,
        split: Split,
        number: int,
        labels: np.ndarray,
        names: Sequence[str],
        rejected: int,
    ) -> None:
        write_jpeg_batch(path, plan, split, number, self._jpegs, labels, names, rejected)


class RawStore:
    """Keeps pixels with images last, as the batch will hold them; at most `capacity` images."""

    def __init__(self, shape: tuple[int, int, int], capacity: int) -> None:
        channels, height, width = shape
        self._planes = np.empty((channels, height, width, capacity), np.uint8)
        self._block = np.empty((height, width, channels, BLOCK), np.uint8)
        self._count = 0

    def add(self, pixels: np.ndarray) -> None:
        self._block[..., self._count % BLOCK] = pixels
        self._count += 1
        if self._count % BLOCK == 0:
            self._keep_block(BLOCK)

    def write(
        self,
        path: Path,
        plan: DatasetPlan,
        split: Split,
        number: int,
        labels: np.ndarray,
        names: Sequence[str],
        rejected: int,
    ) -> None:
        self._keep_block(self._count % BLOCK)
        images = self._planes[..., : self._count].transpose(3, 0, 1, 2)
        write_raw_batch(path, plan, split, number, images, labels, names, rejected)

    def _keep_block(self, count: int) -> None:
        kept = self._block[..., :count].transpose(2, 0, 1, 3)
        first = self._count - count
        self._planes[..., first : self._count] = kept
