"""Layers that transform images: nailbed, blur, href, resize, rscale, crop, rgb2yuv, rgb2lab.

Answers to `alexnet:src/layer.cu` (NailbedLayer, GaussianBlurLayer, HorizontalReflectionLayer, ResizeLayer,
RandomScaleLayer, RGBToYUVLayer, RGBToLABLayer).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from cuda_convnet.config.specs import (
    BlurSpec,
    CropSpec,
    HorizontalReflectionSpec,
    ImageSpec,
    NailbedSpec,
    RandomScaleSpec,
    ResizeSpec,
    RGBToLABSpec,
    RGBToYUVSpec,
)
from cuda_convnet.engines.operations import Array
from cuda_convnet.errors import DataError
from cuda_convnet.layers.base import Layer, Run
from cuda_convnet.passes import PassType

Spec = TypeVar("Spec", bound=ImageSpec)


class ImageLayer(Layer[Spec]):
    """What layers on square images have in common."""

    def images(self, matrix: Array) -> Array:
        """The input or its gradient as (channels, img_size, img_size, cases)."""
        return self.image(matrix, self.spec.channels, self.spec.img_size)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        raise AssertionError(f"{self.spec.type} layers have no gradient")


class NailbedLayer(ImageLayer[NailbedSpec]):
    """Every `stride`-th pixel in both directions."""

    def nails(self, matrix: Array) -> Array:
        return self.image(matrix, self.spec.channels, self.spec.outputs_x)

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        images, spec = self.images(self.inputs[0]), self.spec
        self.engine.bed_of_nails(images, self.nails(self.acts), start=spec.start, stride=spec.stride)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target, spec = self.images(self.prev[0].acts_grad), self.spec
        self.engine.bed_of_nails_undo(
            self.nails(v), target, start=spec.start, stride=spec.stride, scale_targets=scale_targets
        )


class BlurLayer(ImageLayer[BlurSpec]):
    """A Gaussian blur, horizontally and then vertically; zeros around the image."""

    def __init__(self, spec: BlurSpec, run: Run) -> None:
        super().__init__(spec, run)
        self._filter = run.engine.from_host(np.array(spec.filter, np.float32).reshape(1, -1))

    def _blur(self, images: Array, targets: Array, scale_targets: float) -> None:
        half = self.images(self.run.scratch("horizontal blur", self.spec.outputs, self.num_cases))
        self.engine.gaussian_blur(images, self._filter, half, horiz=True)
        self.engine.gaussian_blur(half, self._filter, targets, horiz=False, scale_targets=scale_targets)

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self._blur(self.images(self.inputs[0]), self.images(self.acts), 0.0)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self._blur(self.images(v), self.images(self.prev[0].acts_grad), scale_targets)


class HorizontalReflectionLayer(ImageLayer[HorizontalReflectionSpec]):
    """Left and right exchanged."""

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.reflect_horizontal(self.images(self.inputs[0]), self.images(self.acts))

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        """DEVIATION(href-accumulate): the original replaces what other layers contributed to the gradient."""
        target = self.prev[0].acts_grad
        if scale_targets == 0:
            self.engine.reflect_horizontal(self.images(v), self.images(target))
        else:
            part = self.run.scratch("reflected gradient", *v.shape)
            self.engine.reflect_horizontal(self.images(v), self.images(part))
            self.add_scaled(part, target, scale_targets)


class ResizeLayer(ImageLayer[ResizeSpec]):
    """Bilinear interpolation to `tgt_size` pixels, `scale` source pixels apart."""

    passes_gradient = False

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        targets = self.image(self.acts, self.spec.channels, self.spec.tgt_size)
        self.engine.resize_bilinear(self.images(self.inputs[0]), targets, scale=self.spec.scale)


class RandomScaleLayer(ImageLayer[RandomScaleSpec]):
    """In training, a random scale and a random crop of it, the same for the whole minibatch.

    The scales are the sizes from img_size / max_scale to img_size; each is as likely as the number of crops
    of size tgt_size it has. In other passes, images that already have that size are taken as they are.

    DEVIATION(rscale-test): from larger images other passes take the centre, which the original intends but
    never reaches: its test passes copy, its others leave the output unset.
    """

    passes_gradient = False

    def scale_probabilities(self) -> list[float]:
        """For each scale, smallest first, the probability of it or a smaller one."""
        count = self.spec.img_size - int(np.float32(self.spec.img_size) / np.float32(self.spec.max_scale)) + 1
        crops = count * (count + 1) * (2 * count + 1) // 6
        probabilities = [1.0 / crops]
        for s in range(1, count):
            probabilities.append(probabilities[-1] + (s + 1) * (s + 1) / crops)
        return probabilities

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        spec, source = self.spec, self.inputs[0]
        if pass_type == PassType.TRAIN:
            self._random_crop(self.images(source))
        elif source.shape[0] == spec.outputs:
            self.engine.copy(source, self.acts)
        else:
            start = (spec.img_size - spec.tgt_size) // 2
            self._crop(self.images(source), start, start)

    def _crop(self, images: Array, start_y: int, start_x: int) -> None:
        targets = self.image(self.acts, self.spec.channels, self.spec.tgt_size)
        self.engine.crop(images, targets, start_y=start_y, start_x=start_x)

    def _random_crop(self, images: Array) -> None:
        spec = self.spec
        random = self.run.generator("scales", self.name)
        drawn = random.random_sample()
        size, scale = spec.tgt_size, spec.max_scale
        for s, probability in enumerate(self.scale_probabilities()):
            if drawn <= probability:
                size += s
                largest, smallest = spec.img_size / size, max(1.0, spec.img_size / (1.0 + size))
                scale = smallest + random.random_sample() * (largest - smallest)
                break
        start_y, start_x = random.randint(0, 1 + size - spec.tgt_size, size=2)
        if size != spec.img_size:
            rescaled = self.run.scratch("rescaled images", spec.channels, size, size, self.num_cases)
            self.engine.resize_bilinear(images, rescaled, scale=scale)
            images = rescaled
        self._crop(images, int(start_y), int(start_x))

    def check_features(self, features: int) -> None:
        """Refuse data that are neither whole images nor crops of the target size."""
        spec = self.spec
        whole = spec.channels * spec.img_size**2
        if features not in (whole, spec.outputs):
            raise DataError(
                f"layer '{self.name}': images of {features} values; "
                f"they must have {whole}, or {spec.outputs} in a test"
            )


class CropLayer(ImageLayer[CropSpec]):
    """cuda-convnet2's `crop`: a square of the image, the same for all."""

    passes_gradient = False

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        spec = self.spec
        targets = self.image(self.acts, spec.channels, spec.size_x)
        images = self.images(self.inputs[0])
        self.engine.crop(images, targets, start_y=spec.start_y, start_x=spec.start_x)


class RGBToYUVLayer(ImageLayer[RGBToYUVSpec]):
    passes_gradient = False

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.rgb_to_yuv(self.images(self.inputs[0]), self.images(self.acts))


class RGBToLABLayer(ImageLayer[RGBToLABSpec]):
    passes_gradient = False

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.rgb_to_lab(self.images(self.inputs[0]), self.images(self.acts), center=self.spec.center)
