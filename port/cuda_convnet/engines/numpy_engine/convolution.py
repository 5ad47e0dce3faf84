"""The convolutions as the engine offers them: filter_acts, img_acts, weight_acts; shared, unshared, sparse.

Modules that hang over the image's edge see zeros there; how many there are is given by the arrays' shapes.
Sums are BLAS's, so results agree with the original to rounding; they are the same bits with any number of
threads.
"""

from __future__ import annotations

from cuda_convnet.engines.geometry import (
    Connections,
    Geometry,
    check_connections,
    check_geometry,
    check_over_sample,
    check_partial_sum,
)
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.shared import Shared
from cuda_convnet.engines.numpy_engine.unshared import Unshared
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_operands

Shape = tuple[int, ...]


class ConvolutionOperations:
    """The convolutions of the NumPy engine, which supplies `pool`.

    images (channels, img_y, img_x, N), filters (filter_channels, size, size, F), hid_acts (F, modules_y,
    modules_x, N). filter_channels = channels / groups; sparse filters see those channels that color_indices
    (groups, filter_channels) name for their group. Unshared filters have the modules as their first axis.
    All raise EngineError for arrays that do not fit one another.
    """

    pool: WorkerPool

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
        """filter_acts: forward convolution. targets like hid_acts.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "conv_filter_acts"
        check_operands(name, targets, images=images, filters=filters)
        shapes = (images.shape, filters.shape, targets.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups)
        shared = Shared(self.pool, geometry, None, scale_targets, scale_output)
        shared.filter_acts(images, filters, targets)

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
        """img_acts: gradient of a convolution's input. targets like images.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "conv_img_acts"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape, filters.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups)
        shared = Shared(self.pool, geometry, None, scale_targets, scale_output)
        shared.img_acts(hid_acts, filters, targets[None])

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
        partial_sum = check_partial_sum(name, targets.shape, partial_sum, geometry)
        shared = Shared(self.pool, geometry, None, scale_targets, scale_output)
        shared.weight_acts(images, hid_acts, targets, partial_sum)

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
        """filter_acts of sparse filters. targets like hid_acts.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "conv_filter_acts_sparse"
        check_operands(name, targets, images=images, filters=filters)
        shapes = (images.shape, filters.shape, targets.shape)
        geometry, connections = _sparse(name, shapes, padding, stride, groups, color_indices)
        shared = Shared(self.pool, geometry, connections, scale_targets, scale_output)
        shared.filter_acts(images, filters, targets)

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
        """img_acts of sparse filters. targets (over_sample, channels, img_y, img_x, N), not yet added up.

        over_sample = groups * filter_channels / channels; each sample of groups must see every channel once.
        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "conv_img_acts_sparse"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape[1:], filters.shape, hid_acts.shape)
        geometry, connections = _sparse(name, shapes, padding, stride, groups, color_indices, once=True)
        check_over_sample(name, targets.shape, geometry)
        shared = Shared(self.pool, geometry, connections, scale_targets, scale_output)
        shared.img_acts(hid_acts, filters, targets)

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
        geometry, connections = _sparse(name, shapes, padding, stride, groups, color_indices)
        partial_sum = check_partial_sum(name, targets.shape, partial_sum, geometry)
        shared = Shared(self.pool, geometry, connections, scale_targets, scale_output)
        shared.weight_acts(images, hid_acts, targets, partial_sum)

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
        """filter_acts of unshared filters. targets like hid_acts.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "local_filter_acts"
        check_operands(name, targets, images=images, filters=filters)
        shapes = (images.shape, filters.shape, targets.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, unshared=True)
        unshared = Unshared(self.pool, geometry, None, scale_targets, scale_output)
        unshared.filter_acts(images, filters, targets)

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
        """img_acts of unshared filters. targets like images.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "local_img_acts"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape, filters.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, unshared=True)
        unshared = Unshared(self.pool, geometry, None, scale_targets, scale_output)
        unshared.img_acts(hid_acts, filters, targets[None])

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
        """weight_acts of unshared filters. targets like filters.

        cuda-convnet:src/cudaconv2/weight_acts.cu
        """
        name = "local_weight_acts"
        check_operands(name, targets, images=images, hid_acts=hid_acts)
        shapes = (images.shape, targets.shape, hid_acts.shape)
        geometry = check_geometry(name, *shapes, padding, stride, groups, unshared=True)
        unshared = Unshared(self.pool, geometry, None, scale_targets, scale_output)
        unshared.weight_acts(images, hid_acts, targets)

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
        """filter_acts of unshared, sparse filters. targets like hid_acts.

        cuda-convnet:src/cudaconv2/filter_acts.cu
        """
        name = "local_filter_acts_sparse"
        check_operands(name, targets, images=images, filters=filters)
        shapes = (images.shape, filters.shape, targets.shape)
        geometry, connections = _sparse(name, shapes, padding, stride, groups, color_indices, unshared=True)
        unshared = Unshared(self.pool, geometry, connections, scale_targets, scale_output)
        unshared.filter_acts(images, filters, targets)

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
        """img_acts of unshared, sparse filters. targets as in conv_img_acts_sparse.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        name = "local_img_acts_sparse"
        check_operands(name, targets, hid_acts=hid_acts, filters=filters)
        shapes = (targets.shape[1:], filters.shape, hid_acts.shape)
        geometry, connections = _sparse(
            name, shapes, padding, stride, groups, color_indices, once=True, unshared=True
        )
        check_over_sample(name, targets.shape, geometry)
        unshared = Unshared(self.pool, geometry, connections, scale_targets, scale_output)
        unshared.img_acts(hid_acts, filters, targets)

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
        geometry, connections = _sparse(name, shapes, padding, stride, groups, color_indices, unshared=True)
        unshared = Unshared(self.pool, geometry, connections, scale_targets, scale_output)
        unshared.weight_acts(images, hid_acts, targets)


def _sparse(
    name: str,
    shapes: tuple[Shape, Shape, Shape],
    padding: int,
    stride: int,
    groups: int,
    color_indices: Array,
    *,
    once: bool = False,
    unshared: bool = False,
) -> tuple[Geometry, Connections]:
    geometry = check_geometry(name, *shapes, padding, stride, groups, sparse=True, unshared=unshared)
    return geometry, check_connections(name, color_indices, geometry, once=once)
