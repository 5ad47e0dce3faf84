"""The twelve convolutions with all that is asked of their arrays; an engine has only to compute them.

filter_acts, img_acts, weight_acts; each with shared or unshared (local) filters, dense or sparse. Modules
that hang over the image's edge see zeros there; how many there are is given by the arrays' shapes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from cuda_convnet.engines.geometry import Geometry, check_geometry, check_over_sample, check_partial_sum
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_operands

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """A call whose arrays fit. `connections`: an engine's own form of color_indices; None unless sparse."""

    operation: str
    geometry: Geometry
    connections: Any
    unshared: bool
    scale_targets: float
    scale_output: float


class CheckedConvolutions(ABC):
    """The convolutions of an engine, which computes them.

    images (channels, img_y, img_x, N), filters (filter_channels, size, size, F), hid_acts (F, modules_y,
    modules_x, N). filter_channels = channels / groups; sparse filters see those channels that color_indices
    int32 (groups, filter_channels) name for their group. Unshared filters have the modules as their first
    axis. All raise EngineError for arrays that do not fit one another.
    """

    # --- what an engine supplies ---

    @abstractmethod
    def connections(self, operation: str, color_indices: Array, geometry: Geometry, *, once: bool) -> Any:
        """color_indices as this engine takes them. Raises EngineError as geometry.check_connections does."""

    @abstractmethod
    def filter_acts(self, call: Convolution, images: Array, filters: Array, targets: Array) -> None:
        """targets like hid_acts."""

    @abstractmethod
    def img_acts(self, call: Convolution, hid_acts: Array, filters: Array, targets: Array) -> None:
        """targets like images; of sparse filters (over_sample, channels, img_y, img_x, N)."""

    @abstractmethod
    def weight_acts(
        self, call: Convolution, images: Array, hid_acts: Array, targets: Array, partial_sum: int
    ) -> None:
        """targets (chunks, filter_channels, size, size, F), chunks of `partial_sum` modules.

        Unshared filters are chunks of one module.
        """

    # --- what they have in common ---

    def _call(
        self,
        operation: str,
        shapes: tuple[Shape, Shape, Shape],
        how: tuple[int, int, int],
        scales: tuple[float, float],
        color_indices: Array | None = None,
        *,
        once: bool = False,
        unshared: bool = False,
    ) -> Convolution:
        """shapes: of images, filters, hid_acts; how: padding, stride, groups; scales: of targets, output."""
        sparse = color_indices is not None
        geometry = check_geometry(operation, *shapes, *how, sparse=sparse, unshared=unshared)
        connections = self.connections(operation, color_indices, geometry, once=once) if sparse else None
        return Convolution(operation, geometry, connections, unshared, *scales)

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
        check_operands("conv_filter_acts", targets, images=images, filters=filters)
        shapes, how = (images.shape, filters.shape, targets.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("conv_filter_acts", shapes, how, scales)
        self.filter_acts(call, images, filters, targets)

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
        """img_acts: gradient of a convolution to its input. targets like images.

        cuda-convnet:src/cudaconv2/img_acts.cu
        """
        check_operands("conv_img_acts", targets, hid_acts=hid_acts, filters=filters)
        shapes, how = (targets.shape, filters.shape, hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("conv_img_acts", shapes, how, scales)
        self.img_acts(call, hid_acts, filters, targets)

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
        """weight_acts: gradient of a convolution to its filters.

        targets (chunks, filter_channels, size, size, F): a chunk is the sum over `partial_sum` consecutive
        modules, over all of them where that is 0.

        cuda-convnet:src/cudaconv2/weight_acts.cu
        """
        check_operands("conv_weight_acts", targets, images=images, hid_acts=hid_acts)
        shapes, how = (images.shape, targets.shape[1:], hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("conv_weight_acts", shapes, how, scales)
        length = check_partial_sum(call.operation, targets.shape, partial_sum, call.geometry)
        self.weight_acts(call, images, hid_acts, targets, length)

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
        check_operands("conv_filter_acts_sparse", targets, images=images, filters=filters)
        shapes, how = (images.shape, filters.shape, targets.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("conv_filter_acts_sparse", shapes, how, scales, color_indices)
        self.filter_acts(call, images, filters, targets)

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
        check_operands("conv_img_acts_sparse", targets, hid_acts=hid_acts, filters=filters)
        shapes, how = (targets.shape[1:], filters.shape, hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("conv_img_acts_sparse", shapes, how, scales, color_indices, once=True)
        check_over_sample(call.operation, targets.shape, call.geometry)
        self.img_acts(call, hid_acts, filters, targets)

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
        check_operands("conv_weight_acts_sparse", targets, images=images, hid_acts=hid_acts)
        shapes, how = (images.shape, targets.shape[1:], hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("conv_weight_acts_sparse", shapes, how, scales, color_indices)
        length = check_partial_sum(call.operation, targets.shape, partial_sum, call.geometry)
        self.weight_acts(call, images, hid_acts, targets, length)

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
        check_operands("local_filter_acts", targets, images=images, filters=filters)
        shapes, how = (images.shape, filters.shape, targets.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("local_filter_acts", shapes, how, scales, unshared=True)
        self.filter_acts(call, images, filters, targets)

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
        check_operands("local_img_acts", targets, hid_acts=hid_acts, filters=filters)
        shapes, how = (targets.shape, filters.shape, hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("local_img_acts", shapes, how, scales, unshared=True)
        self.img_acts(call, hid_acts, filters, targets)

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
        check_operands("local_weight_acts", targets, images=images, hid_acts=hid_acts)
        shapes, how = (images.shape, targets.shape, hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("local_weight_acts", shapes, how, scales, unshared=True)
        self.weight_acts(call, images, hid_acts, targets, 1)

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
        check_operands("local_filter_acts_sparse", targets, images=images, filters=filters)
        shapes, how = (images.shape, filters.shape, targets.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("local_filter_acts_sparse", shapes, how, scales, color_indices, unshared=True)
        self.filter_acts(call, images, filters, targets)

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
        check_operands("local_img_acts_sparse", targets, hid_acts=hid_acts, filters=filters)
        shapes, how = (targets.shape[1:], filters.shape, hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call(
            "local_img_acts_sparse", shapes, how, scales, color_indices, once=True, unshared=True
        )
        check_over_sample(call.operation, targets.shape, call.geometry)
        self.img_acts(call, hid_acts, filters, targets)

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
        check_operands("local_weight_acts_sparse", targets, images=images, hid_acts=hid_acts)
        shapes, how = (images.shape, targets.shape, hid_acts.shape), (padding, stride, groups)
        scales = scale_targets, scale_output
        call = self._call("local_weight_acts_sparse", shapes, how, scales, color_indices, unshared=True)
        self.weight_acts(call, images, hid_acts, targets, 1)
