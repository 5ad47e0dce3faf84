"""Elementwise work on large arrays, in blocks that stay in cache and are spread over the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray

BLOCK = 1 << 16
"""Entries of a block: the blocks of three operands fit a second-level cache of a megabyte."""


def spans(length: int, step: int) -> Iterator[slice]:
    """Slices of at most `step` that cover `length`."""
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as IEEE 754 has it: overflow, division by zero and invalid operations give inf or NaN."""

    def silently(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return silently


def elementwise(
    pool: WorkerPool, function: Callable[..., None], *arrays: HostArray, block: int = BLOCK
) -> None:
    """Call `function` with corresponding blocks of the arrays until all are done.

    They have equal sizes, and lie in C order.
    """
    lines = [array.reshape(-1) for array in arrays]
    work = quiet(function)
    if lines[0].size <= block:
        work(*lines)
    else:
        pool.map(lambda span: work(*(line[span] for line in lines)), spans(lines[0].size, block))


def mask_scratch(pool: WorkerPool, name: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Scratch memory of booleans."""
    count = int(np.prod(shape))
    return pool.scratch(name, ((count + 3) // 4,)).view(np.bool_)[:count].reshape(shape)
