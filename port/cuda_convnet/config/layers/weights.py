"""What all layers with weights have: initial values, sharing, rates, momentum, decay.

In all three releases `initW` looks as if it had a default, 0.01, but the default cannot be read as a list; so
it must be given. A detached neuron changes nothing here: weights are shared by the names of the layers that
own them.

Answers to `alexnet:layer.py`, WeightLayerParser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cuda_convnet.config.drafts import Draft, Drafts
from cuda_convnet.config.schedules import parse_rate, parse_schedule
from cuda_convnet.config.specs import Schedule, WeightSource
from cuda_convnet.config.values import ParameterSection
from cuda_convnet.init_functions import split_init_func

PARAMS = "epsW, epsB, momW, momB"
"""The options of the parameter file that no layer with weights can do without."""

_SOURCE = re.compile(r"([^\s\[]+)(?:\[([0-9]{1,9})\])?\Z")


def read_weights(layer: Draft, drafts: Drafts) -> None:
    """`initW`, `initB`, the functions that may draw them instead, and `weightSource`."""
    section, count = layer.section, len(layer.inputs)
    layer.has_weights = True
    layer.fields = {
        "init_w": section.numbers("initW", count),
        "init_b": section.number("initB", 0.0),
        "init_w_func": read_function(layer, "initWFunc"),
        "init_b_func": read_function(layer, "initBFunc"),
    }
    words = section.words("weightSource", ",".join([""] * count))
    if len(words) != count:
        text = f"'weightSource' has {len(words)} entries for {count} inputs; give one per input"
        raise section.error(f"{text}, an empty one where nothing is shared", "weightSource")
    layer.fields["weight_source"] = tuple(_source(layer, drafts, i, word) for i, word in enumerate(words))


def read_function(layer: Draft, option: str) -> str:
    """An option that names a function, checked for its form only; it is called when weights are drawn."""
    text = layer.section.text(option, "")
    if text:
        try:
            split_init_func(text)
        except ValueError as error:
            raise layer.section.error(f"'{option}' {error}", option) from None
    return text


def _source(layer: Draft, drafts: Drafts, index: int, word: str) -> WeightSource | None:
    """The matrix that input `index` shares; its shape is checked later, by check_shared_shapes."""
    if not word:
        return None

    def wrong(text: str) -> Exception:
        return layer.section.error(text, "weightSource", index)

    match = _SOURCE.match(word)
    if not match:
        raise wrong(f"weight source '{word}' must be a layer, as conv1, or one of its matrices, as conv1[0]")
    name, matrix = match.group(1), int(match.group(2) or 0)
    if name == layer.name:
        if matrix >= index:
            raise wrong(
                f"weight source {name}[{matrix}] comes no earlier than this input; share with an earlier one"
            )
        return WeightSource(name, matrix)
    source = drafts.layers.get(name)
    if source is None:
        raise wrong(f"weight source '{name}' is no layer above this one")
    if source.gpus != layer.gpus:
        text = f"weight source '{name}' is on device {_listed(source.gpus)}"
        raise wrong(f"{text} and this layer on {_listed(layer.gpus)}; weights are shared on one device only")
    if source.type != layer.type:
        raise wrong(f"weight source '{name}' is a {source.type} layer; it must be of type {layer.type}")
    if matrix >= len(source.inputs):
        raise wrong(
            f"weight source '{name}' has {len(source.inputs)} weight matrices, counted from 0; not [{matrix}]"
        )
    return WeightSource(name, matrix)


def check_shared_shapes(layer: Draft, drafts: Drafts, shapes: Sequence[tuple[int, int]]) -> None:
    """`shapes` are the (rows, columns) of the layer's matrices; remembered for those that share them."""
    layer.fields["matrix_shapes"] = shapes = tuple(shapes)
    for index, source in enumerate(layer.fields["weight_source"]):
        if source is None:
            continue
        owner = layer if source.layer == layer.name else drafts.layers[source.layer]
        found = owner.fields["matrix_shapes"][source.index]
        if found != shapes[index]:
            text = f"weight source {source.layer}[{source.index}] is {found[0]}x{found[1]}"
            raise layer.section.error(
                f"{text}; it must be {shapes[index][0]}x{shapes[index][1]}", "weightSource", index
            )


def read_weight_params(layer: Draft, params: ParameterSection) -> None:
    """Rates and what goes with them. `wc` has no default in `cuda-convnet:layer.py`; later it is 0."""
    count = len(layer.inputs)
    eps_w, sched_w = _rates(params, "epsW", "schedW", count)
    eps_b, sched_b = _rates(params, "epsB", "schedB", 1)
    layer.fields |= {
        "eps_w": eps_w,
        "eps_b": eps_b[0],
        "mom_w": params.numbers("momW", count),
        "mom_b": params.number("momB"),
        "super_eps": params.number("superEps", 0.0),
        "super_mom": params.number("superMom", 0.0),
        "wc": params.numbers("wc", count, 0.0),
        "wball": params.numbers("wball", count, 0.0),
        "sched_w": sched_w,
        "sched_b": sched_b[0],
        "update_period": params.integer("updatePeriod", 0),
    }
    del layer.fields["matrix_shapes"]


def _rates(
    params: ParameterSection, option: str, schedule_option: str, count: int
) -> tuple[tuple[float, ...], tuple[Schedule, ...]]:
    """Rates and schedules of `count` matrices: numbers and one schedule, or cuda-convnet2's schedules."""
    rates, schedules = [], []
    entries = params.entries(option, count)
    for index, word in enumerate(entries):
        try:
            rate, schedule = parse_rate(word)
        except ValueError as error:
            raise params.error(f"'{option}': {error}", option, index if count > 1 else None) from None
        rates.append(rate)
        schedules.append(schedule)
    try:
        common = parse_schedule(" ".join(params.text(schedule_option, "default").split()))
    except ValueError as error:
        raise params.error(f"'{schedule_option}': {error}", schedule_option) from None
    if params.has(schedule_option) and any(s is not None for s in schedules):
        text = f"'{option}' has schedules of its own; leave '{schedule_option}' out, or write plain numbers"
        raise params.error(text, schedule_option)
    return tuple(rates), tuple(schedule or common for schedule in schedules)


def _listed(gpus: Sequence[int]) -> str:
    return ",".join(map(str, gpus))
