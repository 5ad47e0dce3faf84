"""multi_softmax.cu, beside sums over all sets and beside the NumPy engine."""

from itertools import combinations

import numpy as np
import pytest
from beside import NUMPY, after, assert_same_bits, result, unread, values

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.errors import EngineError

#        classes, cases, classes of a set
SIZES = [(1, 1, 1), (5, 3, 1), (7, 33, 3), (5, 2, 5), (40, 70, 5)]
SHORTCUT = 2.5e-5
"""What log(1 + x) loses where x is taken for it: x squared / 2 at x = exp(-5)."""

sizes = pytest.mark.parametrize("size", SIZES, ids=str)


def energies_of(classes, cases):
    return 3 * values(1, classes, cases)


def labels_of(classes, cases):
    return np.random.default_rng(5).integers(0, classes, (1, cases)).astype(np.float32)


def probs_of(engine, energies, set_size):
    arrays = {"energies": energies, "probs": unread(*energies.shape)}
    return after(engine, "multi_softmax", arrays, set_size=set_size)["probs"]


def by_all_sets(energies, set_size, labels=None):
    """P(class is in the set), of the sets that have the label if there is one."""
    weights, total = np.zeros(energies.shape), np.zeros(energies.shape[1])
    for members in combinations(range(len(energies)), set_size):
        weight = np.exp(energies[list(members)].astype(np.float64).sum(axis=0))
        if labels is not None:
            weight *= np.isin(labels[0], members)
        weights[list(members)] += weight
        total += weight
    return weights / total


def assert_close(operation, output, ours, expected, arrays, **scalars):
    bound = OPERATIONS[operation].bound("kernels", output, {**arrays, **scalars, "original": expected})
    assert bound.share(difference(expected, ours)) <= 1


@sizes
def test_both_engines_take_the_same_sums(engine, size):
    classes, cases, set_size = size
    energies = energies_of(classes, cases)
    ours, expected = (probs_of(e, energies, set_size) for e in (engine, NUMPY))
    assert_close("multi_softmax", "probs", ours, expected, {"energies": energies}, set_size=set_size)


@pytest.mark.parametrize("size", SIZES[:-1], ids=str)
def test_probabilities_are_those_of_all_sets(engine, size):
    classes, cases, set_size = size
    energies = energies_of(classes, cases)
    ours = probs_of(engine, energies, set_size)
    np.testing.assert_allclose(ours, by_all_sets(energies, set_size), rtol=0, atol=classes * SHORTCUT)


def test_sets_of_one_are_a_softmax(engine):
    energies = energies_of(10, 33)
    arrays = {"inputs": energies, "probs": unread(10, 33)}
    softmax = after(engine, "softmax", arrays)["probs"]
    np.testing.assert_allclose(probs_of(engine, energies, 1), softmax, rtol=0, atol=10 * SHORTCUT)


def test_large_energies_do_not_overflow(engine):
    ours = probs_of(engine, np.float32([[3000], [2990], [-5000], [0]]), 2)
    np.testing.assert_array_equal(ours, [[1], [1], [0], [0]])


def gradient(engine, size, before, **scalars):
    classes, cases, set_size = size
    energies = energies_of(classes, cases)
    probs = probs_of(engine, energies, set_size)
    arrays = {
        "labels": labels_of(classes, cases),
        "energies": energies,
        "probs": probs,
        "targets": before,
    }
    return arrays, result(engine, "multi_softmax_grad", arrays, coeff=0.3, set_size=set_size, **scalars)


@sizes
def test_gradients_are_those_of_the_numpy_engine_and_are_added(engine, size):
    classes, cases, set_size = size
    arrays, ours = gradient(engine, size, unread(classes, cases))
    scalars = {"coeff": 0.3, "set_size": set_size}
    expected = result(NUMPY, "multi_softmax_grad", arrays, **scalars)
    assert_close("multi_softmax_grad", "targets", ours, expected, arrays, **scalars)
    before = values(2, classes, cases)
    _, added = gradient(engine, size, before, add=True)
    assert_same_bits(added, before + ours)


@pytest.mark.parametrize("size", SIZES[:-1], ids=str)
def test_gradients_are_those_of_all_sets_with_the_label(engine, size):
    classes, cases, set_size = size
    arrays, ours = gradient(engine, size, unread(classes, cases))
    given = by_all_sets(arrays["energies"], set_size, arrays["labels"])
    expected = 0.3 * (given - by_all_sets(arrays["energies"], set_size))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=classes * SHORTCUT)


@pytest.mark.parametrize("size", [(5, 3, 1), (10, 33, 3), (10, 129, 5)], ids=str)
def test_the_cost_ranks_by_energies(engine, size):
    classes, cases, set_size = size
    energies = values(1, classes, cases, grid=2)  # with ties
    arrays = {
        "labels": labels_of(classes, cases),
        "probs": probs_of(engine, energies, set_size),
        "energies": energies,
    }
    names = "label_log_probs", "correct_probs", "topk_probs"
    outputs = {name: unread(1, cases) for name in names}
    ours, expected = (
        after(e, "multi_softmax_cost", arrays | outputs, set_size=set_size) for e in (engine, NUMPY)
    )
    assert_same_bits(ours[names[1]], expected[names[1]])
    assert_same_bits(ours[names[2]], expected[names[2]])
    assert_close("multi_softmax_cost", names[0], ours[names[0]], expected[names[0]], arrays)
    ranked = {"labels": arrays["labels"], "probs": energies} | outputs
    logreg = after(engine, "logreg_cost_topk", ranked, topk=set_size)
    assert_same_bits(ours["topk_probs"], logreg["topk_probs"])


@pytest.mark.parametrize("label", [-1, 7, np.nan, 1e20, -1e20])
def test_a_label_that_is_no_class_costs_nan(engine, label):
    energies = energies_of(7, 3)
    labels = np.full((1, 3), label, np.float32)
    arrays = {"labels": labels, "energies": energies, "probs": probs_of(engine, energies, 3)}
    outputs = {name: unread(1, 3) for name in ("label_log_probs", "correct_probs", "topk_probs")}
    ours = after(engine, "multi_softmax_cost", arrays | outputs, set_size=3)
    assert np.isnan(ours["label_log_probs"]).all()
    assert (ours["correct_probs"] == 0).all()
    assert (ours["topk_probs"] == 0).all()
    grads = result(engine, "multi_softmax_grad", arrays | {"targets": unread(7, 3)}, coeff=1.0, set_size=3)
    assert np.isnan(grads).all()


@pytest.mark.parametrize("both", ["kernels", "numpy"])
@pytest.mark.parametrize("set_size", [0, 6])
def test_a_set_of_no_class_or_of_more_than_there_are_is_named(engine, both, set_size):
    with pytest.raises(EngineError, match=f"^multi_softmax: set_size {set_size} must be 1 to 5"):
        probs_of(engine if both == "kernels" else NUMPY, energies_of(5, 2), set_size)
