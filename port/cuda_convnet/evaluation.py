"""Costs of a network on batches, minibatch by minibatch.

Answers to TrainingWorker and MultiviewTestWorker of `alexnet:src/worker.cu`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from cuda_convnet.cost import Cost
from cuda_convnet.errors import NonFiniteError

if TYPE_CHECKING:
    from cuda_convnet.data.loader import Loader, Minibatch
    from cuda_convnet.network import ConvNet


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


def evaluate(net: ConvNet, loader: Loader) -> Iterator[tuple[int, Cost]]:
    """The costs of each minibatch of all batches of `loader`, which reads test batches, by `minibatch_cost`:
    (batch number from 1, costs).
    """
    with closing(loader.minibatches(last_epoch=1)) as minibatches:
        for minibatch in minibatches:
            yield minibatch.batchnum, minibatch_cost(net, minibatch)


def minibatch_cost(net: ConvNet, minibatch: Minibatch) -> Cost:
    """The costs of a minibatch for testing; of the mean of the predictions where images have several views.

    NonFiniteError, naming the batch, for a cost that is NaN or infinite.
    """
    with silent_floats():
        if minibatch.num_views == 1:
            cost = net.test_minibatch(minibatch.data)
        else:
            cost = net.multiview_test_minibatch(minibatch.views)
    check_finite(cost, net, f"test batch {minibatch.batchnum}")
    return cost


def averages(cost: Cost) -> dict[str, list[float]]:
    """The values of each cost layer, per image."""
    return {name: list(values) for name, values in (cost / max(1, cost.num_cases)).values.items()}
