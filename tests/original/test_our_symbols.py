"""What of ours the crosswalk must account for: public symbols, operations, kernels."""

from our_symbols import ROOT, defined, is_kernel, kernels, public_symbols

from alexnet2012.record.kernel_text import definitions
from cuda_convnet.engines.operations import Engine


def test_every_operation_of_an_engine_is_public():
    found = {s.rpartition(".")[2] for s in public_symbols() if ".operations:Engine." in s}
    assert found == Engine.__abstractmethods__


def test_public_are_the_functions_and_classes_of_modules_without_underscore():
    found = public_symbols()
    assert "cuda_convnet.config.layers.convolution:read_conv" in found
    assert "cuda_convnet.layers.conv:ConvLayer" in found
    assert "cuda_convnet.engines:get_engine" in found
    assert "cuda_convnet.layers.conv:ConvLayer.fprop_acts" not in found
    assert "cuda_convnet.engines.operations:NEURONS" not in found
    assert not [s for s in found if s.partition(":")[2].startswith("_")]
    assert list(found) == sorted(set(found))


def test_what_stands_under_a_condition_is_defined_too_and_what_stands_in_a_function_is_not(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(
        "if x:\n    def f(): pass\nelse:\n    def g():\n        def inside(): pass\n"
        "try:\n    class C:\n        def method(self): pass\nexcept ImportError:\n    async def h(): pass\n"
    )
    assert {node.name for node in defined(path)} == {"f", "g", "C", "h"}


def test_kernels_are_what_the_table_of_compiled_kernels_knows():
    lines = (ROOT / "kernels" / "compile_table.csv").read_text(encoding="utf-8").splitlines()[2:]
    compiled = {
        f"kernels/{line.split(',')[0]}:{line.split(',')[1].strip(chr(34)).split('<')[0]}" for line in lines
    }
    assert compiled <= set(kernels())


def test_kernels_are_no_helpers():
    assert "kernels/filter_acts.cu:filter_acts" in kernels()
    assert "kernels/filter_acts.cu:filterActs" not in kernels()
    assert "kernels/cross_entropy.cu:safeLog" not in kernels()
    assert all(name.partition(":")[0].endswith(".cu") for name in kernels())


def test_kernels_are_device_functions_that_are_not_inlined():
    text = "__device__ void a() {}\n__device__ inline void b() {}\n"
    text += "__device__ __forceinline__ void c() {}\nvoid d() {}\n__device__ int e() {}\n"
    text += "__device__ __launch_bounds__(128) void f() {}\nstatic __device__ __noinline__ void g() {}\n"
    text += "__launch_bounds__(32, 2) __device__ void h (float* a) {}\n"
    assert [d.name for d in definitions(text) if is_kernel(d)] == ["a", "f", "h"]
