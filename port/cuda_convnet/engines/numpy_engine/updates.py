"""Updates of weights beyond plain momentum, constraints on them, and random numbers."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.images import check_local_weights
from cuda_convnet.engines.numpy_engine.blocks import elementwise
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.engines.shapes import check_arrays, same_shapes


def random_words(count: int, key: tuple[int, int], counter: int) -> NDArray[np.uint32]:
    """`count` 32-bit words of the Philox stream, the low half of each 64-bit word first."""
    generator = np.random.Philox(key=np.array(key, np.uint64), counter=counter)
    return generator.random_raw((count + 1) // 2).astype("<u8").view("<u4")[:count]


class UpdateOperations:
    """The updates, constraints and random numbers of the NumPy engine; the engine supplies `pool`."""

    pool: WorkerPool

    def super_update(
        self,
        inc: HostArray,
        grad: HostArray,
        grad_avg: HostArray,
        grad2_avg: HostArray,
        *,
        eps: float,
        mom: float,
        super_eps: float,
    ) -> None:
        same_shapes("super_update", inc=inc, grad=grad, grad_avg=grad_avg, grad2_avg=grad2_avg)

        def work(v: HostArray, g: HostArray, first: HostArray, second: HostArray) -> None:
            first[...] = mom * first + (1 - mom) * g
            second[...] = mom * second + (1 - mom) * g * g
            v[...] = 0.9 * v + eps * (g / np.sqrt(second - first + super_eps))

        elementwise(self.pool, work, inc, grad, grad_avg, grad2_avg)

    @np.errstate(all="ignore")
    def normalize_local_weights(self, weights: HostArray, *, norm: float) -> None:
        columns = weights.reshape(check_local_weights("normalize_local_weights", weights))
        lengths = np.sqrt(np.square(columns).sum(axis=1, keepdims=True))
        columns *= np.where(lengths > norm, norm / lengths, np.float32(1))

    @np.errstate(all="ignore")
    def constrain_ball(self, weights: HostArray, *, norm: float) -> None:
        squares = np.square(weights).sum(axis=0)
        weights *= np.where(squares > np.float32(norm) ** 2, norm / np.sqrt(squares), np.float32(1))

    @np.errstate(all="ignore")
    def constrain_contrast(self, weights: HostArray, *, norm_min: float, norm_max: float) -> None:
        rows = np.float32(weights.shape[0])
        centred = weights - weights.sum(axis=0) / rows
        spread = np.sqrt(np.square(centred).sum(axis=0)) / rows
        limit = np.clip(spread, norm_min, norm_max)
        weights *= np.where(limit == spread, np.float32(1), limit / spread)

    def random_keep_mask(
        self, targets: HostArray, *, keep: float, key: tuple[int, int], counter: int
    ) -> None:
        check_arrays("random_keep_mask", targets=targets)
        line = targets.reshape(-1)
        below = ceil(keep * 2.0**32)
        if below >= 2**32:
            line.fill(1)
        else:
            np.copyto(line, random_words(line.size, key, counter) < np.uint32(max(0, below)))

    def random_normal(self, targets: HostArray, *, key: tuple[int, int], counter: int) -> None:
        check_arrays("random_normal", targets=targets)
        line = targets.reshape(-1)
        words = random_words(2 * line.size, key, counter).astype(np.float64).reshape(-1, 2)
        radius = np.sqrt(-2 * np.log((words[:, 0] + 1) / 2.0**32))
        np.multiply(radius, np.cos(words[:, 1] * (2 * np.pi / 2.0**32)), out=line, casting="same_kind")
