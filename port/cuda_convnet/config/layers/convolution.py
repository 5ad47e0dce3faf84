"""Convolutions: type conv, with shared filters, and local, with filters of their own for every module.

The number of modules is 1 + ceil((2 padding + image - filter) / stride): the last one may hang over the edge.
`filters` is written per group and multiplied by `groups`. Where any input is `randSparse`, `filterChannels`
says for every input how many channels a filter sees.

cuda-convnet2 has `sumWidth` in place of `partialSum`, lets `modulesX` set the number of modules, which must
then cover the image, and in return lets a filter be larger than the padded image. A layer that has either
option is read by its rules.

Answers to `alexnet:layer.py`, LocalLayerParser, ConvLayerParser and LocalUnsharedLayerParser.
"""

from __future__ import annotations

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.layers.weights import (
    PARAMS,
    check_shared_shapes,
    read_function,
    read_weight_params,
    read_weights,
)
from cuda_convnet.config.specs import ConvSpec, LocalSpec
from cuda_convnet.config.values import ParameterSection


def _read_filters(layer: Draft, drafts: Drafts) -> None:
    """What conv and local have in common."""
    read_weights(layer, drafts)
    section, count = layer.section, len(layer.inputs)
    channels = section.integers("channels", count)
    padding = section.integers("padding", count, 0)
    stride = section.integers("stride", count, 1)
    filter_size = section.integers("filterSize", count)
    filters = section.integers("filters", count)
    groups = section.integers("groups", count, 1)
    rand_sparse = section.flags("randSparse", count, False)
    for option, values, low in (
        ("stride", stride, 1),
        ("filterSize", filter_size, 1),
        ("filters", filters, 1),
        ("padding", padding, 0),
        ("channels", channels, 1),
        ("groups", groups, 1),
    ):
        section.check_range(option, values, low)

    img_size = tuple(drafts.image_size_of(layer, channels[i], i, listed=True) for i in range(count))
    filter_channels = tuple(c // g for c, g in zip(channels, groups, strict=True))
    if any(rand_sparse) and section.has("filterChannels"):
        filter_channels = section.integers("filterChannels", count)
        section.check_range("filterChannels", filter_channels, 1)
    geometry = list(zip(padding, img_size, filter_size, stride, strict=True))
    modules_x = _modules(layer, geometry)
    totals = [f * g for f, g in zip(filters, groups, strict=True)]
    if len(set(modules_x)) != 1 or len(set(totals)) != 1:
        made = ", ".join(f"{f}x{m}x{m}" for f, m in zip(totals, modules_x, strict=True))
        raise section.error(f"all inputs must make output of one shape, but they make {made}", "inputs")

    layer.fields |= {
        "channels": channels,
        "img_size": img_size,
        "padding": padding,
        "stride": stride,
        "filter_size": filter_size,
        "groups": groups,
        "filters": totals[0],
        "filter_channels": filter_channels,
        "rand_sparse": rand_sparse,
        "init_c_func": read_function(layer, "initCFunc"),
        "modules_x": modules_x[0],
        "weights_per_filter": tuple(c * s**2 for c, s in zip(filter_channels, filter_size, strict=True)),
    }
    layer.outputs = modules_x[0] ** 2 * totals[0]
    for index in range(count):
        _check_channels(layer, drafts, index)
        section.check_divisible("'filters'", filters[index], 16, option="filters", index=index)


def _modules(layer: Draft, geometry: list[tuple[int, int, int, int]]) -> list[int]:
    """Modules per side for each input, by 2012's rules or by cuda-convnet2's."""
    section = layer.section
    given = section.integer("modulesX", 0)
    section.check_range("modulesX", given, 0)
    newer = section.has("modulesX") or _has_sum_width(layer)
    counts = []
    for index, (padding, size, filter_size, stride) in enumerate(geometry):
        padded = 2 * padding + size
        if filter_size > padded and not newer:
            text = f"'filterSize' is {filter_size}; it must not exceed the padded image, {padded}"
            raise section.error(text, "filterSize", index)
        count = given or 1 - (filter_size - padded) // stride
        if count < 1:
            text = f"'filterSize' is {filter_size}, so that no module lies in the padded image, {padded}"
            raise section.error(text, "filterSize", index)
        covered = stride * (count - 1) + filter_size - padding
        if newer and covered < size:
            text = f"{count}x{count} modules reach to pixel {covered} of {size}; they must cover the image"
            raise section.error(text, "modulesX", index)
        counts.append(count)
    return counts


def _has_sum_width(layer: Draft) -> bool:
    return layer.type == "conv" and layer.section.has("sumWidth") and not layer.section.has("partialSum")


def _check_channels(layer: Draft, drafts: Drafts, index: int) -> None:
    """How channels, groups and sparse connections must divide one another."""
    section, fields = layer.section, layer.fields
    channels, groups = fields["channels"][index], fields["groups"][index]
    seen = fields["filter_channels"][index]
    if channels > 3 and channels % 4:
        raise section.error(
            f"'channels' is {channels}; it must be at most 3 or divisible by 4", "channels", index
        )
    if not fields["rand_sparse"][index]:
        if groups > 1:
            section.check_divisible("'channels'", channels, 4 * groups, "4 * 'groups'", "channels", index)
        if seen != channels // groups:
            text = f"'filterChannels' is {seen}; where 'randSparse' is false it is {channels // groups}"
            raise section.error(f"{text}, 'channels' / 'groups'", "filterChannels", index)
        return
    if groups == 1:
        raise section.error(
            "'groups' is 1; random sparse connections need at least 2 groups", "groups", index
        )
    if seen < 1:
        raise section.error(
            f"'groups' is {groups}, more than the {channels} channels there are", "groups", index
        )
    section.check_divisible("'channels'", channels, seen, "'filterChannels'", "channels", index)
    section.check_divisible("'filterChannels'", seen, 4, option="filterChannels", index=index)
    product = "'groups' * 'filterChannels'"
    section.check_divisible(product, groups * seen, channels, "'channels'", "filterChannels", index)
    source = fields["weight_source"][index]
    if source is None or fields["init_c_func"]:
        return
    # connections are shared along with the weights
    owner = layer if source.layer == layer.name else drafts.layers[source.layer]
    theirs = tuple(
        owner.fields[f][source.index] for f in ("groups", "channels", "filter_channels", "rand_sparse")
    )
    if theirs != (groups, channels, seen, True):
        text = (
            f"weight source {source.layer}[{source.index}] has groups, channels, filterChannels, randSparse"
        )
        raise section.error(
            f"{text} = {_listed(theirs)}, not {_listed((groups, channels, seen, True))}",
            "weightSource",
            index,
        )


def read_local(layer: Draft, drafts: Drafts) -> None:
    _read_filters(layer, drafts)
    fields = layer.fields
    modules = fields["modules_x"] ** 2
    rows = [modules * n for n in fields["weights_per_filter"]]
    check_shared_shapes(layer, drafts, [(r, fields["filters"]) for r in rows])


def read_conv(layer: Draft, drafts: Drafts) -> None:
    _read_filters(layer, drafts)
    section, fields = layer.section, layer.fields
    if _has_sum_width(layer):
        fields |= {"partial_sum": 0, "sum_width": section.integer("sumWidth")}
        section.check_range("sumWidth", fields["sum_width"], 0)
    else:
        fields["partial_sum"] = partial_sum = section.integer("partialSum")
        section.check_range("partialSum", partial_sum, 0)
        side = fields["modules_x"]
        if partial_sum and side**2 % partial_sum:
            text = f"'partialSum' is {partial_sum}; it must divide the modules, {side}x{side} = {side**2}"
            raise section.error(f"{text}, or be 0 for all of them", "partialSum")
    fields["shared_biases"] = section.boolean("sharedBiases", True)
    check_shared_shapes(layer, drafts, [(n, fields["filters"]) for n in fields["weights_per_filter"]])


def read_conv_params(layer: Draft, params: ParameterSection) -> None:
    """`wcNormMin` and `wcNormMax` bound the norms of filters; either is 0 if left out, even the maximum."""
    read_weight_params(layer, params)
    count = len(layer.inputs)
    least, most = params.numbers("wcNormMin", count, 0.0), params.numbers("wcNormMax", count, 0.0)
    for index, (low, high) in enumerate(zip(least, most, strict=True)):
        if low > high:
            text = f"'wcNormMin' is {low:g}; it must not exceed 'wcNormMax', {high:g}"
            raise params.error(text, "wcNormMin", index)
    layer.fields |= {"wc_norm_min": least, "wc_norm_max": most}


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(str(v).lower() for v in values)


KINDS = {
    "conv": Kind(ConvSpec, read_conv, read_conv_params, params=PARAMS),
    "local": Kind(LocalSpec, read_local, read_weight_params, params=PARAMS),
}
