"""The pool of cores."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cuda_convnet.engines.numpy_engine.parallel import KEPT_FLOATS, WorkerPool, available_cores
from cuda_convnet.errors import EngineError


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    pool = WorkerPool(threads)
    assert pool.map(lambda item: item * item, range(100)) == [item * item for item in range(100)]
    assert pool.map(str, []) == []


def test_without_a_number_the_pool_takes_the_cores_this_process_may_use():
    assert WorkerPool().threads == available_cores()
    if hasattr(os, "sched_getaffinity"):
        assert available_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("threads", [0, -2])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(EngineError, match=f"threads: {threads} is not possible"):
        WorkerPool(threads)


def test_items_run_at_the_same_time():
    meeting = threading.Barrier(3, timeout=30)
    WorkerPool(3).map(lambda _: meeting.wait(), range(3))


def test_small_work_and_single_items_stay_in_the_callers_thread():
    pool = WorkerPool(3)
    here = threading.get_ident()
    assert pool.map(lambda _: threading.get_ident(), range(8), small=True) == [here] * 8
    assert pool.map(lambda _: threading.get_ident(), [0]) == [here]


def test_no_more_items_are_in_progress_than_allowed():
    lock, running, most = threading.Lock(), 0, 0

    def work(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    WorkerPool(6).map(work, range(30), at_once=2)
    assert 1 <= most <= 2


def test_a_map_within_an_item_runs_in_the_items_thread():
    pool = WorkerPool(2)

    def inner(_):
        return threading.get_ident()

    for threads_seen in pool.map(lambda _: {threading.get_ident(), *pool.map(inner, range(5))}, range(4)):
        assert len(threads_seen) == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_the_exception_of_the_earliest_item_is_raised_and_the_pool_works_on(threads):
    pool = WorkerPool(threads)

    def work(item):
        if item in (3, 4):
            raise ValueError(item)

    with pytest.raises(ValueError, match=r"^3$"):
        pool.map(work, range(10))
    assert pool.map(abs, [-1, -2]) == [1, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_blas_has_one_thread_during_a_map_and_its_own_number_after(threads):
    pool = WorkerPool(threads)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert all(seen == {1} for seen in pool.map(lambda _: blas_threads(), range(4)))
        assert blas_threads() == before


def test_maps_from_two_threads_leave_blas_as_it_was():
    pools = WorkerPool(2), WorkerPool(2)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        callers = [threading.Thread(target=pool.map, args=(time.sleep, [0.001] * 30)) for pool in pools]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert blas_threads() == before


def test_scratch_is_a_threads_own_and_is_given_again():
    pool = WorkerPool(2)
    mine = pool.scratch("sums", (4, 5))
    assert mine.shape == (4, 5)
    assert mine.dtype == np.float32
    assert np.shares_memory(mine, pool.scratch("sums", (2, 3)))
    assert not np.shares_memory(mine, pool.scratch("more", (4, 5)))
    others = []
    other = threading.Thread(target=lambda: others.append(pool.scratch("sums", (4, 5))))
    other.start()
    other.join()
    assert not np.shares_memory(mine, others[0])


def test_scratch_is_kept_from_one_map_to_the_next_unless_it_is_large():
    pool = WorkerPool(1)
    (small,) = pool.map(lambda _: pool.scratch("sums", (1000,)), [0])
    assert np.shares_memory(small, pool.scratch("sums", (1000,)))
    (large,) = pool.map(lambda _: pool.scratch("sums", (KEPT_FLOATS + 1,)), [0])
    assert not np.shares_memory(large, pool.scratch("sums", (1000,)))


def test_work_items_treat_floating_point_errors_as_the_caller_does():
    pool = WorkerPool(2)
    zeros = np.zeros(4, np.float32)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        pool.map(lambda _: 1 / zeros, range(8))
    with np.errstate(divide="ignore"):
        pool.map(lambda _: 1 / zeros, range(8))
