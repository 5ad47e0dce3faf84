"""Normalisation layers: rnorm, cmrnorm, cnorm.

Answers to `alexnet:src/layer.cu` (ResponseNormLayer, CrossMapResponseNormLayer, ContrastNormLayer).
"""

from __future__ import annotations

from typing import Any

from cuda_convnet.config.specs import NormSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Buffer, Layer, Run
from cuda_convnet.passes import PassType


class ResponseNormLayer(Layer[NormSpec]):
    """rnorm: each value by the sum of squares in a window of its own map.

    `denoms`: the denominators of the last pass, (channels, img_size, img_size, cases).
    """

    def __init__(self, spec: NormSpec, run: Run) -> None:
        super().__init__(spec, run)
        self.denoms: Array = None
        self._denoms_buffer = Buffer(run.engine)

    @property
    def window(self) -> dict[str, Any]:
        return {"size_x": self.spec.size, "scale": self.spec.scale, "power": self.spec.pow}

    def images(self, matrix: Array) -> Array:
        return self.image(matrix, self.spec.channels, self.spec.img_size)

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.denoms = self.images(self._denoms_buffer.view(self.spec.outputs, self.num_cases))
        self.forward(self.images(self.inputs[0]), self.images(self.acts))

    def forward(self, images: Array, acts: Array) -> None:
        self.engine.response_norm(images, self.denoms, acts, **self.window)

    def acts_to_destroy(self) -> Array:
        """A copy of the acts: the operations of the gradient write over theirs."""
        copy = self.run.scratch("destroyed acts", *self.acts.shape)
        self.engine.copy(self.acts, copy)
        return self.images(copy)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.backward(self.images(v), self.images(self.prev[0].acts_grad), scale_targets)

    def backward(self, v: Array, target: Array, scale_targets: float) -> None:
        images, acts = self.images(self.inputs[0]), self.acts_to_destroy()
        self.engine.response_norm_undo(
            v, self.denoms, images, acts, target, scale_targets=scale_targets, **self.window
        )


class CrossMapNormLayer(ResponseNormLayer):
    """cmrnorm: each value by the sum of squares at the same place of the maps around its own."""

    def forward(self, images: Array, acts: Array) -> None:
        spec = self.spec
        self.engine.response_norm_cross_map(
            images, self.denoms, acts, min_div=spec.min_div, blocked=spec.blocked, **self.window
        )

    def backward(self, v: Array, target: Array, scale_targets: float) -> None:
        self.engine.response_norm_cross_map_undo(
            v,
            self.denoms,
            self.images(self.inputs[0]),
            self.acts_to_destroy(),
            target,
            blocked=self.spec.blocked,
            scale_targets=scale_targets,
            **self.window,
        )


class ContrastNormLayer(ResponseNormLayer):
    """cnorm: as rnorm, but with the squares of the distances from the local mean in the denominator."""

    def __init__(self, spec: NormSpec, run: Run) -> None:
        super().__init__(spec, run)
        self.mean_diffs: Array = None
        self._mean_diffs_buffer = Buffer(run.engine)

    def forward(self, images: Array, acts: Array) -> None:
        self.mean_diffs = self.images(self._mean_diffs_buffer.view(self.spec.outputs, self.num_cases))
        self.engine.contrast_norm(images, self.mean_diffs, self.denoms, acts, **self.window)

    def backward(self, v: Array, target: Array, scale_targets: float) -> None:
        self.engine.contrast_norm_undo(
            v,
            self.denoms,
            self.mean_diffs,
            self.acts_to_destroy(),
            target,
            scale_targets=scale_targets,
            **self.window,
        )
