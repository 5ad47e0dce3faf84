"""The GPU as a device: what it says where something is missing, and, on a GPU, what it does."""

from __future__ import annotations

import ctypes
import enum
import importlib.util
import sys
import types

import numpy as np
import pytest

from cuda_convnet.engines import engine_problem, get_engine
from cuda_convnet.engines.kernel_engine import cublas, cuda_device
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.errors import EngineError

SCALE = """
template <int FACTOR> __device__ void scale(const float* a, float* targets, const int n, const float more) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        targets[i] = fmaf(a[i], FACTOR, more);
    }
}
template <int WHAT> __device__ void wrong(float* targets) { targets[0] = no_such_thing; }
"""


class DriverError(Exception):
    pass


def pretend_pycuda(monkeypatch, *, count=1, init=lambda: None, driver=True):
    """A PyCUDA that finds `count` GPUs, or, without `driver`, no libcuda."""
    package = types.ModuleType("pycuda")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "pycuda", package)
    if not driver:
        monkeypatch.setitem(sys.modules, "pycuda.driver", None)
        return
    module = types.ModuleType("pycuda.driver")
    module.Error, module.MemoryError, module.CompileError = (
        DriverError,
        type("MemoryError", (DriverError,), {}),
        type("CompileError", (DriverError,), {}),
    )
    module.init = init
    module.Device = types.SimpleNamespace(count=lambda: count)
    monkeypatch.setitem(sys.modules, "pycuda.driver", module)
    package.driver = module


