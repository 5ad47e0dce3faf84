"""What a KernelEngine needs of a device: memory, launches, and matrix products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike, NDArray

from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.operations import Array


class Device(ABC):
    """Executes kernels. Its arrays have `.shape`, `.dtype`, `.size`, `.reshape` and slices of the first axis,
    lie in C order, and hold float32 or int32.

    Work is done in the order in which it is asked for; only `to_host` waits for it.
    """

    name: str

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: DTypeLike = "float32") -> Array:
        """Memory with anything in it."""

    @abstractmethod
    def zeros(self, shape: tuple[int, ...]) -> Array:
        """float32 zeros."""

    @abstractmethod
    def from_host(self, array: NDArray[Any]) -> Array:
        """A copy of a NumPy array; int32 stays what it is, all else becomes float32."""

    @abstractmethod
    def to_host(self, array: Array) -> NDArray[Any]:
        """A copy of an array, as NumPy's."""

    @abstractmethod
    def copy(self, source: Array, targets: Array) -> None:
        """targets = source, of the same size."""

    @abstractmethod
    def launch(self, launch: Launch, *arguments: Any, fresh: Sequence[Array] = ()) -> None:
        """Run a kernel with these arguments: arrays, int, float, numpy.uint64.

        `fresh`: the arrays among them that the kernel writes entirely and does not read, unless another
        argument is in the same memory. Raises EngineError where the kernel does not compile, or fails.
        """

    @abstractmethod
    def sgemm(
        self, a: Array, b: Array, c: Array, *, trans_a: bool, trans_b: bool, alpha: float, beta: float
    ) -> None:
        """c = beta * c + alpha * op(a) op(b), of row-major matrices; with beta == 0 c is not read."""
