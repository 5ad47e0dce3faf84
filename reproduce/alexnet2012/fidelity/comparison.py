"""One tensor of a replayed network beside the archived one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alexnet2012.fidelity.archive import StoredArray
from alexnet2012.fidelity.report import Case
from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.operations import HostArray


@dataclass(frozen=True, eq=False)
class Comparison:
    """What we have where the archive has `stored`.

    `op`, `case`, `output`: as the report names it. `tensor`: `LAYER` or `LAYER/weights0`, what it is, or the
    gradient it comes from; `by_case`: its columns are images. `part`: our values of the entries that are
    stored. `sum_errors`: how far sum and sum of squares of our whole are from the archived ones
    (StoredArray.sum_errors). `own`, and `err_l2` where the dataset does not state the
    original's l2 error: see `alexnet2012.fidelity.budget`.
    """

    archive: str
    op: str
    case: str
    output: str
    tensor: str
    by_case: bool
    stored: StoredArray
    part: HostArray
    sum_errors: tuple[float, float]
    own: float
    err_l2: float | None = None

    @property
    def layer(self) -> str:
        """The layer whose tensor it is."""
        return self.tensor.partition("/")[0]

    @property
    def limit(self) -> float:
        """The bound of max|original - ours| / max|original|."""
        return float(self.stored.attrs.get("err_vs_float64", self.own)) + self.own

    @property
    def limit_l2(self) -> float:
        """The bound of |original - ours| / |original|, in Euclidean norms."""
        stated = self.stored.attrs.get("rel_l2_err_vs_float64", self.err_l2)
        return self.limit if stated is None else float(stated) + self.own

    @property
    def apart(self) -> NDArray[np.float64]:
        """Original minus ours, entry by entry, in units of what the bound allows."""
        return self._in_bounds(self.stored.values.astype(np.float64) - self.part)

    def effect(self, change: HostArray, case: int) -> NDArray[np.float64]:
        """A change of the tensor, or of its column `case`, at the stored entries, in the same units."""
        if self.by_case:
            columns = np.zeros(self.stored.shape, np.float32)
            if case < columns.shape[1]:
                columns[:, case : case + 1] = change
            change = columns
        return self._in_bounds(self.stored.of(change).astype(np.float64))

    def _in_bounds(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        unit = float(np.max(np.abs(self.stored.values), initial=0.0)) * self.limit
        return values.reshape(-1) / (unit or 1.0)

    @cached_property
    def used(self) -> float:
        """The share of the bound that is used: of maximum, norm and sums the largest; it holds up to 1."""
        found = difference(self.stored.values, self.part)
        if found.bitwise and self.sum_errors == (0.0, 0.0):
            return 0.0
        original = self.stored.values.astype(np.float64)
        norm, apart = float(np.linalg.norm(original)), float(np.linalg.norm(original - self.part))
        rel_l2 = apart / norm if norm else (math.inf if apart else 0.0)
        limit_l2 = self.limit_l2
        shares = (
            found.max_rel / self.limit,
            rel_l2 / limit_l2,
            self.sum_errors[0] / limit_l2,
            self.sum_errors[1] / (2 * limit_l2 + limit_l2**2),
        )
        return max(math.inf if math.isnan(share) else share for share in shares)

    def result(self, explained: Comparison | None = None, explanation: str = "") -> Case:
        """The report's case; with `explained`, what remains after `explanation` is held against the bound."""
        found = difference(self.stored.values, self.part)
        used = (explained or self).used
        return Case(
            self.archive,
            self.op,
            self.case,
            self.output,
            found.bitwise,
            found.max_ulp,
            found.max_rel,
            f"rel {self.limit:.1e}{' ' if explanation else ''}{explanation}",
            used <= 1,
            used,
        )
