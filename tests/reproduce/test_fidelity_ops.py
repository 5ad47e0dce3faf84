"""Single operations against the archives: the project's own, others of other shapes, and spoilt ones."""

import h5py
import numpy as np
import pytest
from fidelity_archives import OPS, part_of_ops, write_archive

from alexnet2012.fidelity.archive import open_archive
from alexnet2012.fidelity.ops import REPLAYS, replay_ops
from cuda_convnet.engines import get_engine

with h5py.File(OPS) as archive:
    ARCHIVED = {op: len(cases) for op, cases in archive.items()}

SELECTION = [
    "pool_max",
    "pool_max_undo",
    "pool_maxabs",
    "bed_of_nails",
    "bed_of_nails_undo",
    "crop",
    "reflect_horizontal",
    "eltwise_max",
    "eltwise_max_grad",
    "matrix_transpose",
    "matrix_max",
    "matrix_min",
    "matrix_total_max",
    "matrix_total_min",
    "neuron_relu",
    "neuron_abs",
    "neuron_ident",
    "neuron_brelu",
]


@pytest.fixture(scope="module")
def engine():
    return get_engine("numpy")


def replay(path, engine):
    with open_archive(path) as archive:
        return list(replay_ops(archive, engine))


@pytest.fixture(scope="module")
def found(engine):
    """The cases of ops.h5, by operation."""
    cases = {}
    for case in replay(OPS, engine):
        cases.setdefault(case.op, []).append(case)
    return cases


def test_the_archive_has_462_cases_and_all_are_replayed(found):
    assert sum(ARCHIVED.values()) == 462
    assert {op: len({case.case for case in cases}) for op, cases in found.items()} == ARCHIVED


@pytest.mark.parametrize("op", ARCHIVED)
def test_every_output_of_the_original_holds(found, op):
    assert [case for case in found[op] if not case.ok] == []


@pytest.mark.parametrize("op", SELECTION)
def test_selection_and_data_movement_are_bit_equal(found, op):
    assert all(case.bitwise and case.bound == "bitwise" for case in found[op])


def test_every_archived_output_is_compared(found):
    with h5py.File(OPS) as archive:
        outputs = sum(len(group["out"]) for cases in archive.values() for group in cases.values())
    assert sum(map(len, found.values())) == outputs


# --- archives that are not right ---


def only(cases):
    broken = [case for case in cases if not case.ok]
    assert len(broken) == 1
    return broken[0]


def flip_last_bit(dataset, index=0):
    values = dataset[()]
    values.reshape(-1).view(np.int32)[index] ^= 1
    dataset[...] = values


def test_a_single_flipped_bit_of_a_selection_is_found(tmp_path, engine):
    path = part_of_ops(tmp_path / "flipped.h5", "pool_max")
    with h5py.File(path, "r+") as file:
        name = list(file["pool_max"])[3]
        flip_last_bit(file[f"pool_max/{name}/out/targets"], 7)
    case = only(replay(path, engine))
    assert (case.op, case.case, case.max_ulp, case.bitwise) == ("pool_max", name, 1, False)


@pytest.mark.parametrize(
    ("op", "dataset"),
    [
        ("conv_filter_acts", "in/filters"),
        ("conv_weight_acts", "in/hid_acts"),
        ("response_norm_cross_map", "in/images"),
        ("response_norm_cross_map_undo", "in/out_grads"),
        ("softmax", "in/inputs"),
        ("matrix_add_product", "in/a"),
        ("neuron_tanh_chm", "in/inputs"),
    ],
)
def test_an_input_that_is_a_thousandth_larger_is_found(tmp_path, engine, op, dataset):
    path = part_of_ops(tmp_path / "changed.h5", op)
    with h5py.File(path, "r+") as file:
        name = next(iter(file[op]))
        values = file[f"{op}/{name}/{dataset}"]
        changed = values[()]
        changed.reshape(-1)[np.abs(np.abs(changed) - 1).argmin()] *= np.float32(1.001)  # an entry near 1
        values[...] = changed
    broken = {case.case for case in replay(path, engine) if not case.ok}
    assert name in broken  # and perhaps others that share the array


