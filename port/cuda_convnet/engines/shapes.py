"""What the arrays of operations must be and agree on, checked once before any arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from cuda_convnet.engines.operations import Array
from cuda_convnet.errors import EngineError


def check_arrays(operation: str, *, dtype: DTypeLike = np.float32, **arrays: Array) -> None:
    """EngineError unless every array is of that dtype, in C order."""
    for name, array in arrays.items():
        if array.dtype != dtype or not array.flags.c_contiguous:
            order = "" if array.flags.c_contiguous else ", not in C order"
            raise EngineError(
                f"{operation}: {name} is {array.dtype}{order}; it must be {np.dtype(dtype)} in C order"
            )


def distinct(operation: str, written: Mapping[str, Array], **read: Array) -> None:
    """EngineError where an array that is written shares memory with another one, written or read.

    For operations that write an entry while another is still to be made of what was there.
    """
    others = dict(read)
    for name, array in written.items():
        for other_name, other in others.items():
            if _overlap(array, other):
                raise EngineError(
                    f"{operation}: {name} must be another array than {other_name}, in other memory"
                )
        others[name] = array


def check_operands(operation: str, targets: Array, **read: Array) -> None:
    """EngineError unless all are float32 in C order, and targets another array than those read."""
    check_arrays(operation, **read, targets=targets)
    distinct(operation, {"targets": targets}, **read)


def _overlap(one: Array, other: Array) -> bool:
    """Whether arrays in C order share memory; if one does not tell where it lies, whether they are one."""
    memory, others = _memory(one), _memory(other)
    if memory is None or others is None:
        return one is other
    return bool(range(max(memory.start, others.start), min(memory.stop, others.stop)))


def _memory(array: Array) -> range | None:
    """The addresses of an array in C order, by the protocols of NumPy and of the GPU's libraries."""
    for protocol in ("__array_interface__", "__cuda_array_interface__"):
        if told := getattr(array, protocol, None):
            address = told["data"][0]
            return range(address, address + array.nbytes)
    return None


def same_shapes(operation: str, **arrays: Array) -> None:
    """EngineError unless all arrays are float32 in C order, and have the shape of the first."""
    check_arrays(operation, **arrays)
    (first, wanted), *others = arrays.items()
    for name, array in others:
        if array.shape != wanted.shape:
            raise EngineError(
                f"{operation}: {name} {array.shape} must have the shape of {first} {wanted.shape}"
            )


def check_axis(operation: str, matrix: Array, axis: int) -> None:
    """EngineError unless the matrix has two dimensions, and the axis is one of them."""
    check_arrays(operation, matrix=matrix)
    if len(matrix.shape) != 2 or axis not in (0, 1):
        raise EngineError(
            f"{operation}: a matrix of two dimensions and axis 0 or 1, not {matrix.shape} and {axis}"
        )


def check_vector(operation: str, matrix: Array, vec: Array, entries_of: int) -> None:
    """EngineError unless vec has as many entries as axis `entries_of` of the matrix."""
    check_arrays(operation, vec=vec)
    if prod(vec.shape) != matrix.shape[entries_of]:
        what = "row" if entries_of == 0 else "column"
        raise EngineError(
            f"{operation}: the vector {vec.shape} must have one entry for each {what} of {matrix.shape}"
        )


def check_reduction(operation: str, matrix: Array, vec: Array, axis: int) -> None:
    """EngineError unless vec takes one number for each column (axis 0) or row (axis 1) of the matrix."""
    check_axis(operation, matrix, axis)
    check_vector(operation, matrix, vec, 1 - axis)
    if matrix.shape[axis] == 0:
        raise EngineError(f"{operation}: along axis {axis} of {matrix.shape} there is nothing")


def check_not_empty(operation: str, matrix: Array) -> None:
    """EngineError where there is no entry."""
    check_arrays(operation, matrix=matrix)
    if prod(matrix.shape) == 0:
        raise EngineError(f"{operation}: there is nothing in {matrix.shape}")


def check_transpose(operation: str, matrix: Array, result: Array) -> None:
    """EngineError unless the result is another array, of the shape of the matrix, transposed."""
    check_arrays(operation, matrix=matrix, result=result)
    distinct(operation, {"result": result}, matrix=matrix)
    if len(matrix.shape) != 2 or result.shape != matrix.shape[::-1]:
        raise EngineError(f"{operation}: the transpose of {matrix.shape} does not fit into {result.shape}")


def check_tile(operation: str, matrix: Array, result: Array) -> None:
    """EngineError unless the result is another array, and made of whole copies of the matrix."""
    check_arrays(operation, matrix=matrix, result=result)
    distinct(operation, {"result": result}, matrix=matrix)
    fits = len(matrix.shape) == len(result.shape) == 2 and 0 not in matrix.shape
    if not fits or any(whole % part for whole, part in zip(result.shape, matrix.shape, strict=True)):
        raise EngineError(f"{operation}: {result.shape} is not made of whole copies of {matrix.shape}")


def check_product(operation: str, a: Array, b: Array, result: Array, *, trans_a: bool, trans_b: bool) -> None:
    """EngineError unless they are matrices, and the result is another, of the shape of op(a) op(b)."""
    check_arrays(operation, a=a, b=b, result=result)
    distinct(operation, {"result": result}, a=a, b=b)
    if any(len(matrix.shape) != 2 for matrix in (a, b, result)):
        shapes = ", ".join(str(matrix.shape) for matrix in (a, b, result))
        raise EngineError(f"{operation}: a, b and result have the shapes {shapes}; they must be matrices")
    left = a.shape[::-1] if trans_a else a.shape
    right = b.shape[::-1] if trans_b else b.shape
    if left[1] != right[0] or result.shape != (left[0], right[1]):
        raise EngineError(f"{operation}: {left} times {right} does not make {result.shape}")


def check_cases(operation: str, probs: Array, **others: Array) -> None:
    """EngineError unless probs are (classes, images) and the others have one entry for each image."""
    check_arrays(operation, probs=probs, **others)
    if len(probs.shape) != 2 or probs.shape[0] < 1:
        raise EngineError(f"{operation}: {probs.shape} must be (classes, images), of at least one class")
    for name, array in others.items():
        if array.shape != (1, probs.shape[1]):
            raise EngineError(
                f"{operation}: {name} {array.shape} must be (1, images), images {probs.shape[1]}"
            )


def check_weights(operation: str, weights: Array) -> None:
    """EngineError unless weights are (inputs of a unit, units), and there is an input."""
    check_arrays(operation, weights=weights)
    if len(weights.shape) != 2 or weights.shape[0] < 1:
        raise EngineError(f"{operation}: weights {weights.shape} must be (inputs of a unit, units)")


def check_sets(operation: str, energies: Array, set_size: int, **others: Array) -> None:
    """EngineError unless all are (classes, images), and there is a set of so many classes."""
    check_cases(operation, energies)
    same_shapes(operation, energies=energies, **others)
    if not 1 <= set_size <= energies.shape[0]:
        raise EngineError(
            f"{operation}: set_size {set_size} must be 1 to {energies.shape[0]}, the number of classes"
        )
