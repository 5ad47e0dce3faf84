"""A network as an archive describes it: specification, weights and neurons.

The archives of small nets hold the layers as JSON, with the original's dictionaries' names and values:
padding negative, the normalisations' scale divided by the window, no neuron types. Their README gives the
recipe of weights that are not stored whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

from alexnet2012.fidelity.archive import Archive, ArchiveError
from cuda_convnet.config.specs import (
    ConcatSpec,
    ConvSpec,
    CostSpec,
    DataSpec,
    EltwiseMaxSpec,
    EltwiseSumSpec,
    FCSpec,
    LayerSpec,
    LocalSpec,
    LogregCostSpec,
    NetworkSpec,
    NeuronLayerSpec,
    NeuronSpec,
    NormSpec,
    PoolSpec,
    Schedule,
    SoftmaxSpec,
    WeightLayerSpec,
)
from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.operations import Engine, HostArray

Entry = Mapping[str, Any]

NEURONS = ("ident", "logistic", "abs", "relu", "softrelu", "square", "sqrt")
"""The neurons that can be told by their effect alone: they have no parameters and no noise."""

NEURON_ERROR = 1e-6
"""How far a neuron's activations may be from the stored ones, in proportion to the largest, to be taken for
it.
"""


def read_spec(archive: Archive, group: h5py.Group, engine: Engine) -> NetworkSpec:
    """The specification of the net in `group`; ArchiveError where its JSON says something this library cannot
    run.
    """
    layers: list[LayerSpec] = []
    entries = json.loads(group.attrs["layers"])
    sizes = {entry["name"]: entry["outputs"] for entry in entries}
    for entry in entries:
        entry["inputSizes"] = tuple(sizes[name] for name in entry.get("inputs", ()))
        where = f"{archive.path}: {group.name}: layer '{entry.get('name', '?')}'"
        if ("weightSource" in entry and any(entry["weightSource"])) or any(entry.get("randSparse", ())):
            raise ArchiveError(f"{where}: shared weights and sparse connections cannot be replayed")
        known: dict[str, Any] = {
            "name": entry["name"],
            "type": entry["type"],
            "inputs": tuple(entry.get("inputs", ())),
            "outputs": int(entry["outputs"]),
        }
        if entry["type"] == "neuron":
            layers.append(NeuronLayerSpec(**known, neuron=_neuron(archive, group, entry, engine, where)))
            continue
        reader = _READERS.get(entry["type"])
        if reader is None:
            raise ArchiveError(f"{where}: type '{entry['type']}' cannot be replayed")
        try:
            layers.append(reader(known, entry))
        except KeyError as error:
            raise ArchiveError(f"{where}: its JSON has no {error}") from None
    return NetworkSpec(tuple(layers))


def _data(known: dict[str, Any], entry: Entry) -> LayerSpec:
    # The nets' data matrices are the images and the labels; the JSON does not say which layer takes which.
    return DataSpec(**known, data_idx=int(entry.get("dataIdx", 1 if known["outputs"] == 1 else 0)))


def _learning(entry: Entry, weights_per_filter: tuple[int, ...]) -> dict[str, Any]:
    inputs = len(entry["inputs"])
    return {
        "init_w": tuple(entry["initW"]),
        "init_b": float(entry["initB"]),
        "init_w_func": "",
        "init_b_func": "",
        "weight_source": (None,) * inputs,
        "eps_w": tuple(entry["epsW"]),
        "eps_b": float(entry["epsB"]),
        "mom_w": tuple(entry["momW"]),
        "mom_b": float(entry["momB"]),
        "wc": tuple(entry["wc"]),
        "wball": tuple(entry.get("wball", (0.0,) * inputs)),
        "sched_w": (Schedule(),) * inputs,
        "sched_b": Schedule(),
        "weights_per_filter": weights_per_filter,
    }


def _filters(known: dict[str, Any], entry: Entry) -> dict[str, Any]:
    channels, groups = tuple(entry["channels"]), tuple(entry["groups"])
    filter_channels = tuple(c // g for c, g in zip(channels, groups, strict=True))
    sizes = tuple(entry["filterSize"])
    return {
        **known,
        **_learning(entry, tuple(c * s * s for c, s in zip(filter_channels, sizes, strict=True))),
        "channels": channels,
        "img_size": tuple(entry["imgSize"]),
        "padding": tuple(-p for p in entry["padding"]),
        "stride": tuple(entry["stride"]),
        "filter_size": sizes,
        "groups": groups,
        "filters": int(entry["filters"]),
        "filter_channels": filter_channels,
        "rand_sparse": (False,) * len(channels),
        "init_c_func": "",
        "modules_x": int(entry["modulesX"]),
    }


def _conv(known: dict[str, Any], entry: Entry) -> LayerSpec:
    none = (0.0,) * len(entry["inputs"])
    return ConvSpec(
        **_filters(known, entry),
        partial_sum=int(entry["partialSum"]),
        shared_biases=bool(entry["sharedBiases"]),
        wc_norm_min=tuple(entry.get("wcNormMin", none)),
        wc_norm_max=tuple(entry.get("wcNormMax", none)),
    )


def _fc(known: dict[str, Any], entry: Entry) -> LayerSpec:
    sizes = entry["inputSizes"]
    return FCSpec(**known, **_learning(entry, sizes), num_inputs=sizes)


def _pool(known: dict[str, Any], entry: Entry) -> LayerSpec:
    return PoolSpec(
        **known,
        pool=entry["pool"],
        channels=entry["channels"],
        img_size=entry["imgSize"],
        size_x=entry["sizeX"],
        start=entry["start"],
        stride=entry["stride"],
        outputs_x=entry["outputsX"],
    )


def _norm(known: dict[str, Any], entry: Entry) -> LayerSpec:
    return NormSpec(
        **known,
        channels=entry["channels"],
        img_size=entry["imgSize"],
        size=entry["size"],
        scale=entry["scale"],
        pow=entry["pow"],
        min_div=entry.get("minDiv", 1.0),
        blocked=bool(entry.get("blocked", False)),
    )


def _concat(known: dict[str, Any], entry: Entry) -> LayerSpec:
    sizes = entry["inputSizes"]
    return ConcatSpec(**known, copy_offsets=tuple(sum(sizes[:i]) for i in range(len(sizes))))


_READERS: dict[str, Callable[[dict[str, Any], Entry], LayerSpec]] = {
    "data": _data,
    "conv": _conv,
    "local": lambda known, entry: LocalSpec(**_filters(known, entry)),
    "fc": _fc,
    "pool": _pool,
    "rnorm": _norm,
    "cnorm": _norm,
    "cmrnorm": _norm,
    "softmax": lambda known, entry: SoftmaxSpec(**known),
    "eltsum": lambda known, entry: EltwiseSumSpec(**known, coeffs=tuple(entry["coeffs"])),
    "eltmax": lambda known, entry: EltwiseMaxSpec(**known),
    "concat": _concat,
    "cost.logreg": lambda known, entry: LogregCostSpec(
        **known, coeff=float(entry["coeff"]), topk=int(entry.get("topk", 1))
    ),
    "cost.sum2": lambda known, entry: CostSpec(**known, coeff=float(entry["coeff"])),
}


def _neuron(archive: Archive, group: h5py.Group, entry: Entry, engine: Engine, where: str) -> NeuronSpec:
    """The neuron of a layer: what the JSON says, or the one that makes the stored activations of their
    inputs.
    """
    told = entry.get("neuron")
    if isinstance(told, str) and told:
        return NeuronSpec(told)
    if isinstance(told, Mapping):
        return NeuronSpec(told["type"], tuple(told.get("params", {}).values()))
    acts = group["acts"]
    (source,) = entry["inputs"]
    if source not in acts or entry["name"] not in acts:
        raise ArchiveError(
            f"{where}: the archive has neither its neuron's type nor activations that would show it"
        )
    before, after = archive.stored(acts[source]), archive.stored(acts[entry["name"]])
    if (before.shape, before.stride) != (after.shape, after.stride):
        raise ArchiveError(f"{where}: the stored activations do not show the type of its neuron")
    inputs = engine.from_host(np.ascontiguousarray(before.values, np.float32))
    fitting = []
    for neuron in NEURONS:
        outputs = engine.empty(before.values.shape)
        with np.errstate(all="ignore"):  # sqrt of what is negative rules sqrt out
            engine.neuron(inputs, outputs, type=neuron)
        if difference(after.values, engine.to_host(outputs)).max_rel <= NEURON_ERROR:
            fitting.append(neuron)
    if len(fitting) != 1:
        found = f"{' and '.join(fitting)} fit" if fitting else f"none of {', '.join(NEURONS)} fits"
        raise ArchiveError(f"{where}: its neuron cannot be told from the stored activations: {found}")
    return NeuronSpec(fitting[0])


# --- weights --------------------------------------------------------------------------------------------


def draw_weights(spec: NetworkSpec, seed: int) -> dict[str, HostArray]:
    """The weights by the archives' recipe, `LAYER/weights0`: one generator, in the order of the file."""
    random = np.random.RandomState(seed)
    return {
        f"{layer.name}/weights{i}": (layer.init_w[i] * random.randn(rows, cols)).astype(np.float32)
        for layer in spec
        if isinstance(layer, WeightLayerSpec)
        for i, (rows, cols) in enumerate(layer.matrix_shapes)
    }


