"""Convolutional and locally-connected layers.

Answers to `alexnet:src/layer.cu` (LocalLayer, ConvLayer, LocalUnsharedLayer).
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.config.specs import ConvSpec, LocalSpec
from cuda_convnet.engines.operations import Array
from cuda_convnet.layers.base import Run
from cuda_convnet.layers.weight_layer import WeightLayer
from cuda_convnet.passes import PassType
from cuda_convnet.weights import Weights

Spec = TypeVar("Spec", bound=LocalSpec)


class FilterLayer(WeightLayer[Spec]):
    """What shared and unshared filters have in common.

    `connections[i]`: int32 (groups, filter channels), the channels that each group of a sparse input i sees,
    in the order of its filter's channels; None where the input is not sparse.
    """

    def __init__(self, spec: Spec, run: Run) -> None:
        super().__init__(spec, run)
        self.connections: list[NDArray[np.int32] | None] = [None] * len(spec.inputs)
        self._color_indices: dict[int, Array] = {}

    def connect(self, i: int, connections: NDArray[np.int32]) -> None:
        """Give the groups of input i these channels, (groups, filter channels)."""
        self.connections[i] = np.ascontiguousarray(connections, np.int32)
        self._color_indices[i] = self.engine.from_host(self.connections[i])  # type: ignore[arg-type]

    def input_images(self, i: int) -> Array:
        """Input i as (channels, img_size, img_size, cases)."""
        return self.image(self.inputs[i], self.spec.channels[i], self.spec.img_size[i])

    def modules(self, matrix: Array) -> Array:
        """acts or their gradient as (filters, modules_y, modules_x, cases)."""
        return self.image(matrix, self.spec.filters, self.spec.modules_x)

    def geometry(self, i: int) -> dict[str, Any]:
        """What the engine's convolutions of input i want to know, beside the arrays."""
        spec = self.spec
        known: dict[str, Any] = {
            "padding": spec.padding[i],
            "stride": spec.stride[i],
            "groups": spec.groups[i],
        }
        if spec.rand_sparse[i]:
            known["color_indices"] = self._color_indices[i]
        return known

    def add_oversampled(self, planes: Array, i: int, scale_targets: float) -> None:
        """Add up the gradient planes of an input whose channels several groups see.

        DEVIATION(sparse-accumulate): the original's sum replaces what other layers contributed to this
        gradient, and its local layers leave the planes beside each other.
        """
        count = self.spec.over_sample[i]
        target = self.prev[i].acts_grad.reshape((1, -1))
        self.engine.matrix_add_sum(planes.reshape((count, -1)), target, axis=0, scale_this=scale_targets)

    def sparse_img_targets(self, i: int) -> Array:
        """Memory for the gradient planes of a sparse input: (over_sample, channels, img_size, img_size,
        cases).
        """
        spec = self.spec
        shape = spec.over_sample[i], spec.channels[i], spec.img_size[i], spec.img_size[i], self.num_cases
        return self.run.scratch("gradient planes", *shape)


