"""The mean image and the covariance of colours over a training set, exact until the last division.

Pixels are whole numbers from 0 to 255, so sums over any number of images are exact, and do not depend on
the order of the batches or on how many processes took part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK_BYTES = 1 << 22


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
        rows = max(1, BLOCK_BYTES // (8 * channels * width * count))
        for top in range(0, height, rows):
            # float64 holds whole numbers up to 2**53, so neither summation nor BLAS rounds.
            block = planes[:, top : top + rows].astype(np.float64, order="C")
            pixels[:, top : top + rows] = block.sum(axis=-1)
            flat = block.reshape(channels, -1)
            products += (flat @ flat.T).astype(np.int64)
        return cls(count, pixels, products)

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
