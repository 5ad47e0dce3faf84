"""The schedule as it happened: what the metrics of a run say changed, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NOISE = "colour noise"


@dataclass(frozen=True)
class Changed:
    """What changed when `epoch` began: lines such as "weights of conv1a, conv1b: 0.0001 → 0.00001"."""

    epoch: int
    lines: tuple[str, ...]


def plain(value: float) -> str:
    """A rate, not in powers of ten, and without what float32 makes of it.

    >>> plain(9.999999747378752e-06), plain(0.0), plain(0.019999999552965164)
    ('0.00001', '0', '0.02')
    """
    return np.format_float_positional(float(f"{value:.6g}"), trim="-")


def beginning(metrics: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The rates and the colour noise with which the run began, one line each."""
    first = next((record for record in metrics if "rates" in record), None)
    if first is None:
        return ()
    rates: Mapping[str, Sequence[float]] = first["rates"]
    lines = []
    for name, pick in (("weights", slice(0, -1)), ("biases", slice(-1, None))):
        values = sorted({rate for each in rates.values() for rate in each[pick]})
        lines.append(f"{name}: {' or '.join(map(plain, values))}")
    return (*lines, f"{NOISE}: {plain(first['color_noise'])}")


def happened(metrics: Sequence[Mapping[str, Any]]) -> list[Changed]:
    """Every change of a rate or of the colour noise, in the order of the epochs."""
    found = []
    before: Mapping[str, Any] | None = None
    for record in metrics:
        if "rates" not in record:
            continue
        if before is not None:
            lines = _lines(before, record)
            if lines:
                found.append(Changed(record["epoch"], lines))
        before = record
    return found


def _lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    lines = []
    for name, pick in (("weights", slice(0, -1)), ("biases", slice(-1, None))):
        layers: dict[tuple[float, float], list[str]] = {}
        for layer, rates in after["rates"].items():
            for pair in dict.fromkeys(zip(before["rates"][layer][pick], rates[pick], strict=True)):
                if pair[0] != pair[1]:
                    layers.setdefault(pair, []).append(layer)
        for (old, new), which in layers.items():
            lines.append(f"{name} of {_named(which, list(after['rates']))}: {plain(old)} → {plain(new)}")
    old, new = before["color_noise"], after["color_noise"]
    if old != new:
        lines.append(f"{NOISE}: {plain(old)} → {plain(new)}")
    return tuple(lines)


def _named(layers: Sequence[str], of: Sequence[str]) -> str:
    """Some layers, in the fewest words: "all layers", "all but conv1a, conv1b", "conv1a, conv1b"."""
    if len(layers) == len(of):
        return "all layers"
    others = [name for name in of if name not in layers]
    return ", ".join(layers) if len(layers) <= len(others) else f"all but {', '.join(others)}"
