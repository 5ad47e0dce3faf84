"""How fast the kernels are: every layer of run 145 and its whole training step, beside PyTorch in float32."""

from __future__ import annotations

import functools
import importlib.util
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from alexnet2012 import experiments, measure
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec, FCSpec, NetworkSpec
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.cuda_device import CudaDevice
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from cuda_convnet.engines.operations import Engine
from cuda_convnet.network import ConvNet

MINIBATCH = 128
ROUNDS = 10
PEAK_SIZE = 8192
PRODUCTS = ("forward", "images", "weights")
INEXACT = 1 + 2.0**-12
"""A float32 whose square is none: rounded, it is 1 + 2**-11, and the rest is 2**-24."""
Run = Callable[[], Any]
Fill = Callable[[tuple[int, ...]], Any]


@dataclass(frozen=True)
class Part:
    """One input of a layer with weights; `names` are the layers that have such a one."""

    layer: ConvSpec | FCSpec
    index: int
    names: list[str]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What its time depends on."""
        layer, i = self.layer, self.index
        if isinstance(layer, FCSpec):
            return (layer.num_inputs[i], layer.outputs)
        return (
            layer.channels[i],
            layer.img_size[i],
            layer.filter_size[i],
            layer.padding[i],
            layer.stride[i],
            layer.groups[i],
            layer.filters,
            layer.modules_x,
            layer.partial_sum,
        )

    @property
    def flops(self) -> float:
        """Of one of its three products, over a minibatch."""
        weights = np.prod(self.layer.weight_shapes[self.index], dtype=float)
        modules = self.layer.modules if isinstance(self.layer, ConvSpec) else 1
        return 2 * float(weights) * modules * MINIBATCH


def parts(spec: NetworkSpec) -> list[Part]:
    """Every input of every layer with weights, those of one shape together."""
    found: dict[tuple[Any, ...], Part] = {}
    for layer in spec.forward_order:
        if isinstance(layer, ConvSpec | FCSpec):
            for i in range(len(layer.inputs)):
                part = Part(layer, i, [])
                found.setdefault(part.shape, part).names.append(f"{layer.name}[{i}]")
    return list(found.values())


def our_products(engine: Engine, part: Part) -> dict[str, Run]:
    """Forward, and the gradients to the images and to the weights."""
    layer, i = part.layer, part.index
    if isinstance(layer, FCSpec):
        inputs, outputs = layer.num_inputs[i], layer.outputs
        x, y = _random(engine, (inputs, MINIBATCH)), _random(engine, (outputs, MINIBATCH))
        weights = _random(engine, (inputs, outputs))
        product = engine.matrix_add_product
        return {
            "forward": lambda: product(weights, x, y, trans_a=True),
            "images": lambda: product(weights, y, x),
            "weights": lambda: product(x, y, weights, trans_b=True),
        }
    convolution = Convolution(engine, layer, i, *[functools.partial(_random, engine)] * 3)
    return {name: getattr(convolution, name) for name in PRODUCTS}


class Convolution:
    """The three products of one input of a convolution, each of which writes over an array and returns it."""

    def __init__(
        self, engine: Engine, layer: ConvSpec, i: int, images: Fill, filters: Fill, hidden: Fill
    ) -> None:
        self._engine, self._partial_sum = engine, layer.partial_sum
        self._images = images((layer.channels[i], layer.img_size[i], layer.img_size[i], MINIBATCH))
        self._filters = filters(layer.weight_shapes[i])
        self._hidden = hidden((layer.filters, layer.modules_x, layer.modules_x, MINIBATCH))
        chunks = layer.modules // layer.partial_sum if layer.partial_sum else 1
        self._sums = engine.empty((chunks, *layer.weight_shapes[i]))
        self._how = {"padding": layer.padding[i], "stride": layer.stride[i], "groups": layer.groups[i]}

    def forward(self) -> Any:
        self._engine.conv_filter_acts(self._images, self._filters, self._hidden, **self._how)
        return self._hidden

    def images(self) -> Any:
        self._engine.conv_img_acts(self._hidden, self._filters, self._images, **self._how)
        return self._images

    def weights(self) -> Any:
        self._engine.conv_weight_acts(
            self._images, self._hidden, self._sums, partial_sum=self._partial_sum, **self._how
        )
        return self._sums


def _random(engine: Engine, shape: tuple[int, ...]) -> Any:
    return engine.from_host(np.random.RandomState(0).standard_normal(shape).astype(np.float32))


def kernels(part: Part) -> dict[str, str]:
    """By product the kernel that a convolution launches, as C++ writes it."""
    device = RecordingDevice()
    for run in our_products(KernelEngine(device), part).values():
        run()
    return dict(zip(PRODUCTS, (launch.instance for launch in device.launches), strict=True))


def fused(engine: Engine, layer: ConvSpec, i: int) -> dict[str, bool]:
    """By product whether a convolution fuses multiplications and additions, seen by what comes out of it.

    Every sum is of one product, of its opposite, and of zeros. It is zero where products are rounded before
    they are added; a fused addition of the second leaves what the first was rounded by.
    """

    def constant(shape: tuple[int, ...]) -> Any:
        return engine.from_host(np.full(shape, INEXACT, np.float32))

    def opposite(shape: tuple[int, ...]) -> Any:
        """Of the first two maps and cases one place; whether the sum is over maps or cases, it is of two."""
        array = np.zeros(shape, np.float32)
        array[:2, shape[1] // 2, shape[2] // 2, :2] = [[INEXACT, -INEXACT], [-INEXACT, INEXACT]]
        return engine.from_host(array)

    fills = {
        "forward": (opposite, constant, engine.empty),
        "images": (engine.empty, constant, opposite),
        "weights": (opposite, engine.empty, constant),
    }
    found = {}
    for name, fill in fills.items():
        product = getattr(Convolution(engine, layer, i, *fill), name)
        found[name] = bool(engine.to_host(product()).any())
    return found


def their_products(part: Part) -> dict[str, Run]:
    """The same in PyTorch, its images first as it wants them."""
    import torch

    layer, i = part.layer, part.index
    if isinstance(layer, FCSpec):
        x, y = (torch.randn(MINIBATCH, n, device="cuda") for n in (layer.num_inputs[i], layer.outputs))
        weights = torch.randn(layer.outputs, layer.num_inputs[i], device="cuda")
        return {"forward": lambda: x @ weights.T, "images": lambda: y @ weights, "weights": lambda: y.T @ x}
    size, modules, stride = layer.img_size[i], layer.modules_x, layer.stride[i]
    padding = max(0, ceil(((modules - 1) * stride + layer.filter_size[i] - size) / 2))
    images = torch.randn(MINIBATCH, layer.channels[i], size, size, device="cuda")
    channels, side = layer.filter_channels[i], layer.filter_size[i]
    filters = torch.randn(layer.filters, channels, side, side, device="cuda")
    how = ([stride] * 2, [padding] * 2, [1, 1], layer.groups[i])

    def forward() -> Any:
        return torch.conv2d(images, filters, None, *how)

    gradient = torch.randn_like(forward())

    def backward(*wanted: bool) -> Any:
        return torch.ops.aten.convolution_backward(
            gradient, images, filters, None, how[0], how[1], how[2], False, [0, 0], how[3], wanted
        )

    return {
        "forward": forward,
        "images": lambda: backward(True, False, False),
        "weights": lambda: backward(False, True, False),
    }


def torch_seconds(run: Run) -> float:
    """As CudaDevice.seconds, on PyTorch's stream."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) * 1e-3


