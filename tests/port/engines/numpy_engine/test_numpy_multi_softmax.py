"""A softmax over sets of classes, beside sums over all sets."""

from itertools import combinations

import numpy as np
import pytest

from cuda_convnet.engines import get_engine
from cuda_convnet.errors import EngineError

ENGINE = get_engine("numpy", threads=1)
SHORTCUT = 2.5e-5
"""What log(1 + x) loses where x is taken for it: x squared / 2 at x = exp(-5)."""


def by_all_sets(energies, set_size, labels=None):
    weights, total = np.zeros(energies.shape), np.zeros(energies.shape[1])
    for members in combinations(range(len(energies)), set_size):
        weight = np.exp(energies[list(members)].astype(np.float64).sum(axis=0))
        if labels is not None:
            weight *= np.isin(labels[0], members)
        weights[list(members)] += weight
        total += weight
    return weights / total


@pytest.mark.parametrize("set_size", [1, 3, 7])
def test_probabilities_and_gradients_are_those_of_all_sets(set_size):
    rng = np.random.default_rng(1)
    energies = 3 * rng.standard_normal((7, 20), np.float32)
    labels = rng.integers(0, 7, (1, 20)).astype(np.float32)
    probs, grads = np.full_like(energies, np.nan), np.full_like(energies, np.nan)
    ENGINE.multi_softmax(energies, probs, set_size=set_size)
    expected = by_all_sets(energies, set_size)
    np.testing.assert_allclose(probs, expected, rtol=0, atol=7 * SHORTCUT)
    ENGINE.multi_softmax_grad(labels, energies, probs, grads, coeff=0.3, set_size=set_size)
    given = by_all_sets(energies, set_size, labels)
    np.testing.assert_allclose(grads, 0.3 * (given - expected), rtol=0, atol=7 * SHORTCUT)
    before = rng.standard_normal((7, 20), np.float32)
    added = before.copy()
    ENGINE.multi_softmax_grad(labels, energies, probs, added, coeff=0.3, set_size=set_size, add=True)
    np.testing.assert_array_equal(added, before + grads)


def test_the_cost_ranks_by_energies():
    energies = np.float32([[3, 1], [2, 1], [2, 1], [0, 0]])
    probs = np.float32([[0.9, 0.5], [0.5, 0.5], [0.5, 0.5], [0.1, 0.5]])
    costs = [np.full((1, 2), np.nan, np.float32) for _ in range(3)]
    ENGINE.multi_softmax_cost(np.float32([[1, 0]]), probs, energies, *costs, set_size=2)
    log_probs, correct, best = costs
    np.testing.assert_array_equal(log_probs, np.log(np.float32([[0.5, 0.5]])))
    np.testing.assert_array_equal(correct, np.float32([[0, 1 / 3]]))
    np.testing.assert_array_equal(best, np.float32([[0.5, 2 / 3]]))


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_is_no_class_is_named(label):
    energies = np.zeros((4, 1), np.float32)
    with pytest.raises(EngineError, match=f"^multi_softmax_grad: label {label} is none of the 4 classes"):
        ENGINE.multi_softmax_grad(
            np.full((1, 1), label, np.float32), energies, energies, energies.copy(), coeff=1.0, set_size=2
        )
