"""The mean image and the covariance of colours over a training set, exact until the last division.

Pixels are whole numbers from 0 to 255, so sums over any number of images are exact, and do not depend on
the order of the batches or on how many processes took part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 16  # pixels: small enough for the cache, and for sums of 255 * 255 in 32 bits
EXACT_VALUES = 1 << 16  # so many values of at most 255, and so many products of two, have sums below 2**24:
EXACT_PRODUCTS = 1 << 8  # up to there float32 holds every whole number


@dataclass(frozen=True)
class Statistics:
    """What the loader subtracts from images and adds to them.

    mean_image: (channels, height, width) float32, in pixel values 0 to 255.
    color_eigenvalues: (channels,) float64, of the covariance of pixels between channels, ascending:
        variances, in squared pixel values. Their square roots are what the original keeps as `color_pca[0]`.
    color_eigenvectors: (channels, channels) float64, one per column; the largest component of each is
        positive.
    """

    mean_image: np.ndarray
    color_eigenvalues: np.ndarray
    color_eigenvectors: np.ndarray


@dataclass(frozen=True)
class PixelSums:
    """Sums over images, int64: of each pixel (channels, height, width), of products (channels, channels)."""

    images: int
    pixels: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> PixelSums:
        """The sums over (images, channels, height, width) uint8; fastest if images lie last in memory."""
        planes = images.transpose(1, 2, 3, 0)  # (channels, height, width, images)
        channels, height, width, count = planes.shape
        pixels = np.empty((channels, height, width), np.int64)
        products = np.zeros((channels, channels), np.int64)
        rows = max(1, BLOCK // (width * count))
        for top in range(0, height, rows):
            block = planes[:, top : top + rows]
            pixels[:, top : top + rows] = block.sum(axis=-1, dtype=np.uint32)
            products += _products(block.reshape(channels, -1))
        return cls(count, pixels, products)

    @classmethod
    def of_pictures(cls, pictures: Iterable[np.ndarray], shape: tuple[int, int, int]) -> PixelSums:
        """The same sums over pictures as decoders give them, (height, width, channels) uint8, one by one.

        `shape` is (channels, height, width).
        """
        channels, height, width = shape
        count = 0
        pixels = np.zeros((height, width * channels), np.int64)
        recent = np.zeros(pixels.shape, np.float32)
        lags = np.zeros((channels, width * channels))
        values = np.empty(pixels.shape, np.float32)
        for picture in pictures:
            count += 1
            values[:] = picture.reshape(values.shape)
            recent += values
            if count % EXACT_VALUES == 0:
                pixels += recent.astype(np.int64)
                recent[:] = 0
            for first in range(0, height, EXACT_PRODUCTS):
                _add_lags(lags, values[first : first + EXACT_PRODUCTS])
        pixels += recent.astype(np.int64)
        products = np.zeros((channels, channels), np.int64)
        for lag in range(channels):
            for i in range(channels - lag):
                products[i, i + lag] = products[i + lag, i] = int(lags[lag, i::channels].sum())
        return cls(count, pixels.reshape(height, width, channels).transpose(2, 0, 1), products)

    def __add__(self, other: PixelSums) -> PixelSums:
        return PixelSums(
            self.images + other.images, self.pixels + other.pixels, self.products + other.products
        )

    def mean_image(self) -> np.ndarray:
        """The mean of each pixel, float32, rounded once from the exact quotient's float64."""
        return (self.pixels / self.images).astype(np.float32)

    def covariance(self) -> np.ndarray:
        """The covariance between channels over all pixels, float64: exact until its one division."""
        values = self.images * self.pixels[0].size
        totals = [int(channel.sum()) for channel in self.pixels]
        exact = [
            [(values * int(product) - a * b) / values**2 for product, b in zip(row, totals, strict=True)]
            for row, a in zip(self.products, totals, strict=True)
        ]
        return np.array(exact)

    def statistics(self) -> Statistics:
        """The mean image and the principal components of colour."""
        eigenvalues, eigenvectors = np.linalg.eigh(self.covariance())
        largest = np.abs(eigenvectors).argmax(axis=0)
        signs = np.sign(np.take_along_axis(eigenvectors, largest[None], axis=0))
        return Statistics(self.mean_image(), np.maximum(eigenvalues, 0), eigenvectors * signs)


def _products(values: np.ndarray) -> np.ndarray:
    """The products of channels (channels, pixels) uint8, summed over pixels: (channels, channels) int64."""
    channels, count = values.shape
    sums = np.zeros((channels, channels), np.int64)
    for first in range(0, count, BLOCK):
        block = values[:, first : first + BLOCK].astype(np.uint32, order="C")
        for i in range(channels):
            for j in range(i, channels):
                sums[i, j] += np.einsum("i,i->", block[i], block[j])
    return sums + np.triu(sums, 1).T


def _add_lags(lags: np.ndarray, rows: np.ndarray) -> None:
    """Add to lags[k, j] the products of values j and j + k of each row of interleaved channels (float32).

    If j is of channel i, j + k is of channel i + k of the same pixel; beyond the last channel it is of the
    next pixel, and of no use. It takes two thirds of the time of pulling the channels apart first.
    """
    length = rows.shape[1]
    for lag in range(len(lags)):
        lags[lag, : length - lag] += np.einsum("ij,ij->j", rows[:, : length - lag], rows[:, lag:])
