"""What arrays must be before any arithmetic, alike in the engine of NumPy and in that of the kernels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cuda_convnet.engines import get_engine
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from cuda_convnet.engines.shapes import check_arrays, distinct
from cuda_convnet.errors import EngineError

IMAGES = (3, 8, 8, 2)
WINDOW = {"size_x": 3, "scale": 0.1, "power": 0.75}
REGIONS = {"size_x": 3, "start": -1, "stride": 1}

READ_BY_NEIGHBOURS = [
    ("bed_of_nails", "targets", "images", (), {"start": 0, "stride": 1}),
    ("bed_of_nails_undo", "targets", "grads", (), {"start": 0, "stride": 1}),
    ("contrast_norm", "targets", "images", ("mean_diffs", "denoms"), WINDOW),
    ("contrast_norm", "mean_diffs", "images", ("targets", "denoms"), WINDOW),
    ("contrast_norm", "targets", "mean_diffs", ("images", "denoms"), WINDOW),
    ("crop", "targets", "images", (), {"start_y": 0, "start_x": 0}),
    ("pool_avg", "targets", "images", (), REGIONS),
    ("pool_avg_undo", "targets", "avg_grads", (), REGIONS),
    ("pool_max", "targets", "images", (), REGIONS),
    ("pool_max_undo", "targets", "max_acts", ("images", "max_grads"), REGIONS),
    ("pool_max_undo", "targets", "max_grads", ("images", "max_acts"), REGIONS),
    ("pool_maxabs", "targets", "images", (), REGIONS),
    ("pool_rand", "targets", "images", (), {**REGIONS, "key": (1, 2), "counter": 0}),
    ("reflect_horizontal", "targets", "images", (), {}),
    ("resize_bilinear", "targets", "images", (), {"scale": 1.0}),
    ("response_norm", "targets", "images", ("denoms",), WINDOW),
    ("response_norm", "denoms", "images", ("targets",), WINDOW),
    ("response_norm", "targets", "denoms", ("images",), WINDOW),
    ("response_norm_cross_map", "targets", "images", ("denoms",), WINDOW),
    ("response_norm_cross_map", "denoms", "images", ("targets",), WINDOW),
    ("response_norm_cross_map_undo_v2", "targets", "images", ("out_grads", "acts"), WINDOW),
    ("response_norm_cross_map_undo_v2", "targets", "out_grads", ("images", "acts"), WINDOW),
    ("response_norm_cross_map_undo_v2", "targets", "acts", ("images", "out_grads"), WINDOW),
    ("rgb_to_lab", "targets", "images", (), {"center": True}),
    ("rgb_to_yuv", "targets", "images", (), {}),
    ("tica", "targets", "images", (), {"size_x": 3}),
    ("tica_grad", "targets", "ticas", ("images",), {"size_x": 3}),
]
MATRICES = [
    ("matrix_transpose", "result", "matrix", ()),
    ("matrix_tile", "result", "matrix", ()),
    ("matrix_add_product", "result", "a", ("b",)),
    ("matrix_add_product", "result", "b", ("a",)),
]


@pytest.fixture(params=["numpy", "kernels"])
def engine(request):
    return get_engine("numpy", threads=1) if request.param == "numpy" else KernelEngine(RecordingDevice())


def refused(engine, operation, written, read, others, shape, scalars):
    shared = np.ones((shape[0] + 1, *shape[1:]), np.float32)
    arrays = {name: np.ones(shape, np.float32) for name in others}
    for one, other in ((shared[1:], shared[1:]), (shared[:-1], shared[1:])):  # the same, and partly so
        with pytest.raises(EngineError, match=rf"^{operation}: \w+ must be another array than \w+, in other"):
            getattr(engine, operation)(**arrays, **{written: one, read: other}, **scalars)
    np.testing.assert_array_equal(shared, 1)
    apart = {name: np.ones(shape, np.float32) for name in (written, read)}
    getattr(engine, operation)(**arrays, **apart, **scalars)


@pytest.mark.parametrize(("operation", "written", "read", "others", "scalars"), READ_BY_NEIGHBOURS)
def test_what_neighbours_read_is_not_written_over(engine, operation, written, read, others, scalars):
    refused(engine, operation, written, read, others, IMAGES, scalars)


@pytest.mark.parametrize(("operation", "written", "read", "others"), MATRICES)
def test_a_matrix_is_not_moved_or_multiplied_in_place(engine, operation, written, read, others):
    refused(engine, operation, written, read, others, (4, 4), {})


@pytest.mark.parametrize(
    ("operation", "targets", "arrays"),
    [
        ("filter_acts", (3, 8, 8, 2), {"images": (3, 8, 8, 2), "filters": (3, 3, 3, 3)}),
        ("img_acts", (3, 8, 8, 2), {"hid_acts": (3, 8, 8, 2), "filters": (3, 3, 3, 3)}),
        ("weight_acts", (1, 3, 3, 3, 3), {"images": (3, 8, 8, 2), "hid_acts": (3, 8, 8, 2)}),
    ],
)
@pytest.mark.parametrize("layer", ["conv", "local"])
def test_a_convolution_does_not_write_over_what_it_reads(engine, layer, operation, targets, arrays):
    shapes = {**arrays, "targets": targets}
    if layer == "local":
        weights = "targets" if operation == "weight_acts" else "filters"
        shapes[weights] = (64, 3, 3, 3, 3)
    call = getattr(engine, f"{layer}_{operation}")
    held = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    call(**held, padding=1, stride=1)
    for name in arrays:
        memory = np.ones(1 << 15, np.float32)
        both = {part: memory[: np.prod(shapes[part])].reshape(shapes[part]) for part in ("targets", name)}
        with pytest.raises(EngineError, match=f"targets must be another array than {name}"):
            call(**{**held, **both}, padding=1, stride=1)


def test_arrays_side_by_side_are_distinct():
    whole = np.zeros((4, 5), np.float32)
    distinct("op", {"a": whole[:2], "b": whole[2:2]}, c=whole[2:], d=whole[1:1])


def test_all_that_is_written_is_distinct_but_what_is_read_need_not_be():
    one, other = np.zeros(3, np.float32), np.zeros(3, np.float32)
    distinct("op", {"a": one}, b=other, c=other)
    with pytest.raises(EngineError, match=r"^op: b must be another array than a, in other memory$"):
        distinct("op", {"a": one, "b": one}, c=other)


def test_arrays_of_a_gpu_are_compared_by_their_addresses():
    def at(address):
        return SimpleNamespace(nbytes=64, __cuda_array_interface__={"data": (address, False)})

    distinct("op", {"a": at(1024)}, b=at(1024 + 64), c=at(1024 - 64))
    for address in (1024 - 60, 1024, 1024 + 60):
        with pytest.raises(EngineError, match="another array"):
            distinct("op", {"a": at(1024)}, b=at(address))


def test_arrays_that_do_not_tell_where_they_lie_are_compared_as_such():
    one, other = SimpleNamespace(nbytes=4), SimpleNamespace(nbytes=4)
    distinct("op", {"a": one}, b=other)
    with pytest.raises(EngineError, match="another array"):
        distinct("op", {"a": one}, b=one)


# --- float32 in C order ---

MATRIX, VECTOR, ENTRY = (4, 4), (1, 4), (1, 1)
ONLY_FLOATS = [
    ("copy", {"source": MATRIX, "targets": MATRIX}, {}),
    ("matrix_add", {"a": MATRIX, "b": MATRIX, "result": MATRIX}, {}),
    ("matrix_scale", {"a": MATRIX, "result": MATRIX}, {"scale": 2.0}),
    ("matrix_mult", {"a": MATRIX, "b": MATRIX, "result": MATRIX}, {}),
    ("matrix_square", {"a": MATRIX, "result": MATRIX}, {}),
    ("matrix_add_vector", {"matrix": MATRIX, "vec": VECTOR, "result": MATRIX}, {"axis": 1}),
    ("matrix_sum", {"matrix": MATRIX, "result": VECTOR}, {"axis": 0}),
    ("matrix_max", {"matrix": MATRIX, "result": VECTOR}, {"axis": 0}),
    ("matrix_add_sum", {"matrix": MATRIX, "vec": VECTOR}, {"axis": 0}),
    ("matrix_total_sum", {"matrix": MATRIX}, {}),
    ("matrix_dot", {"a": MATRIX, "b": MATRIX}, {}),
    ("matrix_add_product", {"a": MATRIX, "b": MATRIX, "result": MATRIX}, {}),
    ("matrix_transpose", {"matrix": MATRIX, "result": MATRIX}, {}),
    ("matrix_tile", {"matrix": MATRIX, "result": MATRIX}, {}),
    ("neuron", {"inputs": MATRIX, "acts": MATRIX}, {"type": "relu"}),
    ("eltwise_max", {"a": MATRIX, "b": MATRIX, "targets": MATRIX}, {}),
    ("softmax", {"inputs": MATRIX, "probs": MATRIX}, {}),
    ("super_update", dict.fromkeys(("inc", "grad", "grad_avg", "grad2_avg"), MATRIX),
     {"eps": 0.1, "mom": 0.9, "super_eps": 1.0}),
    ("random_normal", {"targets": MATRIX}, {"key": (1, 2), "counter": 0}),
    ("random_keep_mask", {"targets": MATRIX}, {"keep": 0.5, "key": (1, 2), "counter": 0}),
    ("normalize_local_weights", {"weights": (2, 3, 4)}, {"norm": 1.0}),
    ("response_norm", dict.fromkeys(("images", "denoms", "targets"), IMAGES), WINDOW),
    ("response_norm_undo",
     dict.fromkeys(("out_grads", "denoms", "images", "acts", "targets"), IMAGES), WINDOW),
    ("response_norm_cross_map", dict.fromkeys(("images", "denoms", "targets"), IMAGES), WINDOW),
    ("pool_max", {"images": IMAGES, "targets": IMAGES}, REGIONS),
    ("gaussian_blur", {"images": IMAGES, "filter": (1, 3), "targets": IMAGES}, {"horiz": True}),
    ("crop", {"images": IMAGES, "targets": IMAGES}, {"start_y": 0, "start_x": 0}),
    ("tica_grad", dict.fromkeys(("images", "ticas", "targets"), IMAGES), {"size_x": 3}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "shapes", "scalars"), ONLY_FLOATS, ids=[operation for operation, *_ in ONLY_FLOATS]
)
def test_each_array_is_of_float32_in_c_order(engine, operation, shapes, scalars):
    def arrays():
        return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}

    getattr(engine, operation)(**arrays(), **scalars)
    for name, shape in shapes.items():
        integers = {**arrays(), name: np.ones(shape, np.int32)}
        with pytest.raises(EngineError, match=rf"^{operation}: \w+ is int32; it must be float32 in C order$"):
            getattr(engine, operation)(**integers, **scalars)
        gaps = {**arrays(), name: np.ones((*shape[:-1], 2 * shape[-1]), np.float32)[..., ::2]}
        with pytest.raises(EngineError, match=rf"^{operation}: \w+ is float32, not in C order; it must be"):
            getattr(engine, operation)(**gaps, **scalars)


def test_indices_are_of_int32():
    check_arrays("op", dtype=np.int32, indices=np.zeros(3, np.int32))
    with pytest.raises(EngineError, match=r"^op: indices is int64; it must be int32 in C order$"):
        check_arrays("op", dtype=np.int32, indices=np.zeros(3, np.int64))
