"""Layers that work on images as pictures: nailbed, blur, href, resize, rscale, rgb2yuv, rgb2lab; crop.

Most of them pass no gradient, so they cannot stand over layers with weights.

Answers to `alexnet:layer.py` from NailbedLayerParser to RGBToLABLayerParser; crop to
`cuda-convnet2:layer.py`. In `cuda-convnet:layer.py` rscale has no `tgtSize`: the smallest size that the
rescaled image can have is meant.
"""

from __future__ import annotations

from math import exp, floor

import numpy as np

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.specs import (
    BlurSpec,
    CropSpec,
    HorizontalReflectionSpec,
    NailbedSpec,
    RandomScaleSpec,
    ResizeSpec,
    RGBToLABSpec,
    RGBToYUVSpec,
)

BLUR_SIZES = (3, 5, 7, 9)


def _read_image(layer: Draft, drafts: Drafts, most_channels: int | None = None) -> tuple[int, int]:
    """(channels, size) of the input; the output is taken to be as large."""
    channels = layer.section.integer("channels")
    layer.section.check_range("channels", channels, 1, most_channels)
    size = drafts.image_size_of(layer, channels)
    layer.outputs = channels * size**2
    layer.fields = {"channels": channels, "img_size": size}
    return channels, size


def read_nailbed(layer: Draft, drafts: Drafts) -> None:
    channels, size = _read_image(layer, drafts)
    stride = layer.section.integer("stride")
    layer.section.check_range("stride", stride, 1)
    outputs_x = (size + stride - 1) // stride
    layer.outputs = channels * outputs_x**2
    layer.fields |= {
        "stride": stride,
        "outputs_x": outputs_x,
        "start": (size - stride * (outputs_x - 1)) // 2,
    }


def read_blur(layer: Draft, drafts: Drafts) -> None:
    section = layer.section
    _, size = _read_image(layer, drafts)
    taps, stdev = section.integer("filterSize"), section.number("stdev")
    section.check_among("filterSize", taps, BLUR_SIZES)
    if stdev * stdev == 0:
        raise section.error("'stdev' is 0; the blur needs some width", "stdev")
    if taps > size:
        raise section.error(
            f"'filterSize' is {taps}; it must not exceed the image's size, {size}", "filterSize"
        )
    weights = np.array([exp(-((taps // 2 - i) ** 2) / (2 * stdev * stdev)) for i in range(taps)], np.float32)
    weights /= weights.sum()
    layer.fields |= {"filter_size": taps, "stdev": stdev, "filter": tuple(map(float, weights))}


def read_reflection(layer: Draft, drafts: Drafts) -> None:
    _read_image(layer, drafts, most_channels=3)


def read_resize(layer: Draft, drafts: Drafts) -> None:
    channels, size = _read_image(layer, drafts)
    scale = layer.section.number("scale")  # beyond a factor of 2, bilinear sampling leaves pixels out
    layer.section.check_range("scale", scale, 0.5, 2)
    target = floor(size / scale)
    layer.outputs = channels * target**2
    layer.fields |= {"scale": scale, "tgt_size": target}
    drafts.refuse_weights_below(layer)


def read_random_scale(layer: Draft, drafts: Drafts) -> None:
    section = layer.section
    channels, size = _read_image(layer, drafts)
    max_scale = section.number("maxScale")
    section.check_range("maxScale", max_scale, 1, 2)
    smallest = floor(size / max_scale)
    target = section.integer("tgtSize", smallest)
    section.check_range("tgtSize", target, smallest, size)
    layer.outputs = channels * target**2
    layer.fields |= {"max_scale": max_scale, "tgt_size": target}
    drafts.refuse_weights_below(layer)


def read_crop(layer: Draft, drafts: Drafts) -> None:
    section = layer.section
    channels, size = _read_image(layer, drafts)
    start_x, size_x = section.integer("startX"), section.integer("sizeX")
    start_y = section.integer("startY", start_x)
    section.check_range("startX", start_x, 0, size - 1)
    section.check_range("startY", start_y, 0, size - 1)
    section.check_range("sizeX", size_x, 1, size - max(start_x, start_y))
    layer.outputs = channels * size_x**2
    layer.fields |= {"start_x": start_x, "start_y": start_y, "size_x": size_x}
    drafts.refuse_weights_below(layer)


def read_colours(layer: Draft, drafts: Drafts) -> None:
    size = drafts.image_size_of(layer, 3)
    layer.outputs = 3 * size**2
    layer.fields = {"channels": 3, "img_size": size}
    if layer.type == "rgb2lab":
        layer.fields["center"] = layer.section.boolean("center", False)
    drafts.refuse_weights_below(layer)


KINDS = {
    "nailbed": Kind(NailbedSpec, read_nailbed, num_inputs=1),
    "blur": Kind(BlurSpec, read_blur, num_inputs=1),
    "href": Kind(HorizontalReflectionSpec, read_reflection, num_inputs=1),
    "resize": Kind(ResizeSpec, read_resize, num_inputs=1),
    "rscale": Kind(RandomScaleSpec, read_random_scale, num_inputs=1),
    "crop": Kind(CropSpec, read_crop, num_inputs=1),
    "rgb2yuv": Kind(RGBToYUVSpec, read_colours, num_inputs=1),
    "rgb2lab": Kind(RGBToLABSpec, read_colours, num_inputs=1),
}
