"""Finding symbols of ours: file and lines, without importing the module."""

import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from alexnet2012.record import symbols
from alexnet2012.record.symbols import find, written
from cuda_convnet import config
from cuda_convnet.errors import DataError

ROOT = Path(__file__).resolve().parents[2]


def text_of(place):
    return place.path.read_text(encoding="utf-8").splitlines()[place.first - 1 : place.last]


@pytest.mark.parametrize(
    ("symbol", "shown", "start"),
    [
        ("cuda_convnet.network:ConvNet", "port/cuda_convnet/network.py", "class ConvNet"),
        ("cuda_convnet.layers.conv:ConvLayer", "port/cuda_convnet/layers/conv.py", "class ConvLayer"),
        ("cuda_convnet.errors:DataError", "port/cuda_convnet/errors.py", "class DataError"),
        ("cuda_convnet.engines:get_engine", "port/cuda_convnet/engines/__init__.py", "def get_engine"),
        ("cuda_convnet.layers.base:Buffer.view", "port/cuda_convnet/layers/base.py", "    def view"),
        ("cuda_convnet.config.specs:NormSpec.scale", "port/cuda_convnet/config/specs.py", "    scale: "),
        ("cuda_convnet.engines.operations:NEURONS", "port/cuda_convnet/engines/operations.py", "NEURONS = {"),
        ("alexnet2012.commands.net:table", "reproduce/alexnet2012/commands/net.py", "def table"),
        ("kernels/filter_acts.cu:filter_acts", "kernels/filter_acts.cu", "template <int IMAGES"),
        ("kernels/common.cuh:VECTOR_LOOP", "kernels/common.cuh", "#define VECTOR_LOOP"),
        (
            "kernels/matrix_sums.cu:aggregate(Min)",
            "kernels/matrix_sums.cu",
            "__device__ __forceinline__ float aggregate(Min,",
        ),
    ],
)
def test_a_symbol_lies_in_its_file_at_its_lines(symbol, shown, start):
    place = find(symbol)
    assert place.shown == shown
    assert place.path == ROOT / shown
    assert text_of(place)[0].startswith(start)


def test_python_lines_are_those_that_the_interpreter_knows():
    names = [each.name for each in pkgutil.walk_packages(config.__path__, "cuda_convnet.config.")]
    found = [
        (f"{name}:{defined.__name__}", defined)
        for name in names
        for defined in vars(importlib.import_module(name)).values()
        if (inspect.isfunction(defined) or inspect.isclass(defined)) and defined.__module__ == name
    ]
    assert len(found) > 100
    for symbol, defined in found:
        lines, first = inspect.getsourcelines(defined)
        place = find(symbol)
        assert (place.first, place.last) == (first, first + len(lines) - 1), symbol


def test_decorators_and_docstring_belong_to_a_function():
    text = text_of(find("cuda_convnet.engines.operations:Engine.matrix_square"))
    assert text[0].strip().startswith("@operation(")
    assert text[-1].strip().endswith('"""')


def test_a_command_is_its_function_with_all_that_is_declared_at_it():
    place = find("cli:data.imagenet")
    text = text_of(place)
    assert place.shown == "reproduce/alexnet2012/commands/data.py"
    assert text[0] == "@command.command()"
    assert any(line.startswith("def imagenet(") for line in text)


def test_an_option_is_the_lines_that_declare_it():
    (line,) = text_of(find("cli:data.imagenet--store"))
    assert line.startswith('@click.option("--store"')


@pytest.mark.parametrize("command", ["cifar10", "digits", "imagenet"])
def test_of_options_of_one_name_in_a_file_each_is_found_at_its_command(command):
    option, place = find(f"cli:data.{command}--out"), find(f"cli:data.{command}")
    assert place.first < option.first <= option.last < place.last
    assert text_of(option)[0].startswith('@click.option("--out"')


def test_an_option_that_several_commands_share_is_where_it_is_declared_once():
    place = find("cli:show.views--out")
    assert text_of(place)[0].startswith("out_option = click.option(")


