"""Images per second from batches to what a network takes: `pytest --benchmark-enable tests/benchmarks`."""

import numpy as np
import pytest

from alexnet2012.bench_data import bare_decoder
from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan
from cuda_convnet.data.loader import Loader

GEOMETRIES = {
    "imagenet": {"size": 256, "images": 256, "border": 16, "chunk": 32, "color_noise": 0.1},
    "cifar10": {"size": 32, "images": 5000, "border": 4, "chunk": 1, "color_noise": 0.0},
}


def writer_of(path, g, encoding):
    """A writer of a batch for training and one for testing."""
    plan = DatasetPlan(
        recipe={"source": "benchmark"},
        class_names=("a", "b"),
        image_shape=(3, g["size"], g["size"]),
        counts={"train": (g["images"],), "test": (g["images"],)},
        augmentation=Augmentation(g["border"], g["chunk"], True),
        encoding=encoding,
    )
    return BatchWriter(path, plan)


@pytest.fixture(params=GEOMETRIES)
def example(request, tmp_path_factory):
    """A geometry, and a folder of two batches of random pixels of it."""
    g = GEOMETRIES[request.param]
    random = np.random.RandomState(0)
    pixels = (
        random.randint(0, 256, (3, g["size"], g["size"], g["images"])).astype(np.uint8).transpose(3, 0, 1, 2)
    )
    labels = np.zeros(g["images"], np.int32)
    writer = writer_of(tmp_path_factory.mktemp(request.param), g, "raw")
    for split, number in writer.unfinished():
        writer.write(split, number, pixels, labels, [""] * g["images"])
    return g, writer.finish(), pixels, labels, writer


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of JPEGs that are cut out of two photographs, and the JPEGs."""
    simplejpeg = pytest.importorskip("simplejpeg")
    datasets = pytest.importorskip("sklearn.datasets")
    g = GEOMETRIES["imagenet"]
    random = np.random.RandomState(0)
    jpegs = []
    for picture in datasets.load_sample_images().images * (g["images"] // 2):
        y, x = random.randint(0, np.array(picture.shape[:2]) - g["size"])
        part = np.ascontiguousarray(picture[y : y + g["size"], x : x + g["size"]])
        jpegs.append(simplejpeg.encode_jpeg(part, quality=95, colorsubsampling="420"))
    writer = writer_of(tmp_path_factory.mktemp("photographs"), g, "jpeg")
    for split, number in writer.unfinished():
        labels = np.zeros(g["images"], np.int32)
        writer.write_jpegs(split, number, jpegs, labels, [""] * g["images"])
    return writer.finish(), jpegs


def rate(benchmark, images):
    if benchmark.stats:
        benchmark.extra_info["images_per_second"] = images / benchmark.stats["mean"]


def next_epoch(loader, images):
    """A function that takes the next `images` images of `loader`, which prepares none ahead."""
    source = loader.minibatches()

    def take():
        left = images
        while left > 0:
            left -= next(source).data[0].shape[1]
        return left

    return take


def test_write(benchmark, example):
    g, _, pixels, labels, writer = example
    benchmark(writer.write, "train", 1, pixels, labels, [""] * g["images"])
    rate(benchmark, g["images"])


def test_read(benchmark, example):
    g, folder, pixels, _, _ = example
    contents = benchmark(folder.train[0].read)
    assert contents.images.shape == pixels.shape
    rate(benchmark, g["images"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_minibatches(benchmark, example, split):
    g, folder, _, _, _ = example
    loader = Loader(folder, split, seed=0, color_noise=g["color_noise"], prefetch=0)
    assert benchmark(next_epoch(loader, g["images"])) == 0
    rate(benchmark, g["images"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_minibatches_of_photographs(benchmark, photographs, split):
    folder, jpegs = photographs
    loader = Loader(folder, split, seed=0, color_noise=0.1, prefetch=0)
    assert benchmark(next_epoch(loader, len(jpegs))) == 0
    rate(benchmark, len(jpegs))


def test_the_bare_decoder(benchmark, photographs):
    _, jpegs = photographs
    benchmark(bare_decoder, jpegs)
    rate(benchmark, len(jpegs))
