"""What is launched: a kernel with its template arguments, over a grid of blocks of threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any, TypeAlias

import numpy as np

from cuda_convnet.errors import EngineError

Dim3: TypeAlias = tuple[int, int, int]
TemplateArgument: TypeAlias = int | bool | str

MOST_THREADS = 1024
MOST_DEEP = 64
"""Of a block, and of those along z, on every GPU since 2010."""

RESIDENT_THREADS = 512
"""That a multiprocessor has room for: 128 registers each. Left to choose, nvcc wants more and spills."""

MOST_BLOCKS: Dim3 = (2**31 - 1, 2**16 - 1, 2**16 - 1)
"""Of a grid, on every GPU since 2012."""

MOST_FLOAT = float(np.finfo(np.float32).max)

POINTERS: dict[Any, str] = {np.dtype(np.float32): "float*", np.dtype(np.int32): "int*"}


@dataclass(frozen=True)
class Launch:
    """A launch of template `kernel` of `kernels/<file>`; grid and block are (x, y, z), as in CUDA.

    Template arguments are integers, booleans, or names of types of the file. A grid without blocks is one
    with nothing to do. Raises EngineError for what no GPU can launch.
    """

    file: str
    kernel: str
    template: tuple[TemplateArgument, ...]
    grid: Dim3
    block: Dim3

    def __post_init__(self) -> None:
        if min(self.block) < 1 or self.threads > MOST_THREADS or self.block[2] > MOST_DEEP:
            raise EngineError(f"{self}: a block has 1 to {MOST_THREADS} threads, {MOST_DEEP} of them along z")
        if any(not 0 <= blocks <= most for blocks, most in zip(self.grid, MOST_BLOCKS, strict=True)):
            most = "x".join(map(str, MOST_BLOCKS))
            raise EngineError(f"{self}: a grid has up to {most} blocks; take smaller arrays")

    @property
    def instance(self) -> str:
        """The kernel as C++ writes it.

        >>> Launch("filter_acts.cu", "few", (4, True), (1, 1, 1), (32, 4, 1)).instance
        'few<4, true>'
        """
        if not self.template:
            return self.kernel
        written = (str(a).lower() if isinstance(a, bool) else str(a) for a in self.template)
        return f"{self.kernel}<{', '.join(written)}>"

    @property
    def threads(self) -> int:
        """Of one block."""
        return prod(self.block)

    def __str__(self) -> str:
        grid, block = ("x".join(map(str, dims)) for dims in (self.grid, self.block))
        return f"{self.file}: {self.instance}, grid {grid}, block {block}"


def argument_type(value: Any) -> str:
    """How C++ declares an argument: arrays are pointers, Python's int and float are int and float.

    >>> argument_type(3), argument_type(np.uint64(3)), argument_type(np.empty(1, np.float32))
    ('int', 'unsigned long long', 'float*')
    """
    if isinstance(value, bool | int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, np.uint64):
        return "unsigned long long"
    pointer = None if isinstance(value, np.generic) else POINTERS.get(getattr(value, "dtype", None))
    if pointer is None:
        raise TypeError(f"kernels take float32 and int32 arrays, int, float and numpy.uint64, not {value!r}")
    return pointer


def argument_types(launch: Launch, arguments: Sequence[Any]) -> tuple[str, ...]:
    """How C++ declares the arguments of a launch.

    Raises EngineError for numbers that an int or a float does not hold, and arrays that are not in C order.
    """
    types = tuple(map(argument_type, arguments))
    for value, type in zip(arguments, types, strict=True):
        if type == "int" and not -(2**31) <= value < 2**31:
            raise EngineError(f"{launch}: {value} is more than an int holds; take smaller arrays")
        if type == "float" and MOST_FLOAT < abs(value) < inf:
            raise EngineError(f"{launch}: {value} is more than a float holds; take a smaller number")
        if type.endswith("*") and not value.flags.c_contiguous:
            raise EngineError(
                f"{launch}: an array of shape {value.shape} does not lie in C order; copy it to one that does"
            )
    return types


def entry_function(launch: Launch, types: Sequence[str], name: str = "entry") -> str:
    """A function of this name, with parameters of these types, that is this instance of the kernel.

    The kernel's file must have been included before it.
    """
    blocks = max(1, RESIDENT_THREADS // launch.threads)
    parameters = ", ".join(f"{type} a{i}" for i, type in enumerate(types))
    arguments = ", ".join(f"a{i}" for i in range(len(types)))
    return (
        f'extern "C" __global__ void __launch_bounds__({launch.threads}, {blocks}) {name}({parameters}) {{\n'
        f"    {launch.instance}({arguments});\n"
        "}\n"
    )


def entry_point(launch: Launch, types: Sequence[str]) -> str:
    """A source file whose function `entry` is this instance of the kernel, callable by its name."""
    return f'#include "{launch.file}"\n{entry_function(launch, types)}'
