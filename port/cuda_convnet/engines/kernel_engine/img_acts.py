"""img_acts as a KernelEngine offers it: shared, unshared and sparse filters."""

from __future__ import annotations

from cuda_convnet.engines.geometry import Geometry, check_geometry, check_over_sample
from cuda_convnet.engines.kernel_engine.connections import checked_connections
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table.img_acts import img_acts
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_operands


class ImgActsOperations:
    """Gradients of convolutions to their input; the engine supplies `device`.

    hid_acts (F, modules_y, modules_x, N), filters (filter_channels, size, size, F), unshared ones with the
    modules as their first axis; targets (channels, img_y, img_x, N), of sparse filters (over_sample,
    channels, img_y, img_x, N). All raise EngineError for arrays that do not fit one another.
    """

    device: Device

    def conv_img_acts(
        self,
        hid_acts: Array,
        filters: Array,
        targets: Array,
        *,
        padding: int,
        stride: int,
        groups: int = 1,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """img_acts: gradient of a convolution to its input.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "conv_img_acts"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape, filters.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups)
        self._img_acts(name, geometry, hid_acts, filters, targets, scale_targets, scale_output)

    def conv_img_acts_sparse(
        self,
        hid_acts: Array,
        filters: Array,
        targets: Array,
        *,
        color_indices: Array,
        padding: int,
        stride: int,
        groups: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """img_acts of sparse filters: one gradient for each time that channels are seen, not yet added up.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "conv_img_acts_sparse"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape[1:], filters.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, sparse=True)
        indices = self._connections(name, color_indices, geometry, targets)
        self._img_acts(name, geometry, hid_acts, filters, targets, scale_targets, scale_output, indices)

    def local_img_acts(
        self,
        hid_acts: Array,
        filters: Array,
        targets: Array,
        *,
        padding: int,
        stride: int,
        groups: int = 1,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """img_acts of unshared filters.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "local_img_acts"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape, filters.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, unshared=True)
        self._img_acts(name, geometry, hid_acts, filters, targets, scale_targets, scale_output)

    def local_img_acts_sparse(
        self,
        hid_acts: Array,
        filters: Array,
        targets: Array,
        *,
        color_indices: Array,
        padding: int,
        stride: int,
        groups: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """img_acts of unshared, sparse filters, as conv_img_acts_sparse.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "local_img_acts_sparse"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape[1:], filters.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, sparse=True, unshared=True)
        indices = self._connections(name, color_indices, geometry, targets)
        self._img_acts(name, geometry, hid_acts, filters, targets, scale_targets, scale_output, indices)

    def _connections(self, operation: str, color_indices: Array, geometry: Geometry, targets: Array) -> Array:
        """color_indices, once they and the planes of targets are found to fit."""
        indices = checked_connections(self.device, operation, color_indices, geometry, once=True)
        check_over_sample(operation, targets.shape, geometry)
        return indices

    def _img_acts(
        self,
        operation: str,
        geometry: Geometry,
        hid_acts: Array,
        filters: Array,
        targets: Array,
        scale_targets: float,
        scale_output: float,
        *color_indices: Array,
    ) -> None:
        unshared = len(filters.shape) == 5
        self.device.launch(
            img_acts(geometry, operation, unshared=unshared),
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
            geometry.filter_channels * geometry.size**2 * geometry.filters if unshared else 0,
            float(scale_targets),
            float(scale_output),
            *color_indices,
            fresh=[] if scale_targets else [targets],
        )
