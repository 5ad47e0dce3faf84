"""The convolutions of the NumPy engine, by panels and BLAS.

Sums are BLAS's, so results agree with the original to rounding; they are the same bits with any number of
threads.
"""

from __future__ import annotations

from cuda_convnet.engines.convolution import CheckedConvolutions, Convolution
from cuda_convnet.engines.geometry import Connections, Geometry, check_connections
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.shared import Shared
from cuda_convnet.engines.numpy_engine.unshared import Unshared
from cuda_convnet.engines.operations import Array


class ConvolutionOperations(CheckedConvolutions):
    """The convolutions of the NumPy engine, which supplies `pool`."""

    pool: WorkerPool

    def connections(
        self, operation: str, color_indices: Array, geometry: Geometry, *, once: bool
    ) -> Connections:
        return check_connections(operation, color_indices, geometry, once=once)

    def filter_acts(self, call: Convolution, images: Array, filters: Array, targets: Array) -> None:
        self._of(call).filter_acts(images, filters, targets)

    def img_acts(self, call: Convolution, hid_acts: Array, filters: Array, targets: Array) -> None:
        planes = targets[None] if call.connections is None else targets
        self._of(call).img_acts(hid_acts, filters, planes)

    def weight_acts(
        self, call: Convolution, images: Array, hid_acts: Array, targets: Array, partial_sum: int
    ) -> None:
        of_call = self._of(call)
        if isinstance(of_call, Unshared):
            of_call.weight_acts(images, hid_acts, targets)
        else:
            of_call.weight_acts(images, hid_acts, targets, partial_sum)

    def _of(self, call: Convolution) -> Shared | Unshared:
        kind = Unshared if call.unshared else Shared
        return kind(self.pool, call.geometry, call.connections, call.scale_targets, call.scale_output)
