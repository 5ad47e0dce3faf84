"""Weight matrices: values, increments, gradients, and the rule by which they change.

Answers to `alexnet:src/weights.cu`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cuda_convnet.engines.operations import Array, Engine
from cuda_convnet.schedules import LearningRateSchedule


class Weights:
    """One matrix of weights or biases of a layer: its own, or that of `source`, which it shares.

    With g the gradient of the objective, divided by the number of cases, and eps the scheduled rate, an
    update is

        inc = mom * inc + eps * g
        inc = inc - wc * eps * w        (where wc > 0; w before the update)
        w   = w + inc

    Where `use_grad` is false, as in fully-connected and local layers, the layer itself forms mom * inc + eps
    * g while it computes the gradient: `grad` is then `inc`, and there is no matrix for the gradient.
    `super_eps` > 0 replaces the first line by an update scaled with running averages of the gradient and of
    its square.

    Of a shared matrix only the owner updates, once, from the sum of all contributions; `num_updates` counts
    them. The sharers scale their contributions by their own rates. They have no weight decay and no
    constraint.

    `w`, `inc`, `grad`: the engine's arrays, all of one shape. `randn` feeds noisy schedules.
    """

    def __init__(
        self,
        engine: Engine,
        w: Array,
        schedule: LearningRateSchedule,
        randn: Callable[[], float],
        *,
        mom: float = 0.0,
        wc: float = 0.0,
        wball: float = 0.0,
        super_eps: float = 0.0,
        use_grad: bool = True,
    ) -> None:
        self._engine = engine
        self._randn = randn
        self.schedule = schedule
        self.mom = _single(mom)
        self.wc = _single(wc)
        self.wball = _single(wball)
        self.super_eps = _single(super_eps)
        self.use_grad = use_grad or self.super_eps > 0
        self.source: Weights | None = None
        self._num_updates = 0
        self._w = w
        self._inc = engine.zeros(w.shape)
        self._grad: Array = None
        self.averages: tuple[Array, Array] | None = None  # of the gradient and of its square, for super_eps

    @classmethod
    def shared(cls, source: Weights, schedule: LearningRateSchedule, randn: Callable[[], float]) -> Weights:
        """The matrix of `source`, with a learning rate of its own."""
        weights = cls.__new__(cls)
        weights._engine, weights._randn, weights.schedule = source._engine, randn, schedule
        weights.mom, weights.use_grad, weights.super_eps = source.mom, source.use_grad, source.super_eps
        weights.wc = weights.wball = 0.0
        weights.source = source
        return weights

    def part(self, own: Weights) -> None:
        """Stop sharing: become `own`, with a copy of the shared values; what shares this matrix follows."""
        self._engine.copy(self.w, own._w)
        self.__dict__.update(own.__dict__)

    @property
    def is_owner(self) -> bool:
        return self.source is None

    @property
    def owner(self) -> Weights:
        """The weights whose matrix this is."""
        return self if self.source is None else self.source.owner

    @property
    def w(self) -> Array:
        return self.owner._w

    @property
    def inc(self) -> Array:
        return self.owner._inc

    @property
    def grad(self) -> Array:
        """Where the gradient is formed: a matrix of its own, or `inc`."""
        owner = self.owner
        if not owner.use_grad:
            return owner._inc
        if owner._grad is None:
            owner._grad = self._engine.zeros(owner._w.shape)
        return owner._grad

    @property
    def num_updates(self) -> int:
        """How many contributions to the gradient came in since the last update."""
        return self.owner._num_updates

    @num_updates.setter
    def num_updates(self, count: int) -> None:
        self.owner._num_updates = count

    @property
    def learns(self) -> bool:
        """Whether a gradient is computed and used at all: the base rate is greater than 0."""
        return self.schedule.base_rate > 0

    def rate(self, progress: float) -> float:
        """The learning rate now; a noisy schedule draws at each call, as the original does."""
        return self.schedule.rate(progress, self._randn)

    def gradient_scales(
        self, num_cases: int, progress: float, *, gradient_check: bool
    ) -> tuple[float, float]:
        """(scale of what `grad` holds, scale of the new sum over the cases) with which a layer adds its
        gradient.

        `num_cases` is what the sum is divided by. In a gradient check the sum stays as it is.
        """
        again = float(self.num_updates > 0)
        if gradient_check:
            return again, 1.0
        if self.use_grad:
            return again, 1.0 / num_cases
        return 1.0 if again else self.mom, self.rate(progress) / num_cases

    def update(self, progress: float) -> None:
        """Take one step, if this is the owner and learns."""
        if not (self.is_owner and self.learns):
            return
        engine, w, inc = self._engine, self._w, self._inc
        if self.super_eps > 0:
            if self.averages is None:
                self.averages = engine.zeros(w.shape), engine.zeros(w.shape)
            rate = self.rate(progress)
            engine.super_update(
                inc, self.grad, *self.averages, eps=rate, mom=self.mom, super_eps=self.super_eps
            )
        elif self.use_grad:
            engine.matrix_add(inc, self.grad, inc, scale_a=self.mom, scale_b=self.rate(progress))
        if self.wc > 0:
            engine.matrix_add(inc, w, inc, scale_b=-self.wc * self.rate(progress))
        engine.matrix_add(w, inc, w)
        self._num_updates = 0


def _single(value: float) -> float:
    return float(np.float32(value))