def test_an_output_beyond_its_bound_is_found_and_one_within_is_not(tmp_path, engine):
    for roundings, holds in ((0.5, True), (20, False)):
        path = part_of_ops(tmp_path / f"{roundings}.h5", "matrix_add")
        with h5py.File(path, "r+") as file:
            dataset = file[f"matrix_add/{next(iter(file['matrix_add']))}/out/result"]
            values = dataset[()]
            values.reshape(-1)[np.abs(values).argmin()] += np.float32(
                roundings * 2**-23 * np.abs(values).max()
            )
            dataset[...] = values
        assert all(case.ok for case in replay(path, engine)) == holds


def test_an_unknown_operation_is_reported_by_name(tmp_path, engine):
    path = write_archive(tmp_path / "new.h5", {"pool_rand": {"case": ({}, {}, {"targets": [1.0]})}})
    case = only(replay(path, engine))
    assert (case.op, case.problem) == ("pool_rand", "there is no operation 'pool_rand' here")


IDENTITY = (
    {"rows": 1, "cols": 2, "scale_a": 1.0, "scale_b": 0.0},
    {"a": [[1, 2]], "b": [[3, 4]]},
    {"result": [[1, 2]]},
)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda scalars, inputs, outputs: scalars.pop("scale_a"), "the case has no attribute 'scale_a'"),
        (lambda scalars, inputs, outputs: inputs.pop("b"), "the case has no input 'b'"),
        (lambda scalars, inputs, outputs: outputs.update(result=[[1, 2, 3]]), "must have the shape"),
        (lambda scalars, inputs, outputs: outputs.update(more=[1]), "gives no 'more'"),
    ],
)
def test_a_case_that_lacks_something_or_contradicts_itself_is_not_ok(tmp_path, engine, change, problem):
    scalars, inputs, outputs = (dict(part) for part in IDENTITY)
    change(scalars, inputs, outputs)
    path = write_archive(tmp_path / "a.h5", {"matrix_add": {"case": (scalars, inputs, outputs)}})
    assert problem in only(replay(path, engine)).problem


def test_attributes_that_do_not_fit_the_arrays_are_a_case_that_is_not_ok(tmp_path, engine):
    scalars = {
        "channels": 2,
        "img_size": 3,
        "num_images": 4,
        "outputs_x": 1,
        "size_x": 3,
        "start": 0,
        "stride": 1,
    }
    path = write_archive(
        tmp_path / "a.h5", {"pool_max": {"case": (scalars, {"images": np.ones(70)}, {"targets": np.ones(8)})}}
    )
    assert (
        "'images' has 70 values, but the attributes make it (2, 3, 3, 4)"
        in only(replay(path, engine)).problem
    )


def test_what_the_engine_refuses_is_a_case_that_is_not_ok(tmp_path, engine):
    scalars = {
        "channels": 1,
        "img_size": 3,
        "num_images": 1,
        "outputs_x": 5,
        "size_x": 3,
        "start": 0,
        "stride": 3,
    }
    path = write_archive(
        tmp_path / "a.h5", {"pool_max": {"case": (scalars, {"images": np.ones(9)}, {"targets": np.ones(25)})}}
    )
    assert "some lie outside the 3 pixels" in only(replay(path, engine)).problem


# --- archives of other shapes, computed in float64 by formula ---


