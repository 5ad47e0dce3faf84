"""Fused multiply-add, for what must be equal to the original in every bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.numpy_engine.scaling import combine
from cuda_convnet.engines.operations import HostArray


def fma(a: HostArray, b: HostArray | float, c: HostArray) -> HostArray:
    """a * b + c of float32 operands, rounded once.

    The product is exact in float64. The sum is rounded to odd there (to the neighbour with an odd last bit,
    unless it is exact), and float64 has more than two bits more than twice those of float32, so that the
    second rounding, to float32, is that of the exact value.
    """
    product = a.astype(np.float64) * np.asarray(b, np.float32).astype(np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    rest = total - product
    error = (product - (total - rest)) + (addend - rest)  # what the sum lost, exactly
    bits: NDArray[np.int64] = total.view(np.int64)
    to_odd = np.where((error > 0) == (total > 0), 1, -1)
    inexact = (error != 0) & np.isfinite(error)
    return (bits + np.where(inexact & (bits & 1 == 0), to_odd, 0)).view(np.float64).astype(np.float32)


def combine_exactly(targets: HostArray, result: HostArray, scale_targets: float, scale_output: float) -> None:
    """targets = fma(scale_targets, targets, scale_output * result); `result` is scratch, as for `combine`."""
    if scale_targets in (0, 1):
        combine(targets, result, scale_targets, scale_output)
    else:
        np.multiply(result, scale_output, out=result)
        targets[...] = fma(targets, scale_targets, result)
