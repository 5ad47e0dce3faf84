"""A softmax over sets of classes: sums over all sets, class by class, as logarithms.

alexnet:src/multisoftmax.cpp, which ran on the CPU, and src/layer.cu (MultiSoftmaxCostLayer).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.numpy_engine.costs import label_indices, write
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.engines.shapes import check_cases, check_sets

NOTHING = np.float32(-1e35)
"""The logarithm of nothing."""

FAR, VERY_FAR = 5, 15
"""So far apart log(1 + x) is taken to be x, and to be 0."""


def log_add(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(exp(x) + exp(y)), with the original's shortcuts."""
    larger = np.maximum(x, y)
    apart = larger - np.minimum(x, y)
    small = np.exp(-apart)
    more = np.where(apart > VERY_FAR, 0, np.where(apart > FAR, small, np.log(1 + small)))
    return np.where(larger <= NOTHING, np.float64(NOTHING), larger + more)


def probabilities(
    energies: HostArray, set_size: int, fixed: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """P(class is in the set) of each class and image; of sets that have the class `fixed` for each image."""
    classes, images = energies.shape
    label = np.full(images, -1) if fixed is None else fixed
    relative = (energies - energies.max(axis=0)).astype(np.float64)
    # sums over sets of s of the classes from i on
    after = np.full((classes + 1, set_size + 1, images), NOTHING, np.float32)
    after[classes, 0] = 0
    for i in reversed(range(classes)):
        after[i, 0] = np.where(i <= label, NOTHING, 0)
        first = max(1, set_size - i)
        included = after[i + 1, first - 1 : -1] + relative[i]
        both = log_add(included, after[i + 1, first:].astype(np.float64))
        after[i, first:] = np.where(label == i, included, both)
    # sums over sets of s of the classes before i
    before = np.full((set_size + 1, images), NOTHING, np.float32)
    before[0] = 0
    result = np.empty(energies.shape, np.float64)
    for i in range(classes):
        log_prob = np.full(images, NOTHING, np.float64)
        for s in reversed(range(set_size)):
            log_prob = log_add(log_prob, (before[s] + after[i + 1, set_size - 1 - s]).astype(np.float64))
        result[i] = np.exp(log_prob + (relative[i] - after[0, set_size]))
        included = before[:-1] + relative[i]
        both = log_add(included, before[1:].astype(np.float64))
        before[1:] = np.where(label == i, included, both)
        before[0] = np.where(label == i, NOTHING, before[0])
    return result


class MultiSoftmaxOperations:
    """The softmax over sets of the NumPy engine."""

    @np.errstate(all="ignore")
    def multi_softmax(self, energies: HostArray, probs: HostArray, *, set_size: int) -> None:
        check_sets("multi_softmax", energies, set_size, probs=probs)
        probs[...] = probabilities(energies, set_size)

    @np.errstate(all="ignore")
    def multi_softmax_grad(
        self,
        labels: HostArray,
        energies: HostArray,
        probs: HostArray,
        targets: HostArray,
        *,
        coeff: float,
        set_size: int,
        add: bool = False,
    ) -> None:
        check_sets("multi_softmax_grad", energies, set_size, probs=probs, targets=targets)
        fixed = label_indices("multi_softmax_grad", labels, probs)
        given = probabilities(energies, set_size, fixed)
        write(targets, np.float32(coeff) * (given - probs).astype(np.float32), add)

    @np.errstate(all="ignore")
    def multi_softmax_cost(
        self,
        labels: HostArray,
        probs: HostArray,
        energies: HostArray,
        label_log_probs: HostArray,
        correct_probs: HostArray,
        topk_probs: HostArray,
        *,
        set_size: int,
    ) -> None:
        operation = "multi_softmax_cost"
        check_sets(operation, energies, set_size, probs=probs)
        outputs = {"label_log_probs": label_log_probs, "correct_probs": correct_probs}
        check_cases(operation, energies, **outputs, topk_probs=topk_probs)
        indices = label_indices(operation, labels, probs), np.arange(probs.shape[1])
        np.log(probs[indices], out=label_log_probs[0])
        above = (energies > energies[indices]).sum(axis=0)
        equal = (energies == energies[indices]).sum(axis=0).astype(np.float32)
        room = (set_size - above).astype(np.float32)
        correct_probs[0] = np.where((above == 0) & (equal > 0), 1 / equal, np.float32(0))
        topk_probs[0] = np.where(room <= 0, 0, np.where(equal <= room, 1, room / equal))
