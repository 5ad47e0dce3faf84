"""`alexnet2012 net`: a network as a table of shapes, weights and multiply-adds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from alexnet2012 import experiment, experiments
from alexnet2012.network_facts import describe, device_of, shape_of, shared_by, weights_of
from cuda_convnet.config import NetworkSpec, read_network
from cuda_convnet.config.specs import DataSpec, WeightLayerSpec
from cuda_convnet.errors import ConfigError

COLUMNS = ("layer", "type", "inputs", "output", "weights", "multiply-adds", "device")
NUMBERS = ("weights", "multiply-adds")  # right-aligned
MOST_NOTES = 8


def find_files(layers: str, params: str | None) -> tuple[Path, Path | None]:
    """The files that the arguments mean: paths, or an experiment's name for both of its files.

    Raises ConfigError if `layers` is neither.
    """
    chosen = None if params is None else Path(params)
    if layers in experiments.names() and not Path(layers).is_file():
        folder = experiments.path(layers)
        return folder / "layers.cfg", chosen or folder / "params.cfg"
    if not Path(layers).exists():
        known = ", ".join(experiments.names())
        raise ConfigError(f"{layers}: no such file; give a .cfg file or an experiment: {known}")
    return Path(layers), chosen


def parse_dims(words: Sequence[str]) -> dict[int, int]:
    """`--data-dim 0=150528` as {0: 150528}. Raises ConfigError with the form it should have."""
    dims = {}
    for word in words:
        index, _, size = word.partition("=")
        if not (index.isdecimal() and size.isdecimal() and int(size)):
            raise ConfigError(f"--data-dim {word}: must be IDX=N, as 0=150528 for 3x224x224 images")
        dims[int(index)] = int(size)
    return dims


def rows_of(spec: NetworkSpec) -> list[dict[str, str]]:
    """The table's rows, each layer after its inputs."""
    return [
        {
            "layer": layer.name,
            "type": describe(layer),
            "inputs": ",".join(layer.inputs),
            "output": shape_of(spec, layer),
            "weights": _number(weights_of(spec, layer)) + ("*" if shared_by(layer) else ""),
            "multiply-adds": _number(layer.multiply_adds),
            "device": device_of(layer),
        }
        for layer in spec.forward_order
    ]


def assumptions(spec: NetworkSpec) -> list[str]:
    """What the reader assumed about the data, one sentence each."""
    sentences = []
    for index, size in spec.assumed:
        layer = next(d for d in spec if isinstance(d, DataSpec) and d.data_idx == index)
        shape = shape_of(spec, layer)
        seen = f"{shape} images" if "x" in shape else f"{size:,} value{'s' * (size > 1)} per image"
        sentences.append(f"data {index} ({layer.name}) holds {seen}; say otherwise with --data-dim {index}=N")
    return sentences


def table(spec: NetworkSpec) -> str:
    """The whole report as text, for a terminal."""
    rows = rows_of(spec)
    total = {
        **dict.fromkeys(COLUMNS, ""),
        "layer": "total",
        "weights": f"{spec.num_parameters:,}",
        "multiply-adds": f"{sum(layer.multiply_adds for layer in spec):,}",
    }
    stars = any(row["weights"].endswith("*") for row in rows)
    if stars:  # keeps the digits below one another
        for row in [*rows, total]:
            row["weights"] += "" if row["weights"].endswith("*") else " "
    header = {name: name for name in COLUMNS}
    widths = {name: max(len(row[name]) for row in [header, total, *rows]) for name in COLUMNS}

    def line(row: dict[str, str]) -> str:
        cells = (row[n].rjust(widths[n]) if n in NUMBERS else row[n].ljust(widths[n]) for n in COLUMNS)
        return "  ".join(cells).rstrip()

    rule = "─" * len(line({name: "-" * widths[name] for name in COLUMNS}))
    lines = [click.style(line(header), bold=True), rule, *map(line, rows), rule]
    lines += [click.style(line(total), bold=True), ""]
    lines.append("weights with biases; multiply-adds of the forward pass, per image")
    lines += [f"* {sentence}" for layer in spec for sentence in shared_by(layer)]
    lines += [f"assumed: {sentence}" for sentence in assumptions(spec)]
    if not spec.has_params:
        lines.append("no parameter file was given, so nothing that belongs there was checked")
    lines += [f"note: {note}" for note in spec.notes[:MOST_NOTES]]
    if len(spec.notes) > MOST_NOTES:
        lines.append(f"note: and {len(spec.notes) - MOST_NOTES} more like these; --json has them all")
    return "\n".join(lines)


def report(spec: NetworkSpec) -> dict[str, Any]:
    """The whole report for machines."""
    return {
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "description": describe(layer),
                "inputs": list(layer.inputs),
                "outputs": layer.outputs,
                "shape": list(spec.shapes[layer.name]),
                "weights": weights_of(spec, layer),
                "multiply_adds": layer.multiply_adds,
                "devices": [] if isinstance(layer, DataSpec) else list(layer.replicas or (layer.gpu,)),
                "shares": [
                    None if source is None else f"{source.layer}[{source.index}]"
                    for source in (layer.weight_source if isinstance(layer, WeightLayerSpec) else ())
                ],
            }
            for layer in spec.forward_order
        ],
        "totals": {
            "layers": len(spec),
            "weights": spec.num_parameters,
            "multiply_adds": sum(layer.multiply_adds for layer in spec),
            "devices": sorted({device for layer in spec for device in layer.replicas}),
        },
        "num_classes": spec.num_classes,
        "assumed": {str(index): size for index, size in spec.assumed},
        "has_params": spec.has_params,
        "notes": list(spec.notes),
    }


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


@click.command()
@click.argument("layers", metavar="LAYERS.cfg")
@click.argument("params", metavar="[PARAMS.cfg]", required=False)
@click.option("--data-dim", "data_dims", multiple=True, metavar="IDX=N", help="Data IDX has N values each.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def command(layers: str, params: str | None, data_dims: tuple[str, ...], as_json: bool) -> None:
    """Show a network as a table: shapes, weights, multiply-adds.

    LAYERS.cfg may also be the name of an experiment, as in `alexnet2012 net 145`. Without PARAMS.cfg the
    layers alone are read. Sizes of data that are not given are inferred.
    """
    layers_path, params_path = find_files(layers, params)
    dims = parse_dims(data_dims)
    if layers in experiment.names() and not Path(layers).is_file():
        dims = experiment.read_experiment(layers).data_dims | dims
    spec = read_network(layers_path, params_path, data_dims=dims)
    taken = {layer.data_idx for layer in spec if isinstance(layer, DataSpec)}
    if unknown := sorted(set(dims) - taken):
        known = ", ".join(map(str, sorted(taken)))
        raise ConfigError(f"--data-dim {unknown[0]}={dims[unknown[0]]}: the network takes data {known}")
    click.echo(json.dumps(report(spec), indent=1) if as_json else table(spec))