def message(call):
    """The one line of the EngineError that `call` raises."""
    with pytest.raises(EngineError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def no_gpu():
    if importlib.util.find_spec("pycuda") is None:
        return True
    return cuda_device.problem() is not None


# --- where something is missing ---


def test_without_pycuda_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    told = message(lambda: get_engine("cuda"))
    assert "needs PyCUDA" in told
    assert "pip install 'alexnet2012[cuda]'" in told
    assert engine_problem("cuda") == told


def test_without_a_driver_the_driver_is_asked_for(monkeypatch):
    pretend_pycuda(monkeypatch, driver=False)
    told = message(lambda: get_engine("cuda"))
    assert "needs NVIDIA's driver" in told
    assert "or take engine 'host'" in told


def test_without_a_gpu_the_user_is_sent_to_nvidia_smi(monkeypatch):
    pretend_pycuda(monkeypatch, count=0)
    assert "finds no GPU; look at nvidia-smi" in message(lambda: get_engine("cuda"))


def test_a_driver_that_does_not_start_is_quoted(monkeypatch):
    def init():
        raise DriverError("cuInit failed: system has unsupported display driver\nmore")

    pretend_pycuda(monkeypatch, init=init)
    assert "(cuInit failed: system has unsupported display driver)" in message(lambda: get_engine("cuda"))


def test_without_nvcc_the_toolkit_is_asked_for(monkeypatch):
    pretend_pycuda(monkeypatch)
    monkeypatch.setattr(cuda_device.shutil, "which", lambda *args, **kwargs: None)
    assert "there is no nvcc" in message(lambda: get_engine("cuda"))


def test_nvcc_is_found_in_the_folder_that_cuda_root_names(monkeypatch, tmp_path):
    nvcc = tmp_path / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text("#!/bin/sh\n")
    nvcc.chmod(0o755)
    monkeypatch.setenv("CUDA_ROOT", str(tmp_path))
    assert cuda_device._nvcc() == str(nvcc)


def test_without_the_binding_of_cublas_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nvmath", None)
    assert "pip install 'nvmath-python==1.0.*'" in message(lambda: cublas.Cublas(0))


def test_without_the_library_of_cublas_it_is_named(monkeypatch):
    pretend_cublas(monkeypatch, starts=False)
    told = message(lambda: cublas.Cublas(0))
    assert "libcublas.so.13 not found" in told
    assert "pip install nvidia-cublas" in told


def test_cublas_that_does_not_take_the_stream_is_told(monkeypatch):
    module = pretend_cublas(monkeypatch)

    def set_stream(handle, stream):
        raise module.cuBLASError("CUBLAS_STATUS_NOT_INITIALIZED")

    module.set_stream = set_stream
    assert "does not start (CUBLAS_STATUS_NOT_INITIALIZED)" in message(lambda: cublas.Cublas(0))


@pytest.mark.parametrize("step", ["context", "stream"])
def test_a_gpu_that_others_have_for_themselves_is_told_as_such(monkeypatch, step):
    def fail():
        raise DriverError("cuDevicePrimaryCtxRetain failed: all devices are busy or unavailable\nmore")

    pretend_pycuda(monkeypatch)
    monkeypatch.setattr(cuda_device, "_nvcc", lambda: "nvcc")
    package, driver = sys.modules["pycuda"], sys.modules["pycuda.driver"]
    package.gpuarray = types.SimpleNamespace(GPUArray=None)
    package.tools = types.SimpleNamespace(
        DeviceMemoryPool=lambda: types.SimpleNamespace(allocate=None), PageLockedMemoryPool=lambda: None
    )
    driver.Stream = fail
    monkeypatch.setattr(cuda_device, "_primary_context", fail if step == "context" else lambda: None)
    told = message(lambda: get_engine("cuda"))
    assert "cannot work on the GPU (cuDevicePrimaryCtxRetain failed: all devices are busy" in told
    assert "look at nvidia-smi" in told
    assert engine_problem("cuda") == told


# --- cuBLAS, whose columns are our rows ---


def pretend_cublas(monkeypatch, starts=True):
    """cuBLAS as its manual describes it, on the memory of the CPU."""
    module = types.ModuleType("nvmath.bindings.cublas")
    module.settings = {}

    def create():
        if not starts:
            raise RuntimeError("libcublas.so.13 not found\nsearched everywhere")
        return 1

    def columns(address, rows, count, leading):
        """A column-major matrix whose columns start `leading` numbers apart."""
        floats = np.ctypeslib.as_array((ctypes.c_float * (leading * count)).from_address(address))
        return floats.reshape(count, leading)[:, :rows].T

    def sgemm(handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        scale_ab, scale_c = (ctypes.c_float.from_address(x).value for x in (alpha, beta))
        left = columns(a, k, m, lda).T if transa == Operation.T else columns(a, m, k, lda)
        right = columns(b, n, k, ldb).T if transb == Operation.T else columns(b, k, n, ldb)
        result = columns(c, m, n, ldc)
        before = scale_c * result if scale_c else 0
        result[...] = before + scale_ab * (left @ right)

    class Operation(enum.IntEnum):
        N = 0
        T = 1

    module.create, module.sgemm, module.Operation = create, sgemm, Operation
    module.set_stream = lambda handle, stream: module.settings.update(stream=stream)
    module.set_math_mode = lambda handle, mode: module.settings.update(math=mode)
    module.set_pointer_mode = lambda handle, mode: module.settings.update(pointers=mode)
    module.Math = types.SimpleNamespace(DEFAULT_MATH="float32")
    module.PointerMode = types.SimpleNamespace(HOST="host")
    module.cuBLASError = type("cuBLASError", (Exception,), {})
    for name in ("nvmath", "nvmath.bindings"):
        package = types.ModuleType(name)
        package.__path__ = []
        monkeypatch.setitem(sys.modules, name, package)
    sys.modules["nvmath.bindings"].cublas = module
    monkeypatch.setitem(sys.modules, "nvmath.bindings.cublas", module)
    return module


def matrix(array):
    return cublas.Matrix(array.ctypes.data, *array.shape)


@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_products_of_rows_come_out_of_a_library_of_columns(monkeypatch, trans_a, trans_b, beta):
    pretend_cublas(monkeypatch)
    random = np.random.RandomState(0)
    a = random.randn(*((4, 3) if trans_a else (3, 4))).astype(np.float32)
    b = random.randn(*((5, 4) if trans_b else (4, 5))).astype(np.float32)
    c = random.randn(3, 5).astype(np.float32) if beta else np.full((3, 5), np.nan, np.float32)
    expected = 2 * (a.T if trans_a else a) @ (b.T if trans_b else b) + (beta * c if beta else 0)
    cublas.Cublas(0).sgemm(
        matrix(a), matrix(b), matrix(c), trans_a=trans_a, trans_b=trans_b, alpha=2.0, beta=beta
    )
    np.testing.assert_allclose(c, expected, rtol=1e-5)


def test_cublas_works_on_the_stream_of_the_kernels_in_full_float32(monkeypatch):
    module = pretend_cublas(monkeypatch)
    cublas.Cublas(77)
    assert module.settings == {"stream": 77, "math": "float32", "pointers": "host"}


# --- on a GPU ---


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    if no_gpu():
        pytest.skip(cuda_device.problem())
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "scale.cu").write_text(SCALE)
    return cuda_device.CudaDevice(folder)


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(3,), (2, 5, 7), (1,), ()])
def test_arrays_come_back_as_they_went(device, shape):
    array = np.random.RandomState(0).randn(*shape)
    there = device.from_host(np.asarray(array))
    assert there.shape == shape
    np.testing.assert_array_equal(device.to_host(there), np.float32(array))


