"""Costs of a network on batches, minibatch by minibatch.

Answers to TrainingWorker and MultiviewTestWorker of `alexnet:src/worker.cu`, and to the minibatches of
`alexnet:src/data.cu`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from cuda_convnet.cost import Cost
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.errors import NonFiniteError

if TYPE_CHECKING:
    from cuda_convnet.data.loader import Batch, Loader
    from cuda_convnet.network import ConvNet


def num_minibatches(cases: int, minibatch: int) -> int:
    """How many minibatches `cases` images make; the last one may not be full."""
    return math.ceil(cases / minibatch)


def cut(data: Sequence[HostArray], start: int, stop: int) -> list[HostArray]:
    """Images `start` to `stop` of each matrix of (features, cases), as matrices of their own."""
    return [np.ascontiguousarray(matrix[:, start:stop]) for matrix in data]


def silent_floats() -> np.errstate:
    """No warnings by NumPy while a network computes: overflows are found in the costs, by `check_finite`."""
    return np.errstate(all="ignore")


def check_finite(cost: Cost, net: ConvNet, where: str) -> None:
    """NonFiniteError where a value of `cost` is NaN or infinite; it names `where` and the layer of `net`."""
    for name, values in cost.values.items():
        if not all(math.isfinite(value) for value in values):
            layer = net.first_nonfinite()
            origin = (
                f"it first arose in layer {layer!r}"
                if layer
                else "all layers are finite, so it arose in the cost"
            )
            shown = ", ".join(f"{value / max(1, cost.num_cases):g}" for value in values)
            raise NonFiniteError(f"{where}: cost {name!r} is {shown}; {origin}; lower the learning rates")


def batch_costs(net: ConvNet, batch: Batch, minibatch: int, where: str) -> Iterator[Cost]:
    """The costs of each minibatch of a test batch.

    Where the batch has several views of each image, the columns being view after view, the costs are those of
    the mean of the predictions. NonFiniteError, naming `where`, for a cost that is NaN or infinite.
    """
    views = batch.num_views
    cases = batch.data[0].shape[1] // views
    for start in range(0, cases, minibatch):
        stop = min(start + minibatch, cases)
        data = [cut(batch.data, view * cases + start, view * cases + stop) for view in range(views)]
        with silent_floats():
            cost = net.test_minibatch(data[0]) if views == 1 else net.multiview_test_minibatch(data)
        check_finite(cost, net, where)
        yield cost


def evaluate(net: ConvNet, loader: Loader, minibatch: int) -> Iterator[tuple[int, Cost]]:
    """Every minibatch of all batches of `loader`, which reads test batches: (batch number from 1, costs)."""
    with closing(loader.batches()) as batches:
        for number in range(1, loader.num_batches + 1):
            for cost in batch_costs(net, next(batches), minibatch, f"test batch {number}"):
                yield number, cost


def averages(cost: Cost) -> dict[str, list[float]]:
    """The values of each cost layer, per image."""
    return {name: list(values) for name, values in (cost / max(1, cost.num_cases)).values.items()}
