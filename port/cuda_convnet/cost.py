"""Costs: sums over the cases, by the name of the cost layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What the cost layers gave for `num_cases` images.

    `values` maps a cost layer to its sums over the cases, in the order in which the original prints them; for
    cost.logreg: minus the log-probability of the labels, top-1 errors, top-k errors. `coeffs` holds the
    layers' coefficients. Dividing by `num_cases` gives averages.

    Answers to `alexnet:src/cost.cu`.
    """

    num_cases: int
    values: Mapping[str, tuple[float, ...]]
    coeffs: Mapping[str, float]

    @property
    def total(self) -> float:
        """The objective that training makes small: the first value of each cost, times its coefficient."""
        return sum(self.coeffs[name] * values[0] for name, values in self.values.items())

    def __add__(self, other: Cost) -> Cost:
        """Costs of more images; a cost layer that only one of the two has keeps its values."""
        values = dict(self.values)
        for name, added in other.values.items():
            mine = values.get(name, (0.0,) * len(added))
            values[name] = tuple(a + b for a, b in zip(mine, added, strict=True))
        return Cost(self.num_cases + other.num_cases, values, {**other.coeffs, **self.coeffs})

    def __truediv__(self, divisor: float) -> Cost:
        """The values divided; `num_cases` stays, as in the original."""
        values = {name: tuple(v / divisor for v in row) for name, row in self.values.items()}
        return Cost(self.num_cases, values, self.coeffs)
