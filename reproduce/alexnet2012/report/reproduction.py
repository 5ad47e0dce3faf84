"""What there is to tell of a reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet2012.predictions import Predictions
from cuda_convnet.config.specs import NetworkSpec
from cuda_convnet.recipe import TrainingRecipe


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What a report tells of.

    `spec` is the network before the recipe's schedule changed it; `metrics` are the records of the run's
    metrics.jsonl. `wanted` is the least accuracy. `first_filters` maps the layers that see the images to
    their filters (channels, size, size, filters). `fidelity` is a fidelity report as JSON values, None where
    there was nothing to compare with. `train_seconds` are those of training with its tests.
    """

    title: str
    spec: NetworkSpec
    recipe: TrainingRecipe
    metrics: Sequence[Mapping[str, Any]]
    predictions: Predictions
    wanted: float
    train_images: int
    num_parameters: int
    first_filters: Mapping[str, NDArray[np.float32]]
    fidelity: Mapping[str, Any] | None
    train_seconds: float
    images_per_second: float
    engine: str
    machine: str
    run_folder: Path

    @property
    def reached(self) -> bool:
        return self.predictions.accuracy >= self.wanted

    @property
    def holds(self) -> bool | None:
        """Whether all comparisons of the fidelity report hold; None where there is none."""
        counts = self.fidelity and self.fidelity["summary"]
        return counts["ok"] == counts["cases"] if counts else None

    @property
    def drops(self) -> list[int]:
        """The epochs at whose begin the largest learning rate falls."""
        found, before = [], 0.0
        for record in self.metrics:
            if "rates" in record:
                rate = max(rate for rates in record["rates"].values() for rate in rates)
                if rate < before:
                    found.append(record["epoch"])
                before = rate
        return found
