"""The certificate of a GPU: what this version gave on it, as JSON.

    {"date", "commit", "changed", "machine", "device", "versions", "parts": {NAME: {"ok", ...}}, "ok"}

`changed` says that the checkout had changes beside the commit. A part that could not run has a "problem".
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from alexnet2012 import experiments, machine
from alexnet2012.fidelity.archive import open_archive
from alexnet2012.fidelity.ops import REPLAYS
from alexnet2012.fidelity.report import failures
from alexnet2012.gpu import bits, speed
from alexnet2012.kernel_use import archived_networks, used_kernels
from alexnet2012.record import places
from cuda_convnet.config import read_network
from cuda_convnet.engines import get_engine
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.cuda_device import CudaDevice
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import ConvnetError

TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
FOUND_ERRORS = 9
SMALL_MINIBATCH = 32
Part = Callable[[CudaDevice, Engine], dict[str, Any]]


def compile_kernels(device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """Compile all kernels that are used, on all cores, so that nothing after this waits for nvcc."""
    instances = used_kernels()
    start = time.perf_counter()
    device.compile(instances)
    return {"ok": True, "kernels": len(instances), "seconds": time.perf_counter() - start}


def fidelity(device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """All archives on the GPU."""
    from alexnet2012.commands.fidelity import check

    archives = {}
    for path in places.activation_archives():
        report = check(engine, [path], silent=True)
        archives[path.name] = {
            **report.to_json()["summary"],
            "of_its_bound_at_most": max(case.used for case in report.cases if case.ok),
            "failures": failures(report.cases),
        }
    return {"ok": not any(found["failures"] for found in archives.values()), "archives": archives}


def same_bits(device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """The GPU beside the same kernels on the CPU: operations, and the small networks."""
    host = get_engine("host")
    found: dict[str, Any] = {}
    for path in places.activation_archives():
        with open_archive(path) as archive:
            if archive.kind == "ops":
                found[path.name] = bits.to_json(bits.compare_operations(archive, host, engine))
            for number, spec in enumerate(archived_networks(archive)):
                compared = bits.compare_networks(spec, host, engine, SMALL_MINIBATCH)
                found[f"{path.name} {number}"] = bits.to_json(compared)
    folder = experiments.path("digits")
    digits = read_network(folder / "layers.cfg", folder / "params.cfg")
    found["digits"] = bits.to_json(bits.compare_networks(digits, host, engine, SMALL_MINIBATCH))
    return {"ok": all(one["ok"] for one in found.values()), **found}


def train_digits(device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """The digits experiment from its images to its accuracy."""
    from alexnet2012.commands.reproduce import describe, make_trainer
    from alexnet2012.experiment import DigitsExperiment, read_experiment
    from alexnet2012.running import run

    what = read_experiment("digits", None)
    assert isinstance(what, DigitsExperiment)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = make_trainer(what, Path(scratch) / "run", engine)
        run(trainer)
        page = describe(what, trainer, None)
    return {
        "ok": bool(page.reached),
        "wanted": what.wanted,
        "accuracy": page.predictions.accuracy,
        "right": page.predictions.correct,
        "of": len(page.predictions.labels),
        "seconds": page.train_seconds,
        "images_per_second": page.images_per_second,
    }


def sanitize(device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """The smallest case of every archived operation under each tool of compute-sanitizer."""
    sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(sanitizer).exists():
        return {"ok": False, "problem": "no compute-sanitizer; install the CUDA toolkit's"}
    found: dict[str, Any] = {}
    for tool in TOOLS:
        command = [sanitizer, "--tool", tool, "--error-exitcode", str(FOUND_ERRORS)]
        command += [sys.executable, "-m", "alexnet2012.gpu", "--smallest-cases"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("=========")]
        found[tool] = {"ok": done.returncode == 0, "said": lines[-1:] if done.returncode == 0 else lines[:40]}
        if done.returncode not in (0, FOUND_ERRORS):
            found[tool]["problem"] = (done.stderr or done.stdout).strip()[-2000:]
    return {"ok": all(one["ok"] for one in found.values()), **found}


def bench(device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """Run 145 at 128 images, beside PyTorch."""
    return speed.bench(device, engine)


PARTS: dict[str, Part] = {
    "compile": compile_kernels,
    "fidelity": fidelity,
    "bits": same_bits,
    "digits": train_digits,
    "sanitizer": sanitize,
    "speed": bench,
}


def run_smallest_cases() -> None:
    """For compute-sanitizer: of every archived operation one case, each array an allocation of its own."""
    engine = KernelEngine(CudaDevice(pooled=False))
    for path in places.activation_archives():
        with open_archive(path) as archive:
            if archive.kind == "ops":
                for op, case in bits.smallest_cases(archive):
                    list(REPLAYS[op](engine, case))


def head(device: CudaDevice) -> dict[str, Any]:
    """What the certificate is of."""
    commit = _git("rev-parse", "HEAD")
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit,
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None,
        "machine": machine.describe(),
        "device": device.describe()
        | {"driver": _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")},
        "versions": {"python": platform.python_version(), "nvcc": machine.nvcc().detail, **_versions()},
    }


def _versions() -> dict[str, str]:
    """Of the packages that have a part in it, where they are installed."""
    wanted = ("alexnet2012", "numpy", "pycuda", "nvmath-python", "nvidia-cublas", "torch")
    found = ((one.metadata["Name"], one.version) for one in importlib.metadata.distributions())
    return {name: version for name, version in sorted(found) if name in wanted}


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _git(*words: str) -> str:
    return _said("git", "-C", str(places.original_path().parent), *words)


def run_part(name: str, device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """One part; what keeps it from running is told in it."""
    start = time.perf_counter()
    try:
        found = PARTS[name](device, engine)
    except Exception as error:  # whatever a part meets, the others are still worth running
        found = {"ok": False, "problem": f"{type(error).__name__}: {error}"}
    return found | {"took_seconds": round(time.perf_counter() - start, 1)}


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("certificate.json"),
    show_default=True,
    help="The certificate; parts that one of the same commit and GPU has already are kept.",
)
@click.option(
    "--part", "names", multiple=True, type=click.Choice(list(PARTS)), help="Only this part; repeat for more."
)
@click.option("--smallest-cases", is_flag=True, hidden=True)
def command(out: Path, names: tuple[str, ...], smallest_cases: bool) -> None:
    """Run everything on this machine's GPU, and write a certificate of what came of it.

    Exit status: 0 if all is well, 1 if not, 2 if there is no GPU to run on.
    """
    try:
        if smallest_cases:
            run_smallest_cases()
            return
        device = CudaDevice()
        certificate = head(device) | {"parts": _earlier(out, device)}
    except ConvnetError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    engine = KernelEngine(device)
    for name in names or PARTS:
        certificate["parts"][name] = found = run_part(name, device, engine)
        click.echo(f"{name:<10} {'ok' if found['ok'] else 'NOT OK':<8} {found.get('problem', '')}")
        certificate["ok"] = all(part["ok"] for part in certificate["parts"].values())
        out.write_text(json.dumps(certificate, indent=1) + "\n", encoding="utf-8")
    click.echo(f"The certificate: {out}")
    sys.exit(0 if certificate["ok"] else 1)


def _earlier(path: Path, device: CudaDevice) -> dict[str, Any]:
    """The parts of a certificate of this commit and GPU."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        same = (
            found["commit"] == _git("rev-parse", "HEAD")
            and found["device"]["name"] == device.describe()["name"]
        )
        return dict(found["parts"]) if same else {}
    except (ValueError, KeyError, TypeError) as error:
        raise ConvnetError(f"{path}: not a certificate ({error}); give another --out") from None
