"""The engine that executes `kernels/*.cu`, on a GPU or on a CPU."""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.convolution import ConvolutionOperations
from cuda_convnet.engines.kernel_engine.costs import CostOperations
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.images import ImageOperations
from cuda_convnet.engines.kernel_engine.matrices import MatrixOperations
from cuda_convnet.engines.kernel_engine.memory import MemoryOperations
from cuda_convnet.engines.kernel_engine.neurons import NeuronOperations
from cuda_convnet.engines.kernel_engine.normalisation import NormalisationOperations
from cuda_convnet.engines.kernel_engine.pooling import PoolingOperations
from cuda_convnet.engines.kernel_engine.randomness import RandomOperations
from cuda_convnet.engines.kernel_engine.softmax_tree import SoftmaxTreeOperations
from cuda_convnet.engines.kernel_engine.updates import UpdateOperations
from cuda_convnet.engines.operations import Engine


class KernelEngine(
    MemoryOperations,
    ConvolutionOperations,
    PoolingOperations,
    NormalisationOperations,
    NeuronOperations,
    CostOperations,
    ImageOperations,
    MatrixOperations,
    UpdateOperations,
    SoftmaxTreeOperations,
    RandomOperations,
    Engine,
):
    """Executes operations as kernels on `device`, and has its name.

    Every reduction has the original's order, each rounding is written out; so results are the same bits on
    every device, except where the device's exp, log, pow or BLAS decides.
    """

    family = "kernels"

    def __init__(self, device: Device) -> None:
        self.device = device
        self.name = device.name
