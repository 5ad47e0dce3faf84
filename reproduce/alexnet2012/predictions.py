"""What a network says of the test images of a batch folder, image by image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.config.specs import LogregCostSpec
from cuda_convnet.cost import Cost
from cuda_convnet.data.batches import BatchFolder, Progress, no_progress
from cuda_convnet.data.loader import Loader
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.errors import ConfigError, DataError
from cuda_convnet.evaluation import minibatch_cost
from cuda_convnet.hdf5 import UnreadableFile, read_hdf5, write_hdf5
from cuda_convnet.layers.costs import LogregCostLayer
from cuda_convnet.network import ConvNet

GUESSES = 5
FORMAT = "alexnet2012 predictions"


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What a network said of N test images, in the order of their batches; from the mean of `views` views.

    labels (N,); guesses (N, 5 or all classes): the likeliest classes, likeliest first; guess_probabilities,
    like them; truth_probabilities (N,): of the true classes. `cost` are the sums that the cost layer gave.
    """

    labels: NDArray[np.int32]
    names: tuple[str, ...]
    guesses: NDArray[np.int32]
    guess_probabilities: NDArray[np.float32]
    truth_probabilities: NDArray[np.float32]
    class_names: Sequence[str]
    cost: Cost
    views: int

    @classmethod
    def of(
        cls,
        probabilities: HostArray,
        labels: NDArray[np.int32],
        names: Sequence[str],
        class_names: Sequence[str],
        cost: Cost,
        views: int,
    ) -> Predictions:
        """Of the probabilities (classes, N) of every class."""
        ranked = np.argsort(-probabilities, axis=0, kind="stable")[:GUESSES]
        return cls(
            labels=labels,
            names=tuple(names),
            guesses=ranked.T.astype(np.int32),
            guess_probabilities=np.take_along_axis(probabilities, ranked, axis=0).T,
            truth_probabilities=probabilities[labels, np.arange(len(labels))],
            class_names=class_names,
            cost=cost,
            views=views,
        )

    def __add__(self, other: Predictions) -> Predictions:
        """The predictions for more images, behind these."""
        return Predictions(
            labels=np.concatenate([self.labels, other.labels]),
            names=self.names + other.names,
            guesses=np.concatenate([self.guesses, other.guesses]),
            guess_probabilities=np.concatenate([self.guess_probabilities, other.guess_probabilities]),
            truth_probabilities=np.concatenate([self.truth_probabilities, other.truth_probabilities]),
            class_names=self.class_names,
            cost=self.cost + other.cost,
            views=self.views,
        )

    @property
    def predicted(self) -> NDArray[np.int32]:
        return self.guesses[:, 0]

    @property
    def correct(self) -> int:
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        return self.correct / max(1, len(self.labels))

    def confusion(self) -> NDArray[np.int64]:
        """(classes, classes): how many images of class [row] were taken for class [column]."""
        counts = np.zeros((len(self.class_names),) * 2, np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    def hardest(self, count: int) -> NDArray[np.intp]:
        """The mistakes, then all others, each beginning with the least probability of the true class."""
        return np.lexsort((self.truth_probabilities, self.predicted == self.labels))[:count]

    def surest(self, count: int) -> NDArray[np.intp]:
        """What was right, beginning with the greatest probability of the true class."""
        right = np.flatnonzero(self.predicted == self.labels)
        return right[np.argsort(-self.truth_probabilities[right], kind="stable")][:count]


def predict(
    net: ConvNet,
    loader: Loader,
    folder: BatchFolder,
    keep: tuple[Path, str] | None = None,
    progress: Progress = no_progress,
) -> Predictions:
    """What `net` says of the test images of `folder`, which `loader` reads.

    The probabilities are those that feed the first cost.logreg; over several views of an image, their mean.
    `keep` is (a folder for the predictions of each batch, what tells this network from others): with it, a
    test that was interrupted goes on behind the last batch that is there. `progress` counts images.

    ConfigError where the network has no such cost. DataError where predictions cannot be kept.
    """
    cost = next((layer for layer in net.spec if isinstance(layer, LogregCostSpec)), None)
    if cost is None:
        raise ConfigError(
            "the network has no layer of type cost.logreg, so it gives no probabilities of classes"
        )
    files, class_names = folder.test, folder.meta.class_names
    total = sum(file.num_images for file in files)
    key = f"{keep[1]} {folder.meta.dataset} {loader.num_views}" if keep else ""
    parts: list[Predictions] = []
    while keep and len(parts) < len(files):
        part = _kept(_path(keep[0], len(parts) + 1), key, class_names, loader.num_views)
        if part is None:
            break
        parts.append(part)
    done = sum(len(part.labels) for part in parts)
    progress(done, total)
    if len(parts) == len(files):
        return reduce(add, parts)
    layer = net.layers[cost.name]
    assert isinstance(layer, LogregCostLayer)
    batch: list[HostArray] = []
    costs: list[Cost] = []
    with closing(loader.minibatches(1, len(parts) + 1, 0, 1)) as minibatches:
        for minibatch in minibatches:
            costs.append(minibatch_cost(net, minibatch))
            batch.append(np.array(net.engine.to_host(layer.probs)))
            done += minibatch.num_cases
            progress(done, total)
            if minibatch.minibatch == minibatch.minibatches - 1:
                labels, names = files[minibatch.batchnum - 1].read_labels()
                part = Predictions.of(
                    np.concatenate(batch, axis=1),
                    labels,
                    names,
                    class_names,
                    reduce(add, costs),
                    loader.num_views,
                )
                parts.append(part)
                if keep:
                    _keep(_path(keep[0], minibatch.batchnum), key, part)
                batch, costs = [], []
    return reduce(add, parts)


def _path(folder: Path, number: int) -> Path:
    return folder / f"test_batch_{number:04}.h5"


def _keep(path: Path, key: str, part: Predictions) -> None:
    names = np.array([name.encode() for name in part.names], dtype="S")
    datasets = {
        "labels": part.labels,
        "names": names,
        "guesses": part.guesses,
        "guess_probabilities": part.guess_probabilities,
        "truth_probabilities": part.truth_probabilities,
    }
    attributes: dict[str, int | float | str] = {
        "format": FORMAT,
        "of": key,
        "cost": json.dumps(asdict(part.cost)),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_hdf5(path, attributes, datasets)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}); mend that, and the test goes on there"
        ) from None


def _kept(path: Path, key: str, class_names: Sequence[str], views: int) -> Predictions | None:
    """The predictions in a file; None where it is not there, not whole, or of another network or data."""
    try:
        contents = read_hdf5(path)
    except UnreadableFile:
        return None
    attributes, datasets = contents.attributes, contents.datasets
    if (attributes.get("format"), attributes.get("of")) != (FORMAT, key):
        return None
    cost = json.loads(str(attributes["cost"]))
    values = {name: tuple(sums) for name, sums in cost["values"].items()}
    names = tuple(name.decode() for name in datasets.pop("names").tolist())
    return Predictions(
        **datasets,
        names=names,
        class_names=class_names,
        cost=Cost(cost["num_cases"], values, cost["coeffs"]),
        views=views,
    )
