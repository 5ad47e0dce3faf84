"""What `import cuda_convnet` gives."""

import subprocess
import sys

import pytest

import cuda_convnet


@pytest.mark.parametrize("name", cuda_convnet.__all__)
def test_everything_that_is_listed_is_there(name):
    assert getattr(cuda_convnet, name) is not None
    assert name in dir(cuda_convnet)


def test_nothing_else_is_there():
    with pytest.raises(AttributeError, match="module 'cuda_convnet' has no attribute 'conv9'"):
        cuda_convnet.conv9  # noqa: B018


def test_importing_the_package_loads_nothing_but_itself():
    assert loaded_by("cuda_convnet", ("numpy", "h5py", "scipy")) == "[]"


def test_the_library_needs_nothing_of_the_commands():
    modules = "cuda_convnet.network, cuda_convnet.config, cuda_convnet.engines"
    assert loaded_by(modules, ("click", "matplotlib", "jinja2", "alexnet2012")) == "[]"


def loaded_by(modules, packages):
    """Those of `packages` that a new interpreter has loaded after it imported `modules`."""
    code = f"import sys, {modules}; print([m for m in sys.modules if m.split('.')[0] in {packages}])"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
