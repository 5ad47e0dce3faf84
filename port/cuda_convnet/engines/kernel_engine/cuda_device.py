"""A GPU as a device: PyCUDA compiles and launches the kernels, cuBLAS multiplies matrices."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cuda_convnet.engines.kernel_engine.cublas import Cublas, Matrix
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch import Launch, argument_types, entry_point
from cuda_convnet.engines.kernel_engine.sources import inlined, kernels_folder
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_arrays
from cuda_convnet.errors import EngineError

NVCC_OPTIONS = (
    "-std=c++17",
    "-fmad=false",  # a * b + c is two roundings; where the original has one, the kernel says fmaf
    "-w",  # PyCUDA turns whatever nvcc says into a warning
)
FORMATS = {"int": "i", "float": "f", "unsigned long long": "Q"}
"""How PyCUDA packs an argument; all else is a pointer."""

OTHER_ENGINE = "take engine 'host'"
INSTALL = "CUDA_ROOT=TOOLKIT pip install 'alexnet2012[cuda]', where TOOLKIT has include/cuda.h"


class CudaDevice(Device):
    """Runs kernels on the first GPU that CUDA shows (CUDA_VISIBLE_DEVICES), on one stream.

    It works in the GPU's primary context, which other libraries of the process share. Memory comes from a
    pool, or, so that compute-sanitizer sees where an array ends, is allocated for each array. Kernels are
    compiled once, and PyCUDA keeps them in its cache on disk (PYCUDA_CACHE_DIR). Raises EngineError, with
    what to do about it, where anything of this is missing.
    """

    name = "cuda"

    def __init__(self, folder: Path | None = None, *, pooled: bool = True) -> None:
        self._cuda = _driver()
        self._nvcc = _nvcc()
        self._folder = folder or kernels_folder()
        self._uploads: deque[tuple[Any, NDArray[Any]]] = deque()
        self._functions: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._last: Launch | None = None
        try:
            _primary_context()
            from pycuda import gpuarray, tools

            self._new_array = gpuarray.GPUArray
            self._allocate = tools.DeviceMemoryPool().allocate if pooled else self._cuda.mem_alloc
            self._pinned = tools.PageLockedMemoryPool()
            self.stream = self._cuda.Stream()
            self._cublas = Cublas(self.stream.handle)
        except self._cuda.Error as error:
            raise EngineError(
                f"engine 'cuda' cannot work on the GPU ({_first_line(error)}); look at nvidia-smi, whether "
                f"others use it or its memory, or {OTHER_ENGINE}"
            ) from error

    # --- memory ---

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike = "float32") -> Array:
        with self._told():
            return self._new_array(shape, np.dtype(dtype), allocator=self._allocate)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        array = self.empty(shape)
        if array.size:
            with self._told():
                self._cuda.memset_d32_async(_address(array), 0, array.size, self.stream)
        return array

    def from_host(self, array: NDArray[Any]) -> Array:
        dtype = np.dtype(np.int32 if array.dtype == np.int32 else np.float32)
        targets = self.empty(array.shape, dtype)
        if array.size:
            with self._told():
                while self._uploads and self._uploads[0][0].query():
                    self._uploads.popleft()
                pinned = self._pinned.allocate((array.size,), dtype)
                pinned.reshape(array.shape)[...] = array
                self._cuda.memcpy_htod_async(_address(targets), pinned, self.stream)
                done = self._cuda.Event()
                done.record(self.stream)
            self._uploads.append((done, pinned))  # the pool must not hand it out while it is being read
        return targets

    def to_host(self, array: Array) -> NDArray[Any]:
        check_arrays("to_host", dtype=array.dtype, array=array)
        result = np.empty(array.shape, array.dtype)
        if array.size:
            with self._told():
                pinned = self._pinned.allocate((array.size,), array.dtype)
                self._cuda.memcpy_dtoh_async(pinned, _address(array), self.stream)
                self.stream.synchronize()
            result[...] = pinned.reshape(array.shape)
        return result

    def copy(self, source: Array, targets: Array) -> None:
        if source.size:
            with self._told():
                self._cuda.memcpy_dtod_async(_address(targets), _address(source), source.nbytes, self.stream)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """CUDA's errors as EngineErrors; those of kernels show in the calls that come after."""
        try:
            yield
        except self._cuda.MemoryError as error:
            raise EngineError(
                f"the GPU's memory is full ({_first_line(error)}); take a smaller minibatch"
            ) from error
        except self._cuda.Error as error:
            raise EngineError(
                f"the GPU failed: {_first_line(error)}; the last kernel before was {self._last}, and with "
                "CUDA_LAUNCH_BLOCKING=1 the error names the kernel that it is of"
            ) from error

    # --- work ---

    def launch(self, launch: Launch, *arguments: Any, fresh: Sequence[Array] = ()) -> None:
        if 0 in launch.grid:
            return
        types = argument_types(launch, arguments)
        function = self._function(launch, types)
        values = [
            _address(value) if type.endswith("*") else value
            for value, type in zip(arguments, types, strict=True)
        ]
        self._last = launch
        try:
            function.prepared_async_call(launch.grid, launch.block, self.stream, *values)
        except self._cuda.Error as error:
            raise EngineError(f"{launch}: {_first_line(error)}") from error

    def sgemm(
        self, a: Array, b: Array, c: Array, *, trans_a: bool, trans_b: bool, alpha: float, beta: float
    ) -> None:
        first, second, result = (Matrix(_address(m), *m.shape) for m in (a, b, c))
        self._cublas.sgemm(first, second, result, trans_a=trans_a, trans_b=trans_b, alpha=alpha, beta=beta)

    def seconds(self, run: Callable[[], Any]) -> float:
        """How long the GPU takes for all that `run` asks of it."""
        with self._told():
            start, end = self._cuda.Event(), self._cuda.Event()
            start.record(self.stream)
            run()
            end.record(self.stream)
            end.synchronize()
            return float(start.time_till(end)) * 1e-3

    def describe(self) -> dict[str, Any]:
        """The GPU, its driver, and what compiles for it."""
        gpu = self._cuda.Context.get_device()
        major, minor = gpu.compute_capability()
        version = self._cuda.get_driver_version()
        return {
            "name": gpu.name(),
            "compute_capability": f"{major}.{minor}",
            "memory_bytes": gpu.total_memory(),
            "multiprocessors": gpu.get_attribute(self._cuda.device_attribute.MULTIPROCESSOR_COUNT),
            "driver_cuda": f"{version // 1000}.{version % 1000 // 10}",
            "nvcc": self._nvcc,
        }

    # --- compilation ---

    def compile(self, instances: Sequence[tuple[Launch, tuple[str, ...]]]) -> None:
        """Compile kernels for these types of arguments on all cores, for PyCUDA's cache on disk."""
        from pycuda.compiler import compile

        major, minor = self._cuda.Context.get_device().compute_capability()
        options = [*NVCC_OPTIONS]

        def one(instance: tuple[Launch, tuple[str, ...]]) -> None:
            source = inlined(entry_point(*instance), self._folder)
            try:
                compile(source, self._nvcc, options, no_extern_c=True, arch=f"sm_{major}{minor}")
            except self._cuda.CompileError as error:
                raise _compile_error(instance[0], error) from error

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(one, instances))

    def _function(self, launch: Launch, types: tuple[str, ...]) -> Any:
        """The kernel, compiled now or before."""
        source = entry_point(launch, types)
        key = source, types
        if key not in self._functions:
            function = self._module(launch, inlined(source, self._folder)).get_function("entry")
            self._functions[key] = function.prepare("".join(FORMATS.get(type, "P") for type in types))
        return self._functions[key]

    def _module(self, launch: Launch, source: str) -> Any:
        from pycuda.compiler import SourceModule

        build = functools.partial(
            SourceModule, source, nvcc=self._nvcc, options=[*NVCC_OPTIONS], no_extern_c=True
        )
        try:
            try:
                return build()
            except self._cuda.CompileError:
                raise
            except self._cuda.Error:
                # PyCUDA's cache does not keep a process from reading what another is still writing
                return build(cache_dir=False)
        except self._cuda.CompileError as error:
            raise _compile_error(launch, error) from error
        except self._cuda.Error as error:
            raise EngineError(f"{launch}: the GPU does not take it: {_first_line(error)}") from error


