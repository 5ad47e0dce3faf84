"""The specification of the arithmetic: every operation, declared once, with its bound.

Arrays are float32, C order, images last. Names of operations and arguments are those of the archived
activations. All floating-point work is in float32; formulas below are exact mathematics, and what rounding
may do to them is the `bound`: how far an engine of a family may be from the original (see `bounds`). There
are two families. `kernels` engines execute kernels with the original's own order of summation and rounding:
they agree bit for bit wherever IEEE 754 defines the operation. `numpy` engines are free in their order of
summation; what they only move or select, and what they compute in the original's own order, is bit-equal
there too.

Accumulation. Where an operation has `scale_targets` and `scale_output`,

    targets = scale_targets * targets + scale_output * result

in which the first product is not rounded before the sum, `fma(scale_targets, targets, scale_output *
result)`: so the archive's compiler contracted it. With `scale_targets == 0` the previous content of
`targets` is never read (it may be NaN). `add` means scale_targets = scale_output = 1.

Modules. A convolution has modules_y x modules_x = 1 + ceil((2*padding + img - size) / stride) outputs for
each filter; module (my, mx) looks at the pixels from -padding + m*stride on, and pixels outside the image
read as 0. It is a correlation: filters are not flipped. Filter f of F belongs to group f // (F/groups) and
sees the channels of that group alone.

Order of summation of the kernels (for `kernels` engines; start at 0). filter_acts: with 1 to 3 channels per
group pixels in chunks of 4 in raster order, inside a chunk channel by channel, 4 pixels each; with more,
channels in pairs, inside a pair pixels in chunks of 4, inside a chunk channel by channel, then pixel by
pixel. img_acts: modules in raster order, then filters ascending. weight_acts: modules ascending, then images
ascending, one running sum for each chunk. Scaling comes last. Each term is one fma, but in weight_acts, and
in filter_acts where the number of images is a multiple of 64, each product is rounded before it is added:
there the archive's compiler multiplied several images at once (see original/paper.md).

Windows. A window of size s around i is [i - s//2, i - s//2 + s), clipped to what exists: even sizes look
one further back than forward. Its mirror image, which gradients use, is [i - s + s//2 + 1, i + s//2 + 1).
`blocked` windows are the fixed groups of s channels that start at multiples of s.

Shapes that do not fit raise EngineError; so do other dtypes and orders of arrays, and results that would
be written over what other entries are made of: entry by entry, operations may work in place. Engines
accept some geometries that the original's launch code refuses, such as channel counts that are no multiple
of 16.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, prod
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.bounds import Arguments, Bitwise, Bound, Chosen, Rounded, walk

Array: TypeAlias = Any  # an engine's own array: .shape, .reshape(...), slices of the first axis
HostArray: TypeAlias = NDArray[np.float32]

FUNCTION = 5.0
"""The roundings that exp, log and powers count for: 4 ulp that NumPy and CUDA admit, 1 of the C library."""

Bounds: TypeAlias = Bound | Mapping[str, Bound]
Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """The declaration of an operation: its place in the original, and its bounds by family (and output)."""

    name: str
    source: str
    bounds: Mapping[str, Bounds]

    def bound(self, family: str, output: str, arguments: Arguments) -> Bound:
        """The bound of `output` for a call; among its `arguments`, `original` is the original's result."""
        declared = self.bounds[family]
        return (declared if isinstance(declared, Bound) else declared[output]).at(arguments)


OPERATIONS: dict[str, Operation] = {}
"""Every operation by name."""


def operation(*, source: str, numpy: Bounds, kernels: Bounds | None = None) -> Callable[[Method], Method]:
    """Declare a method of Engine as an operation, with the bound of the kernels where it is another."""

    def declare(method: Method) -> Method:
        bounds = {"numpy": numpy, "kernels": numpy if kernels is None else kernels}
        OPERATIONS[method.__name__] = Operation(method.__name__, source, bounds)
        return method

    return declare


BITWISE = Bitwise()


def _filter_terms(filters: HostArray, **_: Any) -> float:
    return prod(filters.shape[-4:-1])


def _image_terms(filters: HostArray, stride: int, groups: int = 1, **_: Any) -> float:
    size, num_filters = filters.shape[-2:]
    return ceil(size / stride) ** 2 * num_filters / groups


def _weight_terms(hid_acts: HostArray, partial_sum: int = 0, **_: Any) -> float:
    modules = hid_acts.shape[1] * hid_acts.shape[2]
    return (partial_sum or modules) * hid_acts.shape[3]


def _cases(hid_acts: HostArray, **_: Any) -> float:
    return hid_acts.shape[3]


def _sums_of(terms: Callable[..., float]) -> Rounded:
    """Scaled, accumulated sums of that many products."""
    return Rounded(lambda **call: 2 + walk(terms(**call)))


def _norm_bounds(terms: Callable[[int], float], **exact: Bound) -> Mapping[str, Bound]:
    """Denominators: a sum of squares, scaled, plus a constant; targets: a power of them, times the image."""
    return {
        "denoms": Rounded(lambda size_x, **_: 2 + walk(terms(size_x))),
        "targets": Rounded(lambda size_x, power, **_: (2 + walk(terms(size_x))) * power + FUNCTION + 1),
        **exact,
    }


KERNEL_NORM = {"denoms": BITWISE, "targets": Rounded(FUNCTION + 1)}
"""In the original's order: a power of the same denominators, times the image."""

KERNEL_NORM_UNDO = Rounded(FUNCTION + 1 + 1 + 2)
"""In the original's order: a power, times the gradient; its sum with what is the same; scales."""


def _norm_undo_bound(terms: Callable[[int], float]) -> Rounded:
    """A sum of factors of three roundings, times the image; a power, times the gradient; their sum."""
    return Rounded(lambda size_x, **_: 3 + walk(terms(size_x)) + 1 + FUNCTION + 1 + 1 + 2)


