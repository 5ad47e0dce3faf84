"""The specification of the arithmetic: every operation, declared once.

Arrays are float32, C order, images last. `targets` is written in place; where an operation has
`scale_targets` and `scale_output`, targets = scale_targets * targets + scale_output * result, and with
`scale_targets == 0` the previous content is not read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = Any  # an engine's own array: .shape, .reshape(...), slices of the first axis
HostArray: TypeAlias = NDArray[np.float32]


class Engine(ABC):
    """Executes operations. One method per operation; the names are those of the archived activations."""

    name: str

    # --- memory ---------------------------------------------------------------------------------
    @abstractmethod
    def empty(self, shape: tuple[int, ...]) -> Array: ...
    @abstractmethod
    def zeros(self, shape: tuple[int, ...]) -> Array: ...
    @abstractmethod
    def from_host(self, array: HostArray) -> Array: ...
    @abstractmethod
    def to_host(self, array: Array) -> HostArray: ...
    @abstractmethod
    def copy(self, source: Array, targets: Array) -> None: ...

    # --- convolution. images (channels, img_y, img_x, N), filters (channels/groups, size, size, F),
    #     hid_acts (F, modules_y, modules_x, N) -------------------------------------------------
    @abstractmethod
    def conv_filter_acts(self, images: Array, filters: Array, targets: Array, *, padding: int, stride: int,
                         groups: int = 1, scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def conv_img_acts(self, hid_acts: Array, filters: Array, targets: Array, *, padding: int, stride: int,
                      groups: int = 1, scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def conv_weight_acts(self, images: Array, hid_acts: Array, targets: Array, *, padding: int, stride: int,
                         groups: int = 1, partial_sum: int = 0, scale_targets: float = 0.0,
                         scale_output: float = 1.0) -> None:
        """targets (chunks, channels/groups, size, size, F); chunks = modules/partial_sum, 1 for partial_sum 0."""

    # sparse: filters (filter_channels, size, size, F); color_indices int32 (groups, filter_channels)
    @abstractmethod
    def conv_filter_acts_sparse(self, images: Array, filters: Array, targets: Array, *, color_indices: Array,
                                padding: int, stride: int, groups: int, scale_targets: float = 0.0,
                                scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def conv_img_acts_sparse(self, hid_acts: Array, filters: Array, targets: Array, *, color_indices: Array,
                             padding: int, stride: int, groups: int, scale_targets: float = 0.0,
                             scale_output: float = 1.0) -> None:
        """targets (over_sample, channels, img_y, img_x, N)."""
    @abstractmethod
    def conv_weight_acts_sparse(self, images: Array, hid_acts: Array, targets: Array, *, color_indices: Array,
                                padding: int, stride: int, groups: int, partial_sum: int = 0,
                                scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...

    # unshared: filters (modules, channels/groups, size, size, F), modules = modules_y * modules_x
    @abstractmethod
    def local_filter_acts(self, images: Array, filters: Array, targets: Array, *, padding: int, stride: int,
                          groups: int = 1, scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def local_img_acts(self, hid_acts: Array, filters: Array, targets: Array, *, padding: int, stride: int,
                       groups: int = 1, scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def local_weight_acts(self, images: Array, hid_acts: Array, targets: Array, *, padding: int, stride: int,
                          groups: int = 1, scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def local_filter_acts_sparse(self, images: Array, filters: Array, targets: Array, *, color_indices: Array,
                                 padding: int, stride: int, groups: int, scale_targets: float = 0.0,
                                 scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def local_img_acts_sparse(self, hid_acts: Array, filters: Array, targets: Array, *, color_indices: Array,
                              padding: int, stride: int, groups: int, scale_targets: float = 0.0,
                              scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def local_weight_acts_sparse(self, images: Array, hid_acts: Array, targets: Array, *, color_indices: Array,
                                 padding: int, stride: int, groups: int, scale_targets: float = 0.0,
                                 scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def normalize_local_weights(self, weights: Array, *, norm: float) -> None: ...

    # --- pooling. images (channels, img_y, img_x, N), targets (channels, out_y, out_x, N) -----------
    @abstractmethod
    def pool_max(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None: ...
    @abstractmethod
    def pool_maxabs(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None: ...
    @abstractmethod
    def pool_avg(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None: ...
    @abstractmethod
    def pool_max_undo(self, images: Array, max_grads: Array, max_acts: Array, targets: Array, *, size_x: int,
                      start: int, stride: int, scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def pool_avg_undo(self, avg_grads: Array, targets: Array, *, size_x: int, start: int, stride: int,
                      scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...

    # --- normalisation ----------------------------------------------------------------------------
    @abstractmethod
    def response_norm(self, images: Array, denoms: Array, targets: Array, *, size_x: int, scale: float,
                      power: float) -> None: ...
    @abstractmethod
    def response_norm_undo(self, out_grads: Array, denoms: Array, images: Array, acts: Array, targets: Array, *,
                           size_x: int, scale: float, power: float, scale_targets: float = 0.0,
                           scale_output: float = 1.0) -> None:
        """Destroys `acts`, as the original does."""
    @abstractmethod
    def contrast_norm(self, images: Array, mean_diffs: Array, denoms: Array, targets: Array, *, size_x: int,
                      scale: float, power: float) -> None:
        """Writes mean_diffs (image minus local mean), denoms and targets."""
    @abstractmethod
    def contrast_norm_undo(self, out_grads: Array, denoms: Array, mean_diffs: Array, acts: Array, targets: Array,
                           *, size_x: int, scale: float, power: float, scale_targets: float = 0.0,
                           scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def response_norm_cross_map(self, images: Array, denoms: Array, targets: Array, *, size_x: int, scale: float,
                                power: float, min_div: float = 1.0, blocked: bool = False) -> None: ...
    @abstractmethod
    def response_norm_cross_map_undo(self, out_grads: Array, denoms: Array, images: Array, acts: Array,
                                     targets: Array, *, size_x: int, scale: float, power: float,
                                     blocked: bool = False, scale_targets: float = 0.0,
                                     scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def response_norm_cross_map_undo_v2(self, out_grads: Array, images: Array, acts: Array, targets: Array, *,
                                        size_x: int, scale: float, power: float, min_div: float = 1.0,
                                        blocked: bool = False, scale_targets: float = 0.0,
                                        scale_output: float = 1.0) -> None: ...

    # --- images -----------------------------------------------------------------------------------
    @abstractmethod
    def bed_of_nails(self, images: Array, targets: Array, *, start: int, stride: int,
                     scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def bed_of_nails_undo(self, grads: Array, targets: Array, *, start: int, stride: int,
                          scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def gaussian_blur(self, images: Array, filter: Array, targets: Array, *, horiz: bool,
                      scale_targets: float = 0.0, scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def resize_bilinear(self, images: Array, targets: Array, *, scale: float) -> None: ...
    @abstractmethod
    def rgb_to_yuv(self, images: Array, targets: Array) -> None: ...
    @abstractmethod
    def rgb_to_lab(self, images: Array, targets: Array, *, center: bool) -> None: ...
    @abstractmethod
    def crop(self, images: Array, targets: Array, *, start_y: int, start_x: int) -> None: ...
    @abstractmethod
    def reflect_horizontal(self, images: Array, targets: Array) -> None: ...
    @abstractmethod
    def tica(self, images: Array, targets: Array, *, size_x: int, scale_targets: float = 0.0,
             scale_output: float = 1.0) -> None: ...
    @abstractmethod
    def tica_grad(self, images: Array, ticas: Array, targets: Array, *, size_x: int, scale_targets: float = 0.0,
                  scale_output: float = 1.0) -> None: ...

    # --- softmax, costs. probs and labels-as-distributions (classes, N), label indices (1, N) ---------
    @abstractmethod
    def softmax(self, inputs: Array, probs: Array) -> None: ...
    @abstractmethod
    def softmax_grad(self, acts_grad: Array, probs: Array, targets: Array, *, add: bool = False) -> None: ...
    @abstractmethod
    def logreg_cost(self, labels: Array, probs: Array, label_log_probs: Array, correct_probs: Array) -> None: ...
    @abstractmethod
    def logreg_cost_topk(self, labels: Array, probs: Array, label_log_probs: Array, correct_probs: Array,
                         topk_probs: Array, *, topk: int) -> None: ...
    @abstractmethod
    def logreg_grad(self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
                    ) -> None: ...
    @abstractmethod
    def logreg_softmax_grad(self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
                            ) -> None: ...
    @abstractmethod
    def cross_entropy_cost(self, labels: Array, probs: Array, label_log_probs: Array, correct_probs: Array
                           ) -> None: ...
    @abstractmethod
    def cross_entropy_grad(self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
                           ) -> None: ...
    @abstractmethod
    def cross_entropy_softmax_grad(self, labels: Array, probs: Array, targets: Array, *, coeff: float,
                                   add: bool = False) -> None: ...

    # elementwise costs of the release: cost.crossent2 and cost.rflickr
    @abstractmethod
    def cross_entropy2_cost(self, labels: Array, probs: Array, targets: Array) -> None: ...
    @abstractmethod
    def cross_entropy2_grad(self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
                            ) -> None: ...
    @abstractmethod
    def robust_flickr_cost(self, labels: Array, probs: Array, targets: Array) -> None: ...
    @abstractmethod
    def robust_flickr_grad(self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
                           ) -> None: ...

    # --- elementwise, neurons -----------------------------------------------------------------------
    @abstractmethod
    def eltwise_max(self, a: Array, b: Array, targets: Array) -> None: ...
    @abstractmethod
    def eltwise_max_grad(self, acts_grad: Array, inputs: Array, outputs: Array, targets: Array, *,
                         add: bool = False) -> None: ...
    @abstractmethod
    def neuron(self, inputs: Array, acts: Array, *, type: str, params: tuple[float, ...] = ()) -> None:
        """acts may be the same array as inputs."""
    @abstractmethod
    def neuron_grad(self, acts_grad: Array, inputs: Array, acts: Array, targets: Array, *, type: str,
                    params: tuple[float, ...] = (), add: bool = False) -> None:
        """targets = (targets if add) + acts_grad * f'; each neuron reads inputs or acts as the original does."""

    # --- matrices -------------------------------------------------------------------------------------
    @abstractmethod
    def matrix_add(self, a: Array, b: Array, result: Array, *, scale_a: float = 1.0, scale_b: float = 1.0
                   ) -> None:
        """result = scale_a * a + scale_b * b; result may be a or b."""
    @abstractmethod
    def matrix_scale(self, a: Array, result: Array, *, scale: float) -> None: ...
    @abstractmethod
    def matrix_mult(self, a: Array, b: Array, result: Array, *, add: bool = False) -> None:
        """Elementwise: result = (result if add) + a * b."""
    @abstractmethod
    def matrix_square(self, a: Array, result: Array) -> None: ...
    @abstractmethod
    def matrix_add_product(self, a: Array, b: Array, result: Array, *, trans_a: bool = False,
                           trans_b: bool = False, scale_this: float = 0.0, scale_ab: float = 1.0) -> None:
        """result = scale_this * result + scale_ab * op(a) op(b)."""
    @abstractmethod
    def matrix_add_sum(self, matrix: Array, vec: Array, *, axis: int, scale_this: float = 0.0,
                       scale_sum: float = 1.0) -> None:
        """vec = scale_this * vec + scale_sum * sum(matrix, axis)."""
    @abstractmethod
    def matrix_add_vector(self, matrix: Array, vec: Array, result: Array, *, axis: int, scale_vec: float = 1.0
                          ) -> None:
        """axis 0: vec has one entry per row (a column vector); axis 1: one per column."""
    @abstractmethod
    def matrix_mult_vector(self, matrix: Array, vec: Array, result: Array, *, axis: int) -> None: ...
    @abstractmethod
    def matrix_divide_vector(self, matrix: Array, vec: Array, result: Array, *, axis: int) -> None: ...
    @abstractmethod
    def matrix_sum(self, matrix: Array, result: Array, *, axis: int) -> None: ...
    @abstractmethod
    def matrix_max(self, matrix: Array, result: Array, *, axis: int) -> None: ...
    @abstractmethod
    def matrix_min(self, matrix: Array, result: Array, *, axis: int) -> None: ...
    @abstractmethod
    def matrix_total_sum(self, matrix: Array) -> float: ...
    @abstractmethod
    def matrix_total_max(self, matrix: Array) -> float: ...
    @abstractmethod
    def matrix_total_min(self, matrix: Array) -> float: ...
    @abstractmethod
    def matrix_dot(self, a: Array, b: Array) -> float: ...
    @abstractmethod
    def matrix_transpose(self, matrix: Array, result: Array) -> None: ...

    # --- updates, constraints ---------------------------------------------------------------------------
    @abstractmethod
    def super_update(self, inc: Array, grad: Array, grad_avg: Array, grad2_avg: Array, *, eps: float, mom: float,
                     super_eps: float) -> None: ...
    @abstractmethod
    def constrain_ball(self, weights: Array, *, norm: float) -> None:
        """wball: columns of the matrix whose squared norm exceeds `norm`'s rule are scaled back to it."""
    @abstractmethod
    def constrain_contrast(self, weights: Array, *, norm_min: float, norm_max: float) -> None:
        """wcNorm: columns whose standard deviation leaves [norm_min, norm_max] are scaled back into it."""

    # --- randomness: Philox4x64-10 words, as numpy.random.Philox(key, counter).random_raw ----------------------
    @abstractmethod
    def random_keep_mask(self, targets: Array, *, keep: float, key: tuple[int, int], counter: int) -> None:
        """1 where a 32-bit word of the stream is below keep * 2**32, else 0; words in C order of targets."""
    @abstractmethod
    def random_normal(self, targets: Array, *, key: tuple[int, int], counter: int) -> None: ...
