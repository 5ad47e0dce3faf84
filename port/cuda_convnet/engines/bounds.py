"""How far an engine may be from the original, and how far it is.

u = 2**-24 is the largest relative error of one float32 rounding. Two programs that round at different places
both err, so where each commits r roundings they may lie 2 r u = r eps apart, eps = 2**-23. Roundings of a
running sum of K terms are independent of each other, and their total grows as a random walk: sqrt(K), not K
(Higham and Mary, 2019). All bounds here follow from these two counts; none was fitted to what an engine does.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EPS = 2.0**-23

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """What separates two float32 arrays.

    `bitwise`: every bit agrees (any two NaNs agree). `max_ulp`: the largest number of float32 values that lie
    between two entries. `max_rel`: max|original - ours| / max|original|; infinite where one side is not
    finite and the other is something else.
    """

    bitwise: bool
    max_ulp: int
    max_rel: float


def _ordered(array: NDArray[np.float32]) -> NDArray[np.int64]:
    """Integers in the order of the floats, neighbours one apart; -0 and +0 are the same."""
    bits = array.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def difference(original: ArrayLike, ours: ArrayLike) -> Difference:
    """Compare `ours` with `original`; ValueError when they have different numbers of entries."""
    a = np.ascontiguousarray(original, np.float32).reshape(-1)
    b = np.ascontiguousarray(ours, np.float32).reshape(-1)
    if a.size != b.size:
        raise ValueError(f"{b.size} values where the original has {a.size}")
    if a.size == 0 or np.array_equal(a.view(np.int32), b.view(np.int32)):
        return Difference(True, 0, 0.0)
    both_nan = np.isnan(a) & np.isnan(b)
    same = both_nan | (a.view(np.int32) == b.view(np.int32))
    ulps = np.where(both_nan, 0, np.abs(_ordered(a) - _ordered(b)))
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    comparable = np.isfinite(a) & np.isfinite(b)
    if not np.all(comparable | same):
        return Difference(False, int(ulps.max()), math.inf)
    apart = float(np.max(np.abs(a64 - b64), where=comparable, initial=0.0))
    size = float(np.max(np.abs(a64), where=comparable, initial=0.0))
    return Difference(
        bool(same.all()), int(ulps.max()), apart if apart == 0 else apart / size if size else math.inf
    )


class Bound(ABC):
    """The largest admissible difference."""

    @abstractmethod
    def share(self, found: Difference) -> float:
        """The share of the bound that is used: 0 where nothing differs, above 1 where it is broken."""

    def at(self, arguments: Arguments) -> Bound:
        """The bound for one call with these arguments (arrays and scalars by name)."""
        return self


@dataclass(frozen=True)
class Bitwise(Bound):
    """Every bit agrees: data that were only moved or selected, or operations in the original's own order."""

    def share(self, found: Difference) -> float:
        return 0.0 if found.bitwise else math.inf

    def __str__(self) -> str:
        return "bitwise"


@dataclass(frozen=True)
class Ulp(Bound):
    """Each entry is at most `count` float32 values away: functions of one entry, without cancellation."""

    count: int

    def share(self, found: Difference) -> float:
        return found.max_ulp / self.count

    def __str__(self) -> str:
        return f"{self.count} ulp"


@dataclass(frozen=True)
class Relative(Bound):
    """max|original - ours| <= limit * max|original|."""

    limit: float

    def share(self, found: Difference) -> float:
        return found.max_rel / self.limit

    def __str__(self) -> str:
        return f"rel {self.limit:.1e}"


@dataclass(frozen=True)
class Rounded(Bound):
    """Relative(count * eps * condition); both may depend on the call.

    `count`: roundings on the way from the operands to the result, on one side, a running sum of K terms
    counting as walk(K). `condition`: how much larger the numbers that are rounded are than the largest
    result; 1 unless all entries of the result can cancel at once. Where they are functions they get the
    call's arguments by name, and the original's result as `original`.
    """

    count: float | Callable[..., float]
    condition: float | Callable[..., float] = 1.0

    def at(self, arguments: Arguments) -> Bound:
        count = self.count(**arguments) if callable(self.count) else self.count
        condition = self.condition(**arguments) if callable(self.condition) else self.condition
        return Relative(count * EPS * max(condition, 1.0))

    def share(self, found: Difference) -> float:
        raise TypeError("a Rounded bound has a size only at() the arguments of a call")


@dataclass(frozen=True)
class Chosen(Bound):
    """One of several bounds, as the call's arguments say."""

    choose: Callable[..., Bound]

    def at(self, arguments: Arguments) -> Bound:
        return self.choose(**arguments).at(arguments)

    def share(self, found: Difference) -> float:
        raise TypeError("a Chosen bound has a size only at() the arguments of a call")


def walk(terms: float) -> float:
    """The roundings that a running sum of `terms` numbers counts for."""
    return math.sqrt(terms)
