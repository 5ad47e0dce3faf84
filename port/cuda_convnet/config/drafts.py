"""A network while it is being read: layers whose specifications are not complete yet.

Answers to `alexnet:layer.py`, classes LayerParser and LayerWithInputParser.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cuda_convnet.config.specs import ClassTree, LayerSpec
from cuda_convnet.config.values import ParameterSection, Section, closest

HOST: tuple[int, ...] = (-1,)
"""Where data layers are: on no device."""


@dataclass(frozen=True)
class Kind:
    """What a layer type is: its specification, how its two sections are read, and how many inputs it has.

    `num_inputs` is 0 where any number will do. `params` names the options of the parameter file that the type
    cannot do without, for the message where its section is missing.
    """

    spec: type[LayerSpec]
    read: Callable[[Draft, Drafts], None]
    read_params: Callable[[Draft, ParameterSection], None] = lambda layer, params: None
    num_inputs: int = 0
    params: str = ""


@dataclass
class Draft:
    """A layer that is being read. `fields` are those of its specification beyond what all layers have.

    `outputs` is None for a data layer of which nobody has said how large it is. `has_weights` makes
    everything above the layer want gradients. `params` starts as its kind's.
    """

    name: str
    type: str
    kind: Kind
    section: Section
    inputs: list[str] = field(default_factory=list)
    outputs: int | None = 0
    gpus: tuple[int, ...] = HOST
    neuron: str = ""
    src_layer: str = ""
    params: str = ""
    has_weights: bool = False
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class Drafts:
    """The layers read so far, by name, and what is known of the data.

    `data_dims` are the sizes of the data layers by index. One that is missing is filled in by the first rule
    that needs to know, and then stands in `assumed` too: with the size the rule wants, where it wants a
    certain one, else with that of square images of `image_size` pixels (`guessed_image` tells whether that
    happened). `one_device` says that no layer of the file has a `gpu`.
    """

    data_dims: dict[int, int]
    num_classes: int | None
    num_gpus: int | None
    tree: ClassTree | None
    image_size: int
    one_device: bool
    layers: dict[str, Draft] = field(default_factory=dict)
    assumed: dict[int, int] = field(default_factory=dict)
    guessed_image: bool = False
    notes: list[str] = field(default_factory=list)

    def source(self, layer: Draft, index: int) -> Draft:
        return self.layers[layer.inputs[index]]

    def bind(self, layer: Draft, index: int, size: int) -> None:
        """Input `index`, if it is a data layer of unknown size, has `size` features."""
        source = self.source(layer, index)
        if source.outputs is None:
            data_idx = source.fields["data_idx"]
            self.assumed[data_idx] = self.data_dims[data_idx] = size + source.fields["start"]
            for other in self.layers.values():
                if other.outputs is None and other.fields["data_idx"] == data_idx:
                    other.outputs = self.data_dims[data_idx] - other.fields["start"]

    def size(self, layer: Draft, index: int = 0, channels: int = 3) -> int:
        """The features of input `index`; images of so many `channels` if it is data of unknown size."""
        source = self.source(layer, index)
        if source.outputs is None:
            self.guessed_image = True
            self.bind(layer, index, channels * self.image_size**2)
        assert source.outputs is not None
        return source.outputs

    def sizes(self, layer: Draft) -> tuple[int, ...]:
        return tuple(self.size(layer, i) for i in range(len(layer.inputs)))

    def image_size_of(self, layer: Draft, channels: int, index: int = 0, listed: bool = False) -> int:
        """The size of the square images of `channels` channels that input `index` holds.

        DEVIATION(cfg-square-images): the original asks only that input divided by channels be a square that
        divides the input; its kernels then stop at an assertion unless there are just so many channels.
        """
        pixels, rest = divmod(self.size(layer, index, channels), channels)
        if rest or pixels == 0 or math.isqrt(pixels) ** 2 != pixels:
            text = f"input '{layer.inputs[index]}' has {self.size(layer, index)} features"
            text = f"{text}, which are not square images of {channels} channels"
            raise layer.section.error(text, "channels", index if listed else None)
        return math.isqrt(pixels)

    def weights_below(self, layer: Draft) -> bool:
        """Whether the layer, or any that it takes its input from, has weights."""
        seen: set[str] = set()
        below = [layer]
        while below:
            draft = below.pop()
            if draft.has_weights:
                return True
            below += [self.layers[name] for name in draft.inputs if name not in seen]
            seen.update(draft.inputs)
        return False

    def refuse_weights_below(self, layer: Draft) -> None:
        if self.weights_below(layer):
            text = f"layers of type {layer.type} pass no gradient and cannot stand over layers with weights"
            raise layer.section.error(f"{text}; move it next to the data", "inputs")


def read_inputs(layer: Draft, drafts: Drafts) -> None:
    """What all layers but data have: inputs, devices, and the neuron that is to be detached."""
    section = layer.section
    layer.inputs = section.words("inputs")
    for name in layer.inputs:
        if name not in drafts.layers:
            hint = closest(name, list(drafts.layers))
            raise section.error(f"input '{name}' is no layer above this one{hint}", "inputs")
        if drafts.layers[name].outputs == 0:
            raise section.error(
                f"input '{name}' is a {drafts.layers[name].type} layer, which has no outputs", "inputs"
            )
    count = layer.kind.num_inputs
    if count and len(layer.inputs) != count:
        given = len(layer.inputs)
        raise section.error(
            f"a {layer.type} layer takes {count} input{'s' * (count > 1)}, not {given}", "inputs"
        )
    layer.neuron = section.text("neuron", "")
    layer.gpus = _devices(layer, drafts)
    _check_replicas(layer, drafts)


def _devices(layer: Draft, drafts: Drafts) -> tuple[int, ...]:
    section = layer.section
    inherited = drafts.source(layer, 0).gpus
    if not section.has("gpu"):
        if inherited != HOST:
            gpus = inherited
        elif drafts.one_device:
            gpus = (0,)
        else:
            text = (
                f"'gpu' is missing, and its first input '{layer.inputs[0]}' is data and has none; write gpu=0"
            )
            raise section.error(text)
    else:
        gpus = section.integers("gpu", len(section.words("gpu")))
    limit = "" if drafts.num_gpus is None else f" and below {drafts.num_gpus}, the number of devices"
    if any(g < 0 or (drafts.num_gpus is not None and g >= drafts.num_gpus) for g in gpus):
        raise section.error(f"'gpu' is {', '.join(map(str, gpus))}; it must be at least 0{limit}", "gpu")
    if len(set(gpus)) != len(gpus):
        raise section.error(f"'gpu' names a device twice: {', '.join(map(str, gpus))}", "gpu")
    return gpus


def _check_replicas(layer: Draft, drafts: Drafts) -> None:
    """cuda-convnet2: a layer gathers whole groups of its inputs' replicas, of each input as many.

    Data has as many replicas as the layer that takes it.
    """
    counts = {}
    for name in layer.inputs:
        source = drafts.layers[name]
        counts[name] = len(layer.gpus) if source.gpus == HOST else len(source.gpus)
        if counts[name] % len(layer.gpus):
            text = f"input '{name}' has {counts[name]} replicas, which {len(layer.gpus)} does not divide"
            raise layer.section.error(f"{text}; give it as many devices as its inputs, or a divisor", "gpu")
    if len(set(counts.values())) > 1:
        raise layer.section.error(
            f"its inputs differ in replicas ({_listed(counts)}); make them equal", "inputs"
        )


def check_consumers(drafts: Drafts) -> None:
    """cuda-convnet2: all layers above one have the same number of replicas."""
    for layer in drafts.layers.values():
        counts = {d.name: len(d.gpus) for d in drafts.layers.values() if layer.name in d.inputs}
        if len(set(counts.values())) > 1:
            raise layer.section.error(
                f"the layers above it differ in replicas ({_listed(counts)}); make them equal"
            )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())
