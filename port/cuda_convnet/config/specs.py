"""Typed, immutable layer specifications: what a pair of .cfg files says, after every rule was checked.

The field names are the .cfg language's, in snake case. Two values differ from the dictionaries of the
original parser, which keeps what its kernels want: `padding` is as written (the original negates it), and
`scale` of the normalisations is already divided by the window, as there (`size` for cmrnorm, `size**2`
for rnorm and cnorm).

Answers to `alexnet:layer.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of rates by progress in [0, 1]: type `default`, `linear`, `exp`, `dexp` or `jdexp`."""

    type: str = "default"
    tgt_factor: float = 1.0
    noise_stdev: float = 0.0
    num_steps: int = 1


@dataclass(frozen=True, slots=True)
class NeuronSpec:
    """A neuron and its parameters, as `tanh[a,b]`: type `tanh`, params `(a, b)` in the order written."""

    type: str
    params: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightSource:
    """Where a shared matrix comes from: matrix `index` of `layer`, which may be the layer itself."""

    layer: str
    index: int


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """What every layer has.

    `outputs` is the number of features per image. `gpu` is the device's index, -1 for data layers;
    `replicas` lists all devices of a layer that cuda-convnet2 replicates (else just `gpu`). `quant_f` and
    `quant_b` name the quantisers of what travels between devices, forwards and backwards. `line` is where
    the layer's section starts in its file.
    """

    name: str
    type: str
    inputs: tuple[str, ...] = ()
    outputs: int
    gpu: int = -1
    replicas: tuple[int, ...] = ()
    quant_f: str = "default"
    quant_b: str = "default"
    line: int = field(default=0, compare=False)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width) of the outputs, where the layer itself knows that they are images."""
        return None

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the forward pass for one image, of the layers with weights; 0 for others."""
        return 0


@dataclass(frozen=True, kw_only=True)
class DataSpec(LayerSpec):
    """The matrix `data_idx` that the data provider gives; cuda-convnet2 can take the rows from `start` on."""

    data_idx: int
    start: int = 0


@dataclass(frozen=True, kw_only=True)
class NeuronLayerSpec(LayerSpec):
    """A neuron layer, written as such or detached from the `neuron=` of layer `src_layer`."""

    neuron: NeuronSpec
    src_layer: str = ""


@dataclass(frozen=True, kw_only=True)
class WeightLayerSpec(LayerSpec):
    """What layers with weights share. Tuples have one entry per input.

    `wball` is as written; the constraint uses `wball * weights_per_filter`.
    `init_*_func` are written `module.function(param,...)`, '' for none. `update_period` is cuda-convnet2's.
    """

    init_w: tuple[float, ...]
    init_b: float
    init_w_func: str
    init_b_func: str
    weight_source: tuple[WeightSource | None, ...]
    eps_w: tuple[float, ...]
    eps_b: float
    mom_w: tuple[float, ...]
    mom_b: float
    wc: tuple[float, ...]
    wball: tuple[float, ...]
    super_eps: float = 0.0
    super_mom: float = 0.0
    sched_w: tuple[Schedule, ...]
    sched_b: Schedule
    weights_per_filter: tuple[int, ...]
    update_period: int = 0

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each input's weights, as the engine holds them."""
        raise NotImplementedError

    @property
    def matrix_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, cols) of each weight matrix of the original, over the same bytes as `weight_shapes`."""
        raise NotImplementedError

    @property
    def bias_matrix_shape(self) -> tuple[int, int]:
        """(rows, cols) of the original's bias matrix."""
        raise NotImplementedError

    @property
    def num_weights(self) -> tuple[int, ...]:
        """Weights of each input, whoever owns them."""
        return tuple(rows * cols for rows, cols in self.matrix_shapes)

    @property
    def num_biases(self) -> int:
        return self.bias_matrix_shape[0] * self.bias_matrix_shape[1]

    @property
    def multiply_adds(self) -> int:
        return sum(self.num_weights)


@dataclass(frozen=True, kw_only=True)
class FCSpec(WeightLayerSpec):
    """Fully connected; weights (inputs, outputs) per input, biases (1, outputs)."""

    num_inputs: tuple[int, ...]

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.matrix_shapes

    @property
    def matrix_shapes(self) -> tuple[tuple[int, int], ...]:
        return tuple((n, self.outputs) for n in self.num_inputs)

    @property
    def bias_matrix_shape(self) -> tuple[int, int]:
        return (1, self.outputs)


