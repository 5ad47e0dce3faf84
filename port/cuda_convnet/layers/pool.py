"""Pooling layers.

Answers to `alexnet:src/layer.cu` (PoolLayer, MaxPoolLayer, AvgPoolLayer, RandomPoolLayer).
"""

from __future__ import annotations

from typing import Any

from cuda_convnet.config.specs import PoolSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Layer, Run
from cuda_convnet.passes import PassType


class PoolLayer(Layer[PoolSpec]):
    """What poolings have in common."""

    @property
    def regions(self) -> dict[str, int]:
        return {"size_x": self.spec.size_x, "start": self.spec.start, "stride": self.spec.stride}

    def images(self, matrix: Array) -> Array:
        """The input or its gradient as (channels, img_size, img_size, cases)."""
        return self.image(matrix, self.spec.channels, self.spec.img_size)

    def pooled(self, matrix: Array) -> Array:
        """acts or their gradient as (channels, outputs_x, outputs_x, cases)."""
        return self.image(matrix, self.spec.channels, self.spec.outputs_x)


class AvgPoolLayer(PoolLayer):
    """The mean of each region, over the pixels of it that the image has."""

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.pool_avg(self.images(self.inputs[0]), self.pooled(self.acts), **self.regions)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target = self.images(self.prev[0].acts_grad)
        self.engine.pool_avg_undo(self.pooled(v), target, scale_targets=scale_targets, **self.regions)


class MaxPoolLayer(PoolLayer):
    """The largest value of each region (`max`) or that of largest magnitude (`maxabs`).

    Every pixel that equals its region's value receives the whole gradient.
    """

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        pool: Any = self.engine.pool_max if self.spec.pool == "max" else self.engine.pool_maxabs
        pool(self.images(self.inputs[0]), self.pooled(self.acts), **self.regions)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.pool_max_undo(
            self.images(self.inputs[0]),
            self.pooled(v),
            self.pooled(self.acts),
            self.images(self.prev[0].acts_grad),
            scale_targets=scale_targets,
            **self.regions,
        )


class RandomPoolLayer(MaxPoolLayer):
    """One pixel of each region (`rand`), each with the same chance, in every pass; with doMax, the largest.

    Which pixels is a function of the seed, the layer's name and the position of the minibatch. Every pixel
    that equals its region's value receives the whole gradient.
    """

    def __init__(self, spec: PoolSpec, run: Run) -> None:
        super().__init__(spec, run)
        self._key = run.streams.key("pooling", spec.name)

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        images, acts = self.images(self.inputs[0]), self.pooled(self.acts)
        if self.spec.do_max:
            self.engine.pool_max(images, acts, **self.regions)
        else:
            counter = self.run.streams.counter(*self.run.position)
            self.engine.pool_rand(images, acts, key=self._key, counter=counter, **self.regions)
