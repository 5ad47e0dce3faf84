"""Who does the work: processes of this machine, or the ranks of an MPI run, behind one kind of executor."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

from cuda_convnet.engines.numpy_engine.parallel import available_cores
from cuda_convnet.errors import DataError

LAUNCHED_BY_MPI = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")

Result = TypeVar("Result")


@contextmanager
def worker_pool(workers: int | None = None) -> Iterator[Executor | None]:
    """An executor of `workers` processes, by default one for each core; under `mpirun`, of the other ranks.

    Under `mpirun -n K` rank 0 gets the executor and leads; the other K - 1 work inside this context manager
    until rank 0 has left it, and then get None: there is nothing left for them to do. The processes of this
    machine end when their leader does, however it ends. As they are started afresh, a program that uses them
    keeps its own work below `if __name__ == "__main__"`.

    Raises DataError: started by mpirun, and mpi4py is not installed.
    """
    if _num_ranks() > 1:
        from mpi4py.futures import MPICommExecutor

        with MPICommExecutor() as ranks:
            yield cast("Executor | None", ranks)
    else:
        with _processes(workers or available_cores()) as pool:
            yield pool


def _num_ranks() -> int:
    if not any(name in os.environ for name in LAUNCHED_BY_MPI):
        return 1
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):
        raise DataError("working under mpirun needs mpi4py: pip install 'alexnet2012[mpi]'") from None
    size: int = MPI.COMM_WORLD.Get_size()
    return size


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """A pool whose processes hold one end of a pipe: they end when the other end is closed."""
    context = get_context("spawn")
    lifeline, held = context.Pipe(duplex=False)
    pool = _Processes(count, mp_context=context, initializer=_hold, initargs=(lifeline,))
    try:
        yield pool
        pool.shutdown()
    finally:
        held.close()
        pool.shutdown(cancel_futures=True)
        lifeline.close()


class _Processes(ProcessPoolExecutor):
    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Submit a task; processes that this starts leave Ctrl-C to their leader."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hold(lifeline: Connection) -> None:
    """Begin a worker: watch the leader's end of the pipe, through which nothing is ever sent."""

    def watch() -> None:
        with suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
