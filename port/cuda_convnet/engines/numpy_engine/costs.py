"""Softmax and the costs. Their arrays are small: one core does them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.numpy_engine.blocks import elementwise
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.engines.shapes import check_cases, same_shapes
from cuda_convnet.errors import EngineError

LOG_OF_NOTHING = np.float32(-50)  # the original's logarithm of what is not positive


def label_indices(operation: str, labels: HostArray, probs: HostArray) -> NDArray[np.intp]:
    """The class of each image; EngineError where a label is no class of probs."""
    check_cases(operation, probs, labels=labels)
    classes, indices = probs.shape[0], labels[0].astype(np.intp)
    if indices.size and not (indices.min() >= 0 and indices.max() < classes):
        wrong = indices[(indices < 0) | (indices >= classes)][0]
        raise EngineError(f"{operation}: label {wrong} is none of the {classes} classes, which count from 0")
    return indices


def safe_log(values: HostArray) -> HostArray:
    """The logarithm, or -50 where there is none."""
    result = np.full_like(values, LOG_OF_NOTHING)
    np.log(values, out=result, where=values > 0)
    return result


def write(targets: HostArray, result: HostArray, add: bool) -> None:
    """targets = (targets if add) + result."""
    if add:
        np.add(targets, result, out=targets)
    else:
        np.copyto(targets, result)


class CostOperations:
    """The costs of the NumPy engine; the engine supplies `pool`."""

    pool: WorkerPool

    @np.errstate(all="ignore")
    def softmax(self, inputs: HostArray, probs: HostArray) -> None:
        check_cases("softmax", probs)
        same_shapes("softmax", inputs=inputs, probs=probs)
        np.subtract(inputs, inputs.max(axis=0), out=probs)
        np.exp(probs, out=probs)
        np.divide(probs, probs.sum(axis=0), out=probs)

    @np.errstate(all="ignore")
    def softmax_grad(
        self, acts_grad: HostArray, probs: HostArray, targets: HostArray, *, add: bool = False
    ) -> None:
        check_cases("softmax_grad", probs)
        same_shapes("softmax_grad", probs=probs, acts_grad=acts_grad, targets=targets)
        result = acts_grad - np.multiply(acts_grad, probs).sum(axis=0)
        np.multiply(result, probs, out=result)
        write(targets, result, add)

    @np.errstate(all="ignore")
    def logreg_cost(
        self, labels: HostArray, probs: HostArray, label_log_probs: HostArray, correct_probs: HostArray
    ) -> None:
        indices = label_indices("logreg_cost", labels, probs)
        check_cases("logreg_cost", probs, label_log_probs=label_log_probs, correct_probs=correct_probs)
        chosen = probs[indices, np.arange(probs.shape[1])]
        most = probs.max(axis=0)
        ties = (probs == most).sum(axis=0).astype(np.float32)
        np.log(chosen, out=label_log_probs[0])
        correct_probs[0] = np.where(chosen == most, 1 / ties, np.float32(0))

    @np.errstate(all="ignore")
    def logreg_cost_topk(
        self,
        labels: HostArray,
        probs: HostArray,
        label_log_probs: HostArray,
        correct_probs: HostArray,
        topk_probs: HostArray,
        *,
        topk: int,
    ) -> None:
        self.logreg_cost(labels, probs, label_log_probs, correct_probs)
        check_cases("logreg_cost_topk", probs, topk_probs=topk_probs)
        chosen = probs[label_indices("logreg_cost_topk", labels, probs), np.arange(probs.shape[1])]
        room = (topk - (probs > chosen).sum(axis=0)).astype(np.float32)
        equal = (probs == chosen).sum(axis=0).astype(np.float32)
        topk_probs[0] = np.where(room <= 0, 0, np.where(equal <= room, 1, room / equal))

    @np.errstate(all="ignore")
    def logreg_grad(
        self, labels: HostArray, probs: HostArray, targets: HostArray, *, coeff: float, add: bool = False
    ) -> None:
        result = self._at_labels("logreg_grad", labels, probs, targets)
        np.multiply(result, coeff, out=result)
        np.divide(result, probs, out=result)
        write(targets, result, add)

    @np.errstate(all="ignore")
    def logreg_softmax_grad(
        self, labels: HostArray, probs: HostArray, targets: HostArray, *, coeff: float, add: bool = False
    ) -> None:
        result = self._at_labels("logreg_softmax_grad", labels, probs, targets)
        np.subtract(result, probs, out=result)
        np.multiply(result, coeff, out=result)
        write(targets, result, add)

    @staticmethod
    def _at_labels(operation: str, labels: HostArray, probs: HostArray, targets: HostArray) -> HostArray:
        """1 at each image's label, else 0."""
        same_shapes(operation, probs=probs, targets=targets)
        result = np.zeros_like(probs)
        result[label_indices(operation, labels, probs), np.arange(probs.shape[1])] = 1
        return result

    @np.errstate(all="ignore")
    def cross_entropy_cost(
        self, labels: HostArray, probs: HostArray, label_log_probs: HostArray, correct_probs: HostArray
    ) -> None:
        same_shapes("cross_entropy_cost", probs=probs, labels=labels)
        check_cases("cross_entropy_cost", probs, label_log_probs=label_log_probs, correct_probs=correct_probs)
        most = probs == probs.max(axis=0)
        ties = most.sum(axis=0).astype(np.float32)
        label_log_probs[0] = np.multiply(labels, safe_log(probs)).sum(axis=0)
        correct_probs[0] = np.where((most & (labels > 0)).any(axis=0), 1 / ties, np.float32(0))

    @np.errstate(all="ignore")
    def cross_entropy_grad(
        self, labels: HostArray, probs: HostArray, targets: HostArray, *, coeff: float, add: bool = False
    ) -> None:
        check_cases("cross_entropy_grad", probs)
        same_shapes("cross_entropy_grad", probs=probs, labels=labels, targets=targets)
        result = labels / probs
        np.multiply(result, coeff, out=result)
        write(targets, result, add)

    @np.errstate(all="ignore")
    def cross_entropy_softmax_grad(
        self, labels: HostArray, probs: HostArray, targets: HostArray, *, coeff: float, add: bool = False
    ) -> None:
        check_cases("cross_entropy_softmax_grad", probs)
        same_shapes("cross_entropy_softmax_grad", probs=probs, labels=labels, targets=targets)
        result = np.multiply(probs, labels.sum(axis=0))
        np.subtract(labels, result, out=result)
        np.multiply(result, coeff, out=result)
        write(targets, result, add)

    def cross_entropy2_cost(self, labels: HostArray, probs: HostArray, targets: HostArray) -> None:
        same_shapes("cross_entropy2_cost", labels=labels, probs=probs, targets=targets)

        def work(t: HostArray, y: HostArray, target: HostArray) -> None:
            other = np.multiply(1 - t, safe_log(1 - y))
            np.add(np.multiply(t, safe_log(y)), other, out=target)

        elementwise(self.pool, work, labels, probs, targets)

    def cross_entropy2_grad(
        self, labels: HostArray, probs: HostArray, targets: HostArray, *, coeff: float, add: bool = False
    ) -> None:
        same_shapes("cross_entropy2_grad", labels=labels, probs=probs, targets=targets)

        def work(t: HostArray, y: HostArray, target: HostArray) -> None:
            write(target, np.multiply(t / y + (1 - t) / (1 - y), coeff), add)

        elementwise(self.pool, work, labels, probs, targets)

    def robust_flickr_cost(self, labels: HostArray, probs: HostArray, targets: HostArray) -> None:
        same_shapes("robust_flickr_cost", labels=labels, probs=probs, targets=targets)

        def work(t: HostArray, y: HostArray, target: HostArray) -> None:
            np.log(1 + np.square(y - t), out=target)

        elementwise(self.pool, work, labels, probs, targets)

    def robust_flickr_grad(
        self, labels: HostArray, probs: HostArray, targets: HostArray, *, coeff: float, add: bool = False
    ) -> None:
        same_shapes("robust_flickr_grad", labels=labels, probs=probs, targets=targets)

        def work(t: HostArray, y: HostArray, target: HostArray) -> None:
            apart = y - t
            write(target, np.multiply(2 * apart / (1 + np.square(apart)), -coeff), add)

        elementwise(self.pool, work, labels, probs, targets)
