"""Replays archived single operations: calls each again with its inputs and compares its outputs.

What to call is read from a case's attributes and the shapes that follow from them, so that any archive of
the format can be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from alexnet2012.fidelity.archive import Archive
from alexnet2012.fidelity.report import Case
from cuda_convnet.engines.bounds import Bound, Rounded, walk
from cuda_convnet.engines.operations import FUNCTION, NEURONS, OPERATIONS, Array, Engine
from cuda_convnet.errors import EngineError

Shape: TypeAlias = tuple[int, ...]


class Incomplete(Exception):
    """A case lacks what its operation needs, or contradicts itself."""


@dataclass(frozen=True)
class Recorded:
    """An archived case: inputs, outputs, attributes; a missing one raises Incomplete."""

    op: str
    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]
    attributes: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self._of(self.attributes, name, "attribute")

    def input(self, name: str, shape: Shape | None = None) -> NDArray[Any]:
        """An input, in the shape that the operation takes."""
        return self._shaped(self._of(self.inputs, name, "input"), name, shape)

    def output(self, name: str, shape: Shape | None = None) -> NDArray[Any]:
        """An output of the original, in the shape that the operation gives."""
        return self._shaped(self._of(self.outputs, name, "output"), name, shape)

    def scalars(self, *names: str) -> dict[str, Any]:
        """Attributes by name, as arguments of a call."""
        return {name: self[name] for name in names}

    def some_scalars(self, *names: str) -> dict[str, Any]:
        """Those of these attributes that the case has."""
        return {name: self.attributes[name] for name in names if name in self.attributes}

    @property
    def scales(self) -> dict[str, float]:
        return self.some_scalars("scale_targets", "scale_output")

    @staticmethod
    def _of(found: Mapping[str, Any], name: str, what: str) -> Any:
        if name not in found:
            raise Incomplete(f"the case has no {what} '{name}'")
        return found[name]

    @staticmethod
    def _shaped(array: NDArray[Any], name: str, shape: Shape | None) -> NDArray[Any]:
        if shape is None:
            return array
        if array.size != prod(shape):
            raise Incomplete(f"'{name}' has {array.size} values, but the attributes make it {shape}")
        return array.reshape(shape)

    # shapes that follow from the attributes

    @property
    def size_y(self) -> int:
        return int(self.attributes.get("img_size_y", self.attributes.get("img_size", 0)))

    @property
    def size_x(self) -> int:
        return int(self.attributes.get("img_size_x", self.attributes.get("img_size", 0)))

    def image_shape(self) -> Shape:
        return (self.attributes.get("channels", 3), self.size_y, self.size_x, self["num_images"])

    def square_shape(self, size: str) -> Shape:
        """Images of another size, which an attribute names."""
        return (self.attributes.get("channels", 3), self[size], self[size], self["num_images"])

    def module_shape(self) -> Shape:
        return (self["num_filters"], self["modules_y"], self["modules_x"], self["num_images"])

    def filter_shape(self) -> Shape:
        channels = self.attributes.get("filter_channels") or self["channels"] // self["groups"]
        return (channels, self["filter_size"], self["filter_size"], self["num_filters"])

    def local_filter_shape(self) -> Shape:
        return (self["modules_y"] * self["modules_x"], *self.filter_shape())


@dataclass(frozen=True)
class Call:
    """One call of an engine's operation.

    `outputs`: its output arguments, each with the archived name (and the original's result in the right
    shape). One that is not among `arrays` starts as NaN, so that an operation shows if it reads what it
    must not. `returns`: the archived name of the number that the operation returns.
    """

    operation: str
    arrays: Mapping[str, NDArray[Any]]
    scalars: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, tuple[str, NDArray[Any]]] = field(default_factory=dict)
    returns: tuple[str, NDArray[Any]] | None = None


@dataclass(frozen=True)
class Result:
    """What an engine gave for an output of a case, and the bound that holds for it."""

    output: str
    original: NDArray[Any]
    ours: NDArray[Any]
    bound: Bound


def perform(engine: Engine, call: Call) -> Iterator[Result]:
    """Call the operation and give each of its outputs."""
    held: dict[str, Array] = {name: engine.from_host(array) for name, array in call.arrays.items()}
    for argument, (_, original) in call.outputs.items():
        if argument not in held:
            held[argument] = engine.from_host(np.full(original.shape, np.nan, np.float32))
    returned = getattr(engine, call.operation)(**held, **call.scalars)
    results = {
        argument: (name, original, engine.to_host(held[argument]))
        for argument, (name, original) in call.outputs.items()
    }
    if call.returns is not None:
        results["returned"] = (*call.returns, np.float32(returned))
    for argument, (name, original, ours) in results.items():
        arguments = {**call.arrays, **call.scalars, "original": original}
        yield Result(
            name, original, ours, OPERATIONS[call.operation].bound(engine.family, argument, arguments)
        )


Replay: TypeAlias = Callable[[Engine, Recorded], Iterator[Result]]
REPLAYS: dict[str, Replay] = {}
"""How each archived operation is replayed, by its name in the archives."""


def replay_of(*ops: str) -> Callable[[Replay], Replay]:
    """Register a function as the replay of these archived operations."""

    def register(replay: Replay) -> Replay:
        REPLAYS.update(dict.fromkeys(ops, replay))
        return replay

    return register


def calls(*ops: str) -> Callable[[Callable[[Recorded], Call]], Callable[[Recorded], Call]]:
    """Register a function that describes the one call of each of these archived operations."""

    def register(describe: Callable[[Recorded], Call]) -> Callable[[Recorded], Call]:
        replay_of(*ops)(lambda engine, case: perform(engine, describe(case)))
        return describe

    return register


def _with_targets(case: Recorded, shape: Shape, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays, with the previous content of targets where the case has it."""
    return arrays | ({"targets": case.input("targets", shape)} if "targets" in case.inputs else {})


