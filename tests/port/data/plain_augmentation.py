"""The steps of augmentation one after the other, each on whole images and rounded to float32."""

import numpy as np


def crop(images, crops, border):
    """Crop and reflect: float32 (channels, height - 2*border, width - 2*border, images)."""
    channels, height, width, count = images.shape
    height, width = height - 2 * border, width - 2 * border
    out = np.empty((channels, height, width, count), np.float32)
    for run in crops.runs(count):
        window = images[:, run.y : run.y + height, run.x : run.x + width, run.images]
        out[..., run.images] = window[:, :, ::-1] if run.reflect else window
    return out


def subtract_mean(images, mean):
    """Subtract the mean image (channels, height, width), or a mean that broadcasts to it, in place."""
    images -= mean[..., None]


def add_color_noise(images, noise, scale):
    """Add noise (channels, images) times `scale` to every pixel, then divide by 1 + `scale`, in place."""
    images += (noise * np.float32(scale))[:, None, None, :]
    images /= np.float32(1.0 + scale)
