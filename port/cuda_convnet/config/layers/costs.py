"""Costs: types cost.*. Their `neuron` option, if any, is not read.

The number of classes is the data's. Without data it is what the cost's second input has, and a first input of
unknown size holds a label per image, or as many numbers as there are classes where the cost wants a
distribution.

Of cuda-convnet2: cost.bce and cost.dce, and `children`, costs that are reported together. It refuses a `topk`
of more than there are classes; 2012 does not, and that is kept.

Answers to `alexnet:layer.py` from CostParser to TICACostParser.
"""

from __future__ import annotations

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.specs import (
    BinomialCrossEntCostSpec,
    CostSpec,
    LogregCostSpec,
    MultiSoftmaxCostSpec,
    TICACostSpec,
)
from cuda_convnet.config.values import ParameterSection


def read_cost(layer: Draft, drafts: Drafts) -> None:
    """What all costs have; enough for cost.sum2."""
    section = layer.section
    layer.neuron = ""
    children = tuple(section.words("children")) if section.has("children") else ()
    for name in children:
        if name not in drafts.layers or drafts.layers[name].type != layer.type:
            raise section.error(f"child '{name}' is no {layer.type} layer above this one", "children")
    layer.fields = {"children": children}


def _read_labels(layer: Draft, drafts: Drafts, size: int) -> None:
    """The first input has `size` features."""
    drafts.bind(layer, 0, size)
    found = drafts.size(layer, 0)
    if found != size:
        what = "a label" if size == 1 else f"one number for each of the {size} classes"
        text = f"its first input must hold {what} per image, and '{layer.inputs[0]}' has {found} features"
        raise layer.section.error(text, "inputs")


def _read_classes(layer: Draft, drafts: Drafts) -> int:
    """The second input has a feature for each class."""
    size = drafts.size(layer, 1)
    if drafts.num_classes is None:
        drafts.num_classes = size
    if size != drafts.num_classes:
        text = f"'{layer.inputs[1]}' has {size} outputs; it must have one for each"
        text = f"{text} of the {drafts.num_classes} classes"
        raise layer.section.error(text, "inputs")
    return size


def _require_softmax(layer: Draft, drafts: Drafts) -> None:
    source = drafts.source(layer, 1)
    if source.type != "softmax":
        text = f"its second input must be a softmax layer, and '{source.name}' is of type {source.type}"
        raise layer.section.error(text, "inputs")


def read_logreg(layer: Draft, drafts: Drafts) -> None:
    read_cost(layer, drafts)
    _read_labels(layer, drafts, 1)
    _require_softmax(layer, drafts)
    _read_classes(layer, drafts)


def read_crossent(layer: Draft, drafts: Drafts) -> None:
    read_cost(layer, drafts)
    _require_softmax(layer, drafts)
    _read_labels(layer, drafts, _read_classes(layer, drafts))


def read_elementwise(layer: Draft, drafts: Drafts) -> None:
    """cost.crossent2, cost.rflickr and cost.dce, which take each class by itself."""
    read_cost(layer, drafts)
    _read_labels(layer, drafts, _read_classes(layer, drafts))
    _expect_logistic(layer, drafts)


def read_bce(layer: Draft, drafts: Drafts) -> None:
    read_cost(layer, drafts)
    _read_labels(layer, drafts, drafts.size(layer, 1))
    _expect_logistic(layer, drafts)


def _expect_logistic(layer: Draft, drafts: Drafts) -> None:
    source = drafts.source(layer, 1)
    if source.neuron != "logistic":
        text = f"input '{source.name}' is not logistic, so results may not be what you intend"
        drafts.notes.append(str(layer.section.error(text, "inputs")))


def read_msm(layer: Draft, drafts: Drafts) -> None:
    read_cost(layer, drafts)
    _read_labels(layer, drafts, 1)
    layer.fields["classes"] = _read_classes(layer, drafts)


def read_gsum2(layer: Draft, drafts: Drafts) -> None:
    read_cost(layer, drafts)
    drafts.bind(layer, 0, 1)
    if drafts.size(layer, 0) != 1:
        text = f"its first input is the gate and must have 1 feature, and '{layer.inputs[0]}' has"
        raise layer.section.error(f"{text} {drafts.size(layer, 0)}", "inputs")


def read_tica(layer: Draft, drafts: Drafts) -> None:
    read_cost(layer, drafts)
    section = layer.section
    channels, size_x = section.integer("channels"), section.integer("sizeX")
    section.check_range("channels", channels, 1)
    img_size = drafts.image_size_of(layer, channels)
    layer.fields |= {"channels": channels, "size_x": size_x, "img_size": img_size}


def read_coeff(layer: Draft, params: ParameterSection) -> None:
    layer.fields["coeff"] = params.number("coeff")


def read_logreg_params(layer: Draft, params: ParameterSection) -> None:
    read_coeff(layer, params)
    layer.fields["topk"] = params.integer("topk", 1)


def read_bce_params(layer: Draft, params: ParameterSection) -> None:
    read_coeff(layer, params)
    layer.fields["pos_weight"] = params.number("posWeight", 1.0)


def read_msm_params(layer: Draft, params: ParameterSection) -> None:
    read_coeff(layer, params)
    classes = layer.fields.pop("classes")
    set_size, threads = params.integer("setSize"), params.integer("threads")
    params.check_range("setSize", set_size, 1, classes - 1)
    params.check_range("threads", threads, 1, 32)
    layer.fields |= {"set_size": set_size, "threads": threads}


KINDS = {
    "cost.logreg": Kind(LogregCostSpec, read_logreg, read_logreg_params, num_inputs=2, params="coeff"),
    "cost.msm": Kind(
        MultiSoftmaxCostSpec, read_msm, read_msm_params, num_inputs=2, params="coeff, setSize, threads"
    ),
    "cost.crossent": Kind(CostSpec, read_crossent, read_coeff, num_inputs=2, params="coeff"),
    "cost.crossent2": Kind(CostSpec, read_elementwise, read_coeff, num_inputs=2, params="coeff"),
    "cost.rflickr": Kind(CostSpec, read_elementwise, read_coeff, num_inputs=2, params="coeff"),
    "cost.sum2": Kind(CostSpec, read_cost, read_coeff, num_inputs=1, params="coeff"),
    "cost.gsum2": Kind(CostSpec, read_gsum2, read_coeff, num_inputs=2, params="coeff"),
    "cost.tica": Kind(TICACostSpec, read_tica, read_coeff, num_inputs=1, params="coeff"),
    "cost.bce": Kind(BinomialCrossEntCostSpec, read_bce, read_bce_params, num_inputs=2, params="coeff"),
    "cost.dce": Kind(
        BinomialCrossEntCostSpec, read_elementwise, read_bce_params, num_inputs=2, params="coeff"
    ),
}