class ConvLayer(FilterLayer[ConvSpec]):
    """Convolution: weights (filter_channels, size, size, filters) per input.

    The biases are added after the first input, before the second. Weight gradients are summed over chunks of
    `partial_sum` modules, then the chunks are added up, by engines that keep the original's order.
    """

    use_grad = True

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        forward = (
            self.engine.conv_filter_acts_sparse if self.spec.rand_sparse[i] else self.engine.conv_filter_acts
        )
        forward(
            self.input_images(i),
            self.weights[i].w,
            self.modules(self.acts),
            scale_targets=scale_targets,
            **self.geometry(i),
        )
        if scale_targets == 0:
            acts = self._by_bias(self.acts)
            self.engine.matrix_add_vector(acts, self.column(self.biases.w), acts, axis=0)

    def _by_bias(self, matrix: Array) -> Array:
        """acts or their gradient with one row for each bias."""
        return matrix.reshape((self.spec.filters, -1)) if self.spec.shared_biases else matrix

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        spec, w, hid_acts = self.spec, self.weights[i].w, self.modules(v)
        target = self.image(self.prev[i].acts_grad, spec.channels[i], spec.img_size[i])
        if not spec.rand_sparse[i]:
            self.engine.conv_img_acts(hid_acts, w, target, scale_targets=scale_targets, **self.geometry(i))
        elif spec.over_sample[i] > 1:
            planes = self.sparse_img_targets(i)
            self.engine.conv_img_acts_sparse(hid_acts, w, planes, **self.geometry(i))
            self.add_oversampled(planes, i, scale_targets)
        else:
            planes = target.reshape((1, *target.shape))
            self.engine.conv_img_acts_sparse(
                hid_acts, w, planes, scale_targets=scale_targets, **self.geometry(i)
            )

    def bprop_biases(self, v: Array, scale_targets: float, scale_output: float) -> None:
        self.sum_rows(self._by_bias(v), self.column(self.biases.grad), scale_targets, scale_output)

    def bprop_weights(self, v: Array, i: int, scale_targets: float, scale_output: float) -> None:
        spec, engine, grad = self.spec, self.engine, self.weights[i].grad
        backward = engine.conv_weight_acts_sparse if spec.rand_sparse[i] else engine.conv_weight_acts
        shape = spec.weight_shapes[i]
        images, hid_acts = self.input_images(i), self.modules(v)
        if spec.partial_sum == 0 or not engine.keeps_order:
            whole, scales = grad.reshape((1, *shape)), self.geometry(i)
            scales |= {"scale_targets": scale_targets, "scale_output": scale_output}
            backward(images, hid_acts, whole, **scales)
            return
        chunks = self.run.scratch("weight chunks", spec.modules // spec.partial_sum, *shape)
        backward(
            images,
            hid_acts,
            chunks,
            partial_sum=spec.partial_sum,
            scale_output=scale_output,
            **self.geometry(i),
        )
        engine.matrix_add_sum(
            chunks.reshape((chunks.shape[0], -1)), grad.reshape((1, -1)), axis=0, scale_this=scale_targets
        )

    def constrain(self, i: int, weights: Weights) -> None:
        spec = self.spec
        if spec.wc_norm_max[i] > 0:
            matrix = self.matrix(i, weights.w)
            self.engine.constrain_contrast(matrix, norm_min=spec.wc_norm_min[i], norm_max=spec.wc_norm_max[i])
        if weights.wball > 0:
            self.engine.constrain_ball(self.matrix(i, weights.w), norm=weights.wball)


class LocalLayer(FilterLayer[LocalSpec]):
    """Local connections: weights (modules, filter_channels, size, size, filters), a bias for each output."""

    use_grad = False

    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        forward = (
            self.engine.local_filter_acts_sparse
            if self.spec.rand_sparse[i]
            else self.engine.local_filter_acts
        )
        forward(
            self.input_images(i),
            self.weights[i].w,
            self.modules(self.acts),
            scale_targets=scale_targets,
            **self.geometry(i),
        )
        if scale_targets == 0:
            self.engine.matrix_add_vector(self.acts, self.column(self.biases.w), self.acts, axis=0)

    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        spec, w, hid_acts = self.spec, self.weights[i].w, self.modules(v)
        target = self.image(self.prev[i].acts_grad, spec.channels[i], spec.img_size[i])
        if not spec.rand_sparse[i]:
            self.engine.local_img_acts(hid_acts, w, target, scale_targets=scale_targets, **self.geometry(i))
        elif spec.over_sample[i] > 1:
            planes = self.sparse_img_targets(i)
            self.engine.local_img_acts_sparse(hid_acts, w, planes, **self.geometry(i))
            self.add_oversampled(planes, i, scale_targets)
        else:
            planes = target.reshape((1, *target.shape))
            self.engine.local_img_acts_sparse(
                hid_acts, w, planes, scale_targets=scale_targets, **self.geometry(i)
            )

    def bprop_biases(self, v: Array, scale_targets: float, scale_output: float) -> None:
        self.sum_rows(v, self.column(self.biases.grad), scale_targets, scale_output)

    def bprop_weights(self, v: Array, i: int, scale_targets: float, scale_output: float) -> None:
        engine = self.engine
        backward = engine.local_weight_acts_sparse if self.spec.rand_sparse[i] else engine.local_weight_acts
        backward(
            self.input_images(i),
            self.modules(v),
            self.weights[i].grad,
            scale_targets=scale_targets,
            scale_output=scale_output,
            **self.geometry(i),
        )

    def constrain(self, i: int, weights: Weights) -> None:
        if weights.wball > 0:
            self.engine.normalize_local_weights(weights.w, norm=weights.wball)