def test_an_option_that_is_declared_in_another_file_is_its_command():
    assert find("cli:original.list--cache") == find("cli:original.list")


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        ("cuda_convnet.layers.conv:Nothing", "port/cuda_convnet/layers/conv.py does not define Nothing"),
        ("cuda_convnet.layers.conv:ConvLayer.nothing", "does not define ConvLayer.nothing"),
        ("cuda_convnet.layers.nothing:ConvLayer", "there is no such module"),
        ("cuda_convnet.network", "not a symbol"),
        ("cuda_convnet.network:", "not a symbol"),
        ("numpy:ndarray", "no module of ours"),
        ("kernels/nothing.cu:crop", "there is no file kernels/nothing.cu"),
        ("kernels/crop.cu:nothing", "kernels/crop.cu does not define nothing"),
        ("kernels/crop.cu", "does not define"),
        ("kernels/matrix_sums.cu:emptyOf", "write emptyOf(Sum) or emptyOf(Max) or emptyOf(Min)"),
        ("kernels/matrix_sums.cu:emptyOf(Mean)", "does not define emptyOf(Mean)"),
        ("cli:nothing", "there is no command `alexnet2012 nothing`"),
        ("cli:data.nothing", "there is no command `alexnet2012 data nothing`"),
        ("cli:train.nothing", "there is no command `alexnet2012 train nothing`"),
        ("cli:train--nothing", "`alexnet2012 train` has no option --nothing"),
    ],
)
def test_what_does_not_exist_is_an_error_of_one_line(symbol, message):
    with pytest.raises(DataError) as caught:
        find(symbol)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("cuda_convnet.layers.conv:ConvLayer", "port/cuda_convnet/layers/conv.py:ConvLayer"),
        ("cuda_convnet.engines:get_engine", "port/cuda_convnet/engines/__init__.py:get_engine"),
        ("kernels/crop.cu:crop", "kernels/crop.cu:crop"),
        (
            "cli:data.imagenet--store",
            "reproduce/alexnet2012/commands/data.py alexnet2012 data imagenet --store",
        ),
        ("cli:train", "reproduce/alexnet2012/commands/train.py alexnet2012 train"),
    ],
)
def test_a_symbol_is_written_with_its_path_and_a_command_as_it_is_typed(symbol, text):
    assert written(symbol) == text


def test_a_name_that_is_only_imported_is_not_defined_there():
    with pytest.raises(DataError, match="does not define Engine"):
        find("cuda_convnet.engines.numpy_engine:Engine")


def test_reading_a_module_does_not_import_it():
    code = """
        import sys
        from alexnet2012.record.symbols import find
        find("cuda_convnet.engines.kernel_engine.cuda_device:CudaDevice")
        find("cuda_convnet.network:ConvNet")
        print(*(name for name in sys.modules if name.endswith(("cuda_device", "cuda_convnet.network"))))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PYTHONPATH": f"{ROOT / 'port'}:{ROOT / 'reproduce'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == ""


def test_packages_are_found_where_they_are_installed(tmp_path, monkeypatch):
    """As in a wheel: the package alone, with the kernels inside it."""
    package = tmp_path / "site" / "cuda_convnet"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""."""\n')
    (package / "tools.py").write_text("# one\n\ndef lever():\n    pass\n")
    kernels_inside = package / "kernels"
    kernels_inside.mkdir()
    (kernels_inside / "crop.cu").write_text("__device__ void crop(float* a) {\n}\n")
    spec = importlib.util.spec_from_file_location(
        "cuda_convnet", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    caches = (symbols._package, symbols._module_file, symbols._kernel_definitions, find)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", {"cuda_convnet": spec}.get)
    monkeypatch.setattr(symbols, "kernels_folder", lambda: kernels_inside)
    try:
        assert find("cuda_convnet.tools:lever") == symbols.Place(
            package / "tools.py", "port/cuda_convnet/tools.py", 3, 4
        )
        assert find("kernels/crop.cu:crop").path == kernels_inside / "crop.cu"
        with pytest.raises(DataError, match="alexnet2012: the package is not installed"):
            find("alexnet2012.cli:main")
    finally:
        for cached in caches:
            cached.cache_clear()
