"""The device that records launches, and which kernels are used."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice

LAUNCH = Launch("some.cu", "some", (4, True), (2, 1, 1), (32, 4, 1))


def test_every_launch_is_recorded_and_every_kernel_once():
    device = RecordingDevice()
    array = device.empty((2, 3))
    wider = Launch("some.cu", "some", (4, True), (9, 1, 1), (32, 4, 1))
    for launch in (LAUNCH, wider):
        device.launch(launch, array, 3, 0.5)
    assert device.launches == [LAUNCH, wider]
    assert device.instances == [(LAUNCH, ("float*", "int", "float"))]


def test_other_template_arguments_blocks_and_types_are_other_kernels():
    device = RecordingDevice()
    array = device.empty((2,))
    device.launch(LAUNCH, array)
    device.launch(Launch("some.cu", "some", (8, True), (2, 1, 1), (32, 4, 1)), array)
    device.launch(Launch("some.cu", "some", (4, True), (2, 1, 1), (32, 8, 1)), array)
    device.launch(LAUNCH, np.uint64(1))
    assert len(device.instances) == 4


def test_an_empty_grid_is_no_launch():
    device = RecordingDevice()
    device.launch(Launch("some.cu", "some", (), (0, 1, 1), (1, 1, 1)))
    assert not device.launches


def test_numbers_read_back_are_zeros_and_indices_what_they_were():
    device = RecordingDevice()
    np.testing.assert_array_equal(device.to_host(device.from_host(np.ones((2, 3)))), np.zeros((2, 3)))
    np.testing.assert_array_equal(
        device.to_host(device.from_host(np.arange(4, dtype=np.int32))), np.arange(4)
    )


def test_an_engine_runs_on_it_and_shows_the_kernels_of_an_operation():
    engine = KernelEngine(RecordingDevice())
    images, filters = engine.zeros((3, 8, 8, 128)), engine.zeros((3, 5, 5, 32))
    engine.conv_filter_acts(images, filters, engine.empty((32, 8, 8, 128)), padding=2, stride=1)
    (launch,) = engine.device.launches
    assert launch.file == "filter_acts.cu"