def _into_targets(
    case: Recorded, operation: str, shape: Shape, arrays: dict[str, NDArray[Any]], **scalars: Any
) -> Call:
    """A call that writes `targets`, of `shape`."""
    original = case.output("targets", shape)
    return Call(
        operation,
        _with_targets(case, shape, arrays),
        case.scales | scalars,
        {"targets": ("targets", original)},
    )


# --- convolution ---


def _convolution(case: Recorded) -> tuple[Shape, dict[str, NDArray[Any]], dict[str, Any]]:
    """The shape of the filters, the array of connections and the scalars of any convolution."""
    shape = case.local_filter_shape() if case.op.startswith("local") else case.filter_shape()
    scalars = case.scalars("padding", "stride", "groups")
    if not case.op.endswith("sparse"):
        return shape, {}, scalars
    return shape, {"color_indices": case.input("color_indices", (case["groups"], shape[-4]))}, scalars


@calls("conv_filter_acts", "conv_filter_acts_sparse", "local_filter_acts", "local_filter_acts_sparse")
def _filter_acts(case: Recorded) -> Call:
    shape, connections, scalars = _convolution(case)
    arrays = {"images": case.input("images", case.image_shape()), "filters": case.input("filters", shape)}
    return _into_targets(case, case.op, case.module_shape(), arrays | connections, **scalars)


@calls("conv_img_acts", "conv_img_acts_sparse", "local_img_acts", "local_img_acts_sparse")
def _img_acts(case: Recorded) -> Call:
    shape, connections, scalars = _convolution(case)
    arrays = {
        "hid_acts": case.input("hid_acts", case.module_shape()),
        "filters": case.input("filters", shape),
    }
    planes = (case["over_sample"],) if connections else ()
    return _into_targets(case, case.op, planes + case.image_shape(), arrays | connections, **scalars)


