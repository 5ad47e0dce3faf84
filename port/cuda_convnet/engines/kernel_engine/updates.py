"""Updates of weights beyond plain momentum, and constraints on them, of a KernelEngine."""

from __future__ import annotations

from math import prod

import numpy as np

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import updates as table
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_weights, same_shapes


class UpdateOperations:
    """The updates and constraints of a KernelEngine, which supplies `device`."""

    device: Device

    def super_update(
        self,
        inc: Array,
        grad: Array,
        grad_avg: Array,
        grad2_avg: Array,
        *,
        eps: float,
        mom: float,
        super_eps: float,
    ) -> None:
        same_shapes("super_update", inc=inc, grad=grad, grad_avg=grad_avg, grad2_avg=grad2_avg)
        size = prod(inc.shape)
        scalars = float(eps), float(mom), float(super_eps)
        launch = table.super_update(size)
        self.device.launch(launch, inc, grad, grad_avg, grad2_avg, *scalars, np.uint64(size))

    def constrain_ball(self, weights: Array, *, norm: float) -> None:
        check_weights("constrain_ball", weights)
        launch = table.constraint("constrain_ball", weights.shape[1])
        self.device.launch(launch, weights, float(norm), *weights.shape)

    def constrain_contrast(self, weights: Array, *, norm_min: float, norm_max: float) -> None:
        check_weights("constrain_contrast", weights)
        launch = table.constraint("constrain_contrast", weights.shape[1])
        self.device.launch(launch, weights, float(norm_min), float(norm_max), *weights.shape)
