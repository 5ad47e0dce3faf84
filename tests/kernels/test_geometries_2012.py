"""The launch table has kernels for every geometry of the networks of 2012, at any size of a minibatch."""

from __future__ import annotations

import pytest
from geometries_2012 import read

from alexnet2012.compile_table import CONVOLUTIONS
from alexnet2012.kernel_use import used_kernels
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice

FILES = {
    "conv": {*CONVOLUTIONS},
    "local": {*CONVOLUTIONS},
    "pool": {"local_pool.cu", "local_pool_undo.cu"},
    "rnorm": {"norm_factors.cu", "response_norm.cu"},
    "cnorm": {"contrast_norm.cu", "norm_factors.cu", "response_norm.cu"},
    "cmrnorm": {"cross_map_norm.cu", "cross_map_norm_undo.cu", "norm_factors.cu"},
}


@pytest.fixture(scope="module")
def compiled():
    """The kernels that the compile table has."""
    return {(launch.file, launch.instance) for launch, _ in used_kernels()}


def launches_of(shape, images):
    device = RecordingDevice()
    shape.run(KernelEngine(device), images)
    return device.launches


def test_every_kind_of_layer_is_there():
    shapes = read()
    assert len(shapes) == len(set(shapes)) > 80
    assert {shape.layer for shape in shapes} == set(FILES)
    assert {shape.layer for shape in shapes if shape.how == "sparse"} == {"conv", "local"}


@pytest.mark.parametrize("images", [1, 16, 31, 32, 33, 48, 64, 96, 100, 127, 128, 192, 256, 512])
def test_every_geometry_has_its_launches(images, compiled):
    for shape in read():
        launches = launches_of(shape, images)
        assert {launch.file for launch in launches} == FILES[shape.layer], shape
        needed = {
            (launch.file, launch.instance)
            for launch in launches
            if launch.file in CONVOLUTIONS or images == 128
        }
        assert needed <= compiled, shape
