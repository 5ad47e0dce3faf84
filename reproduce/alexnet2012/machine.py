"""What this machine has: processors, BLAS, compilers, GPU, MPI, optional packages."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import threadpoolctl

from cuda_convnet.engines.numpy_engine.parallel import available_cores

EXTRAS = {
    "digits": (("sklearn",), "scikit-learn", "the digits that `reproduce` trains on"),
    "study": (
        ("jinja2", "pygments", "markdown_it", "latex2mathml"),
        "jinja2, pygments, markdown-it-py, latex2mathml",
        "the report page of a run, and the reading room",
    ),
    "plots": (("matplotlib",), "matplotlib", "the curves and pictures of a report"),
    "images": (("simplejpeg",), "simplejpeg", "batches of JPEG images"),
    "peer": (("torch",), "torch", "PyTorch beside us in `bench`"),
}
"""The modules that each extra brings, the packages that they come in, and what it is for."""

LIBRARY_FOLDERS = tuple(
    map(Path, ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"))
)
CUBLAS_WHEELS = ("nvidia-cublas", "nvidia-cublas-cu12", "nvidia-cublas-cu13")


@dataclass(frozen=True)
class Check:
    """One thing this machine has or lacks; `mend` is the one command (or step) that adds it."""

    name: str
    present: bool
    detail: str
    mend: str = ""


def processor() -> str:
    """The processor's name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def describe() -> str:
    """The machine in one line, for reports."""
    import numpy as np

    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{processor()}, {available_cores()} cores, {platform.system()}, {versions}"


def install_command(extra: str) -> str:
    """The command that installs an extra of this distribution, from a checkout or from an index."""
    checkout = Path(__file__).resolve().parents[2]
    what = (
        f"-e '{checkout}[{extra}]'" if (checkout / "pyproject.toml").is_file() else f"'alexnet2012[{extra}]'"
    )
    return f"{sys.executable} -m pip install {what}"


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def blas() -> Check:
    """The BLAS that NumPy uses, and how many threads it may use."""
    import numpy as np

    np.dot(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
    for info in threadpoolctl.threadpool_info():
        if info["user_api"] == "blas":
            version = info.get("version") or "of unknown version"
            detail = (
                f"{info['internal_api']} {version} ({info.get('architecture', 'architecture unknown')}), "
            )
            return Check("BLAS", True, detail + f"{info['num_threads']} threads of its own")
    return Check(
        "BLAS",
        False,
        "none that can be recognised: products will be slow",
        "pip install --force-reinstall numpy",
    )


def compiler() -> Check:
    """The system's C++ compiler."""
    name = os.environ.get("CXX") or next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), "")
    if not name or not shutil.which(name.split()[0]):
        return Check("C++ compiler", False, "none found", "apt-get install g++")
    lines = _output(*name.split(), "--version").splitlines()
    return Check("C++ compiler", True, lines[0] if lines else name)


def cuda_root() -> Path | None:
    """The folder of the CUDA toolkit: CUDA_ROOT, or where nvcc says it lives (it may be a wrapper)."""
    roots = [os.environ.get(name, "") for name in ("CUDA_ROOT", "CUDA_HOME", "CUDA_PATH")]
    if nvcc := shutil.which("nvcc"):
        if found := re.search(r"^#\$ _HERE_=(.+)$", _output(nvcc, "--dryrun", "none.cu"), re.MULTILINE):
            roots.append(str(Path(found.group(1).strip()).parent))
        roots.append(str(Path(nvcc).resolve().parent.parent))
    for root in (Path(r) for r in roots if r):
        if (root / "include" / "cuda.h").is_file():
            return root
    return None


def nvcc() -> Check:
    """The CUDA compiler and its toolkit."""
    if not shutil.which("nvcc"):
        return Check("nvcc", False, "none found", "apt-get install nvidia-cuda-toolkit")
    found = re.search(r"release ([\d.]+)", _output("nvcc", "--version"))
    root = cuda_root()
    where = f", toolkit in {root}" if root else ", but no include/cuda.h beside it: set CUDA_ROOT"
    return Check("nvcc", True, f"CUDA {found.group(1) if found else 'of unknown version'}{where}")


