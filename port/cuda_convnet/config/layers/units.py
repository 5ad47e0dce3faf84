"""Layers that combine or change features without weights: neuron, softmax, eltsum, eltmax, hs, concat.

Of cuda-convnet2: dropout and dropout2 (as hs, but with `keep` in the parameter file and defaults), sum, pass.
There eltsum has its `coeffs` in the parameter file; both places are read.

Answers to `alexnet:layer.py` from NeuronLayerParser to HiddenSexLayerParser, and ConcatentionLayerParser.
"""

from __future__ import annotations

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.neurons import parse_neuron
from cuda_convnet.config.specs import (
    ConcatSpec,
    EltwiseMaxSpec,
    EltwiseSumSpec,
    HiddenSexSpec,
    NeuronLayerSpec,
    PassSpec,
    SoftmaxSpec,
    SumSpec,
)
from cuda_convnet.config.values import ParameterSection


def read_neuron(layer: Draft, drafts: Drafts) -> None:
    """A neuron layer, whether it has a section of its own or was detached from another layer's `neuron`."""
    layer.outputs = drafts.size(layer)
    try:
        neuron = parse_neuron(layer.neuron)
    except ValueError as error:
        raise layer.section.error(str(error), "neuron") from None
    layer.fields = {"neuron": neuron, "src_layer": layer.src_layer}


def read_softmax(layer: Draft, drafts: Drafts) -> None:
    layer.outputs = drafts.size(layer)


def _read_equal(layer: Draft, drafts: Drafts) -> None:
    """All inputs have as many features; data of unknown size has as many as the others."""
    known = [d.outputs for d in map(drafts.layers.__getitem__, layer.inputs) if d.outputs is not None]
    for index in range(len(layer.inputs)):
        if known:
            drafts.bind(layer, index, known[0])
    sizes = drafts.sizes(layer)
    if len(set(sizes)) != 1:
        listed = ", ".join(f"{name} has {size}" for name, size in zip(layer.inputs, sizes, strict=True))
        raise layer.section.error(f"all inputs must have as many features, but {listed}", "inputs")
    layer.outputs = sizes[0]


def read_eltsum(layer: Draft, drafts: Drafts) -> None:
    _read_equal(layer, drafts)
    # DEVIATION(cfg-coeffs): the original does not count them and its kernels then read what is not there
    layer.fields = {"coeffs": layer.section.numbers("coeffs", len(layer.inputs), 1.0)}


def read_eltsum_params(layer: Draft, params: ParameterSection) -> None:
    if params.has("coeffs"):
        layer.fields["coeffs"] = params.numbers("coeffs", len(layer.inputs))


def read_eltmax(layer: Draft, drafts: Drafts) -> None:
    if len(layer.inputs) < 2:
        raise layer.section.error("an eltmax layer takes at least 2 inputs, not 1", "inputs")
    _read_equal(layer, drafts)


def read_sum(layer: Draft, drafts: Drafts) -> None:
    stride = layer.section.integer("stride", 1)
    layer.section.check_range("stride", stride, 1)
    size = drafts.size(layer)
    layer.section.check_divisible("the number of input features", size, stride, "'stride'", "stride")
    layer.outputs = size // stride
    layer.fields = {"stride": stride}


def read_hs(layer: Draft, drafts: Drafts) -> None:
    layer.outputs = drafts.size(layer)
    layer.fields = {"keep": layer.section.number("keep")}


def read_hs_params(layer: Draft, params: ParameterSection) -> None:
    layer.fields["enable"] = params.boolean("enable")


def read_dropout(layer: Draft, drafts: Drafts) -> None:
    layer.outputs = drafts.size(layer)


def read_dropout_params(layer: Draft, params: ParameterSection) -> None:
    layer.fields = {"enable": params.boolean("enable", True), "keep": params.number("keep", 0.5)}


def read_concat(layer: Draft, drafts: Drafts) -> None:
    sizes = drafts.sizes(layer)
    layer.outputs = sum(sizes)
    layer.fields = {"copy_offsets": tuple(sum(sizes[:i]) for i in range(len(sizes)))}


def read_pass(layer: Draft, drafts: Drafts) -> None:
    section = layer.section
    replicas = len(drafts.source(layer, 0).gpus)
    if len(layer.gpus) != replicas:
        text = (
            f"it has {len(layer.gpus)} replicas and its inputs {replicas}; a pass layer has as many as they"
        )
        raise section.error(text, "gpu")
    for other in drafts.layers.values():
        shared = [name for name in layer.inputs if name in other.inputs]
        if other.type == "pass" and shared and set(other.gpus) & set(layer.gpus):
            text = f"pass layer '{other.name}' hands on '{shared[0]}' on the same device already"
            raise section.error(f"{text}; use that layer, or another device", "inputs")
    layer.outputs = sum(drafts.sizes(layer))


KINDS = {
    "neuron": Kind(NeuronLayerSpec, read_neuron, num_inputs=1),
    "softmax": Kind(SoftmaxSpec, read_softmax, num_inputs=1),
    "eltsum": Kind(EltwiseSumSpec, read_eltsum, read_eltsum_params),
    "eltmax": Kind(EltwiseMaxSpec, read_eltmax),
    "sum": Kind(SumSpec, read_sum, num_inputs=1),
    "hs": Kind(HiddenSexSpec, read_hs, read_hs_params, num_inputs=1, params="enable"),
    "dropout": Kind(HiddenSexSpec, read_dropout, read_dropout_params, num_inputs=1, params="enable, keep"),
    "dropout2": Kind(HiddenSexSpec, read_dropout, read_dropout_params, num_inputs=1, params="enable, keep"),
    "concat": Kind(ConcatSpec, read_concat),
    "pass": Kind(PassSpec, read_pass),
}
