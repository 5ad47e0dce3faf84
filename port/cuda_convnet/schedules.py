"""Learning-rate schedules, by training progress.

Answers to `alexnet:src/lr.cu`. Rates are double precision there and here; base rate, target factor and noise
come as single precision.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from cuda_convnet.config.specs import Schedule
from cuda_convnet.errors import ConfigError


class LearningRateSchedule(ABC):
    """The rate at a progress of 0 (start of training) to 1 (end).

    All but the default start at `base_rate` and end at `base_rate / tgt_factor`. With `noise_stdev`, each
    rate that is asked for is multiplied by 1 + |n| noise_stdev, n from the standard normal distribution.
    """

    def __init__(self, base_rate: float, tgt_factor: float = 1.0, noise_stdev: float = 0.0) -> None:
        self.base_rate = base_rate
        self.final_rate = base_rate / tgt_factor
        self.noise_stdev = noise_stdev

    @abstractmethod
    def plain_rate(self, progress: float) -> float:
        """The rate without noise."""

    def rate(self, progress: float, randn: Callable[[], float]) -> float:
        """The rate at `progress`; `randn` is called where the schedule is noisy.

        DEVIATION(seeded-rates): the original draws with a Box-Muller of its own, seeded by the clock.
        """
        rate = self.plain_rate(progress)
        return rate * (1 + abs(randn()) * self.noise_stdev) if self.noise_stdev > 0 else rate


class ConstantRate(LearningRateSchedule):
    """`default`"""

    def plain_rate(self, progress: float) -> float:
        return self.base_rate


class LinearRate(LearningRateSchedule):
    """`linear`: a straight line from the base rate to the final one."""

    def plain_rate(self, progress: float) -> float:
        return self.base_rate * (1 - progress) + self.final_rate * progress


class ExponentialRate(LearningRateSchedule):
    """`exp`: a straight line in the logarithm of the rate."""

    def plain_rate(self, progress: float) -> float:
        if self.base_rate in (
            0.0,
            1.0,
        ):  # the exponent below is then undefined, and the power the base itself
            return self.base_rate
        power = math.log(self.final_rate) / math.log(self.base_rate) - 1
        return self.base_rate ** (1.0 + progress * power)


class SteppedExponentialRate(LearningRateSchedule):
    """`dexp`: `num_steps` equal intervals of constant rate, on the exponential from base to final rate."""

    def __init__(
        self, base_rate: float, tgt_factor: float = 1.0, noise_stdev: float = 0.0, num_steps: int = 1
    ) -> None:
        super().__init__(base_rate, tgt_factor, noise_stdev)
        smooth = ExponentialRate(base_rate, tgt_factor)
        self.rates = [smooth.plain_rate(i / (num_steps - 1)) for i in range(num_steps - 1)]
        self.rates.append(self.final_rate)

    def step(self, progress: float) -> int | None:
        """The interval of `progress`; its right end belongs to it. None past the end."""
        return next((i for i in range(len(self.rates)) if progress <= (i + 1) / len(self.rates)), None)

    def plain_rate(self, progress: float) -> float:
        step = self.step(progress)
        return self.rates[-1 if step is None else step]


class JumpyExponentialRate(SteppedExponentialRate):
    """`jdexp`: `dexp`, but in the second half of an interval the geometric mean with the interval before.

    Only between progress 0.2 and 0.9, and not in the first interval. Past the end the original returns the
    first rate.
    """

    def plain_rate(self, progress: float) -> float:
        step = self.step(progress) or 0
        middle = (step + 0.5) / len(self.rates)
        if step > 0 and 0.2 < progress < 0.9 and progress > middle:
            return math.sqrt(self.rates[step] * self.rates[step - 1])
        return self.rates[step]


def make_schedule(spec: Schedule, base_rate: float, where: str) -> LearningRateSchedule:
    """The schedule of `spec` for one matrix; `where` names it in errors, as `layer 'conv1'`."""

    def single(value: float) -> float:
        return float(np.float32(value))

    base_rate = single(base_rate)
    if spec.type == "default":
        return ConstantRate(base_rate)
    if spec.tgt_factor <= 0:
        raise ConfigError(f"{where}: tgtFactor={spec.tgt_factor:g} of the schedule must be greater than 0")
    factor, noise = single(spec.tgt_factor), single(spec.noise_stdev)
    if spec.type == "linear":
        return LinearRate(base_rate, factor, noise)
    if base_rate < 0:
        raise ConfigError(
            f"{where}: a schedule {spec.type} needs a learning rate of at least 0, not {base_rate:g}"
        )
    if spec.type == "exp":
        return ExponentialRate(base_rate, factor, noise)
    if spec.type == "dexp":
        return SteppedExponentialRate(base_rate, factor, noise, spec.num_steps)
    if spec.type == "jdexp":
        return JumpyExponentialRate(base_rate, factor, noise, spec.num_steps)
    raise ConfigError(f"{where}: no schedule {spec.type!r}; there are default, linear, exp, dexp and jdexp")
