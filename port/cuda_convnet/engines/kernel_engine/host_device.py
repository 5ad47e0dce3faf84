"""The CPU as a device: the system's C++ compiler and `kernels/cuda_on_host.h` run the kernels of the GPU."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import hashlib
import mmap
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch import Launch, argument_types, entry_point
from cuda_convnet.engines.kernel_engine.sources import cache_folder, included, kernels_folder
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.products import ProductOperations
from cuda_convnet.errors import EngineError

STACK_OFFSET = 17 * 64
"""Of stacks one after the other, so that their ends do not compete for the same lines of the caches."""

STACK_BYTES = (64 << 10) + STACK_OFFSET
SANITIZED_STACK_BYTES = (512 << 10) + STACK_OFFSET
"""The sanitizers write their reports on the stack where they find an error."""

SMALL_GRID = 1 << 12
"""Threads of a grid that are not worth the waking of other cores."""

FLAGS = (
    "-std=c++17",
    "-fPIC",
    "-shared",
    "-ffp-contract=off",  # a * b + c is two roundings; where the original has one, the kernel says fmaf
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # or libraries would share the statics of templates
    "-fno-exceptions",
    "-fno-rtti",
    "-Werror=frame-larger-than=16384",  # a kernel calls no deep functions: so much always fits on a stack
    "-pthread",
    "-x",
    "c++",
)
OPTIMISED = ("-O3", "-fno-math-errno", "-fno-trapping-math")
SANITIZED = (
    "-O1",
    "-g",
    "-fsanitize=address,undefined,float-cast-overflow",
    "-fsanitize-sections=cuda_shared",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
)


@dataclass(frozen=True)
class Instruments:
    """What a HostDevice looks for beside running the kernels.

    `shuffle`: blocks, and threads between barriers, run in random orders, drawn from this seed. `poison`:
    shared memory, and outputs that are to be written whole, hold NaN before each launch, and new arrays too.
    `sanitize`: kernels are built with AddressSanitizer and UndefinedBehaviorSanitizer, which end the process
    at the first error; the process must have been started for it, with libasan in LD_PRELOAD.
    """

    shuffle: int | None = None
    poison: bool = False
    sanitize: bool = False


class _Dim3(ctypes.Structure):
    _fields_ = [("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint)]


class _Launch(ctypes.Structure):
    """`cuda_on_host::Launch`."""

    _fields_ = [
        ("grid", _Dim3),
        ("block", _Dim3),
        ("workers", ctypes.c_uint32),
        ("shuffle", ctypes.c_uint32),
        ("poison", ctypes.c_uint32),
        ("seed", ctypes.c_uint64),
        ("stacks", ctypes.c_void_p),
        ("stack_bytes", ctypes.c_uint64),
        ("message", ctypes.c_char_p),
        ("message_bytes", ctypes.c_uint64),
    ]


class HostDevice(Device):
    """Runs kernels on `threads` cores (None: all this process may use); its arrays are NumPy's.

    Compiled kernels are kept in `cache` (by default the user's cache folder), named by all they are made of.
    Several threads may use a device; its launches run one after the other.
    """

    name = "host"

    def __init__(
        self,
        threads: int | None = None,
        instruments: Instruments | None = None,
        cache: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        self.pool = WorkerPool(threads)
        self.instruments = instruments or Instruments()
        if self.instruments.sanitize and not hasattr(ctypes.CDLL(None), "__asan_init"):
            raise EngineError(
                "sanitize: this process was not started for it; set "
                "LD_PRELOAD=$(g++ -print-file-name=libasan.so) and ASAN_OPTIONS=detect_leaks=0"
            )
        self._cache = cache or cache_folder()
        self._folder = folder or kernels_folder()
        self._products = _Products(self.pool)
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._stacks = mmap.mmap(-1, mmap.PAGESIZE)
        self._stack_bytes = SANITIZED_STACK_BYTES if self.instruments.sanitize else STACK_BYTES
        self._message = ctypes.create_string_buffer(1024)
        self._launches = 0

    # --- memory ---

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike = "float32") -> NDArray[Any]:
        array = np.empty(shape, dtype)
        if self.instruments.poison:
            _poison(array)
        return array

    def zeros(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.zeros(shape, np.float32)

    def from_host(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.array(array, np.int32 if array.dtype == np.int32 else np.float32, order="C")

    def to_host(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.copy()

    def copy(self, source: NDArray[Any], targets: NDArray[Any]) -> None:
        targets.reshape(-1)[:] = source.reshape(-1)

    # --- work ---

    def launch(self, launch: Launch, *arguments: Any, fresh: Sequence[NDArray[Any]] = ()) -> None:
        if 0 in launch.grid:
            return
        types = argument_types(launch, arguments)
        values = [_value(value, type) for value, type in zip(arguments, types, strict=True)]
        pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        if self.instruments.poison:
            for array in fresh:
                if not _in_place(array, arguments):
                    _poison(array)
        blocks = prod(launch.grid)
        one = self.instruments.sanitize or blocks * launch.threads <= SMALL_GRID
        workers = 1 if one else min(self.pool.threads, blocks)
        with self._lock:
            run = self._function(launch, types)
            self._launches += 1
            how = _Launch(
                launch.grid,
                launch.block,
                workers,
                self.instruments.shuffle is not None,
                self.instruments.poison,
                (self.instruments.shuffle or 0) + self._launches,
                self._stack_memory(workers * launch.threads),
                self._stack_bytes,
                ctypes.addressof(self._message),
                len(self._message),
            )
            if run(ctypes.byref(how), pointers):
                raise EngineError(f"{launch}: {self._message.value.decode()}")

    def sgemm(
        self,
        a: NDArray[Any],
        b: NDArray[Any],
        c: NDArray[Any],
        *,
        trans_a: bool,
        trans_b: bool,
        alpha: float,
        beta: float,
    ) -> None:
        self._products.matrix_add_product(
            a, b, c, trans_a=trans_a, trans_b=trans_b, scale_ab=alpha, scale_this=beta
        )

    def _stack_memory(self, fibers: int) -> int:
        """The address of stacks for so many threads, below which one more could lie.

        What is not used of them takes no memory.
        """
        whole = (fibers + 1) * self._stack_bytes
        if len(self._stacks) < whole:
            self._stacks = mmap.mmap(-1, whole)
        return ctypes.addressof(ctypes.c_char.from_buffer(self._stacks)) + self._stack_bytes

    # --- compilation ---

    def _function(self, launch: Launch, types: tuple[str, ...]) -> Any:
        """The compiled launch of a kernel; a library that is there, or is built now."""
        source = entry_point(launch, types)
        key = source, types
        if key not in self._loaded:
            path = self._built(launch, _with_launcher(source, types))
            try:
                library = ctypes.CDLL(str(path))
            except OSError as error:
                raise EngineError(
                    f"{launch}: the compiled kernel cannot be loaded ({error}); remove it, or set "
                    "XDG_CACHE_HOME to a folder from which programs may run"
                ) from error
            self._loaded[key] = library.cuda_on_host_launch
        return self._loaded[key]

    def _built(self, launch: Launch, source: str) -> Path:
        """The library of this source; of processes that want it at the same time one builds it."""
        command, version = compiler()
        flags = [*FLAGS, *_processor_flags(), *(SANITIZED if self.instruments.sanitize else OPTIMISED)]
        made_of = "\0".join([included(source, self._folder), platform.machine(), version, *flags])
        library = self._cache / f"{hashlib.sha256(made_of.encode()).hexdigest()}.so"
        if not library.exists():
            try:
                self._cache.mkdir(parents=True, exist_ok=True)
                with _locked(library.with_suffix(".lock")):
                    if not library.exists():
                        self._build([*command, *flags], launch, source, library)
            except OSError as error:
                raise EngineError(
                    f"{self._cache}: compiled kernels cannot be kept there ({error.strerror}); set "
                    "XDG_CACHE_HOME to a folder that can be written to"
                ) from error
        return library

    def _build(self, command: list[str], launch: Launch, source: str, library: Path) -> None:
        """Compile it. The library has its name only when it is whole."""
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
            unfinished = Path(scratch) / "kernel.so"
            done = subprocess.run(
                [*command, "-I", str(self._folder), "-o", str(unfinished), "-"],
                env={**environment, "LC_ALL": "C"},
                input=source,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                lines = done.stderr.splitlines() or [f"{command[0]} fails with status {done.returncode}"]
                reason = next((line for line in lines if "error:" in line), lines[0])
                raise EngineError(f"{launch}: it does not compile: {reason}")
            os.replace(unfinished, library)


class _Products(ProductOperations):
    """The NumPy engine's matrix products, as the BLAS of this device."""

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool


def _with_launcher(source: str, types: Sequence[str]) -> str:
    """The entry point, and beside it the function that launches it on a CPU."""
    values = ", ".join(f"*static_cast<{type}*>(arguments[{i}])" for i, type in enumerate(types))
    return (
        f'#include "cuda_on_host.h"\n{source}'
        f"static void call(void** arguments) {{ entry({values}); }}\n"
        'extern "C" __attribute__((visibility("default")))\n'
        "int cuda_on_host_launch(const cuda_on_host::Launch* launch, void** arguments) {\n"
        "    return cuda_on_host::run(launch, call, arguments);\n"
        "}\n"
    )


def _value(value: Any, type: str) -> Any:
    """The argument as C has it."""
    if type == "int":
        return ctypes.c_int(value)
    if type == "float":
        return ctypes.c_float(value)
    if type == "unsigned long long":
        return ctypes.c_uint64(int(value))
    return ctypes.c_void_p(value.ctypes.data)


def _in_place(array: NDArray[Any], arguments: Sequence[Any]) -> bool:
    """Whether the kernel gets this memory twice, and so may read what it is about to write."""
    return sum(isinstance(a, np.ndarray) and np.may_share_memory(a, array) for a in arguments) > 1


def _poison(array: NDArray[Any]) -> None:
    array.fill(np.nan if array.dtype == np.float32 else -1)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among the processes that lock this path; where the file system cannot, more work is done."""
    with path.open("w") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)


def compiler() -> tuple[list[str], str]:
    """The command of the system's C++ compiler (CXX, or g++), and its version."""
    command = shlex.split(os.environ.get("CXX", "")) or ["g++"]
    if shutil.which(command[0]) is None:
        raise EngineError(
            f"engine 'host' needs a C++ compiler, and there is no '{command[0]}'; install g++ (Debian: "
            "apt install g++) or name another in CXX"
        )
    return command, _version(tuple(command))


@functools.cache
def _version(command: tuple[str, ...]) -> str:
    return subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout


@functools.cache
def _processor_flags() -> tuple[str, ...]:
    """What the compiler may use of this processor; without a fused multiply-add fmaf is right, but slow."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ()
    try:
        words = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        words = []
    # a fiber starts by a return to where no call was made, which protected control flow forbids
    return ("-fcf-protection=none", *(f"-m{feature}" for feature in ("fma", "avx2") if feature in words))
