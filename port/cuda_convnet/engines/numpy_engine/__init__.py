"""The engine that needs NumPy alone: the default without a GPU, and the independent check of the others."""

from __future__ import annotations

from cuda_convnet.engines.numpy_engine.convolution import ConvolutionOperations
from cuda_convnet.engines.numpy_engine.costs import CostOperations
from cuda_convnet.engines.numpy_engine.images import ImageOperations
from cuda_convnet.engines.numpy_engine.matrices import MatrixOperations
from cuda_convnet.engines.numpy_engine.multi_softmax import MultiSoftmaxOperations
from cuda_convnet.engines.numpy_engine.neurons import NeuronOperations
from cuda_convnet.engines.numpy_engine.normalisation import NormalisationOperations
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.products import ProductOperations
from cuda_convnet.engines.numpy_engine.softmax_tree import SoftmaxTreeOperations
from cuda_convnet.engines.numpy_engine.updates import UpdateOperations
from cuda_convnet.engines.operations import Engine


class NumpyEngine(
    ConvolutionOperations,
    ProductOperations,
    NormalisationOperations,
    NeuronOperations,
    CostOperations,
    MultiSoftmaxOperations,
    ImageOperations,
    MatrixOperations,
    UpdateOperations,
    SoftmaxTreeOperations,
    Engine,
):
    """Executes operations with NumPy on `threads` cores (None: all this process may use).

    Its arrays are NumPy's own. Results are the same bits with any number of threads.
    """

    name = "numpy"
    family = "numpy"

    def __init__(self, threads: int | None = None) -> None:
        self.pool = WorkerPool(threads)