def _square(size: int) -> float:
    return size * size


def _line(size: int) -> float:
    return size


def _classes(probs: HostArray, **_: Any) -> float:
    return probs.shape[0]


def _set_roundings(energies: HostArray, **_: Any) -> float:
    """Of a probability of sets: two passes over the classes, and functions."""
    return FUNCTION + 1 + walk(2 * energies.shape[0])


def _set_logarithms(energies: HostArray, set_size: int, **_: Any) -> float:
    """The size of the logarithms of sums over sets, which are rounded."""
    apart = float(np.max(energies) - np.min(energies)) if energies.size else 0.0
    return set_size * (apart + float(np.log(energies.shape[0])))


def _in_units_of(size: float, original: HostArray) -> float:
    """How much larger than the largest result numbers of `size` are."""
    largest = _largest(original)
    return size / largest if largest else 1.0


def _cancelling(matrix: HostArray, axis: int | None) -> float:
    """The size of a running sum of numbers of both signs: the root of the sum of their squares."""
    return float(np.sqrt(np.max(np.sum(np.square(matrix, dtype=np.float64), axis=axis))))


def _along(matrix: HostArray, axis: int, **_: Any) -> float:
    return matrix.shape[axis]


@dataclass(frozen=True)
class Neuron:
    """A neuron: its function of x, and its gradient from g and either x or its output y, as `reads` says.

    Its bounds are by family and output.
    """

    params: tuple[str, ...]
    formula: str
    gradient: str
    reads: str
    bounds: Mapping[str, Mapping[str, Bound]]


def _neuron(
    formula: str,
    gradient: str,
    *params: str,
    reads: str = "inputs",
    acts: Bound = BITWISE,
    grad: Bound = BITWISE,
    grad_added: Bound | None = None,
    exact: tuple[str, ...] = ("acts", "grad", "grad_added"),
) -> Neuron:
    """`exact`: the outputs that kernels compute without exp and log, and in the original's own expression."""
    bounds = {"acts": acts, "grad": grad, "grad_added": grad if grad_added is None else grad_added}
    kernels = bounds | dict.fromkeys(exact, BITWISE)
    return Neuron(params, formula, gradient, reads, {"numpy": bounds, "kernels": kernels})


def _largest(array: HostArray) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _from_first(original: HostArray, params: tuple[float, ...], **_: Any) -> float:
    """Numbers as large as the first parameter are rounded."""
    return _in_units_of(abs(params[0]), original)


def _from_one(original: HostArray, **_: Any) -> float:
    """Numbers as large as 1 are rounded."""
    return _in_units_of(1, original)


def _from_grad(original: HostArray, acts_grad: HostArray, params: tuple[float, ...], **_: Any) -> float:
    """Numbers as large as the gradient times the parameters are rounded."""
    return _in_units_of(_largest(acts_grad) * abs(prod(params)), original)


def _from_linear(original: HostArray, inputs: HostArray, params: tuple[float, ...], **_: Any) -> float:
    return _in_units_of(abs(params[0]) * _largest(inputs) + abs(params[1]), original)


def _from_unit_grad(original: HostArray, acts_grad: HostArray, **_: Any) -> float:
    return _in_units_of(_largest(acts_grad), original)


NEURONS = {
    "ident": _neuron("x", "g", reads=""),
    "relu": _neuron("0 if x < 0 else x", "g * [y > 0]", reads="acts"),
    "brelu": _neuron("0 if x < 0 else min(x, a)", "g * [y > 0] * [y < a]", "a", reads="acts"),
    "abs": _neuron("x if x > 0 else -x", "g * (1 if x > 0 else -1)"),
    "square": _neuron("x * x", "g * 2 * x", grad_added=Rounded(2)),
    "sqrt": _neuron("sqrt(x)", "g / (2 * y)", reads="acts"),
    "linear": _neuron(
        "a * x + b", "g * a", "a", "b", reads="", acts=Rounded(2, _from_linear), grad_added=Rounded(2)
    ),
    "logistic": _neuron(
        "1 / (1 + exp(-x))",
        "g * y * (1 - y)",
        reads="acts",
        acts=Rounded(FUNCTION + 2),
        grad=Rounded(4),
        exact=("grad", "grad_added"),
    ),
    "tanh": _neuron(
        "a * (2 / (1 + exp(-2*b*x)) - 1)",
        "g * b * (a - y * y / a)",
        "a",
        "b",
        reads="acts",
        acts=Rounded(FUNCTION / 2 + 6, _from_first),  # the exponential's weight is at most a half
        grad=Rounded(7, _from_grad),
        exact=(),  # the original has two expressions of the gradient
    ),
    "softrelu": _neuron(
        "x if x > 4 else log(1 + exp(x))",
        "g if x > 4 else g * exp(x) / (1 + exp(x))",
        acts=Rounded(2 * FUNCTION + 1, _from_one),
        grad=Rounded(FUNCTION + 4),
        exact=(),
    ),
    "drelu": _neuron(
        "x - a * (2 / (1 + exp(-2*x/a)) - 1)",
        "g * (2 / (1 + exp(-2*x/a)) - 1)**2",
        "a",
        acts=Rounded(FUNCTION / 2 + 7, _from_first),
        grad=Rounded(FUNCTION + 9, _from_unit_grad),  # the square doubles what tanh has
        exact=(),
    ),
    "log": _neuron(
        "log(a + x)",
        "g / (a + x)",
        "a",
        acts=Rounded(FUNCTION + 1, _from_one),
        grad=Rounded(3),
        exact=("grad", "grad_added"),
    ),
}
"""The neurons by type. Parameters come in this order, as the .cfg language writes them.

`nrelu` is a relu, noise and a relu: the layer composes it. `log` is `cuda-convnet2`'s. Where the 2011 release
differs from that of 2012: its softrelu gradient is given the output in the place of the input (call it so to
get that), and its tanh gradient is another expression of the same function.
"""


