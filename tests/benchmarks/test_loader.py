"""Images per second from batches to what a network takes: `pytest --benchmark-enable tests/benchmarks`."""

import numpy as np
import pytest

from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan
from cuda_convnet.data.loader import Loader

GEOMETRIES = {
    "imagenet": {"size": 256, "images": 256, "border": 16, "chunk": 32, "color_noise": 0.1},
    "cifar10": {"size": 32, "images": 5000, "border": 4, "chunk": 1, "color_noise": 0.0},
}


@pytest.fixture(params=GEOMETRIES)
def example(request, tmp_path_factory):
    """A geometry, and a folder of two batches of random pixels of it."""
    g = GEOMETRIES[request.param]
    plan = DatasetPlan(
        recipe={"source": "random pixels"},
        class_names=("a", "b"),
        image_shape=(3, g["size"], g["size"]),
        counts={"train": (g["images"],), "test": (g["images"],)},
        augmentation=Augmentation(g["border"], g["chunk"], True),
    )
    random = np.random.RandomState(0)
    pixels = (
        random.randint(0, 256, (3, g["size"], g["size"], g["images"])).astype(np.uint8).transpose(3, 0, 1, 2)
    )
    labels = np.zeros(g["images"], np.int32)
    writer = BatchWriter(tmp_path_factory.mktemp(request.param), plan)
    for split, number in writer.unfinished():
        writer.write(split, number, pixels, labels, [""] * g["images"])
    return g, writer.finish(), pixels, labels, writer


def rate(benchmark, images):
    if benchmark.stats:
        benchmark.extra_info["images_per_second"] = images / benchmark.stats["mean"]


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
def test_prepare(benchmark, example, split):
    g, folder, _, _, _ = example
    loader = Loader(folder, split, seed=0, color_noise=g["color_noise"])
    batch = benchmark(loader.prepare, 1, 1)
    assert batch.num_cases == g["images"]
    rate(benchmark, g["images"])
