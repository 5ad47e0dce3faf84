"""Neurons, as `neuron=relu` or `neuron=tanh[1.7159,0.6667]`.

Answers to `alexnet:layer.py`, neuron_parsers; `log[a]` is from `cuda-convnet2:layer.py`, and exponents in
parameters (`1e-3`) from `cuda-convnet:layer.py`.
"""

from __future__ import annotations

import re

from cuda_convnet.config.specs import NeuronSpec
from cuda_convnet.config.values import closest

NEURONS: dict[str, tuple[str, ...]] = {
    "abs": (),
    "brelu": ("a",),
    "drelu": ("a",),
    "ident": (),
    "linear": ("a", "b"),
    "log": ("a",),
    "logistic": (),
    "nrelu": (),
    "relu": (),
    "softrelu": (),
    "sqrt": (),
    "square": (),
    "tanh": ("a", "b"),
}
"""Each neuron and the names of its parameters, in the order they are written."""

_NEURON = re.compile(r"(\w+)(?:\s*\[([\d,.\s\-e]*)\]\s*)?\Z")
_PARAMETER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e-?\d+)?\Z", re.ASCII)


def parse_neuron(text: str) -> NeuronSpec:
    """The neuron that `text` writes. Raises ValueError with what is wrong and what would be right."""
    match = _NEURON.match(text)
    name = match.group(1) if match else text.split("[")[0].strip()
    if name not in NEURONS:
        hint = closest(name, list(NEURONS))
        raise ValueError(
            f"there is no neuron '{name}'; the neurons are {', '.join(map(usage, NEURONS))}{hint}"
        )
    words = [w.strip() for w in match.group(2).split(",")] if match and match.group(2) is not None else []
    if match is None or len(words) != len(NEURONS[name]) or not all(map(_PARAMETER.match, words)):
        raise ValueError(
            f"neuron '{' '.join(text.split())}' is not of the form {usage(name)}{_numbers(name)}"
        )
    return NeuronSpec(name, tuple(float(w) for w in words))


def usage(name: str) -> str:
    """How a neuron is written, as `tanh[a,b]`."""
    return f"{name}[{','.join(NEURONS[name])}]" if NEURONS[name] else name


def _numbers(name: str) -> str:
    return f" with numbers for {' and '.join(NEURONS[name])}" if NEURONS[name] else ""
