"""The specification: every operation is declared, with its source and a bound for each family of engines."""

import inspect
import re

import numpy as np
import pytest

from cuda_convnet.engines.bounds import Bitwise, Bound, Relative
from cuda_convnet.engines.operations import NEURONS, OPERATIONS, Engine

ABSTRACT = sorted(Engine.__abstractmethods__)


def test_every_abstract_method_of_an_engine_is_a_declared_operation():
    assert sorted(OPERATIONS) == ABSTRACT


@pytest.mark.parametrize("name", ABSTRACT)
def test_each_declaration_names_its_place_in_the_original(name):
    assert re.fullmatch(r"(alexnet|cuda-convnet2?):[\w/]+\.(cu|cuh|py)", OPERATIONS[name].source)


@pytest.mark.parametrize("name", ABSTRACT)
def test_each_declaration_has_a_bound_for_both_families(name):
    for family in ("numpy", "kernels"):
        declared = OPERATIONS[name].bounds[family]
        bounds = [declared] if isinstance(declared, Bound) else list(declared.values())
        assert bounds
        assert all(isinstance(bound, Bound) for bound in bounds)


@pytest.mark.parametrize("name", ABSTRACT)
def test_each_operation_says_what_it_computes(name):
    assert inspect.getdoc(getattr(Engine, name))


SELECTION = [
    "pool_max",
    "pool_maxabs",
    "pool_max_undo",
    "reflect_horizontal",
    "crop",
    "bed_of_nails",
    "bed_of_nails_undo",
    "eltwise_max",
    "eltwise_max_grad",
    "matrix_transpose",
    "matrix_max",
    "matrix_min",
    "matrix_total_max",
    "matrix_total_min",
    "copy",
]


@pytest.mark.parametrize("name", SELECTION)
@pytest.mark.parametrize("family", ["numpy", "kernels"])
def test_what_is_only_moved_or_selected_is_bit_equal_in_every_family(name, family):
    assert OPERATIONS[name].bounds[family] == Bitwise()


@pytest.mark.parametrize("name", [name for name in ABSTRACT if name.startswith(("conv_", "local_"))])
def test_kernels_promise_convolutions_bit_for_bit(name):
    assert OPERATIONS[name].bounds["kernels"] == Bitwise()


def test_the_bound_of_a_convolution_grows_with_the_root_of_its_terms():
    few, many = (
        OPERATIONS["conv_filter_acts"].bound(
            "numpy", "targets", {"filters": np.zeros((channels, 3, 3, 16)), "original": np.ones(1)}
        )
        for channels in (4, 400)
    )
    assert isinstance(few, Relative)
    assert few.limit < many.limit < 10 * few.limit


def test_the_bound_of_a_sum_that_cancels_is_in_units_of_what_was_added():
    call = {"matrix": np.array([[1000.0, -999.0]], np.float32)}
    bound = OPERATIONS["matrix_total_sum"].bounds["numpy"]
    assert (
        bound.at(call | {"original": np.float32(1)}).limit
        > 500 * bound.at(call | {"original": np.float32(2000)}).limit
    )


def test_a_neurons_parameters_are_those_of_the_cfg_language():
    from cuda_convnet.config.neurons import NEURONS as WRITTEN

    assert {name: neuron.params for name, neuron in NEURONS.items()} == {
        name: params for name, params in WRITTEN.items() if name != "nrelu"
    }
