"""The cores of this process as one pool, with BLAS held to one thread while the pool works.

Every operation cuts its work by geometry alone and hands the pieces to the pool; the pool decides only
which core takes which piece, so results are the same bits with any number of threads.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from cuda_convnet.errors import EngineError

Item = TypeVar("Item")
Result = TypeVar("Result")

KEPT_FLOATS = 16 << 20  # 64 MiB of scratch that all threads together keep from one operation to the next


def available_cores() -> int:
    """Cores this process may use: its affinity mask where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _SingleThreadedBlas:
    """Holds every loaded BLAS to one thread while at least one caller is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._controller: Any = None
        self._limit: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                if self._controller is None:
                    self._controller = ThreadpoolController().select(user_api="blas")
                self._limit = self._controller.limit(limits=1)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._limit.restore_original_limits()
                    self._limit = None


_single_threaded_blas = _SingleThreadedBlas()  # BLAS's thread count belongs to the process, so this does too


class _ThreadsOwn(threading.local):
    """What each thread keeps for itself."""

    def __init__(self) -> None:
        self.busy = False
        self.scratch: dict[str, NDArray[np.float32]] = {}


class WorkerPool:
    """Maps functions over work items on `threads` cores (None: the cores this process may use).

    Raises EngineError when `threads` is not a positive number.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise EngineError(
                f"threads: {threads} is not possible; give 1 or more, or leave it out for all cores"
            )
        self.threads = available_cores() if threads is None else threads
        self._executor: ThreadPoolExecutor | None = None
        self._own = _ThreadsOwn()

    def scratch(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Memory of the calling thread's own, of any content, until it is asked for by this name again."""
        values = math.prod(shape)
        kept = self._own.scratch.get(name)
        if kept is None or kept.size < values:
            kept = self._own.scratch[name] = np.empty(values, np.float32)
        return kept[:values].reshape(shape)

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        small: bool = False,
        at_once: int | None = None,
    ) -> list[Result]:
        """[function(item) for item in items], spread over the cores.

        `small`: the whole is too little work to wake other cores for. `at_once`: most items in progress,
        where each holds much memory. The caller's thread works too. A map inside a work item runs in that
        item's thread. Of several exceptions that of the earliest item is raised.
        """
        work = list(items)
        if self._own.busy:
            return [function(item) for item in work]
        workers = 1 if small else min(self.threads, len(work), at_once or self.threads)
        with _single_threaded_blas():
            if workers > 1:
                return self._map_together(function, work, workers)
            with self._working():
                return [function(item) for item in work]

    @contextmanager
    def _working(self) -> Iterator[None]:
        self._own.busy = True
        try:
            yield
        finally:
            self._own.busy = False
            if sum(memory.size for memory in self._own.scratch.values()) > KEPT_FLOATS // self.threads:
                self._own.scratch.clear()

    def _map_together(
        self, function: Callable[[Item], Result], work: list[Item], workers: int
    ) -> list[Result]:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="numpy-engine")
        results: list[Any] = [None] * len(work)
        failures: dict[int, BaseException] = {}
        queue = iter(range(len(work)))
        lock = threading.Lock()
        float_errors = np.geterr()  # the caller's, which other threads do not inherit

        def take_items() -> None:
            with self._working(), np.errstate(**float_errors):
                while not failures:
                    with lock:
                        index = next(queue, None)
                    if index is None:
                        return
                    try:
                        results[index] = function(work[index])
                    except BaseException as failure:
                        failures[index] = failure

        helpers: list[Future[None]] = [self._executor.submit(take_items) for _ in range(workers - 1)]
        take_items()
        for helper in helpers:
            helper.result()
        if failures:
            raise failures[min(failures)]
        return results
