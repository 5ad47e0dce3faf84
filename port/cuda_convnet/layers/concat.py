"""Concatenation of features.

Answers to `alexnet:src/layer.cu` (ConcatenationLayer) and `cuda-convnet2:cudaconvnet/src/layer.cu`
(PassThroughLayer).
"""

from __future__ import annotations

from itertools import accumulate

from cuda_convnet.config.specs import ConcatSpec, PassSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Layer, Run
from cuda_convnet.passes import PassType


class ConcatLayer(Layer[ConcatSpec | PassSpec]):
    """The features of the inputs one after the other; `concat` and cuda-convnet2's `pass`."""

    def __init__(self, spec: ConcatSpec | PassSpec, run: Run) -> None:
        super().__init__(spec, run)
        self.rows: list[slice] = []  # where each input's features lie

    def check(self) -> None:
        super().check()
        ends = list(accumulate(layer.spec.outputs for layer in self.prev))
        self.rows = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.engine.copy(self.inputs[i], self.acts[self.rows[i]])

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        self.add_scaled(v[self.rows[i]], self.prev[i].acts_grad, scale_targets)