def has_torch() -> bool:
    """Whether PyTorch is here with CUDA; where it is, TF32 is off from now on."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return bool(torch.cuda.is_available())


def peak(device: CudaDevice, engine: Engine) -> float:
    """The float32 FLOP/s of a large product, the best that this GPU was seen to do."""
    a, c = _random(engine, (PEAK_SIZE, PEAK_SIZE)), engine.empty((PEAK_SIZE, PEAK_SIZE))
    return 2 * PEAK_SIZE**3 / min(measured(device.seconds, lambda: engine.matrix_add_product(a, a, c)))


def measured(clock: Callable[[Run], float], run: Run) -> list[float]:
    """Seconds of `ROUNDS` calls, after two that do not count."""
    return [clock(run) for _ in range(ROUNDS + 2)][2:]


def bench(device: CudaDevice, engine: Engine) -> dict[str, Any]:
    """All figures of run 145 with 128 images."""
    folder = experiments.path("145")
    spec = measure.learning(read_network(folder / "layers.cfg", folder / "params.cfg"))
    best = peak(device, engine)
    return {
        "ok": True,
        "network": "145",
        "minibatch": MINIBATCH,
        "sgemm_tflops": best / 1e12,
        "layers": list(layer_figures(device, engine, spec, best)),
        "step": step_figures(device, engine, spec, best),
    }


def layer_figures(
    device: CudaDevice, engine: Engine, spec: NetworkSpec, best: float
) -> Iterator[dict[str, Any]]:
    """Each product of each part: ours, and PyTorch's where it is here.

    Of a convolution also the kernel, and whether its products are `fused`. Where they are not, a multiply-add
    is two instructions in the place of one, and 50% of the float32 peak is the most that it can reach.
    """
    with_torch = has_torch()
    for part in parts(spec):
        names: dict[str, str] = {}
        fuses: dict[str, bool] = {}
        if isinstance(part.layer, ConvSpec):
            names, fuses = kernels(part), fused(engine, part.layer, part.index)
        theirs = their_products(part) if with_torch else {}
        for product, run in our_products(engine, part).items():
            taken = statistics.median(measured(device.seconds, run))
            figures: dict[str, Any] = {
                "layers": part.names,
                "product": product,
                "gflop": part.flops / 1e9,
                "milliseconds": 1e3 * taken,
                "tflops": part.flops / taken / 1e12,
                "share_of_sgemm": part.flops / taken / best,
            }
            if product in names:
                figures |= {"kernel": names[product], "fused": fuses[product]}
            if product in theirs:
                torchs = statistics.median(measured(torch_seconds, theirs[product]))
                figures |= {"torch_milliseconds": 1e3 * torchs, "times_torchs_rate": torchs / taken}
            yield figures


def step_figures(device: CudaDevice, engine: Engine, spec: NetworkSpec, best: float) -> dict[str, Any]:
    """The whole training step, from images on the host to new weights."""
    data = measure.random_data(spec, MINIBATCH, spec.num_classes or 1000)
    net = ConvNet(spec, engine=engine, seed=0, minibatch_size=MINIBATCH)
    taken = statistics.median(measured(device.seconds, lambda: net.train_minibatch(data)))
    flops = measure.step_flops(spec, MINIBATCH)
    figures = {
        "milliseconds": 1e3 * taken,
        "images_per_second": MINIBATCH / taken,
        "tflops": flops / taken / 1e12,
        "share_of_sgemm": flops / taken / best,
    }
    if has_torch():
        from alexnet2012.peers.torch_network import TorchNetwork

        peer = TorchNetwork(spec, 1, "cuda")
        theirs = statistics.median(measured(torch_seconds, lambda: peer.train_minibatch(data)))
        figures |= {"torch_images_per_second": MINIBATCH / theirs, "times_torchs_rate": theirs / taken}
    return figures
