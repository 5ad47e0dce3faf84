"""The data layer.

Answers to `alexnet:src/layer.cu` (DataLayer).
"""

from __future__ import annotations

from cuda_convnet.config.specs import DataSpec
from cuda_convnet.engines.operations import Array, HostArray
from cuda_convnet.layers.base import Layer
from cuda_convnet.passes import PassType


class DataLayer(Layer[DataSpec]):
    """Brings one of the data matrices, (features, cases), into the network. It has no gradient."""

    @property
    def is_grad_producer(self) -> bool:
        return False

    def load(self, matrix: HostArray) -> None:
        """Take the rows of `matrix` that this layer reads as its acts."""
        self.num_cases = matrix.shape[1]
        start = self.spec.start
        self.acts = self.engine.from_host(matrix[start : start + self.spec.outputs] if start else matrix)

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        raise AssertionError("data layers have no inputs")

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        raise AssertionError("data layers have no inputs")
