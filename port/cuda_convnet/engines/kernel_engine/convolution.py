"""The convolutions of a KernelEngine: which kernel is launched, and what it is told."""

from __future__ import annotations

from cuda_convnet.engines.convolution import CheckedConvolutions, Convolution
from cuda_convnet.engines.geometry import Geometry
from cuda_convnet.engines.kernel_engine.connections import checked_connections
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table.filter_acts import filter_acts
from cuda_convnet.engines.kernel_engine.launch_table.grids import check_size
from cuda_convnet.engines.kernel_engine.launch_table.img_acts import img_acts
from cuda_convnet.engines.kernel_engine.launch_table.weight_acts import weight_acts
from cuda_convnet.engines.operations import Array


class ConvolutionOperations(CheckedConvolutions):
    """The convolutions of a KernelEngine, which supplies `device`."""

    device: Device

    def connections(self, operation: str, color_indices: Array, geometry: Geometry, *, once: bool) -> Array:
        return checked_connections(self.device, operation, color_indices, geometry, once=once)

    def filter_acts(self, call: Convolution, images: Array, filters: Array, targets: Array) -> None:
        geometry = call.geometry
        sparse = call.connections is not None
        self.device.launch(
            filter_acts(geometry, sparse=sparse),
            images,
            filters,
            *([call.connections] if sparse else []),
            targets,
            geometry.images,
            geometry.filters,
            geometry.img_y,
            geometry.img_x,
            geometry.size,
            geometry.padding,
            geometry.stride,
            geometry.modules_y,
            geometry.modules_x,
            geometry.filter_channels,
            geometry.groups,
            geometry.filter_channels * geometry.size**2 if call.unshared else 0,
            float(call.scale_targets),
            float(call.scale_output),
            fresh=_fresh(call, targets),
        )

    def img_acts(self, call: Convolution, hid_acts: Array, filters: Array, targets: Array) -> None:
        geometry = call.geometry
        sparse = call.connections is not None
        self.device.launch(
            img_acts(geometry, call.operation, unshared=call.unshared),
            hid_acts,
            filters,
            targets,
            geometry.images,
            geometry.filters,
            geometry.groups,
            geometry.channels,
            geometry.filter_channels,
            geometry.img_y,
            geometry.img_x,
            geometry.modules_y,
            geometry.modules_x,
            geometry.size,
            geometry.padding,
            geometry.stride,
            geometry.filter_channels * geometry.size**2 * geometry.filters if call.unshared else 0,
            float(call.scale_targets),
            float(call.scale_output),
            *([call.connections] if sparse else []),
            fresh=_fresh(call, targets),
        )

    def weight_acts(
        self, call: Convolution, images: Array, hid_acts: Array, targets: Array, partial_sum: int
    ) -> None:
        geometry = call.geometry
        sparse = call.connections is not None
        check_size("weight_acts", images=images.shape, hid_acts=hid_acts.shape, targets=targets.shape)
        self.device.launch(
            weight_acts(geometry, partial_sum, sparse=sparse),
            images,
            hid_acts,
            *([call.connections] if sparse else []),
            targets,
            geometry.images,
            geometry.img_y,
            geometry.img_x,
            geometry.filters,
            geometry.modules_y,
            geometry.modules_x,
            geometry.size,
            geometry.filter_channels,
            -geometry.padding,
            geometry.stride,
            geometry.groups,
            partial_sum,
            float(call.scale_targets),
            float(call.scale_output),
            fresh=_fresh(call, targets),
        )


def _fresh(call: Convolution, targets: Array) -> list[Array]:
    return [targets] if call.scale_targets == 0 else []
