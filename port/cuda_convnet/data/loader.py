"""The loader: prepares the next batches in the background while the network computes on this one.

Batches come in the order of their files, epoch after epoch, as in 2012; epochs and batches count from 1.
What is random is drawn from the streams "crops" and "colour noise" at (epoch, batch), so a batch has the
same bits however many are prepared ahead, by however many threads, and wherever a run resumes.

Answers to `alexnet:convdata.py`, `alexnet:convdata_jpeg.py` and `cuda-convnet:convdata.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cuda_convnet.data import augmentation
from cuda_convnet.data.batches import BatchFolder, Split
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams


@dataclass(frozen=True)
class Batch:
    """A batch as the network takes it.

    data: by data index, float32, C order: images (features, cases), labels (1, cases), or labels as
        distributions (classes, cases).
    num_views: how many views of each image there are; with more than one, the columns are view after view:
        column `view * images + i` is view `view` of image i.
    """

    epoch: int
    batchnum: int
    data: list[np.ndarray]
    num_views: int = 1

    @property
    def num_cases(self) -> int:
        """The number of columns: images times views."""
        return self.data[0].shape[1]


class DataProvider(Protocol):
    """What training and testing need of a source of batches."""

    @property
    def data_dims(self) -> dict[int, int]: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def num_batches(self) -> int: ...
    def batches(
        self, start_epoch: int = 1, start_batch: int = 1, last_epoch: int | None = None
    ) -> Iterator[Batch]: ...


class Loader:
    """Batches of a folder's training or test set, cropped, reflected, with colour noise and without the mean.

    Training images are cropped and reflected at random and get colour noise; test images are their centres,
    or with `multiview` their ten views (five where the dataset's images must not be mirrored).

    crop_border: pixels cut off on each side of a centre crop; by default the dataset's own. With 0 images
        are whole, and neither shifted nor reflected.
    color_noise: the scale of the PCA colour noise, 0 for none. For training only.
    multiview: give all views of each image. For testing only.
    scalar_mean: subtract the mean over all pixels instead of the mean image.
    prefetch: how many batches are prepared ahead; each takes `cases * features * 4` bytes. With 0 a batch
        is prepared when it is asked for.
    workers: how many threads prepare batches.
    data_dims: what the network's data layers want, by data index: index 0 images; others 1 (labels) or the
        number of classes (labels as distributions). By default {0: features, 1: 1}.

    Raises DataError: a border that leaves nothing, or data_dims that the folder cannot give.

    >>> loader = Loader(BatchFolder("data/cifar10"), "train", seed=1, crop_border=4)   # doctest: +SKIP
    >>> for batch in loader.batches(start_epoch=1, start_batch=1):                     # doctest: +SKIP
    ...     images, labels = batch.data
    """

    def __init__(
        self,
        folder: BatchFolder,
        split: Split,
        *,
        seed: int,
        crop_border: int | None = None,
        color_noise: float = 0.0,
        multiview: bool = False,
        scalar_mean: bool = False,
        prefetch: int = 2,
        workers: int = 1,
        data_dims: Mapping[int, int] | None = None,
    ) -> None:
        meta = folder.meta
        self._meta = meta
        self._training = split == "train"
        self._files = folder.split(split)
        self._streams = RandomStreams(seed)
        self._prefetch = prefetch
        self._workers = workers
        self._color_noise = color_noise
        self._border = meta.augmentation.crop_border if crop_border is None else crop_border
        channels, height, width = meta.image_shape
        if not 0 <= 2 * self._border < min(height, width):
            raise DataError(
                f"{folder.path}: a crop border of {self._border} leaves nothing of {width}x{height} images; "
                f"it can be 0 to {(min(height, width) - 1) // 2}"
            )
        if multiview and not self._training and self._border == 0:
            raise DataError(f"{folder.path}: a test on several views needs a crop border of at least 1")
        if color_noise < 0:
            raise DataError(f"{folder.path}: a colour noise of {color_noise} is less than 0")
        self._multiview = multiview and not self._training
        mean = meta.statistics.mean_image
        self._mean = (
            augmentation.scalar_mean(mean) if scalar_mean else augmentation.crop_mean(mean, self._border)
        )
        features = channels * (height - 2 * self._border) * (width - 2 * self._border)
        self.data_dims = dict(data_dims) if data_dims else {0: features, 1: 1}
        self._check_data_dims(folder, features)

    @property
    def num_classes(self) -> int:
        return len(self._meta.class_names)

    @property
    def num_batches(self) -> int:
        return len(self._files)

    @property
    def num_views(self) -> int:
        """How many views of each image a batch holds."""
        return augmentation.num_views(self._meta.augmentation.reflect) if self._multiview else 1

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the images that the network sees."""
        channels, height, width = self._meta.image_shape
        return channels, height - 2 * self._border, width - 2 * self._border

    def batches(
        self, start_epoch: int = 1, start_batch: int = 1, last_epoch: int | None = None
    ) -> Generator[Batch, None, None]:
        """Batches from a position on, without end or to the end of `last_epoch`.

        What goes wrong while a batch is prepared is raised when that batch is due. Closing the generator
        waits for the batches in work, and prepares no more.
        """
        positions = self._positions(start_epoch, start_batch, last_epoch)
        if self._prefetch == 0:
            for position in positions:
                yield self.prepare(*position)
            return
        with ThreadPoolExecutor(self._workers, thread_name_prefix="loader") as pool:
            ahead: deque[Future[Batch]] = deque()
            try:
                for position in positions:
                    ahead.append(pool.submit(self.prepare, *position))
                    if len(ahead) > self._prefetch:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def prepare(self, epoch: int, batchnum: int) -> Batch:
        """The batch at a position, prepared now: a function of seed and position alone."""
        contents = self._files[batchnum - 1].read()
        images, border = contents.images_last, self._border
        augment = self._meta.augmentation
        cases = images.shape[-1]
        if self._multiview:
            pixels = augmentation.view_images(images, self._mean, border, augment.reflect)
        elif not self._training:
            pixels = augmentation.central_images(images, self._mean, border)
        else:
            crops = noise = None
            if border > 0:
                random = self._streams.at("crops", epoch, batchnum)
                crops = augmentation.draw_crops(random, cases, border, augment.crop_chunk, augment.reflect)
            if self._color_noise > 0:
                random = self._streams.at("colour noise", epoch, batchnum)
                colors = self._meta.statistics
                noise = augmentation.draw_color_noise(
                    random, cases, colors.color_eigenvalues, colors.color_eigenvectors
                )
            pixels = augmentation.training_images(images, self._mean, crops, border, noise, self._color_noise)
        labels = np.tile(contents.labels, self.num_views)
        data = [pixels.reshape(-1, len(labels))]
        data += [label_matrix(labels, self.data_dims[i]) for i in range(1, len(self.data_dims))]
        return Batch(epoch, batchnum, data, self.num_views)

    def _positions(self, epoch: int, batchnum: int, last_epoch: int | None) -> Iterator[tuple[int, int]]:
        if epoch < 1 or not 1 <= batchnum <= self.num_batches:
            raise DataError(
                f"there is no batch {batchnum} of epoch {epoch}: epochs count from 1, "
                f"batches from 1 to {self.num_batches}"
            )
        while last_epoch is None or epoch <= last_epoch:
            yield epoch, batchnum
            epoch, batchnum = (epoch, batchnum + 1) if batchnum < self.num_batches else (epoch + 1, 1)

    def _check_data_dims(self, folder: BatchFolder, features: int) -> None:
        if sorted(self.data_dims) != list(range(len(self.data_dims))):
            raise DataError(f"{folder.path}: data indices {sorted(self.data_dims)} do not count from 0")
        if self.data_dims[0] != features:
            channels, height, width = self.image_shape
            raise DataError(
                f"{folder.path}: images give {features} values ({channels} channels of {width}x{height}, "
                f"crop border {self._border}), and the network wants {self.data_dims[0]}"
            )
        for index, dim in self.data_dims.items():
            if index > 0 and dim not in (1, self.num_classes):
                raise DataError(
                    f"{folder.path}: data {index} can be labels (1 value) or distributions over labels "
                    f"({self.num_classes} values), and the network wants {dim}"
                )


class DummyData:
    """Random images and labels, for checks of gradients and for benchmarks: one batch an epoch.

    Images are uniform in [0, 1); labels uniform over the classes. Answers to the data providers
    `dummy-lr-n` and `dummy-ce-n` of `alexnet:convdata.py` and `alexnet:convdata_flickr.py`. Raises
    DataError: data_dims that labels of `num_classes` classes cannot fill.
    """

    num_batches = 1

    def __init__(
        self, data_dims: Mapping[int, int], num_classes: int, *, cases: int = 512, seed: int
    ) -> None:
        for index, dim in data_dims.items():
            if index > 0 and dim not in (1, num_classes):
                raise DataError(
                    f"data {index} has {dim} values per image, and labels have 1 or {num_classes}"
                )
        self.data_dims = dict(data_dims)
        self.num_classes = num_classes
        self._cases = cases
        self._streams = RandomStreams(seed)

    def batches(
        self, start_epoch: int = 1, start_batch: int = 1, last_epoch: int | None = None
    ) -> Generator[Batch, None, None]:
        """The batch of each epoch, from `start_epoch` on, without end or to `last_epoch`."""
        epoch = start_epoch
        while last_epoch is None or epoch <= last_epoch:
            random = self._streams.at("dummy data", epoch, 1)
            images = random.random_sample((self.data_dims[0], self._cases)).astype(np.float32)
            labels = random.randint(0, self.num_classes, size=self._cases)
            data = [images] + [label_matrix(labels, self.data_dims[i]) for i in range(1, len(self.data_dims))]
            yield Batch(epoch, 1, data)
            epoch += 1


def label_matrix(labels: np.ndarray, dim: int) -> np.ndarray:
    """Labels as a network takes them: (1, cases) float32, or with `dim` classes one-hot columns (dim,
    cases).
    """
    if dim == 1:
        return labels.astype(np.float32)[None]
    matrix = np.zeros((dim, len(labels)), np.float32)
    matrix[labels, np.arange(len(labels))] = 1
    return matrix
