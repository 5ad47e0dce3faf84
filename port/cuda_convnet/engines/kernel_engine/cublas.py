"""Matrix products on a GPU: cuBLAS, through `nvmath.bindings.cublas`.

That binding is still called experimental, so its version is pinned and nothing else imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cuda_convnet.errors import EngineError

NEEDS = "engine 'cuda' needs cuBLAS"


@dataclass(frozen=True)
class Matrix:
    """A row-major matrix of float32 on the GPU: its address, and rows by columns."""

    address: int
    rows: int
    columns: int


class Cublas:
    """Products on one stream (its handle), in full float32: TensorFloat-32 is not allowed.

    Raises EngineError where the binding or cuBLAS is missing.
    """

    def __init__(self, stream: int) -> None:
        self._cublas = binding()
        try:
            self._handle = self._cublas.create()
            self._cublas.set_stream(self._handle, stream)
            self._cublas.set_math_mode(self._handle, self._cublas.Math.DEFAULT_MATH)
            self._cublas.set_pointer_mode(self._handle, self._cublas.PointerMode.HOST)
        except (RuntimeError, OSError, self._cublas.cuBLASError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EngineError(
                f"{NEEDS}, which does not start ({reason}); install that of the CUDA toolkit, or pip install "
                "nvidia-cublas"
            ) from error

    def sgemm(
        self, a: Matrix, b: Matrix, c: Matrix, *, trans_a: bool, trans_b: bool, alpha: float, beta: float
    ) -> None:
        """c = beta * c + alpha * op(a) op(b); with beta == 0 c is not read.

        cuBLAS sees columns where we have rows: each matrix is its own transpose there, so that the product
        of the same two in the other order is c.
        """
        inner = a.rows if trans_a else a.columns
        if c.rows == 0 or c.columns == 0:
            return
        scales = np.array([alpha, beta], np.float32)
        address = scales.ctypes.data
        operation = self._cublas.Operation
        try:
            self._cublas.sgemm(
                self._handle,
                operation.T if trans_b else operation.N,
                operation.T if trans_a else operation.N,
                c.columns,
                c.rows,
                inner,
                address,
                b.address,
                max(1, b.columns),
                a.address,
                max(1, a.columns),
                address + scales.itemsize,
                c.address,
                c.columns,
            )
        except self._cublas.cuBLASError as error:
            raise EngineError(
                f"cuBLAS does not multiply {c.rows} x {inner} by {inner} x {c.columns}: {error}"
            ) from error


def binding() -> Any:
    """nvmath.bindings.cublas. Raises EngineError where it is missing."""
    try:
        from nvmath.bindings import cublas
    except ImportError as error:
        raise EngineError(
            f"{NEEDS} through nvmath-python, which cannot be imported ({error}); install it: "
            "pip install 'nvmath-python==1.0.*'"
        ) from error
    return cublas