def random(seed, *shape):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def other_convolution():
    channels, size, filters, images, width, padding, stride = 5, 6, 3, 7, 3, 1, 2
    x, w = random(1, channels, size, size, images), random(2, channels, width, width, filters)
    padded = np.pad(x.astype(np.float64), ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    modules = 1 + -(-(2 * padding + size - width) // stride)
    padded = np.pad(padded, ((0, 0), (0, stride), (0, stride), (0, 0)))
    out = np.empty((filters, modules, modules, images))
    for y, column in np.ndindex(modules, modules):
        seen = padded[:, y * stride : y * stride + width, column * stride : column * stride + width]
        out[:, y, column] = np.einsum("cyxn,cyxf->fn", seen, w.astype(np.float64))
    attributes = {
        "channels": channels, "img_size": size, "img_size_x": size, "img_size_y": size, "num_images": images,
        "filter_size": width, "num_filters": filters, "groups": 1, "padding": padding, "stride": stride,
        "modules_x": modules, "modules_y": modules, "scale_targets": 0.0, "scale_output": 1.0,
    }  # fmt: skip
    arrays = {"images": x.reshape(-1, images), "filters": w.reshape(-1, filters)}
    return attributes, arrays, {"targets": out.reshape(-1, images)}


def other_pooling():
    x = random(3, 3, 9, 9, 2)
    out = np.stack(
        [[x[:, 4 * y : 4 * y + 4, 4 * c : 4 * c + 4].max(axis=(1, 2)) for c in range(3)] for y in range(3)]
    )
    attributes = {
        "channels": 3, "img_size": 9, "num_images": 2, "outputs_x": 3, "size_x": 4, "start": 0, "stride": 4,
    }  # fmt: skip
    return attributes, {"images": x.reshape(-1, 2)}, {"targets": out.transpose(2, 0, 1, 3).reshape(-1, 2)}


def other_normalisation():
    x = random(4, 20, 3, 3, 5)
    squares = x.astype(np.float64) ** 2
    denoms = np.stack([1.5 + 0.07 * squares[max(0, c - 3) : c + 4].sum(axis=0) for c in range(20)])
    attributes = {
        "channels": 20, "img_size": 3, "num_images": 5,
        "size_x": 7, "scale": 0.07, "power": 0.6, "min_div": 1.5, "blocked": 0,
    }  # fmt: skip
    outputs = {"denoms": denoms.reshape(-1, 5), "targets": (x * denoms**-0.6).reshape(-1, 5)}
    return attributes, {"images": x.reshape(-1, 5)}, outputs


def other_neuron():
    x, g, before = random(5, 3, 5), random(6, 3, 5), random(7, 3, 5)
    y = (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)
    grad = g.astype(np.float64) * y * (1 - y.astype(np.float64))
    inputs = {"inputs": x, "acts_grad": g, "prev_grad": before}
    outputs = {"acts": y, "input_grad": grad, "input_grad_added": before + grad}
    return {"rows": 3, "cols": 5, "a": 0, "b": 0}, inputs, outputs


def other_sum():
    x = random(8, 700, 31)
    return (
        {"rows": 700, "cols": 31, "axis": 1, "is_trans": 0},
        {"matrix": x},
        {"result": x.sum(axis=1, dtype=np.float64)},
    )


OTHERS = {
    "conv_filter_acts": other_convolution,
    "pool_max": other_pooling,
    "response_norm_cross_map_mindiv": other_normalisation,
    "neuron_logistic": other_neuron,
    "matrix_sum": other_sum,
}


@pytest.mark.parametrize("op", OTHERS)
def test_archives_of_other_shapes_are_replayed(tmp_path, engine, op):
    path = write_archive(tmp_path / "others.h5", {op: {"other": OTHERS[op]()}})
    cases = replay(path, engine)
    assert [case for case in cases if not case.ok] == []
    assert {case.output for case in cases} == set(OTHERS[op]()[2])


def test_an_archive_of_some_operations_is_whole(tmp_path, engine):
    path = part_of_ops(tmp_path / "some.h5", "crop", "softmax")
    assert {case.op for case in replay(path, engine)} == {"crop", "softmax"}


def test_every_archived_operation_has_a_replay():
    assert set(ARCHIVED) <= set(REPLAYS)
