"""The convolutions agree with what the original's kernels computed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from convolution_by_loops import assert_close

ARCHIVE = Path(__file__).parents[4] / "original" / "activations" / "ops.h5"
OPERATIONS = [
    f"{kind}_{operation}{sparse}"
    for kind in ("conv", "local")
    for sparse in ("", "_sparse")
    for operation in ("filter_acts", "img_acts", "weight_acts")
]


def arrays_of(case):
    """The case's inputs, targets with their previous content, and result, in the shapes of the engine."""
    a, name = case.attrs, case.parent.name[1:]
    pixels, modules = (a["img_size_y"], a["img_size_x"]), (a["modules_y"], a["modules_x"])
    seen = a["filter_channels"] if "sparse" in name else a["channels"] // a["groups"]
    taps = (seen, a["filter_size"], a["filter_size"], a["num_filters"])
    images = (a["channels"], *pixels, a["num_images"])
    shapes = {
        "images": images,
        "filters": (modules[0] * modules[1], *taps) if "local" in name else taps,
        "hid_acts": (a["num_filters"], *modules, a["num_images"]),
    }
    if "filter_acts" in name:
        shapes["targets"] = shapes["hid_acts"]
    elif "img_acts" in name:
        shapes["targets"] = (a["over_sample"], *images) if "sparse" in name else images
    else:
        shapes["targets"] = shapes["filters"] if "local" in name else (-1, *taps)
    result = case["out/targets"][()].reshape(shapes["targets"])
    inputs = {name: data[()] for name, data in case["in"].items()}
    inputs = {name: data.reshape(shapes[name]) if name in shapes else data for name, data in inputs.items()}
    targets = inputs.pop("targets", np.full_like(result, np.nan))
    return inputs, targets, result


@pytest.mark.parametrize("operation", OPERATIONS)
def test_archived_convolutions_are_reproduced_to_rounding(engine, operation):
    options = ("padding", "stride", "groups", "partial_sum", "scale_targets", "scale_output")
    with h5py.File(ARCHIVE) as archive:
        assert len(archive[operation]) > 0
        for case in archive[operation].values():
            inputs, targets, result = arrays_of(case)
            given = {name: case.attrs[name].item() for name in options if name in case.attrs}
            if not operation.startswith("conv_weight"):
                given.pop("partial_sum", None)
            getattr(engine, operation)(targets=targets, **inputs, **given)
            assert_close(targets, result)
