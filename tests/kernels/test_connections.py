"""Connections of sparse filters are checked, each array once."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from cuda_convnet.engines.geometry import check_geometry
from cuda_convnet.engines.kernel_engine import connections
from cuda_convnet.engines.kernel_engine.connections import checked_connections
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from cuda_convnet.errors import EngineError


class CountingDevice(RecordingDevice):
    """Counts how often it is waited for."""

    looks = 0

    def to_host(self, array):
        self.looks += 1
        return super().to_host(array)


def geometry(channels=4, filter_channels=2, groups=2):
    shapes = ((channels, 3, 3, 2), (filter_channels, 3, 3, 4), (4, 1, 1, 2))
    return check_geometry("op", *shapes, 0, 1, groups, sparse=True)


def check(device, array, of=None, once=False):
    return checked_connections(device, "op", array, of or geometry(), once=once)


def indices(*groups):
    return np.array(groups, np.int32)


def test_an_array_is_looked_at_once():
    device, array = CountingDevice(), indices((0, 1), (2, 3))
    for _ in range(3):
        assert check(device, array) is array
    assert device.looks == 1


def test_another_array_is_looked_at_even_with_the_same_content():
    device, array = CountingDevice(), indices((0, 1), (2, 3))
    check(device, array)
    other = array.copy()
    check(device, other)
    assert device.looks == 2


def test_an_array_is_looked_at_again_for_another_geometry_or_stricter_demand():
    device, array = CountingDevice(), indices((0, 1), (1, 3))
    check(device, array)
    with pytest.raises(EngineError, match="op: color_indices must lie between 0 and 1"):
        check(device, array, of=geometry(channels=2))
    with pytest.raises(EngineError, match="op: each 4 color_indices in turn must name every channel once"):
        check(device, array, once=True)
    assert device.looks == 3


def test_an_array_that_does_not_fit_is_refused_each_time():
    device, array = CountingDevice(), indices((0, 1), (2, 4))
    for _ in range(2):
        with pytest.raises(EngineError, match="op: color_indices must lie between 0 and 3"):
            check(device, array)


def test_an_array_of_another_shape_or_type_is_refused():
    with pytest.raises(EngineError, match=r"op: color_indices of shape \(1, 2\) must be \(2, 2\)"):
        check(CountingDevice(), indices((0, 1)))
    with pytest.raises(EngineError, match="op: color_indices is float32; it must be int32 in C order"):
        check(CountingDevice(), indices((0, 1), (2, 3)).astype(np.float32))
    with pytest.raises(EngineError, match="op: color_indices is int32, not in C order; it must be int32"):
        check(CountingDevice(), indices((0, 1), (2, 3)).T)


def test_an_array_is_forgotten_with_its_last_use():
    array = indices((0, 1), (2, 3))
    check(CountingDevice(), array)
    key = id(array)
    assert key in connections._checked
    del array
    gc.collect()
    assert key not in connections._checked
