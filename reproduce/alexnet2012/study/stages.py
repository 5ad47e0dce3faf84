"""The stages of run 145: layers beside one another in its two columns, with their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

from alexnet2012 import experiments
from alexnet2012.network_facts import describe, weights_of
from alexnet2012.report.diagram import place
from alexnet2012.study.launches import CASES, Launched, launches_of_run_145, run_145
from alexnet2012.toml_file import read_toml
from cuda_convnet.config import NetworkSpec
from cuda_convnet.config.specs import LayerSpec, NeuronLayerSpec, WeightLayerSpec
from cuda_convnet.errors import DataError

TEXTS = Path(__file__).resolve().parent / "stages.toml"
ORIGINAL_LAYERS = "layers/layers-145.cfg"
ORIGINAL_PARAMS = "layers/layer-params-145.cfg"


@dataclass(frozen=True)
class Words:
    """What we say of a stage, and the lines of its first layer's section in the original's two files."""

    text: str
    cfg: tuple[int, int]
    params: tuple[int, int] | None = None


@dataclass(frozen=True)
class Shape:
    """The numbers of a layer; `values` are those of one image's output."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    values: int
    weights: int
    multiply_adds: int

    @property
    def megabytes(self) -> float:
        """Of the output for a minibatch."""
        return 4 * self.values * CASES / 1e6


@dataclass(frozen=True)
class Stage:
    """Layers in one row of the picture; their neurons come with them."""

    slug: str
    layers: tuple[LayerSpec, ...]
    shapes: tuple[Shape, ...]
    launches: tuple[tuple[Launched, int], ...]
    words: Words

    @property
    def title(self) -> str:
        return " and ".join(layer.name for layer in self.layers if not isinstance(layer, NeuronLayerSpec))

    @property
    def types(self) -> set[str]:
        """The layer types that there are in it."""
        return {layer.type for layer in self.layers}


@cache
def stages_of_run_145() -> tuple[Stage, ...]:
    """All stages, from the images to the cost."""
    spec, texts = run_145(), read_words()
    rows: dict[int, list[str]] = {}
    for box in place(spec):
        rows.setdefault(box.row, []).append(box.layer.name)
    found = []
    for _, names in sorted(rows.items()):
        first = names[0]
        if first not in texts:
            raise DataError(f"{TEXTS}: there is nothing of layer {first}")
        neurons = [s.name for s in spec if isinstance(s, NeuronLayerSpec) and s.src_layer in names]
        members = tuple(spec[name] for name in (*names, *neurons))
        shapes = tuple(_shape(spec, layer) for layer in members)
        found.append(Stage(first, members, shapes, _launches(first, spec), texts[first]))
    return tuple(found)


def read_words() -> dict[str, Words]:
    """What we say of the stages, by their first layers."""
    table = read_toml(TEXTS)
    return {
        name: Words(each["text"], tuple(each["cfg"]), tuple(each["params"]) if "params" in each else None)
        for name, each in table.items()
    }


def _shape(spec: NetworkSpec, layer: LayerSpec) -> Shape:
    shape = spec.shapes[layer.name]
    return Shape(
        layer.name,
        describe(layer),
        layer.inputs,
        " × ".join(map(str, shape)),
        prod(shape),
        weights_of(spec, layer),
        layer.multiply_adds,
    )


def _launches(first: str, spec: NetworkSpec) -> tuple[tuple[Launched, int], ...]:
    """What the first layer of a stage and its neuron launch, equal ones counted."""
    names = {first, *(s.name for s in spec if isinstance(s, NeuronLayerSpec) and s.src_layer == first)}
    counts: dict[Launched, int] = {}
    for launched in launches_of_run_145():
        if launched.layer in names:
            counts[launched] = counts.get(launched, 0) + 1
    return tuple(counts.items())


def section(path: Path, name: str) -> tuple[int, int]:
    """First and last line of a section of a .cfg file of ours. Raises DataError if there is none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [i for i, line in enumerate(lines) if line.strip().startswith("[")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if lines[start].strip() == f"[{name}]":
            while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
                end -= 1
            return start + 1, end
    raise DataError(f"{path}: there is no section [{name}]")


def our_cfg(kind: str) -> Path:
    """`layers.cfg` or `params.cfg` of run 145."""
    return experiments.path("145") / kind


def rates(layer: LayerSpec) -> Mapping[str, str]:
    """The learning rates and their companions of a layer with weights, as parameter files call them."""
    if not isinstance(layer, WeightLayerSpec):
        return {}

    def listed(values: tuple[float, ...]) -> str:
        return ", ".join(dict.fromkeys(f"{value:g}" for value in values))

    return {
        "initW": listed(layer.init_w),
        "initB": f"{layer.init_b:g}",
        "epsW": listed(layer.eps_w),
        "epsB": f"{layer.eps_b:g}",
        "momW": listed(layer.mom_w),
        "momB": f"{layer.mom_b:g}",
        "wc": listed(layer.wc),
    }
