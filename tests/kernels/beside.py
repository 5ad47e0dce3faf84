"""Kernels beside what they must agree with: the archived activations, and the NumPy engine."""

from __future__ import annotations

import h5py
import numpy as np

from alexnet2012.fidelity.archive import open_archive
from alexnet2012.fidelity.ops import replay_ops
from alexnet2012.record import places
from cuda_convnet.engines import get_engine
from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.operations import OPERATIONS

NUMPY = get_engine("numpy", threads=1)


def replayed(engine, operation, folder):
    """Every output of the archived cases of an operation, compared."""
    part = folder / "part.h5"
    with h5py.File(places.original_path() / "activations" / "ops.h5") as whole, h5py.File(part, "w") as file:
        file.attrs.update(whole.attrs)
        whole.copy(operation, file)
    with open_archive(part) as archive:
        return list(replay_ops(archive, engine))


def values(seed, *shape, grid=None):
    """Normal numbers; on a grid they have ties, and no zero is negative."""
    drawn = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return drawn if grid is None else np.round(drawn * grid).astype(np.float32) / np.float32(grid) + 0


def unread(*shape):
    return np.full(shape, np.nan, np.float32)


def after(engine, operation, arrays, **scalars):
    """All arrays, as an operation leaves them; its arguments stay as they are."""
    held = {name: engine.from_host(array) for name, array in arrays.items()}
    getattr(engine, operation)(**held, **scalars)
    return {name: engine.to_host(array) for name, array in held.items()}


def result(engine, operation, arrays, **scalars):
    """What an operation makes of its `targets`, which are left as they are."""
    return after(engine, operation, arrays, **scalars)["targets"]


def assert_same_bits(ours, expected):
    np.testing.assert_array_equal(ours.view(np.int32), expected.view(np.int32))


def assert_as_numpy(engine, operation, arrays, *, bitwise=True, **scalars):
    """The NumPy engine's bits, or what is as close to them as the original must be."""
    expected = result(NUMPY, operation, arrays, **scalars)
    ours = result(engine, operation, arrays, **scalars)
    if bitwise:
        assert_same_bits(ours, expected)
    else:
        bound = OPERATIONS[operation].bound("numpy", "targets", {**arrays, **scalars, "original": ours})
        assert bound.share(difference(ours, expected)) <= 1
