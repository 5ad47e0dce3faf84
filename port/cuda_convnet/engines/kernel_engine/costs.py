"""Softmax and the costs of a KernelEngine."""

from __future__ import annotations

from math import prod

import numpy as np

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import costs as table
from cuda_convnet.engines.kernel_engine.launch_table.matrices import elementwise
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_cases, check_sets, same_shapes


class CostOperations:
    """The costs of a KernelEngine, which supplies `device`. A label that is no class makes its cost NaN."""

    device: Device

    def softmax(self, inputs: Array, probs: Array) -> None:
        check_cases("softmax", probs)
        same_shapes("softmax", inputs=inputs, probs=probs)
        classes, cases = probs.shape
        self.device.launch(table.softmax(cases), inputs, probs, cases, classes, fresh=[probs])

    def softmax_grad(self, acts_grad: Array, probs: Array, targets: Array, *, add: bool = False) -> None:
        check_cases("softmax_grad", probs)
        same_shapes("softmax_grad", probs=probs, acts_grad=acts_grad, targets=targets)
        classes, cases = probs.shape
        launch = table.by_entry("softmax.cu", "softmax_grad", classes, cases, add)
        fresh = [] if add else [targets]
        self.device.launch(launch, acts_grad, probs, targets, cases, classes, fresh=fresh)

    def logreg_cost(self, labels: Array, probs: Array, label_log_probs: Array, correct_probs: Array) -> None:
        outputs = {"label_log_probs": label_log_probs, "correct_probs": correct_probs}
        check_cases("logreg_cost", probs, labels=labels, **outputs)
        classes, cases = probs.shape
        launch = table.by_case("logreg_cost.cu", "logreg_cost", cases)
        written = list(outputs.values())
        self.device.launch(launch, labels, probs, *written, cases, classes, fresh=written)

    def logreg_cost_topk(
        self,
        labels: Array,
        probs: Array,
        label_log_probs: Array,
        correct_probs: Array,
        topk_probs: Array,
        *,
        topk: int,
    ) -> None:
        outputs = {
            "label_log_probs": label_log_probs,
            "correct_probs": correct_probs,
            "topk_probs": topk_probs,
        }
        check_cases("logreg_cost_topk", probs, labels=labels, **outputs)
        classes, cases = probs.shape
        launch = table.by_case("logreg_cost.cu", "logreg_cost_topk", cases)
        written = list(outputs.values())
        self.device.launch(launch, labels, probs, *written, cases, classes, topk, fresh=written)

    def logreg_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        self._logreg_grad("logreg_grad", labels, probs, targets, coeff, add)

    def logreg_softmax_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        self._logreg_grad("logreg_softmax_grad", labels, probs, targets, coeff, add)

    def _logreg_grad(
        self, operation: str, labels: Array, probs: Array, targets: Array, coeff: float, add: bool
    ) -> None:
        check_cases(operation, probs, labels=labels)
        same_shapes(operation, probs=probs, targets=targets)
        self._by_entry("logreg_cost.cu", operation, labels, probs, targets, coeff, add)

    def _by_entry(
        self, file: str, operation: str, labels: Array, probs: Array, targets: Array, coeff: float, add: bool
    ) -> None:
        classes, cases = probs.shape
        launch = table.by_entry(file, operation, classes, cases, add)
        fresh = [] if add else [targets]
        self.device.launch(launch, labels, probs, targets, cases, classes, float(coeff), fresh=fresh)

    def cross_entropy_cost(
        self, labels: Array, probs: Array, label_log_probs: Array, correct_probs: Array
    ) -> None:
        same_shapes("cross_entropy_cost", probs=probs, labels=labels)
        outputs = {"label_log_probs": label_log_probs, "correct_probs": correct_probs}
        check_cases("cross_entropy_cost", probs, **outputs)
        classes, cases = probs.shape
        launch = table.by_case("cross_entropy.cu", "cross_entropy_cost", cases)
        written = list(outputs.values())
        self.device.launch(launch, labels, probs, *written, cases, classes, fresh=written)

    def cross_entropy_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        check_cases("cross_entropy_grad", probs)
        same_shapes("cross_entropy_grad", probs=probs, labels=labels, targets=targets)
        self._elementwise_grad("cross_entropy_grad", labels, probs, targets, coeff, add)

    def cross_entropy_softmax_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        operation = "cross_entropy_softmax_grad"
        check_cases(operation, probs)
        same_shapes(operation, probs=probs, labels=labels, targets=targets)
        self._by_entry("cross_entropy.cu", operation, labels, probs, targets, coeff, add)

    def cross_entropy2_cost(self, labels: Array, probs: Array, targets: Array) -> None:
        self._elementwise_cost("cross_entropy2_cost", labels, probs, targets)

    def cross_entropy2_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        same_shapes("cross_entropy2_grad", labels=labels, probs=probs, targets=targets)
        self._elementwise_grad("cross_entropy2_grad", labels, probs, targets, coeff, add)

    def robust_flickr_cost(self, labels: Array, probs: Array, targets: Array) -> None:
        self._elementwise_cost("robust_flickr_cost", labels, probs, targets)

    def robust_flickr_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        same_shapes("robust_flickr_grad", labels=labels, probs=probs, targets=targets)
        self._elementwise_grad("robust_flickr_grad", labels, probs, targets, coeff, add)

    def _elementwise_cost(self, operation: str, labels: Array, probs: Array, targets: Array) -> None:
        same_shapes(operation, labels=labels, probs=probs, targets=targets)
        size = prod(probs.shape)
        launch = elementwise("cross_entropy.cu", operation, size)
        self.device.launch(launch, labels, probs, targets, np.uint64(size), fresh=[targets])

    def _elementwise_grad(
        self, operation: str, labels: Array, probs: Array, targets: Array, coeff: float, add: bool
    ) -> None:
        size = prod(probs.shape)
        launch = elementwise("cross_entropy.cu", operation, size, add)
        fresh = [] if add else [targets]
        self.device.launch(launch, labels, probs, targets, float(coeff), np.uint64(size), fresh=fresh)

    def multi_softmax(self, energies: Array, probs: Array, *, set_size: int) -> None:
        check_sets("multi_softmax", energies, set_size, probs=probs)
        classes, cases = energies.shape
        lattice = self.device.empty((classes + 1, set_size + 1, cases))
        launch = table.multi_softmax("multi_softmax", cases, set_size)
        self.device.launch(launch, energies, lattice, probs, cases, classes, fresh=[lattice, probs])

    def multi_softmax_grad(
        self,
        labels: Array,
        energies: Array,
        probs: Array,
        targets: Array,
        *,
        coeff: float,
        set_size: int,
        add: bool = False,
    ) -> None:
        check_sets("multi_softmax_grad", energies, set_size, probs=probs, targets=targets)
        check_cases("multi_softmax_grad", energies, labels=labels)
        classes, cases = energies.shape
        lattice = self.device.empty((classes + 1, set_size + 1, cases))
        launch = table.multi_softmax("multi_softmax_grad", cases, set_size, add)
        arrays = labels, energies, probs, lattice, targets
        fresh = [lattice] if add else [lattice, targets]
        self.device.launch(launch, *arrays, cases, classes, float(coeff), fresh=fresh)

    def multi_softmax_cost(
        self,
        labels: Array,
        probs: Array,
        energies: Array,
        label_log_probs: Array,
        correct_probs: Array,
        topk_probs: Array,
        *,
        set_size: int,
    ) -> None:
        outputs = {
            "label_log_probs": label_log_probs,
            "correct_probs": correct_probs,
            "topk_probs": topk_probs,
        }
        check_sets("multi_softmax_cost", energies, set_size, probs=probs)
        check_cases("multi_softmax_cost", energies, labels=labels, **outputs)
        classes, cases = energies.shape
        launch = table.by_case("multi_softmax.cu", "multi_softmax_cost", cases)
        written = list(outputs.values())
        self.device.launch(launch, labels, probs, energies, *written, cases, classes, set_size, fresh=written)

    def eltwise_max(self, a: Array, b: Array, targets: Array) -> None:
        same_shapes("eltwise_max", a=a, b=b, targets=targets)
        size = prod(a.shape)
        launch = elementwise("eltwise_max.cu", "eltwise_max", size)
        self.device.launch(launch, a, b, targets, np.uint64(size), fresh=[targets])

    def eltwise_max_grad(
        self, acts_grad: Array, inputs: Array, outputs: Array, targets: Array, *, add: bool = False
    ) -> None:
        same_shapes("eltwise_max_grad", acts_grad=acts_grad, inputs=inputs, outputs=outputs, targets=targets)
        size = prod(inputs.shape)
        launch = elementwise("eltwise_max.cu", "eltwise_max_grad", size, add)
        fresh = [] if add else [targets]
        self.device.launch(launch, acts_grad, inputs, outputs, targets, np.uint64(size), fresh=fresh)
