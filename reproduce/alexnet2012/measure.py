"""Measuring speed: training steps of ours and of a peer in turn, single layers, and what sgemm gives."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.config.specs import ConvSpec, LayerSpec, NetworkSpec, WeightLayerSpec
from cuda_convnet.engines.operations import Array, Engine
from cuda_convnet.network import ConvNet

Data = Sequence[NDArray[np.float32]]


def sgemm_rate(size: int = 2048, repeats: int = 5) -> float:
    """The best rate of NumPy's matrix product with all its threads, in FLOP/s."""
    a = np.random.RandomState(0).rand(size, size).astype(np.float32)
    targets = np.empty_like(a)
    return 2 * size**3 / min(seconds(lambda: np.matmul(a, a, out=targets)) for _ in range(repeats))


def seconds(run: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turn(runs: Sequence[Callable[[], Any]], rounds: int) -> list[list[float]]:
    """Seconds of each of `runs`, called in turn `rounds` times after one round that does not count."""
    for run in runs:
        run()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, taken in zip(runs, times, strict=True):
            taken.append(seconds(run))
    return times


def step_flops(spec: NetworkSpec, cases: int) -> int:
    """The FLOPs of a training step: forward, weight gradients, and gradients towards all but the data."""
    total = 0
    for layer in spec:
        inputs = [spec[name] for name in layer.inputs]
        if inputs:
            share = sum(1 for below in inputs if below.type != "data") / len(inputs)
            total += round(2 * layer.multiply_adds * (2 + share))
    return total * cases


@dataclass(frozen=True)
class LayerTime:
    """Seconds that a layer takes in one training step, and the multiply-adds of one image forward."""

    layer: LayerSpec
    forward: float
    backward: float


def layer_times(net: ConvNet, step: Callable[[], Any], rounds: int) -> list[LayerTime]:
    """The median seconds of each layer of `net` over `rounds` calls of `step`."""
    forward: dict[str, list[float]] = defaultdict(list)
    backward: dict[str, list[float]] = defaultdict(list)

    def timed(method: Callable[..., Any], taken: list[float]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            start = time.perf_counter()
            result = method(*args)
            taken[-1] += time.perf_counter() - start
            return result

        return run

    for name, layer in net.layers.items():
        for method, times in (("fprop", forward), ("bprop_common", backward), ("bprop_acts", backward)):
            setattr(layer, method, timed(getattr(layer, method), times[name]))
    try:
        for _ in range(rounds):
            for taken in (*forward.values(), *backward.values()):
                taken.append(0.0)
            step()
    finally:
        for layer in net.layers.values():
            for method in ("fprop", "bprop_common", "bprop_acts"):
                delattr(layer, method)
    return [
        LayerTime(layer, statistics.median(forward[layer.name]), statistics.median(backward[layer.name]))
        for layer in net.spec.forward_order
    ]


def convolution_rates(layer: ConvSpec, engine: Engine, threads: int, cases: int) -> dict[str, float]:
    """Multiply-adds per second and thread of a layer's convolutions: forward, and both gradients, once each.

    `engine` has so many threads. What it compiles does not count.
    """
    (filters_shape,), (channels,) = layer.weight_shapes, layer.channels
    (size,), (padding,), (stride,), (groups,) = layer.filter_size, layer.padding, layer.stride, layer.groups
    random = np.random.default_rng(0)

    def filled(*shape: int) -> Array:
        return engine.from_host(random.standard_normal(shape, np.float32))

    def modules_of(img: int) -> int:
        return 1 - (size - 2 * padding - img) // stride

    def taken(img: int) -> dict[str, float]:
        modules = modules_of(img)
        chunks = modules**2 // (layer.partial_sum or modules**2)
        images, filters = filled(channels, img, img, cases), filled(*filters_shape)
        hid_acts = filled(layer.filters, modules, modules, cases)
        targets, images_targets = engine.empty(hid_acts.shape), engine.empty(images.shape)
        weights = engine.empty((chunks, *filters_shape))
        how: dict[str, int] = {"padding": padding, "stride": stride, "groups": groups}
        partial_sum = layer.partial_sum
        return {
            "forward": seconds(lambda: engine.conv_filter_acts(images, filters, targets, **how)),
            "images": seconds(lambda: engine.conv_img_acts(hid_acts, filters, images_targets, **how)),
            "weights": seconds(
                lambda: engine.conv_weight_acts(images, hid_acts, weights, partial_sum=partial_sum, **how)
            ),
        }

    small = (img for img in itertools.count(size) if modules_of(img) ** 2 % (layer.partial_sum or 1) == 0)
    taken(next(small))
    work = layer.multiply_adds * cases
    return {what: work / time / threads for what, time in taken(layer.img_size[0]).items()}


def learning(spec: NetworkSpec, rate: float = 0.01) -> NetworkSpec:
    """The network with all its layers learning, as at the start: parameter files show the last rates."""
    return replace(
        spec,
        layers=tuple(
            replace(layer, eps_w=(rate,) * len(layer.eps_w), eps_b=rate)
            if isinstance(layer, WeightLayerSpec)
            else layer
            for layer in spec
        ),
    )


def random_data(spec: NetworkSpec, cases: int, classes: int) -> Data:
    """Images of random pixels around zero, and labels."""
    random = np.random.RandomState(0)
    size = next(layer.outputs for layer in spec if layer.type == "data" and layer.outputs > 1)
    images = random.randint(-128, 128, (size, cases)).astype(np.float32)
    return [images, random.randint(0, classes, (1, cases)).astype(np.float32)]
