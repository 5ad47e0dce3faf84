"""targets = scale_targets * targets + scale_output * result, where a scale of 0 reads nothing."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.operations import HostArray


def combine(targets: HostArray, result: HostArray, scale_targets: float, scale_output: float) -> None:
    """Scales `result` into `targets`, in place; with scale_targets == 0 `targets` is not read.

    `result` is scratch of the same shape and may be overwritten.
    """
    if scale_targets == 0:
        if scale_output == 1:
            np.copyto(targets, result)
        else:
            np.multiply(result, scale_output, out=targets)
        return
    if scale_output != 1:
        np.multiply(result, scale_output, out=result)
    if scale_targets != 1:
        np.multiply(targets, scale_targets, out=targets)
    np.add(targets, result, out=targets)


def scale_in_place(targets: HostArray, scale_targets: float) -> None:
    """targets = scale_targets * targets; with 0 they are not read."""
    if scale_targets == 0:
        targets[...] = 0
    elif scale_targets != 1:
        np.multiply(targets, scale_targets, out=targets)
