"""Neurons and their gradients, and the elementwise maximum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from cuda_convnet.engines.neurons import declared, read_by_grad
from cuda_convnet.engines.numpy_engine.blocks import elementwise, mask_scratch
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.engines.shapes import same_shapes

Params: TypeAlias = Sequence[float]
Acts: TypeAlias = Callable[[WorkerPool, HostArray, HostArray, Params], None]
Grad: TypeAlias = Callable[[WorkerPool, HostArray, HostArray, HostArray, Params], None]

# --- functions: (pool, x, y, params) write y, a block that may be x itself ---


def _ident(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    np.copyto(y, x)


def _relu(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    keep = mask_scratch(pool, "neuron mask", x.shape)
    np.less(x, 0, out=keep)
    bits = pool.scratch("neuron", x.shape).view(np.int32)
    np.copyto(bits, np.subtract(keep.view(np.int8), 1, out=keep.view(np.int8)))  # all ones where x is kept
    np.bitwise_and(x.view(np.int32), bits, out=y.view(np.int32))  # a maximum could turn -0 into 0


def _brelu(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    _relu(pool, x, y, params)
    np.minimum(y, params[0], out=y)


def _abs(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    negated = pool.scratch("neuron", x.shape)
    np.negative(x, out=negated)
    positive = mask_scratch(pool, "neuron mask", x.shape)
    np.greater(x, 0, out=positive)
    np.copyto(negated, x, where=positive)  # abs(0) is -0, as in the original
    np.copyto(y, negated)


def _square(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    np.square(x, out=y)


def _sqrt(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    np.sqrt(x, out=y)


def _linear(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    np.multiply(x, params[0], out=y)
    np.add(y, params[1], out=y)


def _logistic(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    np.negative(x, out=y)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    np.reciprocal(y, out=y)


def _unit_tanh(x: HostArray, steepness: float, y: HostArray) -> None:
    """y = 2 / (1 + exp(-2 * steepness * x)) - 1."""
    np.multiply(x, -2 * steepness, out=y)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    np.divide(2, y, out=y)
    np.subtract(y, 1, out=y)


def _tanh(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    _unit_tanh(x, params[1], y)
    np.multiply(y, params[0], out=y)


def _drelu(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    tanh = pool.scratch("neuron", x.shape)
    _unit_tanh(x, 1 / params[0], tanh)
    np.multiply(tanh, params[0], out=tanh)
    np.subtract(x, tanh, out=y)


def _softrelu(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    large = mask_scratch(pool, "neuron mask", x.shape)
    np.greater(x, 4, out=large)
    result = pool.scratch("neuron", x.shape)
    np.exp(x, out=result)
    np.add(result, 1, out=result)
    np.log(result, out=result)
    np.copyto(result, x, where=large)
    np.copyto(y, result)


def _log(pool: WorkerPool, x: HostArray, y: HostArray, params: Params) -> None:
    np.add(x, params[0], out=y)
    np.log(y, out=y)


# --- gradients: (pool, g, read, out, params) write out, a block that may be g itself; `read` is what the
# neuron reads --


def _ident_grad(pool: WorkerPool, g: HostArray, read: HostArray, out: HostArray, params: Params) -> None:
    np.copyto(out, g)


def _relu_grad(pool: WorkerPool, g: HostArray, y: HostArray, out: HostArray, params: Params) -> None:
    on = mask_scratch(pool, "neuron mask", g.shape)
    np.greater(y, 0, out=on)
    np.multiply(g, on, out=out)


def _brelu_grad(pool: WorkerPool, g: HostArray, y: HostArray, out: HostArray, params: Params) -> None:
    on = mask_scratch(pool, "neuron mask", g.shape)
    np.greater(y, 0, out=on)
    np.multiply(g, on, out=out)
    np.less(y, params[0], out=on)
    np.multiply(out, on, out=out)


def _abs_grad(pool: WorkerPool, g: HostArray, x: HostArray, out: HostArray, params: Params) -> None:
    on = mask_scratch(pool, "neuron mask", g.shape)
    np.greater(x, 0, out=on)
    sign = pool.scratch("neuron", g.shape)
    np.multiply(on, np.float32(2), out=sign)
    np.subtract(sign, 1, out=sign)
    np.multiply(g, sign, out=out)


def _square_grad(pool: WorkerPool, g: HostArray, x: HostArray, out: HostArray, params: Params) -> None:
    np.multiply(g, 2, out=out)
    np.multiply(out, x, out=out)


def _sqrt_grad(pool: WorkerPool, g: HostArray, y: HostArray, out: HostArray, params: Params) -> None:
    twice = pool.scratch("neuron", g.shape)
    np.multiply(y, 2, out=twice)
    np.divide(g, twice, out=out)


def _linear_grad(pool: WorkerPool, g: HostArray, read: HostArray, out: HostArray, params: Params) -> None:
    np.multiply(g, params[0], out=out)


def _logistic_grad(pool: WorkerPool, g: HostArray, y: HostArray, out: HostArray, params: Params) -> None:
    rest = pool.scratch("neuron", g.shape)
    np.subtract(1, y, out=rest)
    np.multiply(rest, y, out=rest)
    np.multiply(g, rest, out=out)


def _tanh_grad(pool: WorkerPool, g: HostArray, y: HostArray, out: HostArray, params: Params) -> None:
    a, b = params
    slope = pool.scratch("neuron", g.shape)
    np.square(y, out=slope)
    np.divide(slope, a, out=slope)
    np.subtract(a, slope, out=slope)
    np.multiply(slope, b, out=slope)
    np.multiply(g, slope, out=out)


def _drelu_grad(pool: WorkerPool, g: HostArray, x: HostArray, out: HostArray, params: Params) -> None:
    tanh = pool.scratch("neuron", g.shape)
    _unit_tanh(x, 1 / params[0], tanh)
    np.square(tanh, out=tanh)
    np.multiply(g, tanh, out=out)


def _softrelu_grad(pool: WorkerPool, g: HostArray, x: HostArray, out: HostArray, params: Params) -> None:
    slope, rest = pool.scratch("neuron", g.shape), pool.scratch("neuron 2", g.shape)
    np.exp(x, out=slope)
    np.add(slope, 1, out=rest)
    np.divide(slope, rest, out=slope)
    large = mask_scratch(pool, "neuron mask", g.shape)
    np.greater(x, 4, out=large)
    np.copyto(slope, 1, where=large)
    np.multiply(g, slope, out=out)


def _log_grad(pool: WorkerPool, g: HostArray, x: HostArray, out: HostArray, params: Params) -> None:
    shifted = pool.scratch("neuron", g.shape)
    np.add(x, params[0], out=shifted)
    np.divide(g, shifted, out=out)


FUNCTIONS: dict[str, tuple[Acts, Grad]] = {
    "ident": (_ident, _ident_grad),
    "relu": (_relu, _relu_grad),
    "brelu": (_brelu, _brelu_grad),
    "abs": (_abs, _abs_grad),
    "square": (_square, _square_grad),
    "sqrt": (_sqrt, _sqrt_grad),
    "linear": (_linear, _linear_grad),
    "logistic": (_logistic, _logistic_grad),
    "tanh": (_tanh, _tanh_grad),
    "softrelu": (_softrelu, _softrelu_grad),
    "drelu": (_drelu, _drelu_grad),
    "log": (_log, _log_grad),
}


class NeuronOperations:
    """The neurons of the NumPy engine; the engine supplies `pool`."""

    pool: WorkerPool

    def neuron(self, inputs: HostArray, acts: HostArray, *, type: str, params: Params = ()) -> None:
        declared("neuron", type, params)
        same_shapes("neuron", inputs=inputs, acts=acts)
        function = FUNCTIONS[type][0]
        elementwise(self.pool, lambda x, y: function(self.pool, x, y, params), inputs, acts)

    def neuron_grad(
        self,
        acts_grad: HostArray,
        inputs: HostArray,
        acts: HostArray,
        targets: HostArray,
        *,
        type: str,
        params: Params = (),
        add: bool = False,
    ) -> None:
        neuron = declared("neuron_grad", type, params)
        read = read_by_grad(neuron, acts_grad=acts_grad, inputs=inputs, acts=acts, targets=targets)
        gradient = FUNCTIONS[type][1]

        def work(grad: HostArray, seen: HostArray, target: HostArray) -> None:
            if add:
                part = self.pool.scratch("neuron gradient", grad.shape)
                gradient(self.pool, grad, seen, part, params)
                np.add(target, part, out=target)
            else:
                gradient(self.pool, grad, seen, target, params)

        elementwise(self.pool, work, acts_grad, read, targets)

    def eltwise_max(self, a: HostArray, b: HostArray, targets: HostArray) -> None:
        same_shapes("eltwise_max", a=a, b=b, targets=targets)

        def work(one: HostArray, other: HostArray, target: HostArray) -> None:
            larger = mask_scratch(self.pool, "neuron mask", one.shape)
            np.greater(one, other, out=larger)
            result = self.pool.scratch("neuron", one.shape)
            np.copyto(result, other)
            np.copyto(result, one, where=larger)
            np.copyto(target, result)

        elementwise(self.pool, work, a, b, targets)

    def eltwise_max_grad(
        self,
        acts_grad: HostArray,
        inputs: HostArray,
        outputs: HostArray,
        targets: HostArray,
        *,
        add: bool = False,
    ) -> None:
        same_shapes("eltwise_max_grad", acts_grad=acts_grad, inputs=inputs, outputs=outputs, targets=targets)

        def work(grad: HostArray, one: HostArray, most: HostArray, target: HostArray) -> None:
            equal = mask_scratch(self.pool, "neuron mask", grad.shape)
            np.equal(most, one, out=equal)
            if add:
                part = self.pool.scratch("neuron gradient", grad.shape)
                np.multiply(grad, equal, out=part)
                np.add(target, part, out=target)
            else:
                np.multiply(grad, equal, out=target)

        elementwise(self.pool, work, acts_grad, inputs, outputs, targets)
