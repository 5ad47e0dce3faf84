"""What nvcc makes of the kernels: registers, shared memory, stack and spills, as `kernels/compile_table.csv`.

`python -m alexnet2012.compile_table` brings it up to date, for every kernel that the archives and the
experiments use, and every one that a convolution may; it needs nvcc, and no GPU. Another PATH as its only
argument is where the table is read and written instead.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path

from alexnet2012.kernel_use import used_kernels
from cuda_convnet.engines.kernel_engine.cuda_device import NVCC_OPTIONS
from cuda_convnet.engines.kernel_engine.launch import entry_function, entry_point
from cuda_convnet.engines.kernel_engine.recording import Instance
from cuda_convnet.engines.kernel_engine.sources import included, kernels_folder
from cuda_convnet.engines.numpy_engine.parallel import available_cores
from cuda_convnet.errors import EngineError

ARCHITECTURES = (75, 80, 90, 100)
CONVOLUTIONS = ("filter_acts.cu", "img_acts.cu", "weight_acts.cu")
NAME = "compile_table.csv"
AT_ONCE = 12
"""Kernels in one run of nvcc: enough to share its start, few enough to keep all cores busy."""


@dataclass(frozen=True, order=True)
class Row:
    """One kernel on one architecture: of a thread registers and bytes of stack, of a block bytes shared.

    The stack, which lies in the GPU's memory, holds arrays that are not in registers, and spilled registers.
    `source` is a checksum of all that is compiled.
    """

    file: str
    kernel: str
    threads: int
    source: str
    sm: int
    registers: int
    shared: int
    stack: int
    spill_stores: int
    spill_loads: int

    @property
    def in_registers(self) -> bool:
        """Whether a thread keeps all its own in registers: nothing is spilled, no array lies on the stack."""
        return not (self.stack or self.spill_stores or self.spill_loads)


@dataclass(frozen=True)
class Table:
    """The rows, and the version of the nvcc that they are of."""

    nvcc: str
    rows: tuple[Row, ...]


def compile_all(instances: Sequence[Instance], folder: Path, known: Table | None = None) -> Table:
    """Compile every instance for every architecture, or take its rows from `known`, where it is the same.

    Raises EngineError with nvcc's words where one does not compile.
    """
    version = nvcc_version()
    rows = [row for row in known.rows if known.nvcc == version] if known else []
    sources = {checksum(instance, folder): instance for instance in instances}
    there = {row.source for row in rows}
    ordered = sorted(
        (one for source, one in sources.items() if source not in there), key=lambda one: one[0].file
    )
    batches: list[list[Instance]] = []
    for _, of_file in groupby(ordered, lambda instance: instance[0].file):
        of_one = list(of_file)
        batches += [of_one[i : i + AT_ONCE] for i in range(0, len(of_one), AT_ONCE)]
    with ThreadPoolExecutor(available_cores()) as pool:
        for found in pool.map(lambda batch: _compile(batch, folder), batches):
            rows += found
    return Table(version, tuple(sorted(row for row in rows if row.source in sources)))


def checksum(instance: Instance, folder: Path) -> str:
    """Of the source that is compiled, with all that it includes."""
    return hashlib.sha256(included(entry_point(*instance), folder).encode()).hexdigest()[:16]


def nvcc_version() -> str:
    """As `13.0.88`. Raises EngineError where there is no nvcc."""
    found = re.search(r"V([\d.]+)", _said("--version"))
    return found[1] if found else "unknown"


@functools.cache
def nvcc_architectures() -> tuple[int, ...]:
    """Those of ARCHITECTURES that nvcc compiles for. Raises EngineError where there is no nvcc."""
    known = set(_said("--list-gpu-code").split())
    return tuple(sm for sm in ARCHITECTURES if f"sm_{sm}" in known)


def _said(option: str) -> str:
    """nvcc's answer."""
    try:
        return subprocess.run(["nvcc", option], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise EngineError(
            f"nvcc does not run ({error}); install a CUDA toolkit and put nvcc on the PATH"
        ) from error


def _compile(batch: Sequence[Instance], folder: Path) -> list[Row]:
    """The rows of kernels of one file, by one run of nvcc."""
    names = [f"entry{i}" for i in range(len(batch))]
    functions = [entry_function(*instance, name) for instance, name in zip(batch, names, strict=True)]
    source = f'#include "{batch[0][0].file}"\n' + "".join(functions)
    architectures = [f"-gencode=arch=compute_{sm},code=sm_{sm}" for sm in nvcc_architectures()]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "entries.cu"
        path.write_text(source)
        command = ["nvcc", "-fatbin", "-Xptxas", "-v", *NVCC_OPTIONS, *architectures, "-I", str(folder)]
        command += ["-o", str(path.with_suffix(".fatbin")), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr + done.stdout).splitlines()
        errors = [line.strip() for line in said if "error" in line] or said or ["nvcc failed"]
        raise EngineError(f"{batch[0][0].file}: it does not compile: {errors[0]}")
    return list(_rows(dict(zip(names, batch, strict=True)), done.stderr + done.stdout, folder))


def _rows(instances: dict[str, Instance], said: str, folder: Path) -> Iterable[Row]:
    """What `ptxas -v` told of each."""
    pattern = (
        r"Compiling entry function '(\w+)' for 'sm_(\d+)'.*?"
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?"
        r"Used (\d+) registers([^\n]*)"
    )
    told = re.findall(pattern, said, re.DOTALL)
    expected = len(instances) * len(nvcc_architectures())
    if len(told) != expected:
        raise EngineError(f"nvcc told of {len(told)} kernels, not of {expected}")
    for name, sm, stack, stores, loads, registers, rest in told:
        launch, _ = instances[name]
        shared = re.search(r"(\d+) bytes smem", rest)
        yield Row(
            launch.file,
            launch.instance,
            launch.threads,
            checksum(instances[name], folder),
            int(sm),
            int(registers),
            int(shared[1]) if shared else 0,
            int(stack),
            int(stores),
            int(loads),
        )


def write(table: Table, path: Path) -> None:
    """As CSV, with what it was made of in a first line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# nvcc {table.nvcc}\n")
        rows = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(map(asdict, table.rows))


def read(path: Path) -> Table:
    """What `write` wrote; of a table with other columns no rows."""
    with path.open(newline="", encoding="utf-8") as file:
        nvcc = file.readline().split()[-1]
        found = csv.DictReader(file)
        if found.fieldnames != [field.name for field in fields(Row)]:
            return Table(nvcc, ())
        numbers = {field.name for field in fields(Row) if field.type == "int"}
        rows = [
            Row(**{name: int(value) if name in numbers else value for name, value in row.items()})  # type: ignore[arg-type]
            for row in found
        ]
    return Table(nvcc, tuple(rows))


def main() -> None:
    """Bring the table of this checkout's kernels up to date, and name those that need more than registers."""
    folder = kernels_folder()
    path = Path(sys.argv[1]) if sys.argv[1:] else folder / NAME
    table = compile_all(used_kernels(), folder, read(path) if path.is_file() else None)
    write(table, path)
    print(f"{path}: {len(table.rows)} rows")
    for row in table.rows:
        if not row.in_registers:
            print(f"not all in registers: {row}")


if __name__ == "__main__":
    main()
