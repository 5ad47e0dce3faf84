"""The launch table has kernels for every layer of the networks of the three releases.

Needs `--releases DIR`, where DIR/alexnet, DIR/cuda-convnet and DIR/cuda-convnet2 are their work trees.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from geometries_2012 import RELEASES, of_releases, read

from alexnet2012.kernel_use import run_all_passes
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import LocalSpec, WeightLayerSpec
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from cuda_convnet.errors import ConfigError
from release_files import pairs

pytestmark = [pytest.mark.release, pytest.mark.timeout(900)]

NOT_RUN = {"layers-137-tree.cfg", "layers-146-2009-tree.cfg"}
"""Softmaxes over trees of classes, which no layer of this library is."""


def drawn_plainly(layer):
    """The layer without the functions that give its weights and connections, which were not released."""
    if isinstance(layer, LocalSpec):
        layer = replace(layer, init_c_func="")
    return replace(layer, init_w_func="", init_b_func="") if isinstance(layer, WeightLayerSpec) else layer


def runs(spec, engine, images):
    try:
        run_all_passes(replace(spec, layers=tuple(map(drawn_plainly, spec))), engine, images)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("images", [128, 100])
def test_every_network_of_2012_has_its_launches(releases, images):
    device = RecordingDevice()
    networks = {
        layers: runs(read_network(layers, params), KernelEngine(device), images)
        for release in RELEASES
        for layers, params in dict(pairs(releases, release)).items()
    }
    assert len(networks) == 72 + 7
    assert {layers.name for layers, run in networks.items() if not run} == NOT_RUN
    assert {launch.file for launch in device.launches} >= {"filter_acts.cu", "img_acts.cu", "weight_acts.cu"}


def test_the_file_of_geometries_is_that_of_every_network_of_2012(releases):
    assert read() == of_releases(releases), "python tests/kernels/geometries_2012.py DIR writes it again"
