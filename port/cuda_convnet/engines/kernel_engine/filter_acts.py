"""filter_acts, forward convolution, as kernels: shared and unshared filters, in groups or sparse."""

from __future__ import annotations

from cuda_convnet.engines.geometry import Geometry, check_geometry
from cuda_convnet.engines.kernel_engine.connections import checked_connections
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table.filter_acts import filter_acts
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_operands


class FilterActsOperations:
    """Forward convolutions of a KernelEngine, which supplies `device`.

    images (channels, img_y, img_x, N), filters (filter_channels, size, size, F), targets (F, modules_y,
    modules_x, N). filter_channels = channels / groups; sparse filters see those channels that color_indices
    int32 (groups, filter_channels) name for their group. Unshared filters have the modules as their first
    axis. All raise EngineError for arrays that do not fit one another.
    """

    device: Device

    def conv_filter_acts(
        self,
        images: Array,
        filters: Array,
        targets: Array,
        *,
        padding: int,
        stride: int,
        groups: int = 1,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """filter_acts: forward convolution.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "conv_filter_acts"
        check_operands(name, targets, images=images, filters=filters)
        geometry = check_geometry(name, images.shape, filters.shape, targets.shape, padding, stride, groups)
        self._filter_acts(geometry, images, filters, None, targets, False, scale_targets, scale_output)

    def conv_filter_acts_sparse(
        self,
        images: Array,
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
        """filter_acts of sparse filters.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "conv_filter_acts_sparse"
        check_operands(name, targets, images=images, filters=filters)
        shapes = (images.shape, filters.shape, targets.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, sparse=True)
        connections = checked_connections(self.device, name, color_indices, geometry, once=False)
        self._filter_acts(geometry, images, filters, connections, targets, False, scale_targets, scale_output)

    def local_filter_acts(
        self,
        images: Array,
        filters: Array,
        targets: Array,
        *,
        padding: int,
        stride: int,
        groups: int = 1,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """filter_acts of unshared filters.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "local_filter_acts"
        check_operands(name, targets, images=images, filters=filters)
        shapes = (images.shape, filters.shape, targets.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, unshared=True)
        self._filter_acts(geometry, images, filters, None, targets, True, scale_targets, scale_output)

    def local_filter_acts_sparse(
        self,
        images: Array,
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
        """filter_acts of unshared, sparse filters.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "local_filter_acts_sparse"
        check_operands(name, targets, images=images, filters=filters)
        shapes = (images.shape, filters.shape, targets.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, sparse=True, unshared=True)
        connections = checked_connections(self.device, name, color_indices, geometry, once=False)
        self._filter_acts(geometry, images, filters, connections, targets, True, scale_targets, scale_output)

    def _filter_acts(
        self,
        geometry: Geometry,
        images: Array,
        filters: Array,
        connections: Array | None,
        targets: Array,
        unshared: bool,
        scale_targets: float,
        scale_output: float,
    ) -> None:
        taps = geometry.filter_channels * geometry.size**2
        self.device.launch(
            filter_acts(geometry, sparse=connections is not None),
            images,
            filters,
            *(() if connections is None else (connections,)),
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
            taps if unshared else 0,
            float(scale_targets),
            float(scale_output),
            fresh=[targets] if scale_targets == 0 else [],
        )
