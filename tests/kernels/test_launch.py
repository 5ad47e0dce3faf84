"""What is launched, as C++ writes it."""

from __future__ import annotations

import numpy as np
import pytest

from cuda_convnet.engines.kernel_engine.launch import Launch, argument_type, argument_types, entry_point
from cuda_convnet.errors import EngineError


@pytest.mark.parametrize(
    ("template", "instance"),
    [
        ((), "filter_acts"),
        ((4,), "filter_acts<4>"),
        ((-1, True, False), "filter_acts<-1, true, false>"),
        ((1, "Logistic"), "filter_acts<1, Logistic>"),
    ],
)
def test_an_instance_is_written_as_in_cpp(template, instance):
    assert Launch("a.cu", "filter_acts", template, (1, 1, 1), (1, 1, 1)).instance == instance


def test_a_launch_says_what_it_is():
    launch = Launch("a.cu", "k", (3, True), (7, 2, 1), (32, 4, 1))
    assert str(launch) == "a.cu: k<3, true>, grid 7x2x1, block 32x4x1"
    assert launch.threads == 128


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (3, "int"),
        (True, "int"),
        (0.5, "float"),
        (np.float64(0.5), "float"),
        (np.uint64(2**63), "unsigned long long"),
        (np.zeros((2, 3), np.float32), "float*"),
        (np.zeros(0, np.float32), "float*"),
        (np.zeros(1, np.int32), "int*"),
    ],
)
def test_an_argument_has_the_type_that_kernels_declare(value, type):
    assert argument_type(value) == type


@pytest.mark.parametrize(
    "value",
    [np.zeros(1, np.float64), np.zeros(1, np.int64), np.float32(1), np.int32(1), np.int64(1), "text", None],
)
def test_what_no_kernel_takes_is_refused(value):
    with pytest.raises(TypeError, match="kernels take float32 and int32 arrays"):
        argument_type(value)


LAUNCH = Launch("a.cu", "k", (), (1, 1, 1), (32, 1, 1))


def test_the_arguments_of_a_launch_are_declared_in_order():
    arguments = [np.zeros(3, np.float32), 2**31 - 1, -(2**31), True, 3.4e38, float("inf"), float("nan")]
    assert argument_types(LAUNCH, arguments) == ("float*", "int", "int", "int", "float", "float", "float")


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_a_number_that_is_no_int_is_refused(value):
    with pytest.raises(
        EngineError, match=rf"^a.cu: k, .*: {value} is more than an int holds; take smaller arrays$"
    ):
        argument_types(LAUNCH, [0.5, value])


@pytest.mark.parametrize("value", [3.5e38, -1e300])
def test_a_number_that_is_no_float_is_refused(value):
    with pytest.raises(EngineError, match=r"^a.cu: k, .* is more than a float holds; take a smaller number$"):
        argument_types(LAUNCH, [value])


def test_an_array_in_another_order_is_refused():
    with pytest.raises(EngineError, match=r"^a.cu: k, .*shape \(3, 2\) does not lie in C order; copy it"):
        argument_types(LAUNCH, [np.zeros((2, 3), np.float32).T])


def test_an_entry_point_passes_its_parameters_on():
    source = entry_point(Launch("a.cu", "k", (3,), (1, 1, 1), (32, 4, 1)), ["float*", "int"])
    assert source.splitlines() == [
        '#include "a.cu"',
        'extern "C" __global__ void __launch_bounds__(128, 4) entry(float* a0, int a1) {',
        "    k<3>(a0, a1);",
        "}",
    ]


@pytest.mark.parametrize("block", [(0, 1, 1), (32, -1, 1), (32, 33, 1), (1025, 1, 1), (1, 1, 65)])
def test_a_block_that_no_gpu_takes_is_refused(block):
    with pytest.raises(EngineError, match=r"^a.cu: k, grid .*: a block has 1 to 1024 threads, 64"):
        Launch("a.cu", "k", (), (1, 1, 1), block)


@pytest.mark.parametrize("grid", [(2**31, 1, 1), (1, 2**16, 1), (1, 1, 2**16), (-1, 1, 1)])
def test_a_grid_that_no_gpu_takes_is_refused(grid):
    with pytest.raises(
        EngineError, match=r"a grid has up to 2147483647x65535x65535 blocks; take smaller arrays$"
    ):
        Launch("a.cu", "k", (), grid, (1, 1, 1))


@pytest.mark.parametrize("grid", [(0, 1, 1), (2**31 - 1, 2**16 - 1, 2**16 - 1)])
def test_the_smallest_and_the_largest_grid_may_be_launched(grid):
    assert Launch("a.cu", "k", (), grid, (1, 16, 64)).grid == grid
