"""The layers: one module per family. A layer never computes; it asks the engine.

`make_layer` is the table from a layer's type in the .cfg language to its class.
"""

from __future__ import annotations

from typing import Any

from cuda_convnet.config.specs import LayerSpec, NeuronLayerSpec, PoolSpec, WeightLayerSpec
from cuda_convnet.errors import ConfigError
from cuda_convnet.layers.base import Layer, Run
from cuda_convnet.layers.concat import ConcatLayer
from cuda_convnet.layers.conv import ConvLayer, LocalLayer
from cuda_convnet.layers.costs import (
    CrossEntropy2CostLayer,
    CrossEntropyCostLayer,
    GatedSumOfSquaresCostLayer,
    LogregCostLayer,
    RobustFlickrCostLayer,
    SumOfSquaresCostLayer,
    TICACostLayer,
)
from cuda_convnet.layers.data import DataLayer
from cuda_convnet.layers.dropout import DropoutLayer, InvertedDropoutLayer
from cuda_convnet.layers.eltwise import EltwiseMaxLayer, EltwiseSumLayer
from cuda_convnet.layers.fc import FCLayer
from cuda_convnet.layers.images import (
    BlurLayer,
    CropLayer,
    HorizontalReflectionLayer,
    NailbedLayer,
    RandomScaleLayer,
    ResizeLayer,
    RGBToLABLayer,
    RGBToYUVLayer,
)
from cuda_convnet.layers.neuron import NEURONS, NeuronLayer, NoisyReluLayer
from cuda_convnet.layers.norm import ContrastNormLayer, CrossMapNormLayer, ResponseNormLayer
from cuda_convnet.layers.pool import AvgPoolLayer, MaxPoolLayer, RandomPoolLayer
from cuda_convnet.layers.softmax import SoftmaxLayer

__all__ = ["Layer", "Run", "make_layer"]

_CLASSES: dict[str, type[Layer[Any]]] = {
    "data": DataLayer,
    "conv": ConvLayer,
    "local": LocalLayer,
    "fc": FCLayer,
    "rnorm": ResponseNormLayer,
    "cmrnorm": CrossMapNormLayer,
    "cnorm": ContrastNormLayer,
    "softmax": SoftmaxLayer,
    "eltsum": EltwiseSumLayer,
    "eltmax": EltwiseMaxLayer,
    "concat": ConcatLayer,
    "pass": ConcatLayer,
    "hs": DropoutLayer,
    "dropout": InvertedDropoutLayer,
    "dropout2": DropoutLayer,
    "nailbed": NailbedLayer,
    "blur": BlurLayer,
    "crop": CropLayer,
    "href": HorizontalReflectionLayer,
    "resize": ResizeLayer,
    "rscale": RandomScaleLayer,
    "rgb2yuv": RGBToYUVLayer,
    "rgb2lab": RGBToLABLayer,
    "cost.logreg": LogregCostLayer,
    "cost.crossent": CrossEntropyCostLayer,
    "cost.crossent2": CrossEntropy2CostLayer,
    "cost.rflickr": RobustFlickrCostLayer,
    "cost.sum2": SumOfSquaresCostLayer,
    "cost.gsum2": GatedSumOfSquaresCostLayer,
    "cost.tica": TICACostLayer,
}

_POOLS: dict[str, type[Layer[Any]]] = {
    "max": MaxPoolLayer,
    "maxabs": MaxPoolLayer,
    "avg": AvgPoolLayer,
    "rand": RandomPoolLayer,
}


def make_layer(spec: LayerSpec, run: Run) -> Layer[Any]:
    """The layer of `spec`; ConfigError for what the .cfg language knows but this library cannot run.

    Answers to `alexnet:src/convnet.cu` (ConvNetGPU::initLayer).
    """
    if len(set(spec.replicas)) > 1:
        raise ConfigError(
            f"layer '{spec.name}': replicated on devices {', '.join(map(str, spec.replicas))}; "
            "replicas cannot run here, name one gpu"
        )
    if isinstance(spec, WeightLayerSpec) and spec.update_period > 0:
        raise ConfigError(
            f"layer '{spec.name}': updatePeriod={spec.update_period} cannot run here; "
            "leave it out and accumulate gradients of the whole network with wupdate-freq"
        )
    if isinstance(spec, PoolSpec):
        if spec.sum:
            raise ConfigError(
                f"layer '{spec.name}': average pooling with sum=1 cannot run here; leave sum out"
            )
        return _POOLS[spec.pool](spec, run)
    if isinstance(spec, NeuronLayerSpec):
        if spec.neuron.type not in NEURONS:
            raise ConfigError(
                f"layer '{spec.name}': neuron={spec.neuron.type} cannot run here; "
                f"use one of {', '.join(NEURONS)}"
            )
        return (NoisyReluLayer if spec.neuron.type == "nrelu" else NeuronLayer)(spec, run)
    if spec.type not in _CLASSES:
        raise ConfigError(f"layer '{spec.name}': layers of type '{spec.type}' cannot run here")
    return _CLASSES[spec.type](spec, run)