def problem() -> str | None:
    """What keeps this machine from running a CudaDevice, with its mend; None where nothing does."""
    try:
        CudaDevice()
    except EngineError as error:
        return str(error)
    return None


def _driver() -> Any:
    """pycuda.driver, where there is a GPU."""
    try:
        import pycuda  # noqa: F401
    except ImportError as error:
        raise EngineError(
            f"engine 'cuda' needs PyCUDA ({error}); install it: {INSTALL}; or {OTHER_ENGINE}"
        ) from error
    try:
        from pycuda import driver
    except ImportError as error:
        raise EngineError(
            f"engine 'cuda' needs NVIDIA's driver ({error}); install it on a machine with a GPU, or "
            f"{OTHER_ENGINE}"
        ) from error
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as error:
        raise EngineError(
            f"engine 'cuda' cannot start CUDA ({_first_line(error)}); look at nvidia-smi, or {OTHER_ENGINE}"
        ) from error
    if not count:
        raise EngineError(
            f"engine 'cuda' finds no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or {OTHER_ENGINE}"
        )
    return driver


def _nvcc() -> str:
    """The CUDA compiler: on the PATH, or in the toolkit's folder."""
    for name in ("CUDA_ROOT", "CUDA_HOME", "CUDA_PATH"):
        if (root := os.environ.get(name)) and (found := shutil.which("nvcc", path=str(Path(root) / "bin"))):
            return found
    for path in (None, "/usr/local/cuda/bin"):
        if found := shutil.which("nvcc", path=path):
            return found
    raise EngineError(
        "engine 'cuda' needs the CUDA compiler, and there is no nvcc on the PATH; install a CUDA toolkit "
        "(Debian: apt install nvidia-cuda-toolkit) or name its folder in CUDA_ROOT"
    )


@functools.cache
def _primary_context() -> None:
    """Make the first GPU's primary context this thread's, until the process ends."""
    from pycuda import driver

    context = driver.Device(0).retain_primary_context()
    context.push()
    atexit.register(driver.Context.pop)


def _address(array: Array) -> int:
    return int(array.gpudata) if array.size else 0


def _compile_error(launch: Launch, error: Any) -> EngineError:
    """The first error that nvcc told."""
    lines = (error.stderr or error.stdout or str(error)).splitlines()
    errors = [line for line in lines if "error" in line]
    return EngineError(f"{launch}: it does not compile: {(errors or lines or ['nvcc failed'])[0].strip()}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
