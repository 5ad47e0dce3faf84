"""What run 145 launches for a minibatch of 128 images, layer by layer, without computing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from alexnet2012 import experiments, measure
from alexnet2012.study.parts import Grid
from alexnet2012.undrawn import without_draws
from cuda_convnet.config import NetworkSpec, read_network
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from cuda_convnet.errors import DataError
from cuda_convnet.network import ConvNet

CASES = 128
PASSES = {
    "fprop": "forward",
    "bprop_common": "backward",
    "bprop_acts": "backward",
    "update_weights": "update",
}
"""The methods of a layer, and the pass that each belongs to."""


@dataclass(frozen=True)
class Launched:
    """A launch, the layer that asked for it, and in which pass."""

    layer: str
    during: str
    launch: Launch


def run_145() -> NetworkSpec:
    """The network of run 145."""
    folder = experiments.path("145")
    return read_network(folder / "layers.cfg", folder / "params.cfg")


@cache
def launches_of_run_145() -> tuple[Launched, ...]:
    """Every launch of a step of training in which all layers learn, in order."""
    device = RecordingDevice()
    spec = without_draws(measure.learning(run_145()))
    net = ConvNet(spec, engine=KernelEngine(device), minibatch_size=CASES)
    found: list[Launched] = []
    for name, layer in net.layers.items():
        for method, during in PASSES.items():
            if hasattr(layer, method):
                setattr(layer, method, _noting(getattr(layer, method), device, found, name, during))
    device.launches.clear()
    sizes = {layer.spec.data_idx: layer.spec.outputs for layer in net.data_layers}
    net.train_minibatch([np.zeros((sizes[index], CASES), np.float32) for index in sorted(sizes)])
    return tuple(found)


def launch_of(grid: Grid) -> Launch:
    """The launch of run 145 that a picture shows: the layer's first one of that kernel, in that pass.

    Raises DataError where there is none.
    """
    for launched in launches_of_run_145():
        asked = launched.layer == grid.layer and grid.during in ("", launched.during)
        if asked and launched.launch.kernel == grid.kernel:
            return launched.launch
    when = f" {grid.during}" if grid.during else ""
    raise DataError(f"layer {grid.layer} of run 145 launches no {grid.kernel}{when}; correct [[grid]]")


def _noting(
    method: Callable[..., Any], device: RecordingDevice, found: list[Launched], layer: str, during: str
) -> Callable[..., Any]:
    """The method, which also notes what it launches."""

    def call(*args: Any) -> Any:
        before = len(device.launches)
        result = method(*args)
        found.extend(Launched(layer, during, launch) for launch in device.launches[before:])
        return result

    return call