@dataclass(frozen=True)
class ClassTree:
    """A tree over the classes: the children of each node, the first nodes being the classes; and its root."""

    children: tuple[tuple[int, ...], ...]
    root: int

    @classmethod
    def flat(cls, num_classes: int) -> ClassTree:
        """The smallest tree: every class hangs on the root."""
        return cls(((),) * num_classes + (tuple(range(num_classes)),), num_classes)


@dataclass(frozen=True, kw_only=True)
class TreeFCSpec(FCSpec):
    """Fully connected over a tree of classes; its weights have one column per node of the tree.

    A class's weights are the sum of the columns from the root to its leaf.
    """

    tree: ClassTree

    @property
    def matrix_shapes(self) -> tuple[tuple[int, int], ...]:
        return tuple((n, len(self.tree.children)) for n in self.num_inputs)

    @property
    def multiply_adds(self) -> int:
        return sum(n * self.outputs for n in self.num_inputs)


@dataclass(frozen=True, kw_only=True)
class SplitFCSpec(WeightLayerSpec):
    """cuda-convnet2's `sfc`: `parts` fully connected layers side by side, each with its part of the input."""

    num_inputs: tuple[int, ...]
    parts: int

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple((self.parts, n // self.parts, self.outputs // self.parts) for n in self.num_inputs)

    @property
    def matrix_shapes(self) -> tuple[tuple[int, int], ...]:
        return tuple((n, self.outputs // self.parts) for n in self.num_inputs)

    @property
    def bias_matrix_shape(self) -> tuple[int, int]:
        return (1, self.outputs)


@dataclass(frozen=True, kw_only=True)
class LocalSpec(WeightLayerSpec):
    """Locally connected, unshared filters; tuples have one entry per input.

    `filters` is the total over groups; `filter_channels` is channels/groups unless `rand_sparse`, where each
    group sees `filter_channels` channels that are drawn with the weights, or come from `init_c_func`.
    """

    channels: tuple[int, ...]
    img_size: tuple[int, ...]
    padding: tuple[int, ...]
    stride: tuple[int, ...]
    filter_size: tuple[int, ...]
    groups: tuple[int, ...]
    filters: int
    filter_channels: tuple[int, ...]
    rand_sparse: tuple[bool, ...]
    init_c_func: str
    modules_x: int

    @property
    def modules(self) -> int:
        return self.modules_x**2

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.filters, self.modules_x, self.modules_x)

    @property
    def over_sample(self) -> tuple[int, ...]:
        return tuple(
            g * fc // c for g, fc, c in zip(self.groups, self.filter_channels, self.channels, strict=True)
        )

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(
            (self.modules, fc, s, s, self.filters)
            for fc, s in zip(self.filter_channels, self.filter_size, strict=True)
        )

    @property
    def matrix_shapes(self) -> tuple[tuple[int, int], ...]:
        return tuple(
            (self.modules * fc * s * s, self.filters)
            for fc, s in zip(self.filter_channels, self.filter_size, strict=True)
        )

    @property
    def bias_matrix_shape(self) -> tuple[int, int]:
        return (self.modules * self.filters, 1)


@dataclass(frozen=True, kw_only=True)
class ConvSpec(LocalSpec):
    """Convolutional: one set of filters for all modules.

    Weight gradients are summed over runs of `partial_sum` modules first, over all of them if 0.
    cuda-convnet2's `sum_width` says the same of squares of modules; then `partial_sum` is 0.
    """

    partial_sum: int
    sum_width: int = 0
    shared_biases: bool
    wc_norm_min: tuple[float, ...]
    wc_norm_max: tuple[float, ...]

    @property
    def weight_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(
            (fc, s, s, self.filters) for fc, s in zip(self.filter_channels, self.filter_size, strict=True)
        )

    @property
    def matrix_shapes(self) -> tuple[tuple[int, int], ...]:
        return tuple(
            (fc * s * s, self.filters) for fc, s in zip(self.filter_channels, self.filter_size, strict=True)
        )

    @property
    def bias_matrix_shape(self) -> tuple[int, int]:
        return (self.filters if self.shared_biases else self.modules * self.filters, 1)

    @property
    def multiply_adds(self) -> int:
        return sum(self.num_weights) * self.modules


@dataclass(frozen=True, kw_only=True)
class PoolSpec(LayerSpec):
    """Pooling: `pool` is max, maxabs, avg or rand; regions of size_x from `start`, every `stride` pixels.

    `sum` is cuda-convnet2's: average pooling that does not divide.
    """

    pool: str
    channels: int
    img_size: int
    size_x: int
    start: int
    stride: int
    outputs_x: int
    do_max: bool = False
    sum: bool = False

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.channels, self.outputs_x, self.outputs_x)


@dataclass(frozen=True, kw_only=True)
class CrossMapPoolSpec(LayerSpec):
    """cuda-convnet2's `cmpool`: maxima over `size` channels, every `stride` channels from `start`."""

    pool: str
    channels: int
    img_size: int
    size: int
    start: int
    stride: int
    output_channels: int

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.output_channels, self.img_size, self.img_size)


@dataclass(frozen=True, kw_only=True)
class NormSpec(LayerSpec):
    """rnorm, cnorm and cmrnorm; `scale` is already divided by the window. `min_div` is cmrnorm's."""

    channels: int
    img_size: int
    size: int
    scale: float
    pow: float
    min_div: float = 1.0
    blocked: bool = False

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.channels, self.img_size, self.img_size)


