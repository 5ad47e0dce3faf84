"""Dropout, which the original calls `hs`.

Answers to `alexnet:src/layer.cu` (HiddenSexLayer) and `cuda-convnet2:cudaconvnet/src/layer.cu` (DropoutLayer,
Dropout2Layer).
"""

from __future__ import annotations

from cuda_convnet.config.specs import HiddenSexSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Buffer, Layer, Run
from cuda_convnet.passes import PassType


class DropoutLayer(Layer[HiddenSexSpec]):
    """In training, each unit is kept with probability `keep`; in other passes, all are scaled by `keep`.

    Which units are kept is a function of the seed, the layer's name and the position of the minibatch. With
    `enable` off, training scales too. `hs`, and cuda-convnet2's `dropout2`.
    """

    def __init__(self, spec: HiddenSexSpec, run: Run) -> None:
        super().__init__(spec, run)
        self.mask: Array = None  # of the last training pass: 0 where a unit was dropped
        self._mask_buffer = Buffer(run.engine)
        self._key = run.streams.key("dropout", spec.name)

    @property
    def kept_scale(self) -> float:
        """What a unit that is kept in training is multiplied by."""
        return 1.0

    @property
    def test_scale(self) -> float:
        """What all units are multiplied by in other passes."""
        return self.spec.keep

    def drops(self, pass_type: PassType) -> bool:
        return self.spec.enable and pass_type == PassType.TRAIN

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        engine = self.engine
        if self.drops(pass_type):
            self.mask = self._mask_buffer.view(*self.acts.shape)
            counter = self.run.streams.counter(*self.run.position)
            engine.random_keep_mask(self.mask, keep=self.spec.keep, key=self._key, counter=counter)
            if self.kept_scale != 1:
                engine.matrix_scale(self.mask, self.mask, scale=self.kept_scale)
            engine.matrix_mult(self.inputs[0], self.mask, self.acts)
        else:
            engine.matrix_scale(self.inputs[0], self.acts, scale=self.test_scale)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        target = self.prev[0].acts_grad
        if self.drops(pass_type):
            self.engine.matrix_mult(v, self.mask, target, add=scale_targets != 0)
        else:
            self.add_scaled(v, target, scale_targets, self.test_scale)


class InvertedDropoutLayer(DropoutLayer):
    """cuda-convnet2's `dropout`: training divides what is kept by `keep`, other passes change nothing."""

    @property
    def kept_scale(self) -> float:
        return 1.0 / self.spec.keep

    @property
    def test_scale(self) -> float:
        return 1.0