@calls("conv_weight_acts", "conv_weight_acts_sparse", "local_weight_acts", "local_weight_acts_sparse")
def _weight_acts(case: Recorded) -> Call:
    shape, connections, scalars = _convolution(case)
    arrays = {
        "images": case.input("images", case.image_shape()),
        "hid_acts": case.input("hid_acts", case.module_shape()),
    }
    if case.op.startswith("conv"):
        modules, partial = case["modules_y"] * case["modules_x"], case["partial_sum"]
        shape = (modules // partial if partial else 1, *shape)
        scalars["partial_sum"] = partial
    return _into_targets(case, case.op, shape, arrays | connections, **scalars)


@calls("normalize_local_weights")
def _normalize_local_weights(case: Recorded) -> Call:
    shape = (case["num_modules"], case["weights_per_filter"], case["num_filters"])
    outputs = {"weights": ("weights", case.output("weights", shape))}
    return Call(case.op, {"weights": case.input("weights", shape)}, case.scalars("norm"), outputs)


# --- pooling ---


@calls("pool_max", "pool_maxabs", "pool_avg")
def _pool(case: Recorded) -> Call:
    arrays = {"images": case.input("images", case.image_shape())}
    window = case.scalars("size_x", "start", "stride")
    return _into_targets(case, case.op, case.square_shape("outputs_x"), arrays, **window)


@calls("pool_max_undo", "pool_avg_undo")
def _pool_undo(case: Recorded) -> Call:
    pooled = case.square_shape("outputs_x")
    if case.op == "pool_avg_undo":
        arrays = {"avg_grads": case.input("avg_grads", pooled)}
    else:
        arrays = {
            "images": case.input("images", case.image_shape()),
            "max_grads": case.input("max_grads", pooled),
            "max_acts": case.input("max_acts", pooled),
        }
    window = case.scalars("size_x", "start", "stride")
    return _into_targets(case, case.op, case.image_shape(), arrays, **window)


# --- normalisation ---

CROSS_MAP = {
    "response_norm_cross_map": "response_norm_cross_map",
    "response_norm_cross_map_mindiv": "response_norm_cross_map",
    "response_norm_cross_map_undo": "response_norm_cross_map_undo",
    "response_norm_cross_map_mindiv_undo": "response_norm_cross_map_undo",
    "response_norm_cross_map_undo_v2": "response_norm_cross_map_undo_v2",
}
"""The operation that each archived normalisation across maps is a case of."""


def _norm_scalars(case: Recorded, operation: str) -> dict[str, Any]:
    scalars = case.scalars("size_x", "scale", "power")
    if "cross_map" in operation:
        scalars["blocked"] = bool(case["blocked"])
    if operation in ("response_norm_cross_map", "response_norm_cross_map_undo_v2"):
        scalars |= case.some_scalars("min_div")
    return scalars


@calls(
    "response_norm", "contrast_norm", *(op for op, operation in CROSS_MAP.items() if "undo" not in operation)
)
def _norm(case: Recorded) -> Call:
    operation, shape = CROSS_MAP.get(case.op, case.op), case.image_shape()
    names = ("mean_diffs", "denoms", "targets") if operation == "contrast_norm" else ("denoms", "targets")
    outputs = {name: (name, case.output(name, shape)) for name in names}
    return Call(operation, {"images": case.input("images", shape)}, _norm_scalars(case, operation), outputs)


@calls(
    "response_norm_undo",
    "contrast_norm_undo",
    *(op for op, operation in CROSS_MAP.items() if "undo" in operation),
)
def _norm_undo(case: Recorded) -> Call:
    operation, shape = CROSS_MAP.get(case.op, case.op), case.image_shape()
    names = ["out_grads", "acts", "mean_diffs" if operation == "contrast_norm_undo" else "images"]
    if operation != "response_norm_cross_map_undo_v2":
        names.append("denoms")
    arrays = {name: case.input(name, shape) for name in names}
    return _into_targets(case, operation, shape, arrays, **_norm_scalars(case, operation))


# --- images ---


@calls("bed_of_nails")
def _bed_of_nails(case: Recorded) -> Call:
    arrays = {"images": case.input("images", case.image_shape())}
    shape = case.square_shape("outputs_x")
    return _into_targets(case, case.op, shape, arrays, **case.scalars("start", "stride"))


@calls("bed_of_nails_undo")
def _bed_of_nails_undo(case: Recorded) -> Call:
    arrays = {"grads": case.input("grads", case.square_shape("outputs_x"))}
    return _into_targets(case, case.op, case.image_shape(), arrays, **case.scalars("start", "stride"))


@calls("gaussian_blur")
def _gaussian_blur(case: Recorded) -> Call:
    arrays = {"images": case.input("images", case.image_shape()), "filter": case.input("filter")}
    return _into_targets(case, case.op, case.image_shape(), arrays, horiz=bool(case["horiz"]))


@calls("resize_bilinear")
def _resize_bilinear(case: Recorded) -> Call:
    arrays = {"images": case.input("images", case.image_shape())}
    return _into_targets(case, case.op, case.square_shape("tgt_size"), arrays, **case.scalars("scale"))


@calls("crop")
def _crop(case: Recorded) -> Call:
    arrays = {"images": case.input("images", case.image_shape())}
    return _into_targets(
        case, case.op, case.square_shape("tgt_size"), arrays, **case.scalars("start_y", "start_x")
    )


@calls("rgb_to_yuv", "reflect_horizontal")
def _whole_images(case: Recorded) -> Call:
    arrays = {"images": case.input("images", case.image_shape())}
    return _into_targets(case, case.op, case.image_shape(), arrays)


@calls("rgb_to_lab")
def _rgb_to_lab(case: Recorded) -> Call:
    arrays = {"images": case.input("images", case.image_shape())}
    return _into_targets(case, case.op, case.image_shape(), arrays, center=bool(case["center"]))


@calls("tica", "tica_grad")
def _tica(case: Recorded) -> Call:
    names = ("images", "ticas") if case.op == "tica_grad" else ("images",)
    arrays = {name: case.input(name, case.image_shape()) for name in names}
    return _into_targets(case, case.op, case.image_shape(), arrays, **case.scalars("size_x"))


# --- costs ---


@calls("softmax")
def _softmax(case: Recorded) -> Call:
    outputs = {"probs": ("probs", case.output("probs"))}
    return Call(case.op, {"inputs": case.input("inputs")}, {}, outputs)


@calls("softmax_grad")
def _softmax_grad(case: Recorded) -> Call:
    arrays = {"acts_grad": case.input("acts_grad"), "probs": case.input("probs")}
    return _into_targets(case, case.op, arrays["probs"].shape, arrays, add=bool(case["add"]))


@calls(
    "logreg_grad",
    "logreg_softmax_grad",
    "cross_entropy_grad",
    "cross_entropy_softmax_grad",
    "cross_entropy2_grad",
    "robust_flickr_grad",
)
def _cost_grad(case: Recorded) -> Call:
    arrays = {"labels": case.input("labels"), "probs": case.input("probs")}
    scalars = {"coeff": case["coeff"], "add": bool(case["add"])}
    return _into_targets(case, case.op, arrays["probs"].shape, arrays, **scalars)


@calls("cross_entropy2_cost", "robust_flickr_cost")
def _elementwise_cost(case: Recorded) -> Call:
    arrays = {"labels": case.input("labels"), "probs": case.input("probs")}
    return _into_targets(case, case.op, arrays["probs"].shape, arrays)


@replay_of("logreg_cost", "logreg_cost_topk", "cross_entropy_cost")
def _labelled_cost(engine: Engine, case: Recorded) -> Iterator[Result]:
    arrays = {"labels": case.input("labels"), "probs": case.input("probs")}
    names = ["label_log_probs", "correct_probs"] + ["topk_probs"] * (case.op == "logreg_cost_topk")
    outputs = {name: (name, case.output(name)) for name in names}
    for result in perform(engine, Call(case.op, arrays, case.some_scalars("topk"), outputs)):
        yield result
        yield from _total(engine, case, result)


TOTALS = {
    "label_log_probs": ("cost_sum", FUNCTION + 1),
    "correct_probs": ("error_count", 1.0),
    "topk_probs": ("topk_error_count", 1.0),
}
"""What the layers sum up of a cost's outputs, and the roundings of each term."""


def _total(engine: Engine, case: Recorded, result: Result) -> Iterator[Result]:
    """The cost or the number of errors that a layer makes of one output of the operation."""
    name, roundings = TOTALS[result.output]
    if name not in case.outputs:
        return
    total = engine.matrix_total_sum(engine.from_host(result.ours))
    cases = result.ours.size
    ours = -total if name == "cost_sum" else cases - total
    original = case.output(name)
    # errors are a difference: they may be much smaller than the numbers that were rounded
    condition = 1.0 if name == "cost_sum" or not original else cases / abs(float(original))
    bound = Rounded(roundings + walk(cases), condition).at({})
    yield Result(name, original, np.float32(ours), bound)


# --- elementwise and neurons ---


@calls("eltwise_max")
def _eltwise_max(case: Recorded) -> Call:
    arrays = {"a": case.input("a"), "b": case.input("b")}
    return _into_targets(case, case.op, arrays["a"].shape, arrays)


@calls("eltwise_max_grad")
def _eltwise_max_grad(case: Recorded) -> Call:
    arrays = {name: case.input(name) for name in ("acts_grad", "inputs", "outputs")}
    return _into_targets(case, case.op, arrays["inputs"].shape, arrays, add=bool(case["add"]))


@replay_of(*(f"neuron_{type}{release}" for type in NEURONS for release in ("", "_chm")))
def _neuron(engine: Engine, case: Recorded) -> Iterator[Result]:
    type = case.op.removeprefix("neuron_").removesuffix("_chm")
    scalars = {"type": type, "params": tuple(case[name] for name in NEURONS[type].params)}
    inputs, acts = case.input("inputs"), case.output("acts")
    yield from perform(engine, Call("neuron", {"inputs": inputs}, scalars, {"acts": ("acts", acts)}))
    # The 2011 release evaluates softrelu's gradient at the output.
    seen = acts if case.op == "neuron_softrelu" else inputs
    arrays = {"acts_grad": case.input("acts_grad"), "inputs": seen, "acts": acts}
    yield from _both_grads(engine, case, lambda: ("neuron_grad", arrays, scalars))


def _both_grads(
    engine: Engine,
    case: Recorded,
    describe: Callable[[], tuple[str, dict[str, NDArray[Any]], dict[str, Any]]],
) -> Iterator[Result]:
    """The gradient to the input, and the same added to what another layer gave."""
    operation, arrays, scalars = describe()
    outputs = {"targets": ("input_grad", case.output("input_grad"))}
    yield from perform(engine, Call(operation, arrays, scalars, outputs))
    added = {"targets": ("input_grad_added", case.output("input_grad_added"))}
    before = {"targets": case.input("prev_grad")}
    yield from perform(engine, Call(operation, arrays | before, scalars | {"add": True}, added))


@replay_of("dropout_test")
def _dropout_test(engine: Engine, case: Recorded) -> Iterator[Result]:
    keep, grad = case["keep"], case.input("acts_grad")
    for source, output in ((case.input("inputs"), "acts"), (grad, "input_grad")):
        outputs = {"result": (output, case.output(output))}
        yield from perform(engine, Call("matrix_scale", {"a": source}, {"scale": keep}, outputs))
    outputs = {"result": ("input_grad_added", case.output("input_grad_added"))}
    arrays = {"a": case.input("prev_grad"), "b": grad}
    yield from perform(engine, Call("matrix_add", arrays, {"scale_b": keep}, outputs))


# --- matrices ---


def _result(case: Recorded) -> dict[str, tuple[str, NDArray[Any]]]:
    return {"result": ("result", case.output("result"))}


def _as_held(case: Recorded) -> tuple[NDArray[Any], int]:
    """The matrix and the axis as the original held them: a transposed matrix has its columns as rows."""
    matrix, axis = case.input("matrix"), case["axis"]
    return (np.ascontiguousarray(matrix.T), 1 - axis) if case["is_trans"] else (matrix, axis)


@calls("matrix_sum", "matrix_max", "matrix_min")
def _matrix_reduction(case: Recorded) -> Call:
    matrix, axis = _as_held(case)
    return Call(case.op, {"matrix": matrix}, {"axis": axis}, _result(case))


@calls("matrix_total_sum", "matrix_total_max", "matrix_total_min")
def _matrix_total(case: Recorded) -> Call:
    return Call(case.op, {"matrix": case.input("matrix")}, returns=("result", case.output("result")))


@calls("matrix_dot")
def _matrix_dot(case: Recorded) -> Call:
    arrays = {"a": case.input("a"), "b": case.input("b")}
    return Call(case.op, arrays, returns=("result", case.output("result")))


@calls("matrix_add_sum")
def _matrix_add_sum(case: Recorded) -> Call:
    matrix, axis = _as_held(case)
    arrays = {"matrix": matrix, "vec": case.input("vec")}
    scalars = case.scalars("scale_this", "scale_sum") | {"axis": axis}
    return Call(case.op, arrays, scalars, {"vec": ("result", case.output("result"))})


@calls("matrix_add_product")
def _matrix_add_product(case: Recorded) -> Call:
    trans_a, trans_b = bool(case["a_is_trans"]), bool(case["b_is_trans"])
    a, b = case.input("a"), case.input("b")
    arrays = {
        "a": np.ascontiguousarray(a.T) if trans_a else a,
        "b": np.ascontiguousarray(b.T) if trans_b else b,
    }
    if case["scale_this"] != 0:
        arrays["result"] = case.input("c")
    scalars = case.scalars("scale_this", "scale_ab") | {"trans_a": trans_a, "trans_b": trans_b}
    return Call(case.op, arrays, scalars, _result(case))


@calls("matrix_add_vector", "matrix_mult_vector", "matrix_divide_vector")
def _matrix_vector(case: Recorded) -> Call:
    arrays = {"matrix": case.input("matrix"), "vec": case.input("vec")}
    scalars = {"axis": 0 if case["vector_is_column"] else 1} | case.some_scalars("scale_vec")
    return Call(case.op, arrays, scalars, _result(case))


@calls("matrix_add")
def _matrix_add(case: Recorded) -> Call:
    arrays = {"a": case.input("a"), "b": case.input("b")}
    return Call(case.op, arrays, case.scalars("scale_a", "scale_b"), _result(case))


@calls("matrix_transpose")
def _matrix_transpose(case: Recorded) -> Call:
    return Call(case.op, {"matrix": case.input("matrix")}, {}, _result(case))


# --- archives ---


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def read_case(archive: Archive, op: str, group: h5py.Group) -> Recorded:
    """One archived case of operation `op`."""
    arrays = {
        part: {name: archive.read(dataset) for name, dataset in group[part].items()} if part in group else {}
        for part in ("in", "out")
    }
    attributes = {name: _plain(value) for name, value in group.attrs.items()}
    return Recorded(op, arrays["in"], arrays["out"], attributes)


def replay_case(archive_name: str, case_name: str, recorded: Recorded, engine: Engine) -> Iterator[Case]:
    """Every output of one archived case beside the engine's."""
    op = recorded.op
    if op not in REPLAYS:
        yield Case.failed(archive_name, op, case_name, "", f"there is no operation '{op}' here")
        return
    missing = set(recorded.outputs)
    try:
        for result in REPLAYS[op](engine, recorded):
            missing.discard(result.output)
            yield Case.compared(
                archive_name,
                op,
                case_name,
                result.output,
                original=result.original,
                ours=result.ours,
                bound=result.bound,
            )
    except (Incomplete, EngineError) as error:
        yield Case.failed(archive_name, op, case_name, "", str(error))
        return
    for output in sorted(missing):
        yield Case.failed(archive_name, op, case_name, output, f"the replay of '{op}' gives no '{output}'")


def replay_ops(archive: Archive, engine: Engine) -> Iterator[Case]:
    """Every output of every case of an archive of operations beside the engine's.

    What an engine cannot do, or what a case lacks, is a case that is not ok; damage to the file raises
    ArchiveError.
    """
    for op, cases in archive.file.items():
        for name, group in cases.items():
            yield from replay_case(archive.name, name, read_case(archive, op, group), engine)
