"""Normalisations: rnorm (within each map), cnorm (contrast), cmrnorm (across maps).

`scale` is divided by the size of the window when it is read: by `size` for cmrnorm, by `size` squared for the
others. In the oldest files of cuda-convnet the window is called `sizeX`, and `scale` and `pow` stand beside
it in the layer file; so they are read there where the parameter file does not have them. `minDiv` is
cmrnorm's alone, as in 2012; cuda-convnet2 gives it to all three, and for the other two it is reported as not
read.

Answers to `alexnet:layer.py`, NormLayerParser.
"""

from __future__ import annotations

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.specs import NormSpec
from cuda_convnet.config.values import ParameterSection


def read_norm(layer: Draft, drafts: Drafts) -> None:
    section = layer.section
    channels = section.integer("channels")
    old_name = section.has("sizeX") and not section.has("size")
    size_name = "sizeX" if old_name else "size"
    size = section.integer(size_name)
    blocked = section.boolean("blocked", False)
    section.check_range("channels", channels, 1)
    if layer.type == "cmrnorm":
        section.check_range(size_name, size, 2, channels)
        section.check_divisible("'channels'", channels, 16, option="channels")
    img_size = drafts.image_size_of(layer, channels)
    if layer.type != "cmrnorm":
        section.check_range(size_name, size, 1, img_size)
        if channels > 3 and channels % 4:
            raise section.error(
                f"'channels' is {channels}; it must be at most 3 or divisible by 4", "channels"
            )
    if section.has("scale") and section.has("pow"):
        layer.params = ""
    layer.outputs = channels * img_size**2
    layer.fields = {"channels": channels, "img_size": img_size, "size": size, "blocked": blocked}


def read_norm_params(layer: Draft, params: ParameterSection) -> None:
    source: ParameterSection = layer.section if not (layer.params or params.has("scale")) else params
    size = layer.fields["size"]
    layer.fields["scale"] = source.number("scale") / (size if layer.type == "cmrnorm" else size**2)
    layer.fields["pow"] = source.number("pow")
    if layer.type == "cmrnorm":
        layer.fields["min_div"] = params.number("minDiv", 1.0)


KINDS = {
    name: Kind(NormSpec, read_norm, read_norm_params, num_inputs=1, params="scale, pow")
    for name in ("rnorm", "cnorm", "cmrnorm")
}
