"""A network as a picture: a column for each device, lines where activations go, crossings in colour."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from cuda_convnet.config.specs import (
    ConvSpec,
    CostSpec,
    DataSpec,
    FCSpec,
    HiddenSexSpec,
    LayerSpec,
    LocalSpec,
    NetworkSpec,
    NeuronLayerSpec,
    NormSpec,
    PoolSpec,
    SoftmaxSpec,
)

WIDTH, BOX, MARGIN = 440, 206, 6
TALL, LOW = 40, 24
GAP, FORK_GAP, CROSSING_GAP = 14, 24, 38


@dataclass(frozen=True)
class Box:
    """A layer's place; `column` is its device's, None where a row has one layer alone."""

    layer: LayerSpec
    neuron: str
    inputs: tuple[str, ...]
    row: int
    column: int | None

    @property
    def x(self) -> float:
        return (
            WIDTH / 2 if self.column is None else MARGIN + BOX / 2 + self.column * (WIDTH - BOX - 2 * MARGIN)
        )

    @property
    def height(self) -> int:
        return TALL if isinstance(self.layer, (DataSpec, LocalSpec, FCSpec)) else LOW


def place(spec: NetworkSpec) -> list[Box]:
    """The layers in rows by their distance from the images.

    Labels are left out; neurons belong to their layers.
    """
    detached = {s.name: s for s in spec if isinstance(s, NeuronLayerSpec) and s.src_layer}
    neurons = {s.src_layer: s.neuron.type for s in detached.values()}
    fed_by_costs = {n for s in spec if isinstance(s, CostSpec) for n in s.inputs}
    rows: dict[str, int] = {}
    inputs: dict[str, tuple[str, ...]] = {}
    for layer in spec.forward_order:
        if layer.name in detached or (isinstance(layer, DataSpec) and layer.name in fed_by_costs):
            continue
        sources = [detached[n].src_layer if n in detached else n for n in layer.inputs]
        inputs[layer.name] = tuple(n for n in sources if n in rows)
        rows[layer.name] = max((rows[n] + 1 for n in inputs[layer.name]), default=0)
    alone = [list(rows.values()).count(row) == 1 for row in range(max(rows.values()) + 1)]
    return [
        Box(spec[n], neurons.get(n, ""), inputs[n], row, None if alone[row] else min(max(spec[n].gpu, 0), 1))
        for n, row in rows.items()
    ]


def crossings(boxes: list[Box]) -> list[tuple[Box, Box]]:
    """Each pair of layers in different columns of which the second takes the first as an input."""
    by_name = {box.layer.name: box for box in boxes}
    pairs = [(by_name[name], box) for box in boxes for name in box.inputs]
    return [
        (a, b) for a, b in pairs if a.column is not None and b.column is not None and a.column != b.column
    ]


def details(box: Box, channels: int) -> str:
    """What a layer does, in a few words; `channels` is for data, which do not know their own."""
    layer = box.layer
    relu = f", {box.neuron}" if box.neuron else ""
    if isinstance(layer, DataSpec):
        size = math.isqrt(layer.outputs // channels)
        return f"{size} × {size} pixels" + (f", {channels} colours" if channels > 1 else ", grey")
    if isinstance(layer, LocalSpec):
        kind = "" if isinstance(layer, ConvSpec) else " unshared"
        size = layer.filter_size[0]
        return (
            f"{layer.filters}{kind} filters {size} × {size}, maps {layer.modules_x} × {layer.modules_x}{relu}"
        )
    if isinstance(layer, FCSpec):
        return f"{layer.outputs} units{relu}"
    if isinstance(layer, PoolSpec):
        return f"{layer.pool} of {layer.size_x} × {layer.size_x}, step {layer.stride}{relu}"
    if isinstance(layer, NormSpec):
        what = (
            f"across {layer.size} maps"
            if layer.type == "cmrnorm"
            else f"over {layer.size} × {layer.size} pixels"
        )
        return f"normalise {what}"
    if isinstance(layer, HiddenSexSpec):
        return f"dropout, keeps {layer.keep:.0%}"
    if isinstance(layer, SoftmaxSpec):
        return f"{layer.outputs} probabilities"
    return "cost" if isinstance(layer, CostSpec) else layer.type + relu


def network_svg(spec: NetworkSpec, links: Mapping[str, str] | None = None) -> str:
    """The picture as an SVG element; a stylesheet gives its classes their colours.

    `links` has the page of each layer, for a picture that one can click through.
    """
    boxes = place(spec)
    crossed = crossings(boxes)
    by_name = {box.layer.name: box for box in boxes}
    gaps = {box.row: FORK_GAP for box in boxes if any(by_name[name].x != box.x for name in box.inputs)}
    gaps |= {target.row: CROSSING_GAP for _, target in crossed}
    heights = [max(b.height for b in boxes if b.row == row) for row in range(max(b.row for b in boxes) + 1)]
    tops, y = [], MARGIN
    for row, height in enumerate(heights):
        y += gaps.get(row, GAP) if row else 0
        tops.append(y)
        y += height
    channels = next(
        (s.channels[0] for s in spec if isinstance(s, LocalSpec) and isinstance(spec[s.inputs[0]], DataSpec)),
        1,
    )
    parts = []
    for kind in ("own", "cross"):  # the crossings last, above the others
        for box in boxes:
            for source in (by_name[name] for name in box.inputs):
                if ((source, box) in crossed) == (kind == "cross"):
                    start, end = tops[source.row] + source.height, tops[box.row]
                    parts.append(f'<path class="{kind}" d="M{source.x:g} {start}L{box.x:g} {end}"/>')
    for box in boxes:
        drawn = _box(box, tops[box.row], details(box, channels))
        link = links[box.layer.name] if links else ""
        parts.append(f'<a href="{escape(link)}">{drawn}</a>' if link else drawn)
    met = sorted({target.layer.name for _, target in crossed})
    label = "The network, from the image down to the cost."
    if met:
        label += f" Its two columns exchange activations at {', '.join(met)}."
    role = "group" if links else "img"  # an image has no links inside
    view = f"0 0 {WIDTH} {y + MARGIN}"
    head = f'<svg class="network" role="{role}" aria-label="{escape(label)}" viewBox="{view}">'
    return head + "".join(parts) + "</svg>"


def _box(box: Box, top: int, told: str) -> str:
    """A layer's box from `top` on, with its name and what it does."""
    shade, weight = {None: "both", 0: "a", 1: "b"}[box.column], "tall" if box.height == TALL else "low"
    rectangle = f'x="{box.x - BOX / 2:g}" y="{top}" width="{BOX}" height="{box.height}" rx="5"'
    name, rest = escape(box.layer.name), escape(told)
    if box.height == TALL:
        words = (
            f'<text class="name" x="{box.x:g}" y="{top + 16}">{name}</text>'
            f'<text x="{box.x:g}" y="{top + 31}">{rest}</text>'
        )
    else:
        words = f'<text x="{box.x:g}" y="{top + 16}"><tspan class="name">{name}</tspan> {rest}</text>'
    return f'<rect class="{shade} {weight}" {rectangle}/>{words}'
