"""Every gradient beside finite differences of the cost.

Answers to `alexnet:src/convnet.cu` (checkGradients).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cuda_convnet.engines.operations import HostArray
from cuda_convnet.errors import ConvnetError, NonFiniteError
from cuda_convnet.passes import PassType
from cuda_convnet.weights import Weights

if TYPE_CHECKING:
    from cuda_convnet.network import ConvNet

LARGEST_ERROR = 0.02
"""A gradient passes while its relative error stays below this, as in the original."""


@dataclass(frozen=True)
class GradientCheck:
    """One matrix checked: `relative_error` is |numeric - analytic| / |analytic|, in Euclidean norms.

    `name` is `LAYER/weights0` or `LAYER/biases`; `step` was added to each of its entries in turn. Both norms
    are of the gradient of the cost, divided by the number of cases.
    """

    name: str
    step: float
    analytic_norm: float
    numeric_norm: float
    relative_error: float

    @property
    def ok(self) -> bool:
        return self.relative_error < LARGEST_ERROR


def check_gradients(net: ConvNet, data: Sequence[HostArray]) -> list[GradientCheck]:
    """Check all matrices that learn, on one minibatch; the network is left as it was.

    Each entry costs a pass forward: for small networks. Shared matrices are checked once, at their owner.
    NonFiniteError where a step makes the cost NaN or infinite.
    """
    learning = [(name, weights) for name, weights in net.named_weights() if weights.learns]
    if not learning:
        raise ConvnetError("no layer learns: every epsW and epsB is 0, so there are no gradients to check")
    before = net.get_state()
    try:
        for _, weights in net.named_weights():
            weights.num_updates = 0
        net.fprop(data, PassType.GRADIENT_CHECK)
        base = net.cost()
        net.bprop(PassType.GRADIENT_CHECK)
        analytic = {name: -net.engine.to_host(weights.grad).astype(np.float64) for name, weights in learning}
        return [
            _check(net, data, name, weights, analytic[name] / base.num_cases, base.total)
            for name, weights in learning
        ]
    finally:
        net.set_state(before)


def _check(
    net: ConvNet, data: Sequence[HostArray], name: str, weights: Weights, analytic: np.ndarray, base: float
) -> GradientCheck:
    """One matrix; each entry in turn is enlarged by the step, and set back."""
    layer = net.layers[name.rpartition("/")[0]]
    step: float = layer.b_step if name.endswith("/biases") else layer.w_step  # type: ignore[attr-defined]
    values = np.array(net.engine.to_host(weights.w), np.float32)
    original = values.copy()
    numeric = np.zeros(values.shape)
    for index in np.ndindex(values.shape):
        values[index] += np.float32(step)
        net.engine.copy(net.engine.from_host(values), weights.w)
        net.fprop(data, PassType.GRADIENT_CHECK)
        cost = net.cost()
        numeric[index] = (cost.total - base) / (cost.num_cases * step)
        if not np.isfinite(numeric[index]):
            raise NonFiniteError(
                f"checking {name}: a step of {step:g} made the cost {cost.total:g}; "
                "start with smaller weights"
            )
        values[index] = original[index]
    net.engine.copy(net.engine.from_host(original), weights.w)
    size = float(np.linalg.norm(analytic))
    apart = float(np.linalg.norm(numeric - analytic))
    error = apart / size if size else (0.0 if apart == 0 else np.inf)
    return GradientCheck(name, step, size, float(np.linalg.norm(numeric)), error)
