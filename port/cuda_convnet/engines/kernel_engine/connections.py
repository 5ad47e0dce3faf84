"""Checks the connections of sparse filters, which lie on the device, once for each array that holds them."""

from __future__ import annotations

import weakref
from typing import TypeAlias

import numpy as np

from cuda_convnet.engines.geometry import Geometry, check_connections
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_arrays

_Demands: TypeAlias = tuple[int, int, int, bool]  # all of a geometry that connections must agree with

_checked: dict[int, tuple[weakref.ref[Array], set[_Demands]]] = {}
"""By identity: an array that is alive, and what it was found to agree with."""


def checked_connections(
    device: Device, operation: str, color_indices: Array, geometry: Geometry, *, once: bool
) -> Array:
    """color_indices int32 (groups, filter_channels), of `device`, fit to be given to a kernel.

    `once`: each sample of groups must see every channel exactly once. Raises EngineError as check_connections
    does. To look at what an array holds is to wait for the device, so it is done once: connections are not to
    be overwritten.
    """
    check_arrays(operation, dtype=np.int32, color_indices=color_indices)
    agreed = _agreed(color_indices)
    demands = (geometry.groups, geometry.filter_channels, geometry.channels, once)
    if demands not in agreed:
        check_connections(operation, device.to_host(color_indices), geometry, once=once)
        agreed.add(demands)
    return color_indices


def _agreed(array: Array) -> set[_Demands]:
    """What this very array was found to agree with; kept as long as it lives."""
    key = id(array)
    known = _checked.get(key)
    if known is None or known[0]() is not array:
        known = weakref.ref(array, lambda reference: _forget(key, reference)), set()
        _checked[key] = known
    return known[1]


def _forget(key: int, reference: weakref.ref[Array]) -> None:
    """Drop an array that is gone, unless another has taken its place already."""
    if key in _checked and _checked[key][0] is reference:
        del _checked[key]
