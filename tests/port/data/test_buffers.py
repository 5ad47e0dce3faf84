"""Memory is used again when nobody refers to it any more, and not before."""

import gc

import numpy as np

from cuda_convnet.data.buffers import BufferPool


def address(array):
    return array.ctypes.data


def test_arrays_are_as_they_were_asked_for():
    array = BufferPool(1000).empty((3, 5, 2), np.float32)
    assert (array.shape, array.dtype, array.flags.c_contiguous) == ((3, 5, 2), np.float32, True)
    assert array.flags.writeable
    assert address(array) % 64 == 0


def test_memory_of_an_array_that_is_gone_is_used_again():
    pool = BufferPool(1000)
    array = pool.empty((250,), np.float32)
    where = address(array)
    del array
    array = pool.empty((10, 10), np.uint8)
    assert address(array) == where


def test_arrays_that_live_have_memory_of_their_own():
    pool = BufferPool(400)
    arrays = [pool.empty((100,), np.float32) for _ in range(5)]
    for number, array in enumerate(arrays):
        array[:] = number
    assert all((array == number).all() for number, array in enumerate(arrays))


def test_an_array_that_is_too_large_has_memory_of_its_own():
    pool = BufferPool(1000)
    array = pool.empty((251,), np.float32)
    assert (array.shape, array.dtype) == ((251,), np.float32)


def test_any_view_keeps_the_memory():
    pool = BufferPool(400)
    array = pool.empty((10, 10), np.float32)
    where = address(array)
    view = array.reshape(-1)[::-1][5:]
    del array
    gc.collect()
    assert address(pool.empty((1,), np.float32)) != where
    view = memoryview(view)
    assert address(pool.empty((1,), np.float32)) != where
    del view
    others = [address(pool.empty((1,), np.float32)) for _ in range(3)]
    assert where in others
