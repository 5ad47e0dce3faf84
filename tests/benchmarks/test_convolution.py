"""Seconds of each convolution of run 145 and of layers-80sec, beside PyTorch where it is installed.

    pytest tests/benchmarks/test_convolution.py --benchmark-enable --benchmark-group-by=param:layer

measures them with 128 images (PyTorch too with -m "peer or not peer"); without --benchmark-enable each runs
once, with a few. `extra_info` has the multiplications and additions of each call in GFLOP.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pytest

from cuda_convnet.engines import get_engine


@dataclass(frozen=True)
class Layer:
    channels: int
    img: int
    filters: int
    size: int
    stride: int
    padding: int

    @property
    def modules(self):
        return 1 - (self.size - 2 * self.padding - self.img) // self.stride


LAYERS = {
    "145-conv1": Layer(3, 224, 48, 11, 4, 0),
    "145-conv2": Layer(48, 27, 128, 5, 1, 2),
    "145-conv3": Layer(128, 13, 192, 3, 1, 1),
    "145-conv4": Layer(192, 13, 192, 3, 1, 1),
    "145-conv5": Layer(192, 13, 128, 3, 1, 1),
    "80sec-conv1": Layer(3, 32, 32, 5, 1, 2),
    "80sec-conv2": Layer(32, 16, 32, 5, 1, 2),
    "80sec-conv3": Layer(32, 8, 64, 5, 1, 2),
}
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Numpy:
    """The NumPy engine's calls on random arrays of a layer."""

    def __init__(self, layer, images):
        self.engine = get_engine("numpy", threads=THREADS)
        self.options = {"padding": layer.padding, "stride": layer.stride}
        self.images, self.filters, self.hid_acts = (
            np.random.default_rng(0).standard_normal(shape, np.float32)
            for shape in (
                (layer.channels, layer.img, layer.img, images),
                (layer.channels, layer.size, layer.size, layer.filters),
                (layer.filters, layer.modules, layer.modules, images),
            )
        )
        self.acts, self.grads = np.empty_like(self.hid_acts), np.empty_like(self.images)
        self.weight_grads = np.empty((1, *self.filters.shape), np.float32)

    def filter_acts(self):
        self.engine.conv_filter_acts(self.images, self.filters, self.acts, **self.options)
        return self.acts

    def img_acts(self):
        self.engine.conv_img_acts(self.hid_acts, self.filters, self.grads, **self.options)
        return self.grads

    def weight_acts(self):
        self.engine.conv_weight_acts(self.images, self.hid_acts, self.weight_grads, **self.options)
        return self.weight_grads[0]


class Torch:
    """PyTorch's calls on the same arrays, its images first; results have the engine's order of axes."""

    def __init__(self, layer, images):
        import torch

        torch.set_num_threads(THREADS)
        ours = Numpy(layer, images)
        beyond = (layer.modules - 1) * layer.stride + layer.size - 2 * layer.padding - layer.img
        self.torch, self.layer = torch, layer
        padded = np.pad(ours.images, [(0, 0), (0, beyond), (0, beyond), (0, 0)])  # modules by the ceil rule
        self.images, self.filters, self.hid_acts = (
            torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 0)))
            for array in (padded, ours.filters, ours.hid_acts)
        )

    def backward(self, mask):
        stride, padding = [self.layer.stride] * 2, [self.layer.padding] * 2
        return self.torch.ops.aten.convolution_backward(
            self.hid_acts, self.images, self.filters, None, stride, padding, [1, 1], False, [0, 0], 1, mask
        )

    def filter_acts(self):
        acts = self.torch.conv2d(self.images, self.filters, None, self.layer.stride, self.layer.padding)
        return acts.permute(1, 2, 3, 0)

    def img_acts(self):
        grads = self.backward([True, False, False])[0].permute(1, 2, 3, 0)
        return grads[:, : self.layer.img, : self.layer.img]

    def weight_acts(self):
        return self.backward([False, True, False])[1].permute(1, 2, 3, 0)


@pytest.fixture
def images(request):
    return 3 if request.config.getoption("benchmark_disable") else 128


@pytest.mark.parametrize("operation", ["filter_acts", "img_acts", "weight_acts"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "library",
    [Numpy, pytest.param(Torch, marks=pytest.mark.peer)],
)
def test_a_convolution_is_timed(benchmark, images, library, layer, operation):
    geometry = LAYERS[layer]
    products = geometry.channels * geometry.size**2 * geometry.filters * geometry.modules**2 * images
    benchmark.extra_info["GFLOP"] = 2e-9 * products
    result = benchmark(getattr(library(geometry, images), operation))
    assert np.isfinite(np.asarray(result)).all()


@pytest.mark.peer
@pytest.mark.parametrize("layer", LAYERS)
def test_both_libraries_compute_the_same(layer):
    ours, theirs = Numpy(LAYERS[layer], 3), Torch(LAYERS[layer], 3)
    for operation in ("filter_acts", "img_acts", "weight_acts"):
        result, other = getattr(ours, operation)(), np.asarray(getattr(theirs, operation)())
        np.testing.assert_allclose(result, other, rtol=0, atol=5e-6 * np.abs(other).max())
