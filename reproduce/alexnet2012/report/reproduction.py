"""What there is to tell of a reproduction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet2012.experiment import RecordedExperiment
from alexnet2012.predictions import Predictions
from cuda_convnet.config.specs import ConvSpec, DataSpec, LogregCostSpec, NetworkSpec
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.layers.weight_layer import WeightLayer
from cuda_convnet.network import ConvNet
from cuda_convnet.recipe import TrainingRecipe

UNUSABLE = 0.001  # the share of images that may be lost: the archives hold some that decoders refuse


@dataclass(frozen=True, kw_only=True)
class AnyReproduction:
    """What every report tells of.

    `spec` is the network before the recipe's schedule changed it; `metrics` are the records of the run's
    metrics.jsonl; `data` are the images. `first_filters` maps the layers that see the images to their filters
    (channels, size, size, filters). `fidelity` is a fidelity report as JSON values, None where there was
    nothing to compare with.
    """

    spec: NetworkSpec
    recipe: TrainingRecipe
    metrics: Sequence[Mapping[str, Any]]
    predictions: Predictions
    data: BatchFolder
    num_parameters: int
    first_filters: Mapping[str, NDArray[np.float32]]
    fidelity: Mapping[str, Any] | None
    engine: str
    machine: str
    run_folder: Path

    @property
    def holds(self) -> bool | None:
        """Whether all comparisons of the fidelity report hold; None where there is none."""
        counts = self.fidelity and self.fidelity["summary"]
        return counts["ok"] == counts["cases"] if counts else None

    @property
    def cost(self) -> str:
        """The name of the cost whose probabilities the predictions are."""
        return next(layer.name for layer in self.spec if isinstance(layer, LogregCostSpec))

    @property
    def train_images(self) -> int:
        return self.data.meta.num_images("train")

    @property
    def train_seconds(self) -> float:
        """The seconds of training with its tests, as far as metrics.jsonl still has them."""
        return float(sum(record.get("seconds", 0) for record in self.metrics))

    @property
    def images_per_second(self) -> float:
        """The speed of training, without its tests."""
        train = [record for record in self.metrics if record["kind"] == "train" and "seconds" in record]
        return float(sum(r["cases"] for r in train) / max(1e-9, sum(r["seconds"] for r in train)))


@dataclass(frozen=True, kw_only=True)
class Reproduction(AnyReproduction):
    """A reproduction on digits; `wanted` is the least accuracy."""

    title: str
    wanted: float

    @property
    def reached(self) -> bool:
        return self.predictions.accuracy >= self.wanted

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


@dataclass(frozen=True)
class Figure:
    """A number with its standard error, None where nobody knows it."""

    value: float
    error: float | None


@dataclass(frozen=True)
class Compared:
    """A number as it was obtained, and as it is recorded."""

    name: str
    obtained: Figure
    recorded: Figure

    @property
    def difference(self) -> float:
        return self.obtained.value - self.recorded.value


def share(value: float, count: int) -> Figure:
    """A share of `count` images that are wrong, each by itself: its standard error is the binomial one."""
    return Figure(value, math.sqrt(max(0.0, value * (1 - value)) / max(1, count)))


@dataclass(frozen=True, kw_only=True)
class RecordedReproduction(AnyReproduction):
    """A reproduction of a run that is recorded; `scale` is the share in miniature, None for the whole."""

    experiment: RecordedExperiment
    scale: float | None

    @property
    def compared(self) -> list[Compared]:
        """The cost and both errors of the mean of all views."""
        recorded, count = self.experiment.recorded, len(self.predictions.labels)
        logprob, top1, top5 = (value / count for value in self.predictions.cost.values[self.cost])
        surprises = -np.log(np.maximum(self.predictions.truth_probabilities.astype(np.float64), 1e-38))
        error = float(surprises.std() / math.sqrt(count))
        # Costs spread alike only where the images and classes are those of the recorded run.
        at_that_time = None if self.differs else error * math.sqrt(count / recorded.test_images)
        return [
            Compared("top-5 error", share(top5, count), share(recorded.top5_error, recorded.test_images)),
            Compared("top-1 error", share(top1, count), share(recorded.top1_error, recorded.test_images)),
            Compared("cost", Figure(logprob, error), Figure(recorded.logprob, at_that_time)),
        ]

    @property
    def centre(self) -> Sequence[float]:
        """Cost, top-1 and top-5 error of the centre of each image, in the last test while training."""
        tests = [record for record in self.metrics if record["kind"] == "test"]
        return tests[-1]["costs"][self.cost] if tests else ()

    @property
    def differs(self) -> list[str]:
        """Why nothing can be compared with the recorded run; nothing where it can."""
        what, meta = self.experiment, self.data.meta
        found: list[str] = []

        def note(ours: int, theirs: int, of: str, some: float = 0) -> None:
            if abs(ours - theirs) > some * theirs:
                found.append(f"{ours:,} {of} in place of {theirs:,}")

        note(len(meta.class_names), what.classes, "classes")
        note(self.train_images, what.train_images, "images to learn from", UNUSABLE)
        note(len(self.predictions.labels), what.recorded.test_images, "test images", UNUSABLE)
        note(self.recipe.epochs, what.recipe.epochs, "epochs")
        note(self.predictions.views, what.recorded.views, "views")
        return found

    @property
    def reached(self) -> bool | None:
        """Whether both errors are as near the recorded ones as is wanted; None where they do not compare."""
        if self.differs:
            return None
        return all(abs(line.difference) <= self.experiment.within for line in self.compared[:2])


def first_filters(net: ConvNet) -> dict[str, NDArray[np.float32]]:
    """The filters (channels, size, size, filters) of the convolutions that see the images, by layer."""
    found = {}
    for spec in net.spec:
        layer = net.layers[spec.name]
        below = net.spec[spec.inputs[0]] if spec.inputs else None
        if isinstance(spec, ConvSpec) and isinstance(below, DataSpec) and isinstance(layer, WeightLayer):
            weights = np.array(net.engine.to_host(layer.weights[0].w))
            found[spec.name] = weights.reshape(spec.weight_shapes[0])
    return found
