"""Who executes an operation.

>>> get_engine("numpy", threads=2).name
'numpy'
"""

from __future__ import annotations

from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import EngineError

PLANNED = ("host", "cuda")
"""Engines that execute kernels; they are not in this version."""


def engine_names() -> tuple[str, ...]:
    """The engines that are there, the default first."""
    return ("numpy",)


def get_engine(name: str = "numpy", threads: int | None = None) -> Engine:
    """The engine of that name, on `threads` cores (None: all this process may use).

    Raises EngineError if there is none, or if `threads` is not a positive number.
    """
    if name == "numpy":
        from cuda_convnet.engines.numpy_engine import NumpyEngine

        return NumpyEngine(threads)
    there_are = f"there is {', '.join(engine_names())}"
    if name in PLANNED:
        raise EngineError(f"engine '{name}' is not in this version; {there_are}")
    raise EngineError(f"no engine '{name}'; {there_are}")