@dataclass(frozen=True, kw_only=True)
class SoftmaxSpec(LayerSpec):
    pass


@dataclass(frozen=True, kw_only=True)
class EltwiseSumSpec(LayerSpec):
    coeffs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class EltwiseMaxSpec(LayerSpec):
    pass


@dataclass(frozen=True, kw_only=True)
class ConcatSpec(LayerSpec):
    """Concatenation of features: input i starts at `copy_offsets[i]`."""

    copy_offsets: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PassSpec(LayerSpec):
    """cuda-convnet2's `pass`: hands its inputs' features on unchanged, one after another."""


@dataclass(frozen=True, kw_only=True)
class SumSpec(LayerSpec):
    """cuda-convnet2's `sum`: adds features that are `stride` apart."""

    stride: int


@dataclass(frozen=True, kw_only=True)
class HiddenSexSpec(LayerSpec):
    """Dropout (type `hs`): keep each unit with probability `keep` in training, scale by it in testing.

    cuda-convnet2's `dropout` and `dropout2` are the same layer.
    """

    enable: bool
    keep: float


@dataclass(frozen=True, kw_only=True)
class ImageSpec(LayerSpec):
    """What layers that work on square images of `channels` share."""

    channels: int
    img_size: int

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.channels, self.img_size, self.img_size)


@dataclass(frozen=True, kw_only=True)
class NailbedSpec(ImageSpec):
    """Takes every `stride`-th pixel in both directions, from `start` on."""

    start: int
    stride: int
    outputs_x: int

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.channels, self.outputs_x, self.outputs_x)


@dataclass(frozen=True, kw_only=True)
class BlurSpec(ImageSpec):
    """Gaussian blur; `filter` holds the normalised taps, computed in float32."""

    filter_size: int
    stdev: float
    filter: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class HorizontalReflectionSpec(ImageSpec):
    pass


@dataclass(frozen=True, kw_only=True)
class ResizeSpec(ImageSpec):
    """Bilinear resizing to `tgt_size` pixels, the image's size divided by `scale`."""

    scale: float
    tgt_size: int

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.channels, self.tgt_size, self.tgt_size)


@dataclass(frozen=True, kw_only=True)
class RandomScaleSpec(ImageSpec):
    """Rescales each minibatch by a random factor up to `max_scale` and crops it to `tgt_size`."""

    max_scale: float
    tgt_size: int

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.channels, self.tgt_size, self.tgt_size)


@dataclass(frozen=True, kw_only=True)
class CropSpec(ImageSpec):
    """cuda-convnet2's `crop`: the square of `size_x` pixels at (start_x, start_y)."""

    start_x: int
    start_y: int
    size_x: int

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        return (self.channels, self.size_x, self.size_x)


@dataclass(frozen=True, kw_only=True)
class RGBToYUVSpec(ImageSpec):
    pass


@dataclass(frozen=True, kw_only=True)
class RGBToLABSpec(ImageSpec):
    center: bool


@dataclass(frozen=True, kw_only=True)
class CostSpec(LayerSpec):
    """A cost (types cost.crossent, cost.crossent2, cost.rflickr, cost.sum2, cost.gsum2), weighted by `coeff`.

    `children` are the costs of the same type that cuda-convnet2 reports together with this one.
    """

    coeff: float
    children: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LogregCostSpec(CostSpec):
    """cost.logreg: the log-probability of the label, top-1 and top-`topk` errors."""

    topk: int = 1


