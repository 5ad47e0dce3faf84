"""Pooling layers: type pool, and cuda-convnet2's cmpool.

Pooling over layers with weights needs channels divisible by 16. In the original, `'pool' != 'avg'` compares
two words and is always true, so average pooling too keeps its activations and its input's; that costs memory,
changes no number, and is not in the specification.

Answers to `alexnet:layer.py`, PoolLayerParser, and `cuda-convnet2:layer.py`, CrossMapPoolLayerParser.
"""

from __future__ import annotations

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.specs import CrossMapPoolSpec, PoolSpec
from cuda_convnet.config.values import ParameterSection

POOLS = ("max", "maxabs", "avg", "rand")


def read_pool(layer: Draft, drafts: Drafts) -> None:
    section = layer.section
    channels, size_x, stride = (
        section.integer("channels"),
        section.integer("sizeX"),
        section.integer("stride"),
    )
    start, outputs_x = section.integer("start", 0), section.integer("outputsX", 0)
    pool = section.text("pool")
    section.check_range("channels", channels, 1)
    img_size = drafts.image_size_of(layer, channels)
    section.check_range("sizeX", size_x, 1, img_size)
    section.check_range("stride", stride, 1, size_x)
    section.check_range("outputsX", outputs_x, 0)
    if drafts.weights_below(layer):
        section.check_divisible("'channels'", channels, 16, option="channels")
    section.check_among("pool", pool, POOLS)
    if outputs_x == 0:
        outputs_x = -((start + size_x - img_size) // stride) + 1
        if outputs_x < 1:
            raise section.error(
                f"'start' is {start}, so that no region lies in the image of {img_size}", "start"
            )
    layer.outputs = outputs_x**2 * channels
    layer.fields = {
        "pool": pool,
        "channels": channels,
        "img_size": img_size,
        "size_x": size_x,
        "start": start,
        "stride": stride,
        "outputs_x": outputs_x,
        "sum": pool == "avg" and section.boolean("sum", False),
    }
    if pool == "rand":
        layer.params = "doMax, or nothing"


def read_pool_params(layer: Draft, params: ParameterSection) -> None:
    if layer.fields["pool"] == "rand":
        layer.fields["do_max"] = params.boolean("doMax", False)


def read_cmpool(layer: Draft, drafts: Drafts) -> None:
    section = layer.section
    channels, size, stride = section.integer("channels"), section.integer("size"), section.integer("stride")
    start, outputs = section.integer("start", 0), section.integer("outputs", 0)
    pool = section.text("pool")
    section.check_range("channels", channels, 1)
    section.check_range("size", size, 1, channels)
    section.check_range("stride", stride, 1, size)
    section.check_range("outputs", outputs, 0)
    section.check_range("start", start, None, 0)
    section.check_among("pool", pool, ["max"])
    img_size = drafts.image_size_of(layer, channels)
    covered = start + (outputs - 1) * stride + size
    if covered < channels:
        raise section.error(
            f"'outputs' is {outputs}, which covers {covered} of {channels} channels", "outputs"
        )
    layer.outputs = outputs * img_size**2
    layer.fields = {
        "pool": pool,
        "channels": channels,
        "img_size": img_size,
        "size": size,
        "start": start,
        "stride": stride,
        "output_channels": outputs,
    }


KINDS = {
    "pool": Kind(PoolSpec, read_pool, read_pool_params, num_inputs=1),
    "cmpool": Kind(CrossMapPoolSpec, read_cmpool, num_inputs=1),
}