def _of_neuron(family: str, output: Callable[..., str]) -> Chosen:
    return Chosen(lambda type, **call: NEURONS[type].bounds[family][output(**call)])


def _added(add: bool = False, **_: Any) -> str:
    return "grad_added" if add else "grad"


def _activated(**_: Any) -> str:
    return "acts"


class Engine(ABC):
    """Executes operations. One method for each; an operation that has `targets` or `result` writes there.

    `family` names the bounds that hold for it.
    """

    name: str
    family: str

    @property
    def keeps_order(self) -> bool:
        """Whether sums run in the original's order, so that chunks of modules mean something."""
        return self.family == "kernels"

    # --- memory ---

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def empty(self, shape: tuple[int, ...]) -> Array:
        """An array of this engine, with anything in it."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def zeros(self, shape: tuple[int, ...]) -> Array:
        """An array of zeros."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def from_host(self, array: HostArray) -> Array:
        """A copy of a NumPy array, as this engine's own; float32, or int32 for indices."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def to_host(self, array: Array) -> HostArray:
        """A copy of this engine's array, as NumPy's."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def copy(self, source: Array, targets: Array) -> None:
        """targets = source, of the same shape."""

    # --- convolution. images (channels, img_y, img_x, N), filters (channels/groups, size, size, F),
    #     hid_acts (F, modules_y, modules_x, N) ---

    @operation(
        source="cuda-convnet:src/cudaconv2/filter_acts.cu", numpy=_sums_of(_filter_terms), kernels=BITWISE
    )
    @abstractmethod
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

        targets (F, modules_y, modules_x, N); result[f, m, n] = sum over the channels c of f's group and the
        filter's pixels p of images[c, pixel p of m, n] * filters[c, p, f].
        """

    @operation(source="cuda-convnet:src/cudaconv2/img_acts.cu", numpy=_sums_of(_image_terms), kernels=BITWISE)
    @abstractmethod
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

        targets (channels, img_y, img_x, N); result[c, x, n] = sum over the modules m that see pixel x, at
        their pixel p, and over the filters f of c's group of hid_acts[f, m, n] * filters[c, p, f].
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/weight_acts.cu", numpy=_sums_of(_weight_terms), kernels=BITWISE
    )
    @abstractmethod
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
        """weight_acts: gradient of a convolution to its filters, in chunks of `partial_sum` modules.

        targets (chunks, channels/groups, size, size, F); chunks = modules / partial_sum, or 1 for
        partial_sum 0. result[k, c, p, f] = sum over the modules m of chunk k, in raster order, and the
        images n of images[c, pixel p of m, n] * hid_acts[f, m, n].
        """

    # sparse: filters (filter_channels, size, size, F); color_indices int32 (groups, filter_channels) lists
    # the channels that each group sees. over_sample = groups * filter_channels / channels

    @operation(
        source="cuda-convnet:src/cudaconv2/filter_acts.cu", numpy=_sums_of(_filter_terms), kernels=BITWISE
    )
    @abstractmethod
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
        """conv_filter_acts in which channel c of a group is the image channel color_indices[group, c]."""

    @operation(source="cuda-convnet:src/cudaconv2/img_acts.cu", numpy=_sums_of(_image_terms), kernels=BITWISE)
    @abstractmethod
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
        """conv_img_acts for sparse filters, in planes that the layer adds.

        targets (over_sample, channels, img_y, img_x, N).

        Plane k holds what a channel gets from groups k * groups/over_sample up to (k+1) *
        groups/over_sample, among which each channel is listed once.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/weight_acts.cu", numpy=_sums_of(_weight_terms), kernels=BITWISE
    )
    @abstractmethod
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
        """conv_weight_acts for sparse filters."""

    # unshared: filters (modules, channels/groups, size, size, F), modules = modules_y * modules_x

    @operation(
        source="cuda-convnet:src/cudaconv2/filter_acts.cu", numpy=_sums_of(_filter_terms), kernels=BITWISE
    )
    @abstractmethod
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
        """conv_filter_acts with filters of its own for each module: locally connected, unshared."""

    @operation(source="cuda-convnet:src/cudaconv2/img_acts.cu", numpy=_sums_of(_image_terms), kernels=BITWISE)
    @abstractmethod
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
        """conv_img_acts with filters of its own for each module."""

    @operation(source="cuda-convnet:src/cudaconv2/weight_acts.cu", numpy=_sums_of(_cases), kernels=BITWISE)
    @abstractmethod
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
        """conv_weight_acts with a gradient of its own for each module; targets are shaped as the filters."""

    @operation(
        source="cuda-convnet:src/cudaconv2/filter_acts.cu", numpy=_sums_of(_filter_terms), kernels=BITWISE
    )
    @abstractmethod
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
        """local_filter_acts for sparse filters."""

    @operation(source="cuda-convnet:src/cudaconv2/img_acts.cu", numpy=_sums_of(_image_terms), kernels=BITWISE)
    @abstractmethod
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
        """local_img_acts for sparse filters; targets as conv_img_acts_sparse's."""

    @operation(source="cuda-convnet:src/cudaconv2/weight_acts.cu", numpy=_sums_of(_cases), kernels=BITWISE)
    @abstractmethod
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
        """local_weight_acts for sparse filters."""

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        # for kernels too: the archive's compiler fused some of the squares with their sum, but not all
        numpy=Rounded(lambda weights, **_: 3 + walk(prod(weights.shape[1:-1]))),
    )
    @abstractmethod
    def normalize_local_weights(self, weights: Array, *, norm: float) -> None:
        """In place: unshared filters (one column of one module) longer than `norm` are scaled back to it.

        weights (modules, ..., F); w *= norm / |w| where |w| = sqrt(sum of squares) > norm.
        """

    # --- pooling. images (channels, img_y, img_x, N), targets (channels, out_y, out_x, N). Region (oy, ox)
    # covers size_x pixels from start + o*stride in each direction, clipped to the image. out is taken from
    # the array: as the layers have it, ceil((img - start - size_x) / stride) + 1
    # ----------------------------------------------------------

    @operation(source="cuda-convnet:include/cudaconv2/conv_util.cuh", numpy=BITWISE)
    @abstractmethod
    def pool_max(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None:
        """Max pooling: the largest value of each region.

        NaN is passed over, and the maximum starts from -2e38. Of +0 and -0 the kernels keep that which
        comes first; the NumPy engine may keep either.
        """

    @operation(source="cuda-convnet:include/cudaconv2/conv_util.cuh", numpy=BITWISE)
    @abstractmethod
    def pool_maxabs(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None:
        """The value of largest magnitude, with its sign; of equal magnitudes the last in raster order."""

    @operation(source="cuda-convnet:include/cudaconv2/conv_util.cuh", numpy=BITWISE)
    @abstractmethod
    def pool_avg(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None:
        """Average pooling: the sum of a region in raster order, divided by how many pixels it has."""

    @operation(source="alexnet:src/layer.cu", numpy=BITWISE)
    @abstractmethod
    def pool_rand(
        self,
        images: Array,
        targets: Array,
        *,
        size_x: int,
        start: int,
        stride: int,
        key: tuple[int, int],
        counter: int,
    ) -> None:
        """Random pooling: one pixel of each region, each with the same chance; its gradient is pool_max_undo.

        Of n pixels in raster order target i takes number floor(word * n / 2**32), word being the 32-bit word
        i of the stream (see random_keep_mask). DEVIATION(random-pooling): the original's kernel,
        convLocalRandomPool, was never published; how it draws is not known.
        """

    @operation(source="cuda-convnet:src/cudaconv2/conv_util.cu", numpy=BITWISE)
    @abstractmethod
    def pool_max_undo(
        self,
        images: Array,
        max_grads: Array,
        max_acts: Array,
        targets: Array,
        *,
        size_x: int,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Gradient of max pooling: every pixel that equals (==) its region's maximum gets the whole gradient.

        images as in pool_max, max_grads and max_acts shaped as its targets, targets as images. A pixel adds
        the gradients of its regions in raster order, times 0 or 1, from 0.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=Rounded(lambda size_x, stride, **_: 4 + walk(ceil(size_x / stride) ** 2)),
        kernels=BITWISE,
    )
    @abstractmethod
    def pool_avg_undo(
        self,
        avg_grads: Array,
        targets: Array,
        *,
        size_x: int,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Gradient of average pooling.

        result = the sum over the regions of a pixel, in raster order, of gradient * (1 / area).
        """

    # --- normalisation. All arrays (channels, img_y, img_x, N). `scale` is what the kernel gets: the layers
    # divide the value of the .cfg file by the window's size first
    # ----------------------------------------------------------

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=_norm_bounds(_square),
        kernels=KERNEL_NORM,
    )
    @abstractmethod
    def response_norm(
        self, images: Array, denoms: Array, targets: Array, *, size_x: int, scale: float, power: float
    ) -> None:
        """rnorm: local response normalisation within a map.

        denoms = 1 + scale * (sum of images**2 over the window in both directions); targets = images *
        denoms**-power.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=_norm_undo_bound(_square),
        kernels=KERNEL_NORM_UNDO,
    )
    @abstractmethod
    def response_norm_undo(
        self,
        out_grads: Array,
        denoms: Array,
        images: Array,
        acts: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Gradient of response_norm; acts are its targets.

        result = images * (sum over the mirror window of -2*scale*power * out_grads * acts / denoms)
        + out_grads * denoms**-power.

        For size_x >= 6 and channels divisible by 4 the original's accumulation is inverted: with
        (scale_targets, scale_output) = (0, 1) it adds 0 * targets, with any others it ignores both and
        overwrites targets. The second is reproduced; the first would read what must not be read, and adds
        nothing to a finite result.

        DEVIATION(norm-acts): the original writes the first factor over `acts`; here they are left as they
        are.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=_norm_bounds(_square, mean_diffs=BITWISE),
        kernels=KERNEL_NORM | {"mean_diffs": BITWISE},
    )
    @abstractmethod
    def contrast_norm(
        self,
        images: Array,
        mean_diffs: Array,
        denoms: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
    ) -> None:
        """cnorm: local contrast normalisation; writes mean_diffs, denoms and targets.

        mean_diffs = images - pool_avg(images, start -(size_x//2), stride 1); denoms as response_norm's, of
        mean_diffs; targets = images * denoms**-power, of the images themselves.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=_norm_undo_bound(_square),
        kernels=KERNEL_NORM_UNDO,
    )
    @abstractmethod
    def contrast_norm_undo(
        self,
        out_grads: Array,
        denoms: Array,
        mean_diffs: Array,
        acts: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Gradient of contrast_norm, as the original has it.

        It is response_norm_undo with mean_diffs in the place of the images; that the mean depends on the
        images too is left out.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=_norm_bounds(_line),
        kernels=KERNEL_NORM,
    )
    @abstractmethod
    def response_norm_cross_map(
        self,
        images: Array,
        denoms: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        min_div: float = 1.0,
        blocked: bool = False,
    ) -> None:
        """cmrnorm: local response normalisation across maps.

        denoms = min_div + scale * (sum of images**2 over the window, or block, of channels at one pixel);
        targets = images * denoms**-power. `min_div` is the 2012 release's; 2011's is 1.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=_norm_undo_bound(_line),
        kernels=KERNEL_NORM_UNDO,
    )
    @abstractmethod
    def response_norm_cross_map_undo(
        self,
        out_grads: Array,
        denoms: Array,
        images: Array,
        acts: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        blocked: bool = False,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Gradient of response_norm_cross_map.

        It is response_norm_undo's, with the mirror window, or the block, of channels.
        """

    @operation(
        source="cuda-convnet2:cudaconv3/src/conv_util.cu",
        numpy=Rounded(
            lambda size_x, power, **_: (
                1 / power
                + FUNCTION
                + 2
                + walk(size_x)
                + 3  # the recovered sum
                + (2 + walk(size_x)) * power
                + FUNCTION
                + 1  # the power of the denominators
                + 1
                + 2
            )
        ),
        # a sum of powers of the same numbers, times the image; a power of the same denominators
        kernels=Rounded(lambda size_x, **_: FUNCTION + 1 + walk(size_x) + 1 + FUNCTION + 1 + 1 + 2),
    )
    @abstractmethod
    def response_norm_cross_map_undo_v2(
        self,
        out_grads: Array,
        images: Array,
        acts: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        min_div: float = 1.0,
        blocked: bool = False,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """The gradient of 2014, which stores no denominators.

        In the sum 1/denoms is recovered as (acts / images)**(1/power), where acts == 0 with images + 1
        below; the denominators of the second term are computed again.
        """

    # --- images ---

    @operation(source="cuda-convnet:src/cudaconv2/conv_util.cu", numpy=BITWISE)
    @abstractmethod
    def bed_of_nails(
        self,
        images: Array,
        targets: Array,
        *,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Subsampling: the pixels start + o*stride in each direction.

        targets (channels, out, out, N), where the layers have out = ceil(img / stride).

        The original checks no bounds; here nails outside the image raise EngineError.
        """

    @operation(source="cuda-convnet:src/cudaconv2/conv_util.cu", numpy=BITWISE)
    @abstractmethod
    def bed_of_nails_undo(
        self,
        grads: Array,
        targets: Array,
        *,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Gradient of bed_of_nails.

        Between the nails targets become 0, or stay as they are if scale_targets is not 0.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=Rounded(lambda filter, **_: 2 + walk(filter.size)),
        kernels=BITWISE,
    )
    @abstractmethod
    def gaussian_blur(
        self,
        images: Array,
        filter: Array,
        targets: Array,
        *,
        horiz: bool,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """Blurring: a symmetric filter of 3, 5, 7 or 9 taps along rows (horiz) or columns; zeros outside.

        The last tap is never read: the first stands for it. targets may be images.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        # each of two nested interpolations: a difference and a product of up to twice the pixels' size, and
        # a sum
        numpy=Rounded(10, lambda images, original, **_: _in_units_of(_largest(images), original)),
        kernels=BITWISE,
    )
    @abstractmethod
    def resize_bilinear(self, images: Array, targets: Array, *, scale: float) -> None:
        """Bilinear resizing about the centre.

        images (channels, img, img, N), targets (channels, tgt, tgt, N). Target pixel t lies at t * scale +
        (img/2 - tgt/2 * scale), clamped to [0, img - 1.01], in float32.
        """

    @operation(source="cuda-convnet:src/cudaconv2/conv_util.cu", numpy=Rounded(3), kernels=BITWISE)
    @abstractmethod
    def rgb_to_yuv(self, images: Array, targets: Array) -> None:
        """RGB to YUV, both (3, img, img, N).

        Y = 0.2126 R + 0.7152 G + 0.0722 B, U = -0.09991 R - 0.33609 G + 0.436 B,
        V = 0.615 R - 0.55861 G - 0.05639 B.
        """

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        # a* is 500 times the difference of two numbers of up to 1, each a power of a sum of three products
        numpy=Rounded(2 * (FUNCTION + 1) + 3, lambda original, **_: _in_units_of(500, original)),
    )
    @abstractmethod
    def rgb_to_lab(self, images: Array, targets: Array, *, center: bool) -> None:
        """RGB between 0 and 1 to L*a*b*, both (3, img, img, N); `center` subtracts 50 from L*.

        X = 0.49 R + 0.31 G + 0.2 B, Y = 0.17697 R + 0.8124 G + 0.01063 B, Z = 0.01 G + 0.99 B; with
        f(t) = t**0.3333 if t > 0.0088564517 else 7.787037 t + 0.13793103: L* = 116 f(Y) - 16,
        a* = 500 (f(X) - f(Y)), b* = 200 (f(Y) - f(Z)).
        """

    @operation(source="cuda-convnet:src/cudaconv2/conv_util.cu", numpy=BITWISE)
    @abstractmethod
    def crop(self, images: Array, targets: Array, *, start_y: int, start_x: int) -> None:
        """The part of each image that is as large as targets and starts at (start_y, start_x)."""

    @operation(source="cuda-convnet2:cudaconv3/src/conv_util.cu", numpy=BITWISE)
    @abstractmethod
    def reflect_horizontal(self, images: Array, targets: Array) -> None:
        """Left and right exchanged; targets is another array."""

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=Rounded(lambda size_x, **_: walk(size_x**2) + 6),
        kernels=BITWISE,
    )
    @abstractmethod
    def tica(
        self,
        images: Array,
        targets: Array,
        *,
        size_x: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """result = 1 / (0.001 + sqrt(sum of images**2 over the window in both directions))."""

    @operation(
        source="cuda-convnet:src/cudaconv2/conv_util.cu",
        numpy=Rounded(lambda size_x, **_: walk(size_x**2) + 5),
        kernels=BITWISE,
    )
    @abstractmethod
    def tica_grad(
        self,
        images: Array,
        ticas: Array,
        targets: Array,
        *,
        size_x: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        """result = -images * S, where S is the sum of ticas over the window.

        With scale_targets != 0 it is -images * sqrt(S), as in the original.
        """

    # --- softmax, costs. probs and labels-as-distributions (classes, N), label indices (1, N), as floats.
    # Gradients are of the log-probability, upwards, times `coeff`
    # --------------------------------------------------------------

    @operation(
        source="cuda-convnet:src/layer.cu",
        numpy=Rounded(lambda inputs, **_: 2 * FUNCTION + 2 + walk(inputs.shape[0])),
    )
    @abstractmethod
    def softmax(self, inputs: Array, probs: Array) -> None:
        """probs = exp(inputs - m) / (their sum), m the largest of each case."""

    @operation(
        source="cuda-convnet:src/layer_kernels.cu",
        numpy=Rounded(lambda **call: 4 + walk(_classes(**call))),
        kernels=BITWISE,
    )
    @abstractmethod
    def softmax_grad(self, acts_grad: Array, probs: Array, targets: Array, *, add: bool = False) -> None:
        """result[i] = probs[i] * (sum over j of acts_grad[j] * ([i == j] - probs[j])).

        Kernels round each product before they sum it: so the archive's compiler had it.
        """

    @operation(
        source="cuda-convnet:src/layer_kernels.cu",
        numpy={"label_log_probs": Rounded(FUNCTION), "correct_probs": BITWISE},
    )
    @abstractmethod
    def logreg_cost(self, labels: Array, probs: Array, label_log_probs: Array, correct_probs: Array) -> None:
        """The label's log-probability, and whether the label is the most probable class.

        With p = probs[label]: label_log_probs = log p, correct_probs = [p is the maximum] / (classes equal
        to it).
        """

    @operation(
        source="alexnet:src/layer_kernels.cu",
        numpy={"label_log_probs": Rounded(FUNCTION), "correct_probs": BITWISE, "topk_probs": BITWISE},
    )
    @abstractmethod
    def logreg_cost_topk(
        self,
        labels: Array,
        probs: Array,
        label_log_probs: Array,
        correct_probs: Array,
        topk_probs: Array,
        *,
        topk: int,
    ) -> None:
        """logreg_cost, and the chance that the label is among the `topk` most probable, ties drawn by lot.

        With b classes above the label's and e equal to it (itself too): 0 if b >= topk, 1 if e <= topk - b,
        else (topk - b) / e.
        """

    @operation(source="cuda-convnet:src/layer_kernels.cu", numpy=BITWISE)
    @abstractmethod
    def logreg_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        """result[i] = coeff * [i == label] / probs[i]."""

    @operation(source="cuda-convnet:src/layer_kernels.cu", numpy=Rounded(3), kernels=BITWISE)
    @abstractmethod
    def logreg_softmax_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        """logreg_grad through the softmax: result[i] = coeff * ([i == label] - probs[i])."""

    @operation(
        source="alexnet:src/layer_kernels.cu",
        numpy={
            "label_log_probs": Rounded(lambda **call: FUNCTION + 1 + walk(_classes(**call))),
            "correct_probs": BITWISE,
        },
    )
    @abstractmethod
    def cross_entropy_cost(
        self, labels: Array, probs: Array, label_log_probs: Array, correct_probs: Array
    ) -> None:
        """label_log_probs = sum over classes of labels * log(probs); log is -50 for what is not positive.

        correct_probs = 1 / (classes whose probability is the maximum) if labels is positive for one of
        them, else 0.
        """

    @operation(source="alexnet:src/layer_kernels.cu", numpy=Rounded(3), kernels=BITWISE)
    @abstractmethod
    def cross_entropy_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        """result = coeff * labels / probs."""

    @operation(
        source="alexnet:src/layer_kernels.cu",
        numpy=Rounded(lambda **call: 4 + walk(_classes(**call))),
        kernels=BITWISE,
    )
    @abstractmethod
    def cross_entropy_softmax_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        """cross_entropy_grad through the softmax.

        result[i] = coeff * (sum over j of labels[j] * ([i == j] - probs[i])). Kernels round the products of
        whole fours of classes, which the archive's compiler took together, and fuse those of the rest.
        """

    # a softmax over sets of classes: cost.msm. P(set) is proportional to exp(sum of its energies), over all
    # sets of set_size classes

    @operation(source="alexnet:src/layer.cu", numpy=Rounded(_set_roundings, _set_logarithms))
    @abstractmethod
    def multi_softmax(self, energies: Array, probs: Array, *, set_size: int) -> None:
        """probs[i] = P(class i is in the set); energies and probs (classes, N), 1 <= set_size <= classes.

        Sums go class by class, as logarithms: lattices in float32, sums of two in float64, log(1 + x) is x
        where they lie more than 5 apart and 0 where more than 15 (the original's shortcut).
        """

    @operation(
        source="alexnet:src/layer.cu",
        numpy=Rounded(
            _set_roundings,
            lambda coeff, original, **call: _set_logarithms(**call) * _in_units_of(abs(coeff), original),
        ),
    )
    @abstractmethod
    def multi_softmax_grad(
        self,
        labels: Array,
        energies: Array,
        probs: Array,
        targets: Array,
        *,
        coeff: float,
        set_size: int,
        add: bool = False,
    ) -> None:
        """Of log(probs[label]) to the energies; probs as multi_softmax gives them.

        result[i] = coeff * (P(class i is in the set, given that the label is) - probs[i]).
        """

    @operation(
        source="alexnet:src/layer_kernels.cu",
        numpy={"label_log_probs": Rounded(FUNCTION), "correct_probs": BITWISE, "topk_probs": BITWISE},
    )
    @abstractmethod
    def multi_softmax_cost(
        self,
        labels: Array,
        probs: Array,
        energies: Array,
        label_log_probs: Array,
        correct_probs: Array,
        topk_probs: Array,
        *,
        set_size: int,
    ) -> None:
        """logreg_cost_topk with set_size for topk, ranked by energies: they have more digits than probs."""

    # elementwise costs of the release: cost.crossent2 and cost.rflickr; all arrays of one shape

    @operation(source="alexnet:include/layer.cuh", numpy=Rounded(FUNCTION + 3))
    @abstractmethod
    def cross_entropy2_cost(self, labels: Array, probs: Array, targets: Array) -> None:
        """targets = t * log(y) + (1 - t) * log(1 - y) of labels t and probs y.

        log is -50 for what is not positive.
        """

    @operation(source="alexnet:include/layer.cuh", numpy=Rounded(5), kernels=BITWISE)
    @abstractmethod
    def cross_entropy2_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        """result = coeff * (t/y + (1 - t)/(1 - y)).

        With a plus, as the original has it, though the derivative of its cost has a minus.
        """

    @operation(source="alexnet:include/layer.cuh", numpy=Rounded(FUNCTION + 3))
    @abstractmethod
    def robust_flickr_cost(self, labels: Array, probs: Array, targets: Array) -> None:
        """targets = log(1 + (y - t)**2), t labels, y probs."""

    @operation(source="alexnet:include/layer.cuh", numpy=Rounded(6), kernels=BITWISE)
    @abstractmethod
    def robust_flickr_grad(
        self, labels: Array, probs: Array, targets: Array, *, coeff: float, add: bool = False
    ) -> None:
        """result = -coeff * 2*d / (1 + d*d), d = y - t."""

    # --- elementwise, neurons ---

    @operation(source="cuda-convnet:src/layer.cu", numpy=BITWISE)
    @abstractmethod
    def eltwise_max(self, a: Array, b: Array, targets: Array) -> None:
        """targets = a if a > b else b; targets may be a or b."""

    @operation(source="cuda-convnet:src/layer_kernels.cu", numpy=BITWISE)
    @abstractmethod
    def eltwise_max_grad(
        self, acts_grad: Array, inputs: Array, outputs: Array, targets: Array, *, add: bool = False
    ) -> None:
        """result = acts_grad * [outputs == inputs].

        Every input that equals the output gets the whole gradient.
        """

    @operation(
        source="alexnet:include/neuron.cuh",
        numpy=_of_neuron("numpy", _activated),
        kernels=_of_neuron("kernels", _activated),
    )
    @abstractmethod
    def neuron(self, inputs: Array, acts: Array, *, type: str, params: tuple[float, ...] = ()) -> None:
        """The activation function `type` of NEURONS, of every entry; acts may be the same array as inputs."""

    @operation(
        source="alexnet:include/neuron.cuh",
        numpy=_of_neuron("numpy", _added),
        kernels=_of_neuron("kernels", _added),
    )
    @abstractmethod
    def neuron_grad(
        self,
        acts_grad: Array,
        inputs: Array,
        acts: Array,
        targets: Array,
        *,
        type: str,
        params: tuple[float, ...] = (),
        add: bool = False,
    ) -> None:
        """result = acts_grad times the derivative; of inputs and acts only what the neuron `reads` is read.

        targets may be acts_grad unless it is added to.
        """

    # --- matrices. Two dimensions unless every entry is for itself ---

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Rounded(
            2,
            lambda a, b, original, scale_a=1.0, scale_b=1.0, **_: _in_units_of(
                abs(scale_a) * _largest(a) + abs(scale_b) * _largest(b), original
            ),
        ),
        kernels=BITWISE,
    )
    @abstractmethod
    def matrix_add(
        self, a: Array, b: Array, result: Array, *, scale_a: float = 1.0, scale_b: float = 1.0
    ) -> None:
        """result = scale_a * a + scale_b * b; result may be a or b.

        The original fuses the first product, and where scale_a is 1 the second.
        """

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_scale(self, a: Array, result: Array, *, scale: float) -> None:
        """result = scale * a; result may be a."""

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Chosen(lambda add=False, **_: Rounded(2) if add else BITWISE),
        kernels=BITWISE,
    )
    @abstractmethod
    def matrix_mult(self, a: Array, b: Array, result: Array, *, add: bool = False) -> None:
        """Elementwise: result = (result if add) + a * b; without add, result may be a or b."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_square(self, a: Array, result: Array) -> None:
        """result = a * a, elementwise; result may be a."""

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Rounded(lambda a, trans_a=False, **_: 2 + walk(a.shape[0 if trans_a else 1])),
    )
    @abstractmethod
    def matrix_add_product(
        self,
        a: Array,
        b: Array,
        result: Array,
        *,
        trans_a: bool = False,
        trans_b: bool = False,
        scale_this: float = 0.0,
        scale_ab: float = 1.0,
    ) -> None:
        """result = scale_this * result + scale_ab * op(a) op(b), where op transposes if told to.

        BLAS decides the order of summation.
        """

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Rounded(
            lambda **call: 2 + walk(_along(**call)),
            lambda matrix, axis, original, scale_sum=1.0, **_: _in_units_of(
                abs(scale_sum) * _cancelling(matrix, axis), original
            ),
        ),
        kernels=BITWISE,
    )
    @abstractmethod
    def matrix_add_sum(
        self, matrix: Array, vec: Array, *, axis: int, scale_this: float = 0.0, scale_sum: float = 1.0
    ) -> None:
        """vec = scale_this * vec + scale_sum * sum(matrix, axis).

        vec has one entry for each row (axis 1) or column (axis 0).

        Over the rows of a matrix of one column (axis 1) the original copies it and ignores both scales, and
        so does this.
        """

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Rounded(
            2,
            lambda matrix, vec, original, scale_vec=1.0, **_: _in_units_of(
                _largest(matrix) + abs(scale_vec) * _largest(vec), original
            ),
        ),
        kernels=BITWISE,
    )
    @abstractmethod
    def matrix_add_vector(
        self, matrix: Array, vec: Array, result: Array, *, axis: int, scale_vec: float = 1.0
    ) -> None:
        """result = matrix + scale_vec * vec; result may be matrix.

        axis 0: vec has one entry for each row (a column vector); axis 1: one for each column.
        """

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_mult_vector(self, matrix: Array, vec: Array, result: Array, *, axis: int) -> None:
        """result = matrix * vec, as matrix_add_vector."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_divide_vector(self, matrix: Array, vec: Array, result: Array, *, axis: int) -> None:
        """result = matrix / vec, as matrix_add_vector."""

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Rounded(
            lambda **call: walk(_along(**call)),
            lambda matrix, axis, original, **_: _in_units_of(_cancelling(matrix, axis), original),
        ),
        kernels=BITWISE,
    )
    @abstractmethod
    def matrix_sum(self, matrix: Array, result: Array, *, axis: int) -> None:
        """The sum of each column (axis 0) or row (axis 1)."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_max(self, matrix: Array, result: Array, *, axis: int) -> None:
        """The maximum of each column (axis 0) or row (axis 1)."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_min(self, matrix: Array, result: Array, *, axis: int) -> None:
        """The minimum of each column (axis 0) or row (axis 1)."""

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Rounded(
            lambda matrix, **_: 1 + walk(matrix.size),
            lambda matrix, original, **_: _in_units_of(_cancelling(matrix, None), original),
        ),
        kernels=BITWISE,
    )
    @abstractmethod
    def matrix_total_sum(self, matrix: Array) -> float:
        """The sum of all entries."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_total_max(self, matrix: Array) -> float:
        """The largest entry."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_total_min(self, matrix: Array) -> float:
        """The smallest entry."""

    @operation(
        source="cuda-convnet:src/nvmatrix/nvmatrix.cu",
        numpy=Rounded(
            lambda a, **_: 1 + walk(a.size),
            lambda a, b, original, **_: _in_units_of(_cancelling(a.astype(np.float64) * b, None), original),
        ),
        kernels=BITWISE,
    )
    @abstractmethod
    def matrix_dot(self, a: Array, b: Array) -> float:
        """The sum of the elementwise products."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_transpose(self, matrix: Array, result: Array) -> None:
        """result[j, i] = matrix[i, j]; result is another array."""

    @operation(source="cuda-convnet:src/nvmatrix/nvmatrix.cu", numpy=BITWISE)
    @abstractmethod
    def matrix_tile(self, matrix: Array, result: Array) -> None:
        """result is filled with copies of the matrix; its height and width are multiples of the matrix's."""

    # --- updates, constraints ---

    @operation(source="alexnet:src/weights.cu", numpy=Rounded(8), kernels=BITWISE)
    @abstractmethod
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
        """The update of `superEps`: an increment in units of the gradient's spread.

        grad_avg = mom*grad_avg + (1-mom)*grad; grad2_avg = mom*grad2_avg + (1-mom)*grad*grad; then
        inc = 0.9*inc + eps * grad / sqrt(grad2_avg - grad_avg + super_eps). The original subtracts the
        average, not its square, and has the 0.9 fixed; both are reproduced.
        """

    @operation(
        source="alexnet:include/layer.cuh",
        numpy=Rounded(lambda weights, **_: 3 + walk(weights.shape[0])),
        kernels=BITWISE,
    )
    @abstractmethod
    def constrain_ball(self, weights: Array, *, norm: float) -> None:
        """wball: in place; columns longer than `norm` (sum of squares > norm**2) are scaled back to it."""

    @operation(
        source="alexnet:include/layer.cuh",
        numpy=Rounded(lambda weights, **_: 6 + 2 * walk(weights.shape[0])),
        kernels=BITWISE,
    )
    @abstractmethod
    def constrain_contrast(self, weights: Array, *, norm_min: float, norm_max: float) -> None:
        """wcNormMin, wcNormMax: in place; columns whose spread leaves the limits are scaled to them.

        The spread of a column of n weights is sqrt(sum of squares about its mean) / n: the original divides
        by n, not by its root.
        """

    # --- the softmax tree (treefc): classes are the leaves of a tree. Matrices (nodes, features); children
    #     has those of each node, by number ---

    @operation(source="alexnet:src/softmaxtree.cu", numpy=BITWISE)
    @abstractmethod
    def softmax_tree_weights(
        self, offsets: Array, targets: Array, *, children: tuple[tuple[int, ...], ...], root: int
    ) -> None:
        """targets[node] = targets[its parent] + offsets[node], from the root, whose are offsets[root]."""

    @operation(source="alexnet:src/softmaxtree.cu", numpy=BITWISE)
    @abstractmethod
    def softmax_tree_grads(self, grads: Array, *, children: tuple[tuple[int, ...], ...], root: int) -> None:
        """In place, up from the leaves: grads[node] = sum over its children, in order, of grads[child]."""

    @operation(source="alexnet:src/softmaxtree.cu", numpy=Rounded(7), kernels=BITWISE)
    @abstractmethod
    def softmax_tree_update(
        self,
        weights: Array,
        inc: Array,
        grads: Array,
        *,
        children: tuple[tuple[int, ...], ...],
        root: int,
        eps: float,
        mom: float,
        wc: float,
    ) -> None:
        """inc = mom * inc + (eps / n) * (grads - (wc / n) * weights); weights = weights + inc.

        n is the number of leaves under a node.
        """

    # --- randomness: Philox4x64-10 words, as numpy.random.Philox(key=key, counter=counter).random_raw ---
    #     each 64-bit word gives two 32-bit words, its low half first

    @operation(source="alexnet:src/layer.cu", numpy=BITWISE)
    @abstractmethod
    def random_keep_mask(self, targets: Array, *, keep: float, key: tuple[int, int], counter: int) -> None:
        """1 where a 32-bit word of the stream is below keep * 2**32, else 0.

        One word for each entry, in C order.
        """

    @operation(source="alexnet:include/neuron.cuh", numpy=Rounded(2 * FUNCTION + 4))
    @abstractmethod
    def random_normal(self, targets: Array, *, key: tuple[int, int], counter: int) -> None:
        """Normal numbers by Box and Muller's method; a pair of 32-bit words u, v for each entry, in C order.

        targets = sqrt(-2 log((u + 1) / 2**32)) * cos(2 pi v / 2**32).
        """
