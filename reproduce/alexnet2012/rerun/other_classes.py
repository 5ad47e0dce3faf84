"""A network for another number of classes: its layer file with another number of outputs in one place."""

from __future__ import annotations

import re

from cuda_convnet.config.lexer import lex
from cuda_convnet.config.specs import FCSpec, LogregCostSpec, NetworkSpec
from cuda_convnet.errors import ConfigError


def with_classes(spec: NetworkSpec, classes: int, name: str) -> str:
    """The text of the layer file of `spec`, called `name`, for so many classes.

    The option `outputs` of the fully-connected layer of which the probabilities of the first cost.logreg are
    made gets the number, under a comment that says so; every other line stays. ConfigError where there is no
    such layer.
    """
    cost = next((layer for layer in spec if isinstance(layer, LogregCostSpec)), None)
    layer = spec[cost.inputs[1]] if cost else None
    while layer is not None and not isinstance(layer, FCSpec):
        layer = spec[layer.inputs[0]] if layer.inputs else None
    if layer is None:
        raise ConfigError(
            f"{name}: no fully-connected layer feeds a cost.logreg, so the network cannot be given {classes} "
            f"classes; use images of {spec.num_classes}"
        )
    section = lex(spec.layers_cfg, name).sections[layer.name]
    option = section.options.get("outputs")
    lines = spec.layers_cfg.split("\n")
    remark = f"# {layer.outputs} in {name}: these images have {classes} classes."
    if option is None:  # it is in [DEFAULT]
        lines[section.line : section.line] = [remark, f"outputs = {classes}"]
    else:
        line = re.sub(r"([:=]\s*)\S+", rf"\g<1>{classes}", lines[option.line - 1], count=1)
        lines[option.line - 1 : option.line] = [remark, line]
    return "\n".join(lines)