@dataclass(frozen=True, kw_only=True)
class MultiSoftmaxCostSpec(CostSpec):
    set_size: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class BinomialCrossEntCostSpec(CostSpec):
    """cuda-convnet2's cost.bce and cost.dce: cross-entropy of each output by itself."""

    pos_weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class TICACostSpec(CostSpec):
    channels: int
    img_size: int
    size_x: int


@dataclass(frozen=True)
class NetworkSpec:
    """A network: its layers in the order of the file, the detached neuron layers last, as the original has
    them.

    `layers_cfg` and `params_cfg` are the texts it was read from ('' when built otherwise). `assumed` maps
    each data layer index whose size the reader had to guess to that size. `has_params` is false when there
    was no parameter file; what belongs there is then zero, and the network can be looked at but not run.
    `notes` are remarks of the reader, one line each: what it assumed, and what it found in the files but did
    not read.
    """

    layers: tuple[LayerSpec, ...]
    layers_cfg: str = field(default="", repr=False, compare=False)
    params_cfg: str = field(default="", repr=False, compare=False)
    num_classes: int | None = None
    assumed: tuple[tuple[int, int], ...] = ()
    has_params: bool = True
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @cached_property
    def by_name(self) -> dict[str, LayerSpec]:
        return {layer.name: layer for layer in self.layers}

    def __getitem__(self, name: str) -> LayerSpec:
        return self.by_name[name]

    def __iter__(self) -> Iterator[LayerSpec]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def consumers(self, name: str) -> tuple[LayerSpec, ...]:
        """The layers that take `name` as an input, in order."""
        return tuple(layer for layer in self.layers if name in layer.inputs)

    @cached_property
    def forward_order(self) -> tuple[LayerSpec, ...]:
        """The layers so that each comes after its inputs; otherwise in the order of the file."""
        done: set[str] = set()
        order: list[LayerSpec] = []

        def visit(layer: LayerSpec) -> None:
            if layer.name in done:
                return
            done.add(layer.name)
            for name in layer.inputs:
                visit(self.by_name[name])
            order.append(layer)

        for layer in self.layers:
            visit(layer)
        return tuple(order)

    def own_weights(self, layer: WeightLayerSpec) -> tuple[int, ...]:
        """Weights of each input of `layer`, 0 where it takes another matrix."""
        pairs = zip(layer.num_weights, layer.weight_source, strict=True)
        return tuple(0 if source else count for count, source in pairs)

    @cached_property
    def num_parameters(self) -> int:
        """Weights and biases of the whole network; shared weights count once."""
        weighted = [layer for layer in self.layers if isinstance(layer, WeightLayerSpec)]
        return sum(sum(self.own_weights(layer)) + layer.num_biases for layer in weighted)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each layer's outputs for one image: (channels, height, width), or (features,).

        Layers that work on each feature by itself have the shape of their first input, data layers that of
        the images their first consumer sees in them. Costs have none: ().
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.forward_order:
            if isinstance(layer, CostSpec):
                shapes[layer.name] = ()
                continue
            shape = layer.image_shape or self._inherited_shape(layer, shapes)
            shapes[layer.name] = shape if shape and math.prod(shape) == layer.outputs else (layer.outputs,)
        return shapes

    def _inherited_shape(
        self, layer: LayerSpec, shapes: dict[str, tuple[int, ...]]
    ) -> tuple[int, ...] | None:
        if isinstance(layer, DataSpec):
            return next(
                filter(None, (self._seen_in(c, layer.name) for c in self.consumers(layer.name))), None
            )
        if isinstance(layer, ConcatSpec | PassSpec):
            parts = [shapes[name] for name in layer.inputs]
            if all(len(p) == 3 and p[1:] == parts[0][1:] for p in parts):
                return (sum(p[0] for p in parts), *parts[0][1:])
            return None
        if isinstance(layer, NeuronLayerSpec | EltwiseSumSpec | EltwiseMaxSpec | HiddenSexSpec):
            return shapes[layer.inputs[0]]
        return None

    @staticmethod
    def _seen_in(consumer: LayerSpec, name: str) -> tuple[int, ...] | None:
        if isinstance(consumer, LocalSpec):
            i = consumer.inputs.index(name)
            return (consumer.channels[i], consumer.img_size[i], consumer.img_size[i])
        if isinstance(consumer, ImageSpec | PoolSpec | NormSpec | CrossMapPoolSpec):
            return (consumer.channels, consumer.img_size, consumer.img_size)
        return None
