"""Decisions that float32 leaves open.

A max pooling hands the gradient of a region to the pixels that equal its largest; a relu passes it where
the unit is positive. Where two pixels, or a unit and zero, are closer together than roundings reach, two
programs that are equally right decide differently, and from there down the gradients of that image differ
visibly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alexnet2012.fidelity.budget import Budget
from cuda_convnet.config.specs import PoolSpec
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.layers.neuron import NeuronLayer
from cuda_convnet.layers.pool import MaxPoolLayer
from cuda_convnet.network import ConvNet

MOST = 1000
"""How many open decisions of a pass are looked at, those that lie closest together first."""


@dataclass(frozen=True, eq=False)
class OpenDecision:
    """A decision of layer `by` for image `case`, made by entry `row` of layer `layer`'s activations.

    `rivals`: the entries it is compared with; none where it is compared with zero. `wins`: whether it is to
    be larger than they (1), equal to the largest of them (0) or smaller (-1). `acts`: the layer's activations
    of the image, with the decision as it is. `apart`: by how much `row` must change, in proportion to the
    largest activation of the layer; `reach`: what the roundings of both programs may amount to there.
    """

    by: str
    layer: str
    row: int
    case: int
    rivals: NDArray[np.intp]
    wins: int
    acts: HostArray
    apart: float
    reach: float

    def turn(self, acts: HostArray) -> None:
        """Turn the decision over in `acts`, the layer's activations of this image, or ones very close."""
        best = np.float32(acts[self.rivals].max()) if self.rivals.size else np.float32(0)
        if self.wins == 0:
            acts[self.row] = best
        elif np.sign(acts[self.row] - best) != self.wins:
            acts[self.row] = np.nextafter(best, np.float32(self.wins * np.inf))

    def __str__(self) -> str:
        return f"{self.by} of image {self.case} ({self.apart:.0e} apart, roundings reach {self.reach:.0e})"


def open_decisions(net: ConvNet, budget: Budget) -> list[OpenDecision]:
    """The closest of the open decisions of the last pass forward, the closest first."""
    found: list[OpenDecision] = []
    for layer in net.layers.values():
        below = layer.prev[0].name if layer.prev else ""
        if isinstance(layer, MaxPoolLayer) and layer.spec.pool == "max":
            found += _closest(_open_maxima(net.acts(below), layer, reach(budget, below)))
        elif isinstance(layer, NeuronLayer) and layer.spec.neuron.type == "relu":
            found += _closest(_open_signs(net, layer, reach(budget, below)))
    return [replace(decision, acts=decision.acts.copy()) for decision in _closest(found)]


def reach(budget: Budget, name: str) -> float:
    """How far two programs' roundings move a layer's activations apart, in proportion to the largest."""
    return 2 * budget.acts(name)


def _closest(decisions: Iterable[OpenDecision]) -> list[OpenDecision]:
    return sorted(decisions, key=lambda decision: decision.apart / decision.reach)[:MOST]


def _open_signs(net: ConvNet, layer: NeuronLayer, reach: float) -> Iterator[OpenDecision]:
    below = layer.prev[0]
    acts = net.acts(below.name)
    largest = float(np.abs(acts).max())
    units = np.argwhere(np.abs(acts) <= reach * largest)
    if (
        isinstance(below, MaxPoolLayer) and below.spec.pool == "max"
    ):  # what is turned over is the pixel that won
        maxima, below = acts, below.prev[0]
        acts = net.acts(below.name)
        units = _winners(acts, maxima, layer.prev[0].spec, units)
    for row, case in units:
        old = float(acts[row, case])
        yield OpenDecision(
            layer.name,
            below.name,
            int(row),
            int(case),
            np.empty(0, np.intp),
            -1 if old > 0 else 1,
            acts[:, case],
            abs(old) / largest,
            reach,
        )


def _winners(acts: HostArray, maxima: HostArray, spec: PoolSpec, units: NDArray[np.intp]) -> NDArray[np.intp]:
    """The pixels (row, case) of `acts` that are the maxima of the pooled `units`, each once."""
    rows = np.arange(acts.shape[0]).reshape(spec.channels, spec.img_size, spec.img_size)
    winners: dict[tuple[int, int], None] = {}
    for unit, case in units:
        c, y, x = np.unravel_index(unit, (spec.channels, spec.outputs_x, spec.outputs_x))
        pixels = rows[c, _region(spec, int(y)), _region(spec, int(x))].reshape(-1)
        for row in pixels[acts[pixels, case] == maxima[unit, case]]:
            winners[int(row), int(case)] = None
    return np.array(list(winners), np.intp).reshape(-1, 2)


def _open_maxima(acts: HostArray, layer: MaxPoolLayer, reach: float) -> Iterator[OpenDecision]:
    spec = layer.spec
    largest = float(np.abs(acts).max())
    images = acts.reshape(spec.channels, spec.img_size, spec.img_size, -1)
    maxima = layer.engine.to_host(layer.acts).reshape(spec.channels, spec.outputs_x, spec.outputs_x, -1)
    rows = np.arange(acts.shape[0]).reshape(images.shape[:3])
    count = np.zeros(maxima.shape, np.int32)
    for pixels, regions in _windows(spec):
        count[regions] += images[pixels] == maxima[regions]
    for pixels, regions in _windows(spec):
        value, top = images[pixels], maxima[regions]
        other = (value != top) | (count[regions] > 1)
        near = (top - value <= reach * largest) & other & (top != 0)  # of zeros, a relu stops the gradient
        for c, y, x, case in np.argwhere(near):
            row = int(rows[pixels][c, y, x])
            region = _region(spec, regions[1].start + y), _region(spec, regions[2].start + x)
            rivals = rows[c, region[0], region[1]].reshape(-1)
            gap = float(top[c, y, x, case]) - float(value[c, y, x, case])
            for wins in (1, 0) if gap else (1, -1):
                yield OpenDecision(
                    layer.name,
                    layer.prev[0].name,
                    row,
                    int(case),
                    rivals[rivals != row],
                    wins,
                    acts[:, case],
                    gap / largest,
                    reach,
                )


def _region(spec: PoolSpec, index: int) -> slice:
    start = spec.start + spec.stride * int(index)
    return slice(max(0, start), min(spec.img_size, start + spec.size_x))


Window = tuple[slice, slice, slice]


def _windows(spec: PoolSpec) -> Iterator[tuple[Window, Window]]:
    """For each place in a pooling region: the pixels there, and the regions they belong to, of 3 axes."""

    def along(d: int) -> tuple[slice, slice]:
        first = max(0, math.ceil(-(spec.start + d) / spec.stride))
        last = min(spec.outputs_x, math.ceil((spec.img_size - spec.start - d) / spec.stride))
        start = spec.start + d + spec.stride * first
        return slice(start, start + spec.stride * (last - first), spec.stride), slice(first, last)

    for dy in range(spec.size_x):
        for dx in range(spec.size_x):
            (ys, region_ys), (xs, region_xs) = along(dy), along(dx)
            yield (slice(None), ys, xs), (slice(None), region_ys, region_xs)
