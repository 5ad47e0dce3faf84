"""The same images and augmentation through PyTorch's DataLoader: the peer of `alexnet2012 bench data`.

The way a PyTorch user would write it: one process beside the program, each image cropped, reflected and
coloured by draws of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simplejpeg
import torch
from torch.utils.data import DataLoader, Dataset

from cuda_convnet.data.statistics import Statistics


@dataclass(frozen=True)
class TorchImages(Dataset[tuple[torch.Tensor, int]]):
    """JPEGs, or pixels (images, channels, height, width) uint8, as 2012's network takes them in training.

    mean: of the crop, (channels, height, width) float32. colors: (channels, channels) float32, the principal
    components, each as long as its standard deviation times the scale of the noise.
    """

    pictures: Sequence[bytes] | np.ndarray
    mean: torch.Tensor
    colors: torch.Tensor
    noise: float

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = self.pictures[index]
        if isinstance(picture, bytes):
            pixels = torch.from_numpy(simplejpeg.decode_jpeg(picture)).permute(2, 0, 1)
        else:
            pixels = torch.from_numpy(picture)
        _, height, width = self.mean.shape
        y = int(torch.randint(pixels.shape[1] - height + 1, ()))
        x = int(torch.randint(pixels.shape[2] - width + 1, ()))
        crop = pixels[:, y : y + height, x : x + width]
        if torch.rand(()) < 0.5:
            crop = crop.flip(2)
        image = crop - self.mean
        image += (self.colors @ torch.randn(len(self.colors)))[:, None, None]
        image /= 1 + self.noise
        return image, index


def torch_loader(
    pictures: Sequence[bytes] | np.ndarray, statistics: Statistics, border: int, noise: float, minibatch: int
) -> DataLoader[tuple[torch.Tensor, int]]:
    """A DataLoader of one worker process that stays from epoch to epoch."""
    height, width = statistics.mean_image.shape[1:]
    mean = statistics.mean_image[:, border : height - border, border : width - border]
    colors = statistics.color_eigenvectors * np.sqrt(statistics.color_eigenvalues) * noise
    images = TorchImages(
        pictures, torch.from_numpy(mean.copy()), torch.from_numpy(colors.astype(np.float32)), noise
    )
    return DataLoader(
        images, minibatch, num_workers=1, persistent_workers=True, multiprocessing_context="spawn"
    )
