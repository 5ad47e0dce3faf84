"""weight_acts: gradients of convolutions to their filters; shared, unshared, sparse."""

from __future__ import annotations

from cuda_convnet.engines.geometry import Geometry, check_geometry, check_partial_sum
from cuda_convnet.engines.kernel_engine.connections import checked_connections
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table.grids import check_size
from cuda_convnet.engines.kernel_engine.launch_table.weight_acts import weight_acts
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_operands


class WeightActsOperations:
    """The gradients of convolutions to their filters; the engine supplies `device`.

    images (channels, img_y, img_x, N), hid_acts (F, modules_y, modules_x, N), filters (filter_channels, size,
    size, F). filter_channels = channels / groups; sparse filters see those channels that color_indices int32
    (groups, filter_channels) name for their group. Unshared filters have the modules as their first axis. All
    raise EngineError for arrays that do not fit one another.
    """

    device: Device

    def conv_weight_acts(
        self,
        images: Array,
        hid_acts: Array,
        targets: Array,
        *,
        padding: int,
        stride: int,
        groups: int = 1,
        partial_sum: int = 0,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """weight_acts: gradient of a convolution's filters. targets (chunks, filter_channels, size, size, F).

        A chunk is the sum over `partial_sum` consecutive modules, over all of them where that is 0.
        cuda-convnet:src/cudaconv2/weight_acts.cu
        """
        name = "conv_weight_acts"
        check_operands(name, targets, images=images, hid_acts=hid_acts)
        shapes = (images.shape, targets.shape[1:], hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups)
        length = check_partial_sum(name, targets.shape, partial_sum, geometry)
        self._weight_acts(geometry, length, images, hid_acts, None, targets, scale_targets, scale_output)

    def conv_weight_acts_sparse(
        self,
        images: Array,
        hid_acts: Array,
        targets: Array,
        *,
        color_indices: Array,
        padding: int,
        stride: int,
        groups: int,
        partial_sum: int = 0,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """weight_acts of sparse filters. targets as in conv_weight_acts.

        cuda-convnet:src/cudaconv2/weight_acts.cu
        """
        name = "conv_weight_acts_sparse"
        check_operands(name, targets, images=images, hid_acts=hid_acts)
        shapes = (images.shape, targets.shape[1:], hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, sparse=True)
        connections = checked_connections(self.device, name, color_indices, geometry, once=False)
        length = check_partial_sum(name, targets.shape, partial_sum, geometry)
        self._weight_acts(
            geometry, length, images, hid_acts, connections, targets, scale_targets, scale_output
        )

    def local_weight_acts(
        self,
        images: Array,
        hid_acts: Array,
        targets: Array,
        *,
        padding: int,
        stride: int,
        groups: int = 1,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """weight_acts of unshared filters: each module is a chunk. targets like filters.

        cuda-convnet:src/cudaconv2/weight_acts.cu
        """
        name = "local_weight_acts"
        check_operands(name, targets, images=images, hid_acts=hid_acts)
        shapes = (images.shape, targets.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, unshared=True)
        self._weight_acts(geometry, 1, images, hid_acts, None, targets, scale_targets, scale_output)

    def local_weight_acts_sparse(
        self,
        images: Array,
        hid_acts: Array,
        targets: Array,
        *,
        color_indices: Array,
        padding: int,
        stride: int,
        groups: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """weight_acts of unshared, sparse filters. targets like filters.

        cuda-convnet:src/cudaconv2/weight_acts.cu
        """
        name = "local_weight_acts_sparse"
        check_operands(name, targets, images=images, hid_acts=hid_acts)
        shapes = (images.shape, targets.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, sparse=True, unshared=True)
        connections = checked_connections(self.device, name, color_indices, geometry, once=False)
        self._weight_acts(geometry, 1, images, hid_acts, connections, targets, scale_targets, scale_output)

    def _weight_acts(
        self,
        geometry: Geometry,
        partial_sum: int,
        images: Array,
        hid_acts: Array,
        connections: Array | None,
        targets: Array,
        scale_targets: float,
        scale_output: float,
    ) -> None:
        check_size("weight_acts", images=images.shape, hid_acts=hid_acts.shape, targets=targets.shape)
        launch = weight_acts(geometry, partial_sum, sparse=connections is not None)
        self.device.launch(
            launch,
            images,
            hid_acts,
            *(() if connections is None else (connections,)),
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
            float(scale_targets),
            float(scale_output),
            fresh=[targets] if scale_targets == 0 else [],
        )