def gpu() -> Check:
    """A CUDA driver with at least one GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Check(
            "GPU", False, "no CUDA driver (libcuda.so.1)", "install NVIDIA's driver on a machine with a GPU"
        )
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return Check("GPU", False, "a CUDA driver, but no GPU that it can use", "check with nvidia-smi")
    name = ctypes.create_string_buffer(128)
    driver.cuDeviceGetName(name, 128, 0)
    return Check("GPU", True, f"{count.value} x {name.value.decode()}")


def _distribution(module: str, distribution: str) -> str | None:
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def pycuda() -> Check:
    """PyCUDA; it is built from source, and its build must be told where the toolkit is and what it lacks."""
    version = _distribution("pycuda", "pycuda")
    if version:
        return Check("PyCUDA", True, f"pycuda {version}")
    root = cuda_root()
    if root is None:
        return Check(
            "PyCUDA",
            False,
            "not installed; it needs a CUDA toolkit first",
            "apt-get install nvidia-cuda-toolkit",
        )
    folders = [
        root / "lib64",
        root / "lib",
        root / "lib64" / "stubs",
        root / "lib" / "stubs",
        *LIBRARY_FOLDERS,
    ]
    if not any((folder / "libcuda.so").exists() for folder in folders):
        return Check(
            "PyCUDA",
            False,
            "not installed; its build links libcuda.so, which neither the toolkit nor a driver brings here",
            "install NVIDIA's driver with its development link libcuda.so",
        )
    command = f"CUDA_ROOT={root} {install_command('cuda')}"
    if (root / "include" / "curand.h").exists():
        return Check("PyCUDA", False, "not installed", command)
    without = "echo 'CUDA_ENABLE_CURAND = False' >> ~/.aksetup-defaults.py"
    return Check("PyCUDA", False, "not installed; the toolkit has no cuRAND", f"{without} && {command}")


def cublas() -> Check:
    """cuBLAS, and its Python binding."""
    version = _distribution("nvmath", "nvmath-python")
    if not version:
        return Check(
            "cuBLAS", False, "no nvmath-python", f"{sys.executable} -m pip install 'nvmath-python==1.0.*'"
        )
    root = cuda_root()
    folders = [*LIBRARY_FOLDERS, *([root / "lib64", root / "lib"] if root else [])]
    wheels = {found.metadata["Name"] for found in importlib.metadata.distributions()}
    if not wheels & set(CUBLAS_WHEELS) and not any(any(folder.glob("libcublas.so*")) for folder in folders):
        return Check(
            "cuBLAS",
            False,
            f"nvmath-python {version}, but no cuBLAS",
            f"{sys.executable} -m pip install nvidia-cublas",
        )
    return Check("cuBLAS", True, f"nvmath-python {version}")


def engine(name: str, problem: str | None) -> Check:
    """An engine, given what keeps this machine from running it."""
    if problem is None:
        return Check(f"engine {name}", True, "ready")
    what, _, mend = problem.partition("; ")
    needs = {"host": [compiler], "cuda": [gpu, nvcc, pycuda, cublas]}
    lacking = next((check for need in needs[name] if not (check := need()).present), None)
    what = what.removeprefix(f"engine '{name}' ")
    return Check(f"engine {name}", False, what, lacking.mend if lacking else mend)


def mpi() -> Check:
    """mpi4py and an MPI library with its launcher."""
    version = _distribution("mpi4py", "mpi4py")
    launcher = shutil.which("mpiexec") or shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    if version and launcher:
        return Check("MPI", True, f"mpi4py {version}, {launcher}")
    lacks = "mpi4py" if not version else "mpiexec"
    return Check("MPI", False, f"no {lacks}", install_command("mpi"))


def extra(name: str) -> Check:
    """Optional packages, by the name of the extra that brings them."""
    versions, purpose = _versions(name), EXTRAS[name][2]
    if lacking := missing_packages(name):
        return Check(name, False, f"no {', '.join(lacking)}: {purpose}", install_command(name))
    there = ", ".join(f"{package} {version}" for package, version in versions.items())
    return Check(name, True, f"{there}: {purpose}")


def missing_packages(name: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [package for package, version in _versions(name).items() if not version]


def _versions(name: str) -> dict[str, str | None]:
    """The version of each package of an extra, None for one that is not installed."""
    modules, packages, _ = EXTRAS[name]
    return {
        package: _distribution(module, package)
        for module, package in zip(modules, packages.split(", "), strict=True)
    }