def read_weights(archive: Archive, group: h5py.Group, spec: NetworkSpec) -> dict[str, HostArray]:
    """The weights and biases with which the net in `group` started, `LAYER/weights0` and `LAYER/biases`.

    Those of which only a part is stored are drawn by the recipe; a variant multiplies some of them by a
    number, which the part shows. ArchiveError where the result is not the archived matrix, by its hash.
    """
    found: dict[str, HostArray] = {}
    drawn: dict[str, HostArray] = {}
    for layer in spec:
        if not isinstance(layer, WeightLayerSpec):
            continue
        for name in [f"{layer.name}/weights{i}" for i in range(len(layer.inputs))] + [f"{layer.name}/biases"]:
            if f"init/{name}" not in group:
                raise ArchiveError(f"{archive.path}: {group.name}/init has no {name}")
            stored = archive.stored(group[f"init/{name}"])
            if stored.values.size == stored.size:
                found[name] = np.ascontiguousarray(stored.values.reshape(stored.shape), np.float32)
            else:
                drawn = drawn or draw_weights(spec, int(group.attrs["weights_seed"]))
                found[name] = _scaled(drawn[name], stored.of(drawn[name]), stored.values)
            check_hash(archive, group[f"init/{name}"], found[name])
    return found


def _scaled(drawn: HostArray, part: HostArray, stored: HostArray) -> HostArray:
    """`drawn`, times the round number by which `stored` differs from `part`, the same entries of `drawn`."""
    if np.array_equal(part, stored):
        return drawn
    ratio = np.float32(np.round(np.median(stored.astype(np.float64) / part), 4))
    return drawn * ratio


def check_hash(archive: Archive, dataset: h5py.Dataset, whole: HostArray) -> None:
    """ArchiveError unless `whole` is the array of which `dataset` stores all or a part."""
    digest = hashlib.sha256(np.ascontiguousarray(whole, np.float32).tobytes()).hexdigest()
    if dataset.attrs.get("sha256", digest) != digest:
        raise ArchiveError(
            f"{archive.path}: {dataset.name}: the recipe does not give the archived array; SHA-256 differs"
        )