@pytest.mark.gpu
def test_indices_stay_integers(device):
    back = device.to_host(device.from_host(np.arange(5, dtype=np.int32)))
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, np.arange(5))


@pytest.mark.gpu
def test_slices_and_other_shapes_are_the_same_memory(device):
    there = device.zeros((4, 6))
    device.copy(device.from_host(np.ones((2, 6), np.float32)), there[1:3])
    np.testing.assert_array_equal(device.to_host(there.reshape(24))[6:18], 1)
    assert device.to_host(there).sum() == 12


@pytest.mark.gpu
def test_arrays_in_another_order_are_refused(device):
    there = device.zeros((4, 6)).T
    with pytest.raises(EngineError, match=r"^scale.cu: scale<3>, .*shape \(6, 4\) does not lie in C order"):
        device.launch(Launch("scale.cu", "scale", (3,), (1, 1, 1), (32, 1, 1)), there, there, 0, 0.5)
    with pytest.raises(EngineError, match="not in C order"):
        device.to_host(there)


@pytest.mark.gpu
@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_a_number_that_is_no_int_is_refused(device, value):
    there = device.zeros((4,))
    with pytest.raises(EngineError, match=f"{value} is more than an int holds"):
        device.launch(Launch("scale.cu", "scale", (3,), (1, 1, 1), (32, 1, 1)), there, there, value, 0.5)


@pytest.mark.gpu
def test_many_uploads_do_not_disturb_each_other(device):
    there = [device.from_host(np.full(1 << 18, i, np.float32)) for i in range(64)]
    assert [device.to_host(array)[-1] for array in there] == list(range(64))


@pytest.mark.gpu
def test_a_kernel_runs_with_its_template_arguments(device):
    targets = device.empty((1000,))
    launch = Launch("scale.cu", "scale", (3,), (8, 1, 1), (128, 1, 1))
    device.launch(launch, device.from_host(np.arange(1000)), targets, 1000, 0.5, fresh=[targets])
    np.testing.assert_array_equal(device.to_host(targets), np.arange(1000) * 3 + 0.5)


@pytest.mark.gpu
def test_an_empty_grid_is_no_launch(device):
    device.launch(Launch("none.cu", "none", (), (0, 1, 1), (1, 1, 1)))


@pytest.mark.gpu
def test_a_kernel_that_does_not_compile_is_named_with_its_line(device):
    launch = Launch("scale.cu", "wrong", (1,), (1, 1, 1), (1, 1, 1))
    told = message(lambda: device.launch(launch, device.zeros((1,))))
    assert told.startswith("scale.cu: wrong<1>, grid 1x1x1, block 1x1x1: it does not compile: scale.cu(8)")


@pytest.mark.gpu
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
def test_products_are_full_float32(device, trans_a, trans_b):
    random = np.random.RandomState(0)
    a = random.rand(*((512, 96) if trans_a else (96, 512))).astype(np.float32)
    b = random.rand(*((80, 512) if trans_b else (512, 80))).astype(np.float32)
    c = device.from_host(np.full((96, 80), np.nan, np.float32))
    device.sgemm(
        device.from_host(a), device.from_host(b), c, trans_a=trans_a, trans_b=trans_b, alpha=1.0, beta=0.0
    )
    exact = np.float64(a.T if trans_a else a) @ np.float64(b.T if trans_b else b)
    np.testing.assert_allclose(device.to_host(c), exact, rtol=1e-5)  # TF32 is 1e-3 off
