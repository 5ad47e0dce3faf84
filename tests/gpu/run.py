"""Runs everything on a CUDA machine: it needs nvcc, and Python with NumPy, SciPy, h5py and click.

    python tests/gpu/run.py [--wheels DIR] [OPTION]...

installs the wheels of a folder (PyCUDA, nvmath-python and what else the machine lacks) aside for this run,
and does what `python -m alexnet2012.gpu [OPTION]...` does: it writes certificate.json, which belongs into
original/activations/certificates/.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description="Run everything on this machine's GPU.")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to install for this run")
    ours, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as site:
        paths = [CHECKOUT / "port", CHECKOUT / "reproduce"]
        if ours.wheels:
            wheels = sorted(map(str, ours.wheels.glob("*.whl")))
            if not wheels:
                sys.exit(f"{ours.wheels}: there are no wheels in it")
            install = ["install", "-q", "--no-index", "--no-deps", "--no-compile", "--target", site, *wheels]
            subprocess.run([sys.executable, "-m", "pip", *install], check=True)
            paths.append(Path(site))
        before = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join([*map(str, paths), *([before] if before else [])])
        command = [sys.executable, "-m", "alexnet2012.gpu", *others]
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
