"""Archives of activations for tests: parts of the project's own, and others in the same format."""

import h5py
import numpy as np

from alexnet2012.fidelity.archive import FORMAT_VERSION
from alexnet2012.record import places

OPS = places.original_path() / "activations" / "ops.h5"


def write_archive(path, cases, **attributes):
    """An archive of operations: cases[op][name] = (attributes, inputs, outputs)."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"format_version": FORMAT_VERSION} | attributes)
        for op, named in cases.items():
            for name, (scalars, inputs, outputs) in named.items():
                group = file.create_group(f"{op}/{name}")
                group.attrs.update(scalars)
                for part, arrays in (("in", inputs), ("out", outputs)):
                    for dataset, array in arrays.items():
                        group[f"{part}/{dataset}"] = np.asarray(
                            array, None if dataset == "color_indices" else np.float32
                        )
    return path


def part_of_ops(path, *ops):
    """The cases of some operations of ops.h5, to be changed."""
    with h5py.File(OPS) as source, h5py.File(path, "w") as file:
        file.attrs["format_version"] = FORMAT_VERSION
        for op in ops:
            source.copy(op, file)
    return path
