"""The same network in PyTorch's own operations: the peer of `alexnet2012 bench`.

It does the same work (same layers, sizes, multiply-adds and update rule), the way a PyTorch user would write
it. It is a yardstick of speed and promises no bits: a window that hangs over the edge is a symmetric padding
here, and dropout scales in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from cuda_convnet.config.specs import (
    ConvSpec,
    DataSpec,
    FCSpec,
    HiddenSexSpec,
    LayerSpec,
    LocalSpec,
    LogregCostSpec,
    NetworkSpec,
    NeuronLayerSpec,
    NormSpec,
    PoolSpec,
    SoftmaxSpec,
)
from cuda_convnet.errors import ConvnetError

Tensors = list[torch.Tensor]


class TorchNetwork:
    """A network specification as PyTorch float32 operations with SGD, momentum and weight decay.

    Runs data, conv, fc, pool (max, avg), cmrnorm, rnorm, relu, hs, softmax and cost.logreg; other layers
    raise ConvnetError.
    """

    def __init__(self, spec: NetworkSpec, threads: int, device: str = "cpu") -> None:
        torch.set_num_threads(threads)
        self.device = device
        self.spec = spec
        self.weights: dict[str, Tensors] = {}
        self.biases: dict[str, torch.Tensor] = {}
        groups = []
        for layer in spec:
            if isinstance(layer, (ConvSpec, FCSpec)):
                self._make_weights(layer)
                for weight, eps, mom, wc in zip(
                    self.weights[layer.name], layer.eps_w, layer.mom_w, layer.wc, strict=True
                ):
                    groups.append({"params": [weight], "lr": eps, "momentum": mom, "weight_decay": wc})
                groups.append(
                    {"params": [self.biases[layer.name]], "lr": layer.eps_b, "momentum": layer.mom_b}
                )
        self.optimizer = torch.optim.SGD(groups, lr=0.0)

    def _make_weights(self, layer: ConvSpec | FCSpec) -> None:
        shapes: Sequence[tuple[int, ...]]
        if isinstance(layer, ConvSpec):
            shapes = [
                (layer.filters, fc, s, s)
                for fc, s in zip(layer.filter_channels, layer.filter_size, strict=True)
            ]
            count = layer.filters
        else:
            shapes = [(layer.outputs, n) for n in layer.num_inputs]
            count = layer.outputs
        self.weights[layer.name] = [
            (torch.randn(shape, device=self.device) * init).requires_grad_()
            for shape, init in zip(shapes, layer.init_w, strict=True)
        ]
        self.biases[layer.name] = torch.full((count,), layer.init_b, device=self.device, requires_grad=True)

    def train_minibatch(self, data: Sequence[np.ndarray]) -> float:
        """One step on the same host arrays as ours; returns the cost, summed over the cases."""
        labels = torch.from_numpy(data[1].ravel()).to(self.device).long()
        cases = labels.numel()
        acts: dict[str, torch.Tensor] = {}
        cost = torch.zeros((), device=self.device)
        for layer in self.spec.forward_order:
            if isinstance(layer, DataSpec):
                if layer.data_idx == 0:
                    acts[layer.name] = self._images(layer, data[0])
            elif isinstance(layer, LogregCostSpec):
                cost = F.cross_entropy(acts[layer.inputs[1]], labels, reduction="sum")
            else:
                acts[layer.name] = self._forward(layer, [acts[name] for name in layer.inputs])
        self.optimizer.zero_grad(set_to_none=True)
        (cost / cases).backward()
        self.optimizer.step()
        return float(cost.detach())

    def _images(self, layer: DataSpec, data: np.ndarray) -> torch.Tensor:
        channels = next(
            c.channels[c.inputs.index(layer.name)]
            for c in self.spec.consumers(layer.name)
            if isinstance(c, LocalSpec)
        )
        size = math.isqrt(data.shape[0] // channels)
        columns = torch.from_numpy(data).to(self.device)
        return columns.T.contiguous().view(-1, channels, size, size)

    def _forward(self, layer: LayerSpec, inputs: Tensors) -> torch.Tensor:
        run = FORWARD.get(type(layer))
        if run is None:
            raise ConvnetError(f"layer '{layer.name}' of type '{layer.type}' has no peer in PyTorch here")
        return run(self, layer, inputs)

    def _conv(self, layer: ConvSpec, inputs: Tensors) -> torch.Tensor:
        total = None
        for i, (x, weight) in enumerate(zip(inputs, self.weights[layer.name], strict=True)):
            reach = (layer.modules_x - 1) * layer.stride[i] + layer.filter_size[i]
            padding = math.ceil((reach - layer.img_size[i]) / 2)
            bias = self.biases[layer.name] if total is None else None
            y = F.conv2d(x, weight, bias, stride=layer.stride[i], padding=padding, groups=layer.groups[i])
            total = y if total is None else total + y
        assert total is not None
        return total

    def _fc(self, layer: FCSpec, inputs: Tensors) -> torch.Tensor:
        total = None
        for x, weight in zip(inputs, self.weights[layer.name], strict=True):
            bias = self.biases[layer.name] if total is None else None
            y = F.linear(x.flatten(1), weight, bias)
            total = y if total is None else total + y
        assert total is not None
        return total

    def _pool(self, layer: PoolSpec, inputs: Tensors) -> torch.Tensor:
        if layer.pool == "max":
            return F.max_pool2d(inputs[0], layer.size_x, layer.stride, ceil_mode=True)
        return F.avg_pool2d(inputs[0], layer.size_x, layer.stride, ceil_mode=True, count_include_pad=False)

    def _norm(self, layer: NormSpec, inputs: Tensors) -> torch.Tensor:
        if layer.type == "cmrnorm":
            return F.local_response_norm(
                inputs[0], layer.size, layer.scale * layer.size, layer.pow, layer.min_div
            )
        sums = F.avg_pool2d(
            inputs[0].square(), layer.size, stride=1, padding=layer.size // 2, divisor_override=1
        )
        return inputs[0] * (1 + layer.scale * sums).pow(-layer.pow)

    def _neuron(self, layer: NeuronLayerSpec, inputs: Tensors) -> torch.Tensor:
        if layer.neuron.type != "relu":
            raise ConvnetError(
                f"layer '{layer.name}': neuron '{layer.neuron.type}' has no peer in PyTorch here"
            )
        return F.relu(inputs[0])

    def _dropout(self, layer: HiddenSexSpec, inputs: Tensors) -> torch.Tensor:
        return F.dropout(inputs[0], 1 - layer.keep)

    def _softmax(self, layer: SoftmaxSpec, inputs: Tensors) -> torch.Tensor:
        return inputs[0]  # F.cross_entropy takes the logits


FORWARD: dict[type, Callable[..., torch.Tensor]] = {
    ConvSpec: TorchNetwork._conv,
    FCSpec: TorchNetwork._fc,
    PoolSpec: TorchNetwork._pool,
    NormSpec: TorchNetwork._norm,
    NeuronLayerSpec: TorchNetwork._neuron,
    HiddenSexSpec: TorchNetwork._dropout,
    SoftmaxSpec: TorchNetwork._softmax,
}
