"""Who executes an operation.

>>> get_engine("numpy", threads=2).name
'numpy'
"""

from __future__ import annotations

import platform

from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import EngineError

ENGINES = ("numpy", "host", "cuda")
"""NumPy; the kernels on the CPU; the kernels on a GPU."""


def engine_names() -> tuple[str, ...]:
    """The engines that this machine can run, the default first."""
    return tuple(name for name in ENGINES if engine_problem(name) is None)


def engine_problem(name: str) -> str | None:
    """What keeps this machine from running that engine, with its mend; None where nothing does."""
    if name == "cuda":
        from cuda_convnet.engines.kernel_engine.cuda_device import problem

        return problem()
    if name == "host":
        return _host_problem()
    return None


def get_engine(name: str = "numpy", threads: int | None = None) -> Engine:
    """The engine of that name, on `threads` cores (None: all this process may use) where cores compute.

    Raises EngineError if there is none, if this machine cannot run it, or if `threads` is not a positive
    number.
    """
    if name == "numpy":
        from cuda_convnet.engines.numpy_engine import NumpyEngine

        return NumpyEngine(threads)
    if name == "host":
        from cuda_convnet.engines.kernel_engine import KernelEngine
        from cuda_convnet.engines.kernel_engine.host_device import HostDevice

        if problem := _host_problem():
            raise EngineError(problem)
        return KernelEngine(HostDevice(threads))
    if name == "cuda":
        from cuda_convnet.engines.kernel_engine import KernelEngine
        from cuda_convnet.engines.kernel_engine.cuda_device import CudaDevice

        return KernelEngine(CudaDevice())
    raise EngineError(f"no engine '{name}'; there are {', '.join(ENGINES)}")


def _host_problem() -> str | None:
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine.lower() not in ("x86_64", "amd64", "aarch64", "arm64"):
        return f"engine 'host' runs on x86-64 and aarch64 with Linux, not on {machine} with {system}"
    from cuda_convnet.engines.kernel_engine.host_device import compiler

    try:
        compiler()
    except EngineError as error:
        return str(error)
    return None
