"""Short notation for the .cfg files of these tests, and a network around the layers that a test is about.

`[conv] type=conv inputs=data` on one line stands for a section with one option per line.
"""

from __future__ import annotations

import re

from cuda_convnet.config import parse_network
from cuda_convnet.config.layers import KINDS

RATES = "epsW=0.1 epsB=0.2 momW=0.9 momB=0.8"
DIMS = {0: 3 * 32 * 32, 1: 1}
CONV = "type=conv inputs=data channels=3 filters=16 filterSize=5 initW=0.1 partialSum=0"
FC = "type=fc inputs=data outputs=10 initW=0.1"


def expand(text: str) -> str:
    """The short notation written out: options of one line on lines of their own."""
    return re.sub(r"[ \n]+", "\n", text.strip()) + "\n"


def line_of(text: str, place: str) -> int:
    """The line of `section.option`, or of the header of `section`, in a text that is written out."""
    section, _, option = place.partition(".")
    lines = text.split("\n")
    start = lines.index(f"[{section}]")
    if not option:
        return start + 1
    return next(i for i, line in enumerate(lines[start:], start + 1) if line.startswith(f"{option}="))


def with_data(layers: str) -> str:
    """Adds the data layers `data` and `labels` if they are inputs of something."""
    used = ",".join(re.findall(r"inputs=(\S*)", layers)).split(",")
    missing = [name for name in ("data", "labels") if name in used and f"[{name}]" not in layers]
    return "\n".join([f"[{name}] type=data dataIdx={int(name == 'labels')}" for name in missing] + [layers])


def with_costs(layers: str, params: str) -> tuple[str, str]:
    """Adds a cost on every layer that nothing takes, and parameters where a layer needs them and has none."""
    types = dict(re.findall(r"\[(\S+)\][^\[]*?type=(\S+)", layers))
    used = ",".join(re.findall(r"inputs=(\S*)", layers)).split(",")
    for name, type_name in types.items():
        if name not in used and not type_name.startswith("cost."):
            layers += f"\n[cost.{name}] type=cost.sum2 inputs={name}"
            params += f"\n[cost.{name}] coeff=1"
        if f"[{name}]" in params or type_name not in KINDS:
            continue
        if KINDS[type_name].params.startswith("epsW"):
            params += f"\n[{name}] {RATES}"
        elif type_name.startswith("cost."):
            params += f"\n[{name}] coeff=1"
        elif type_name.endswith("norm"):
            params += f"\n[{name}] scale=0.5 pow=0.75"
    return layers, params


def network(layers: str, params: str = "", **known):
    """The network of `layers` in short notation, completed with data, costs and parameters."""
    layers, params = with_costs(with_data(layers), params)
    return parse_network(expand(layers), expand(params), **{"data_dims": DIMS, **known})
