"""The loader: prepares the next minibatches in the background while the network computes on this one.

Batches come in the order of their files, epoch after epoch, as in 2012, and are cut into minibatches as they
are prepared: a batch of ImageNet is 200 MB of pixels and would be 600 MB of what a network takes. Epochs and
batches count from 1, minibatches from 0. What is random is drawn from the streams "crops" and "colour noise"
at (epoch, batch), for the whole batch, so a minibatch has the same bits however many are prepared ahead, by
however many threads, and wherever a run resumes.

Answers to `alexnet:convdata.py`, `alexnet:convdata_jpeg.py` and `cuda-convnet:convdata.py`, and to the
minibatches of `alexnet:src/data.cu`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from cuda_convnet.data import augmentation
from cuda_convnet.data.augmentation import Crops
from cuda_convnet.data.batch_format import BatchContents, BatchFile, JpegContents
from cuda_convnet.data.batches import BatchFolder, Split
from cuda_convnet.data.buffers import BufferPool
from cuda_convnet.data.jpeg import UndecodableImage, block_bytes, decode_block
from cuda_convnet.engines.numpy_engine.parallel import available_cores
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams

MOST_WORKERS = 8  # unless more are asked for: each has a minibatch in work


@dataclass(frozen=True)
class Minibatch:
    """Minibatch number `minibatch` (from 0) of the `minibatches` of a batch, as the network takes it.

    num_cases: how many images there are.
    views: for each view of the images, the data by data index, float32, C order: images (features, cases),
        labels (1, cases), or labels as distributions (classes, cases). Where there are several views, each
        is computed when it is asked for.
    """

    epoch: int
    batchnum: int
    minibatch: int
    minibatches: int
    num_cases: int
    views: Sequence[list[np.ndarray]]

    @property
    def data(self) -> list[np.ndarray]:
        """The data of the first view, and mostly the only one."""
        return self.views[0]

    @property
    def num_views(self) -> int:
        return len(self.views)


class Loader:
    """Minibatches of a split of a folder, cropped, reflected, with colour noise and without the mean.

    Training images are cropped and reflected at random and get colour noise; images of other splits are their
    centres, or with `multiview` their ten views (five where the dataset's images must not be mirrored).

    minibatch: how many images a minibatch has; the last one of a batch may have fewer.
    crop_border: pixels cut off on each side of a centre crop; by default the dataset's own. With 0 images
        are whole, and neither shifted nor reflected.
    color_noise: the scale of the PCA colour noise, 0 for none. For training only.
    multiview: give all views of each image. For testing only.
    scalar_mean: subtract the mean over all pixels instead of the mean image.
    prefetch: how many minibatches are prepared ahead, each of `cases * features * 4` bytes; by default one
        more than there are workers. Besides there is this batch and the next in memory, as their files hold
        them. With 0 a minibatch is prepared when it is asked for.
    workers: how many threads prepare minibatches; by default as many as there are cores, to eight.
    data_dims: what the network's data layers want, by data index: index 0 images; others 1 (labels) or the
        number of classes (labels as distributions). By default {0: features, 1: 1}.

    Raises DataError: a border that leaves nothing, or data_dims that the folder cannot give.

    >>> loader = Loader(BatchFolder("data/cifar10"), "train", seed=1, crop_border=4)   # doctest: +SKIP
    >>> for minibatch in loader.minibatches(start_epoch=1, start_batch=1):             # doctest: +SKIP
    ...     images, labels = minibatch.data
    """

    def __init__(
        self,
        folder: BatchFolder,
        split: Split,
        *,
        seed: int,
        minibatch: int = 128,
        crop_border: int | None = None,
        color_noise: float = 0.0,
        multiview: bool = False,
        scalar_mean: bool = False,
        prefetch: int | None = None,
        workers: int | None = None,
        data_dims: Mapping[int, int] | None = None,
    ) -> None:
        meta = folder.meta
        self._meta = meta
        self._training = split == "train"
        self._files = folder.split(split)
        self._streams = RandomStreams(seed)
        self._minibatch = minibatch
        self._workers = min(available_cores(), MOST_WORKERS) if workers is None else workers
        self._prefetch = self._workers + 1 if prefetch is None else prefetch
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
        if minibatch < 1:
            raise DataError(f"{folder.path}: a minibatch of {minibatch} images; it has at least one")
        self._multiview = multiview and not self._training
        mean = meta.statistics.mean_image
        self._mean = (
            augmentation.scalar_mean(mean) if scalar_mean else augmentation.crop_mean(mean, self._border)
        )
        features = channels * (height - 2 * self._border) * (width - 2 * self._border)
        self.data_dims = dict(data_dims) if data_dims else {0: features, 1: 1}
        self._check_data_dims(folder, features)
        counts = [0, *(file.num_images for file in self._files)]
        largest = min(minibatch, max(counts))
        self._pixels = BufferPool(largest * features * 4)
        self._decoded = BufferPool(block_bytes(largest, meta.image_shape))
        self._raw = BufferPool(max(counts) * math.prod(meta.image_shape))

    @property
    def num_classes(self) -> int:
        return len(self._meta.class_names)

    @property
    def num_batches(self) -> int:
        return len(self._files)

    def num_minibatches(self, batchnum: int) -> int:
        """How many minibatches a batch makes; the last one may not be full."""
        return math.ceil(self._files[batchnum - 1].num_images / self._minibatch)

    @property
    def num_views(self) -> int:
        """How many views of each image a minibatch has."""
        return augmentation.num_views(self._meta.augmentation.reflect) if self._multiview else 1

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the images that the network sees."""
        channels, height, width = self._meta.image_shape
        return channels, height - 2 * self._border, width - 2 * self._border

    def minibatches(
        self,
        start_epoch: int = 1,
        start_batch: int = 1,
        start_minibatch: int = 0,
        last_epoch: int | None = None,
    ) -> Generator[Minibatch, None, None]:
        """Minibatches from a position on, without end or to the end of `last_epoch`.

        A start after a batch's last minibatch is the beginning of the next batch. What goes wrong while a
        minibatch is prepared is raised when that minibatch is due. Closing the generator waits for what is in
        work, and prepares no more.
        """
        batches = self._batches(start_epoch, start_batch, start_minibatch, last_epoch)
        if self._prefetch == 0:
            for epoch, batchnum, first in batches:
                batch = self._read(epoch, batchnum)
                for minibatch in range(first, self.num_minibatches(batchnum)):
                    yield self._prepare(batch, minibatch)
            return
        with ThreadPoolExecutor(self._workers, thread_name_prefix="loader") as pool:
            ahead: deque[Future[Minibatch]] = deque()
            try:
                for future in self._submit(pool, batches):
                    ahead.append(future)
                    if len(ahead) > self._prefetch:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def prepare(self, epoch: int, batchnum: int, minibatch: int = 0) -> Minibatch:
        """The minibatch at a position, prepared now: a function of seed and position alone."""
        return self._prepare(self._read(epoch, batchnum), minibatch)

    def _submit(
        self, pool: ThreadPoolExecutor, batches: Iterator[tuple[int, int, int]]
    ) -> Iterator[Future[Minibatch]]:
        """Have minibatches prepared, in order, each when the next one is asked of this iterator.

        A batch is read from its file while the one before it is prepared. The pool begins its work in the
        order in which it was submitted, so that a minibatch never waits for a reading that has not begun.
        """

        def read(position: tuple[int, int, int] | None) -> Future[_Batch] | None:
            return pool.submit(self._read, *position[:2]) if position else None

        def prepare(batch: Future[_Batch], minibatch: int) -> Minibatch:
            return self._prepare(batch.result(), minibatch)

        position = next(batches, None)
        batch = read(position)
        while position and batch:
            _, batchnum, first = position
            position = next(batches, None)
            following = None
            for minibatch in range(first, self.num_minibatches(batchnum)):
                yield pool.submit(prepare, batch, minibatch)
                following = following or read(position)
            batch = following

    def _read(self, epoch: int, batchnum: int) -> _Batch:
        """A batch as its file holds it, with what is drawn for its images."""
        file = self._files[batchnum - 1]
        contents = file.read_jpegs() if self._meta.encoding == "jpeg" else file.read(self._empty)
        cases = len(contents.labels)
        crops = noise = None
        if self._training and self._border > 0:
            augment = self._meta.augmentation
            random = self._streams.at("crops", epoch, batchnum)
            crops = augmentation.draw_crops(random, cases, self._border, augment.crop_chunk, augment.reflect)
        if self._training and self._color_noise > 0:
            random = self._streams.at("colour noise", epoch, batchnum)
            colors = self._meta.statistics
            noise = augmentation.draw_color_noise(
                random, cases, colors.color_eigenvalues, colors.color_eigenvectors
            )
        return _Batch(epoch, batchnum, file, contents, crops, noise)

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Memory to read a dataset of a batch into: images are read into memory that is used again."""
        return self._raw.empty(shape, dtype) if len(shape) == 4 else np.empty(shape, dtype)

    def _prepare(self, batch: _Batch, minibatch: int) -> Minibatch:
        start = minibatch * self._minibatch
        labels = batch.contents.labels[start : start + self._minibatch]
        stop = start + len(labels)
        matrices = [label_matrix(labels, self.data_dims[i]) for i in range(1, len(self.data_dims))]
        images = self._images(batch, start, stop)
        views: Sequence[list[np.ndarray]]
        if self._multiview:
            views = _Views(self.num_views, images, self._mean, self._border, matrices, self._pixels)
        else:
            pixels = augmentation.training_images(
                images,
                self._mean,
                batch.crops and batch.crops.cut(start, stop),
                self._border,
                None if batch.noise is None else batch.noise[:, start:stop],
                self._color_noise,
                self._pixels.empty((*self.image_shape, len(labels)), np.float32),
            )
            views = [[pixels.reshape(-1, len(labels)), *matrices]]
        minibatches = self.num_minibatches(batch.batchnum)
        return Minibatch(batch.epoch, batch.batchnum, minibatch, minibatches, len(labels), views)

    def _images(self, batch: _Batch, start: int, stop: int) -> np.ndarray:
        """Images `start` to `stop` of a batch, decoded: (channels, height, width, images) uint8."""
        contents, shape = batch.contents, self._meta.image_shape
        if isinstance(contents, BatchContents):
            return contents.images_last[..., start:stop]
        memory = self._decoded.empty((block_bytes(stop - start, shape),), np.uint8)
        try:
            return decode_block(contents.jpegs(start, stop), shape, memory).transpose(3, 1, 2, 0)
        except UndecodableImage as error:
            raise batch.file.undecodable(contents.names[start + error.index]) from None

    def _batches(
        self, epoch: int, batchnum: int, minibatch: int, last_epoch: int | None
    ) -> Iterator[tuple[int, int, int]]:
        """(epoch, batch, first minibatch) of each batch of which there is something to prepare."""
        if epoch < 1 or not 1 <= batchnum <= self.num_batches:
            raise DataError(
                f"there is no batch {batchnum} of epoch {epoch}: epochs count from 1, "
                f"batches from 1 to {self.num_batches}"
            )
        if not 0 <= minibatch <= self.num_minibatches(batchnum):
            raise DataError(
                f"there is no minibatch {minibatch} of batch {batchnum}: they count from 0 to "
                f"{self.num_minibatches(batchnum) - 1}"
            )
        while last_epoch is None or epoch <= last_epoch:
            if minibatch < self.num_minibatches(batchnum):
                yield epoch, batchnum, minibatch
            epoch, batchnum = (epoch, batchnum + 1) if batchnum < self.num_batches else (epoch + 1, 1)
            minibatch = 0

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


@dataclass(frozen=True)
class _Batch:
    """A batch as its file holds it, and what was drawn for all of its images."""

    epoch: int
    batchnum: int
    file: BatchFile
    contents: BatchContents | JpegContents
    crops: Crops | None
    noise: np.ndarray | None


class _Views(Sequence[list[np.ndarray]]):
    """The data of each view of some images, computed when it is asked for."""

    def __init__(
        self,
        number: int,
        images: np.ndarray,
        mean: np.ndarray,
        border: int,
        labels: list[np.ndarray],
        memory: BufferPool,
    ) -> None:
        self._number = number
        self._images = images
        self._mean = mean
        self._border = border
        self._labels = labels
        self._memory = memory

    def __len__(self) -> int:
        return self._number

    @overload
    def __getitem__(self, view: int) -> list[np.ndarray]: ...
    @overload
    def __getitem__(self, view: slice) -> list[list[np.ndarray]]: ...
    def __getitem__(self, view: int | slice) -> list[np.ndarray] | list[list[np.ndarray]]:
        if isinstance(view, slice):
            return [self[number] for number in range(self._number)[view]]
        number = range(self._number)[view]
        channels, height, width, count = self._images.shape
        inner = channels, height - 2 * self._border, width - 2 * self._border, count
        pixels = self._memory.empty(inner, np.float32)
        augmentation.view_images(self._images, self._mean, self._border, number, pixels)
        return [pixels.reshape(-1, count), *self._labels]


class DummyData:
    """Random images and labels, for checks of gradients and for benchmarks: one batch an epoch.

    Images are uniform in [0, 1); labels uniform over the classes. Answers to the data providers
    `dummy-lr-n` and `dummy-ce-n` of `alexnet:convdata.py` and `alexnet:convdata_flickr.py`. Raises
    DataError: data_dims that labels of `num_classes` classes cannot fill.
    """

    num_batches = 1

    def __init__(
        self,
        data_dims: Mapping[int, int],
        num_classes: int,
        *,
        cases: int = 512,
        minibatch: int = 128,
        seed: int,
    ) -> None:
        for index, dim in data_dims.items():
            if index > 0 and dim not in (1, num_classes):
                raise DataError(
                    f"data {index} has {dim} values per image, and labels have 1 or {num_classes}"
                )
        self.data_dims = dict(data_dims)
        self.num_classes = num_classes
        self._cases = cases
        self._minibatch = minibatch
        self._streams = RandomStreams(seed)

    def minibatches(
        self,
        start_epoch: int = 1,
        start_batch: int = 1,
        start_minibatch: int = 0,
        last_epoch: int | None = None,
    ) -> Generator[Minibatch, None, None]:
        """The minibatches of each epoch's batch from a position on, without end or to `last_epoch`."""
        epoch, size = start_epoch, self._minibatch
        minibatches = math.ceil(self._cases / size)
        while last_epoch is None or epoch <= last_epoch:
            random = self._streams.at("dummy data", epoch, 1)
            images = random.random_sample((self.data_dims[0], self._cases)).astype(np.float32)
            labels = random.randint(0, self.num_classes, size=self._cases)
            data = [images] + [label_matrix(labels, self.data_dims[i]) for i in range(1, len(self.data_dims))]
            for minibatch in range(start_minibatch, minibatches):
                cases = slice(minibatch * size, (minibatch + 1) * size)
                view = [np.ascontiguousarray(matrix[:, cases]) for matrix in data]
                yield Minibatch(epoch, 1, minibatch, minibatches, view[0].shape[1], [view])
            epoch, start_minibatch = epoch + 1, 0


def label_matrix(labels: np.ndarray, dim: int) -> np.ndarray:
    """Labels as a network takes them: (1, cases) float32, or with `dim` classes one-hot columns (dim,
    cases), zeros where there is no label (-1).
    """
    if dim == 1:
        return labels.astype(np.float32)[None]
    matrix = np.zeros((dim, len(labels)), np.float32)
    known = np.flatnonzero(labels >= 0)
    matrix[labels[known], known] = 1
    return matrix
