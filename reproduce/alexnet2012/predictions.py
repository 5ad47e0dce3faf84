"""What a network says of the test images of a batch folder, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.config.specs import LogregCostSpec
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.data.loader import Loader
from cuda_convnet.errors import ConfigError
from cuda_convnet.evaluation import cut
from cuda_convnet.network import ConvNet
from cuda_convnet.passes import PassType


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a network said of test images.

    images (N, channels, height, width) uint8; labels (N,); probabilities (classes, N), averaged over `views`
    views.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    class_names: Sequence[str]
    views: int

    @property
    def predicted(self) -> NDArray[np.intp]:
        return self.probabilities.argmax(axis=0)

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
        truth = self.probabilities[self.labels, np.arange(len(self.labels))]
        return np.lexsort((truth, self.predicted == self.labels))[:count]


def predict(net: ConvNet, loader: Loader, folder: BatchFolder, minibatch: int) -> Predictions:
    """The probabilities that `net` gives to the test images of `folder`, which `loader` reads.

    They are those that feed the first cost.logreg; over several views of an image, their mean.
    ConfigError where the network has no such cost.
    """
    cost = next((layer for layer in net.spec if isinstance(layer, LogregCostSpec)), None)
    if cost is None:
        raise ConfigError(
            "the network has no layer of type cost.logreg, so it gives no probabilities of classes"
        )
    probs = cost.inputs[1]
    parts = []
    with closing(loader.batches(1, 1, 1)) as batches:
        for batch in batches:
            cases = batch.num_cases // batch.num_views
            for start in range(0, cases, minibatch):
                stop = min(start + minibatch, cases)
                views = []
                for view in range(batch.num_views):
                    net.fprop(cut(batch.data, view * cases + start, view * cases + stop), PassType.TEST)
                    views.append(net.acts(probs))
                parts.append(np.mean(views, axis=0))
    contents = [file.read() for file in folder.test]
    return Predictions(
        images=np.concatenate([part.images for part in contents]),
        labels=np.concatenate([part.labels for part in contents]),
        probabilities=np.concatenate(parts, axis=1),
        class_names=folder.meta.class_names,
        views=loader.num_views,
    )
