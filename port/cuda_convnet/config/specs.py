"""Typed, immutable layer specifications: what a pair of .cfg files says, after every rule was checked.

The field names are the .cfg language's, in snake case. Two values differ from the dictionaries of the
original parser, which keeps what its kernels want: `padding` is as written (the original negates it), and
`scale` of the normalisations is already divided by the window, as there (`size` for cmrnorm, `size**2`
for rnorm and cnorm).

Answers to `alexnet:layer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Schedule:
    """A learning-rate schedule: `default`, `linear`, `exp`, `dexp` or `jdexp`, by training progress in [0, 1]."""

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
    """Where a shared weight matrix comes from: matrix `index` of layer `layer` (which may be the layer itself)."""

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


@dataclass(frozen=True, kw_only=True)
class DataSpec(LayerSpec):
    data_idx: int


@dataclass(frozen=True, kw_only=True)
class NeuronLayerSpec(LayerSpec):
    """A neuron layer, written as such or detached from the `neuron=` of layer `src_layer`."""

    neuron: NeuronSpec
    src_layer: str = ""


@dataclass(frozen=True, kw_only=True)
class WeightLayerSpec(LayerSpec):
    """What layers with weights share. Tuples have one entry per input.

    `wball` is as written; the constraint uses `wball * weights_per_filter`.
    `init_*_func` are written `module.function(param,...)`, '' for none.
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


@dataclass(frozen=True, kw_only=True)
class TreeFCSpec(FCSpec):
    """Fully connected over a tree of classes; its weights have one column per node of the tree."""


@dataclass(frozen=True, kw_only=True)
class LocalSpec(WeightLayerSpec):
    """Locally connected, unshared filters; tuples have one entry per input.

    `filters` is the total over groups; `filter_channels` is channels/groups unless `rand_sparse`.
    `filter_conns[i]` lists, group by group, the channels that input i's groups see (empty unless sparse and
    given by `init_c_func`; else drawn with the weights).
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
    """Convolutional: one set of filters for all modules."""

    partial_sum: int
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


@dataclass(frozen=True, kw_only=True)
class PoolSpec(LayerSpec):
    """Pooling: `pool` is max, maxabs, avg or rand; regions of size_x from `start`, every `stride` pixels."""

    pool: str
    channels: int
    img_size: int
    size_x: int
    start: int
    stride: int
    outputs_x: int
    do_max: bool = False


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
    """cuda-convnet2's `pass`: hands its inputs' features on unchanged (as `concat` where there are several)."""


@dataclass(frozen=True, kw_only=True)
class HiddenSexSpec(LayerSpec):
    """Dropout (type `hs`): keep each unit with probability `keep` in training, scale by it in testing."""

    enable: bool
    keep: float


@dataclass(frozen=True, kw_only=True)
class ImageSpec(LayerSpec):
    """What layers that work on square images of `channels` share."""

    channels: int
    img_size: int


@dataclass(frozen=True, kw_only=True)
class NailbedSpec(ImageSpec):
    start: int
    stride: int
    outputs_x: int


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
    scale: float
    tgt_size: int


@dataclass(frozen=True, kw_only=True)
class RandomScaleSpec(ImageSpec):
    max_scale: float
    tgt_size: int


@dataclass(frozen=True, kw_only=True)
class RGBToYUVSpec(ImageSpec):
    pass


@dataclass(frozen=True, kw_only=True)
class RGBToLABSpec(ImageSpec):
    center: bool


@dataclass(frozen=True, kw_only=True)
class CostSpec(LayerSpec):
    """A cost (types cost.crossent, cost.crossent2, cost.rflickr, cost.sum2, cost.gsum2), weighted by `coeff`."""

    coeff: float


@dataclass(frozen=True, kw_only=True)
class LogregCostSpec(CostSpec):
    """cost.logreg: the log-probability of the label, top-1 and top-`topk` errors."""

    topk: int = 1


@dataclass(frozen=True, kw_only=True)
class MultiSoftmaxCostSpec(CostSpec):
    set_size: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class TICACostSpec(CostSpec):
    channels: int
    img_size: int
    size_x: int


@dataclass(frozen=True)
class NetworkSpec:
    """A network: its layers in the order of the file, the detached neuron layers last, as the original has them.

    `layers_cfg` and `params_cfg` are the texts it was read from ('' when built otherwise). `assumed` maps each
    data layer index whose size the reader had to guess to that size.
    """

    layers: tuple[LayerSpec, ...]
    layers_cfg: str = field(default="", repr=False)
    params_cfg: str = field(default="", repr=False)
    num_classes: int | None = None
    assumed: tuple[tuple[int, int], ...] = ()

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
