"""softmax.cu, logreg_cost.cu, cross_entropy.cu and eltwise_max.cu."""

import numpy as np
import pytest
from beside import NUMPY, after, assert_same_bits, replayed, result, unread, values

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.errors import EngineError

ARCHIVED = {
    "softmax": 4,
    "softmax_grad": 7,
    "logreg_cost": 16,
    "logreg_cost_topk": 24,
    "logreg_grad": 8,
    "logreg_softmax_grad": 8,
    "cross_entropy_cost": 4,
    "cross_entropy_grad": 4,
    "cross_entropy_softmax_grad": 4,
    "eltwise_max": 2,
    "eltwise_max_grad": 4,
}
OF_THE_C_LIBRARY = {"softmax", "logreg_cost", "logreg_cost_topk", "cross_entropy_cost"}
"""Their bits depend on whose exp and log it is."""

SHAPES = [(1, 1), (10, 33), (7, 129), (1000, 2), (33, 64)]
LOGREG_GRADS = ["logreg_grad", "logreg_softmax_grad"]
ENTROPY_GRADS = ["cross_entropy_grad", "cross_entropy2_grad", "robust_flickr_grad"]

shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
added = pytest.mark.parametrize("add", [False, True], ids=["fresh", "added"])


def probabilities(seed, *shape):
    exponentials = np.exp(values(seed, *shape, grid=2))  # with ties
    return (exponentials / exponentials.sum(axis=0)).astype(np.float32)


def labels_of(classes, cases):
    return np.random.default_rng(5).integers(0, classes, (1, cases)).astype(np.float32)


def targets(add, *shape):
    return values(9, *shape) if add else unread(*shape)


def assert_close(operation, output, ours, expected, arrays, **scalars):
    arguments = {**arrays, **scalars, "original": expected}
    bound = OPERATIONS[operation].bound("numpy", output, arguments)
    assert bound.share(difference(expected, ours)) <= 1


@pytest.mark.parametrize("operation", ARCHIVED)
def test_every_archived_case_is_reproduced(engine, operation, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == ARCHIVED[operation]
    assert [case for case in cases if not case.ok] == []
    if operation not in OF_THE_C_LIBRARY:
        assert [case for case in cases if not case.bitwise] == []


# --- softmax ---


@shapes
def test_probabilities_are_normalised_exponentials(engine, shape):
    arrays = {"inputs": 20 * values(1, *shape), "probs": unread(*shape)}
    ours, expected = (after(e, "softmax", arrays)["probs"] for e in (engine, NUMPY))
    assert_close("softmax", "probs", ours, expected, arrays)


def test_a_softmax_of_large_inputs_does_not_overflow(engine):
    inputs = np.float32([[1e30, -1e30], [1e30, -2e30]])
    ours = after(engine, "softmax", {"inputs": inputs, "probs": unread(2, 2)})["probs"]
    np.testing.assert_array_equal(ours, [[0.5, 1], [0.5, 0]])


def test_one_bad_case_does_not_touch_the_others(engine):
    inputs = values(1, 10, 40)
    arrays = {"inputs": inputs, "probs": unread(10, 40)}
    clean = after(engine, "softmax", arrays)["probs"]
    inputs[3, 7] = np.nan
    ours = after(engine, "softmax", arrays)["probs"]
    assert np.isnan(ours[:, 7]).all()
    assert_same_bits(np.delete(ours, 7, axis=1), np.delete(clean, 7, axis=1))


@pytest.mark.parametrize("shape", [(1, 1), (10, 33), (33, 64)], ids=str)
@added
def test_the_gradient_of_softmax_sums_rounded_products(engine, shape, add):
    grad, probs, before = values(1, *shape), probabilities(2, *shape), targets(add, *shape)
    expected = np.empty_like(probs)
    for i in range(shape[0]):
        total = np.zeros(shape[1], np.float32)
        for j in range(shape[0]):
            total += grad[j] * (np.float32(i == j) - probs[j])
        expected[i] = fma(total, probs[i], before[i]) if add else total * probs[i]
    arrays = {"acts_grad": grad, "probs": probs, "targets": before}
    assert_same_bits(result(engine, "softmax_grad", arrays, add=add), expected)


# --- logistic regression ---


@shapes
def test_the_cost_is_that_of_the_label_and_ties_share_the_guess(engine, shape):
    arrays = {"labels": labels_of(*shape), "probs": probabilities(1, *shape)}
    outputs = {name: unread(1, shape[1]) for name in ("label_log_probs", "correct_probs")}
    ours, expected = (after(e, "logreg_cost", arrays | outputs) for e in (engine, NUMPY))
    assert_same_bits(ours["correct_probs"], expected["correct_probs"])
    name = "label_log_probs"
    assert_close("logreg_cost", name, ours[name], expected[name], arrays)


@shapes
@pytest.mark.parametrize("topk", [1, 3, 5, 2000])
def test_a_label_among_the_best_counts_with_ties_by_lot(engine, shape, topk):
    arrays = {"labels": labels_of(*shape), "probs": probabilities(1, *shape)}
    names = "label_log_probs", "correct_probs", "topk_probs"
    outputs = {name: unread(1, shape[1]) for name in names}
    ours, expected = (after(e, "logreg_cost_topk", arrays | outputs, topk=topk) for e in (engine, NUMPY))
    assert_same_bits(ours["correct_probs"], expected["correct_probs"])
    assert_same_bits(ours["topk_probs"], expected["topk_probs"])
    assert_close("logreg_cost_topk", names[0], ours[names[0]], expected[names[0]], arrays, topk=topk)


NO_CLASS = [-1, 10, np.nan, np.inf, -np.inf, 1e9, -1e9, 1e20, -1e20]


@pytest.mark.parametrize("label", NO_CLASS)
@pytest.mark.parametrize("topk", [None, 1, 5, 2000])
def test_a_label_that_is_no_class_costs_nan_and_is_never_among_the_best(engine, label, topk):
    arrays = {"labels": np.full((1, 3), label, np.float32), "probs": probabilities(1, 10, 3)}
    names = ["label_log_probs", "correct_probs"] + ["topk_probs"] * (topk is not None)
    outputs = {name: unread(1, 3) for name in names}
    if topk is None:
        ours = after(engine, "logreg_cost", arrays | outputs)
    else:
        ours = after(engine, "logreg_cost_topk", arrays | outputs, topk=topk)
    assert np.isnan(ours["label_log_probs"]).all()
    for name in names[1:]:
        assert (ours[name] == 0).all()


@pytest.mark.parametrize("label", NO_CLASS)
@added
def test_a_label_that_is_no_class_has_no_entry_of_the_gradients(engine, label, add):
    probs, before = probabilities(1, 10, 3), targets(add, 10, 3)
    arrays = {"labels": np.full((1, 3), label, np.float32), "probs": probs, "targets": before}
    grads = result(engine, "logreg_grad", arrays, coeff=1.0, add=add)
    np.testing.assert_array_equal(grads, before if add else np.zeros_like(probs))
    grads = result(engine, "logreg_softmax_grad", arrays, coeff=1.0, add=add)
    np.testing.assert_array_equal(grads, before - probs if add else -probs)


@shapes
@added
@pytest.mark.parametrize("operation", LOGREG_GRADS)
def test_gradients_of_logistic_regression_round_as_the_original_does(engine, shape, add, operation):
    labels, probs, before = labels_of(*shape), probabilities(1, *shape), targets(add, *shape)
    coeff = np.float32(0.3)
    hot = (np.arange(shape[0])[:, None] == labels).astype(np.float32)
    if operation == "logreg_grad":
        expected = coeff * hot / probs
        expected = before + expected if add else expected
    else:
        expected = fma(hot - probs, coeff, before) if add else coeff * (hot - probs)
    arrays = {"labels": labels, "probs": probs, "targets": before}
    assert_same_bits(result(engine, operation, arrays, coeff=0.3, add=add), expected)


# --- cross-entropy ---


@shapes
def test_the_cross_entropy_of_distributions_is_summed_down_the_classes(engine, shape):
    arrays = {"labels": probabilities(1, *shape), "probs": probabilities(2, *shape)}
    arrays["probs"][0, 0] = 0  # its logarithm is -50
    outputs = {name: unread(1, shape[1]) for name in ("label_log_probs", "correct_probs")}
    ours, expected = (after(e, "cross_entropy_cost", arrays | outputs) for e in (engine, NUMPY))
    assert_same_bits(ours["correct_probs"], expected["correct_probs"])
    name = "label_log_probs"
    assert_close("cross_entropy_cost", name, ours[name], expected[name], arrays)


def test_a_guess_without_any_probability_of_its_label_is_wrong(engine):
    probs = np.float32([[0.5, 0.5], [0.5, 0.25], [0, 0.25]])
    labels = np.float32([[0, 0], [1, 1], [0, 0]])
    outputs = {name: unread(1, 2) for name in ("label_log_probs", "correct_probs")}
    ours = after(engine, "cross_entropy_cost", {"labels": labels, "probs": probs} | outputs)
    np.testing.assert_array_equal(ours["correct_probs"], [[0.5, 0]])


def elementwise_grad(operation, t, y):
    """The factor of coeff in the gradient, and its sign."""
    if operation == "cross_entropy_grad":
        return t / y, 1
    if operation == "cross_entropy2_grad":
        return t / y + (1 - t) / (1 - y), 1
    apart = y - t
    return 2 * apart / fma(apart, apart, np.float32(1)), -1


@pytest.mark.parametrize("shape", [(2, 1), (10, 33), (33, 129)], ids=str)
@added
@pytest.mark.parametrize("operation", ENTROPY_GRADS)
def test_elementwise_gradients_fuse_their_last_product_where_they_add(engine, shape, add, operation):
    labels, probs, before = probabilities(1, *shape), probabilities(2, *shape), targets(add, *shape)
    slope, sign = elementwise_grad(operation, labels, probs)
    coeff = np.float32(0.3 * sign)
    expected = fma(slope, coeff, before) if add else coeff * slope
    arrays = {"labels": labels, "probs": probs, "targets": before}
    assert_same_bits(result(engine, operation, arrays, coeff=0.3, add=add), expected)


@pytest.mark.parametrize("shape", [(1, 1), (4, 33), (10, 33), (35, 40)], ids=str)
@added
def test_the_gradient_through_softmax_fuses_what_whole_fours_leave(engine, shape, add):
    labels, probs, before = probabilities(1, *shape), probabilities(2, *shape), targets(add, *shape)
    classes, coeff = shape[0], np.float32(0.3)
    expected = np.empty_like(probs)
    for i in range(classes):
        total = np.zeros(shape[1], np.float32)
        for j in range(classes):
            off = np.float32(i == j) - probs[i]
            total = total + labels[j] * off if j < classes // 4 * 4 else fma(labels[j], off, total)
        expected[i] = fma(total, coeff, before[i]) if add else coeff * total
    arrays = {"labels": labels, "probs": probs, "targets": before}
    assert_same_bits(result(engine, "cross_entropy_softmax_grad", arrays, coeff=0.3, add=add), expected)


@shapes
@pytest.mark.parametrize("operation", ["cross_entropy2_cost", "robust_flickr_cost"])
def test_elementwise_costs_are_within_their_bound(engine, shape, operation):
    labels, probs = probabilities(1, *shape), probabilities(2, *shape)
    probs.flat[:2] = np.float32([0, 1])[: probs.size]
    arrays = {"labels": labels, "probs": probs, "targets": unread(*shape)}
    ours, expected = (result(e, operation, arrays) for e in (engine, NUMPY))
    assert_close(operation, "targets", ours, expected, arrays)


# --- eltwise_max ---


@pytest.mark.parametrize("shape", [(1,), (33, 5), (2, 3, 65)], ids=str)
@added
def test_the_larger_is_taken_and_every_equal_input_gets_the_gradient(engine, shape, add):
    a, b = values(1, *shape, grid=1), values(2, *shape, grid=1)
    most = result(engine, "eltwise_max", {"a": a, "b": b, "targets": unread(*shape)})
    assert_same_bits(most, np.maximum(a, b))
    grad, before = values(3, *shape), targets(add, *shape)
    arrays = {"acts_grad": grad, "inputs": a, "outputs": most, "targets": before}
    expected = grad * (a == most)
    ours = result(engine, "eltwise_max_grad", arrays, add=add)
    assert_same_bits(ours, before + expected if add else expected)


def test_the_larger_may_be_written_over_an_input(engine):
    a, b = values(1, 33, 5), values(2, 33, 5)
    held = engine.from_host(a)
    engine.eltwise_max(held, engine.from_host(b), held)
    assert_same_bits(engine.to_host(held), np.maximum(a, b))


# --- what does not fit ---

WRONG = {
    "softmax": ({"inputs": (3, 4), "probs": (3, 5)}, {}),
    "softmax_grad": ({"acts_grad": (3, 4), "probs": (4, 3), "targets": (4, 3)}, {}),
    "logreg_cost": (
        {"labels": (1, 5), "probs": (3, 4), "label_log_probs": (1, 4), "correct_probs": (1, 4)},
        {},
    ),
    "logreg_cost_topk": (
        dict.fromkeys(("labels", "label_log_probs", "correct_probs"), (1, 4))
        | {"probs": (3, 4), "topk_probs": (4, 1)},
        {"topk": 5},
    ),
    "logreg_grad": ({"labels": (4,), "probs": (3, 4), "targets": (3, 4)}, {"coeff": 1.0}),
    "logreg_softmax_grad": ({"labels": (1, 4), "probs": (3, 4), "targets": (4, 3)}, {"coeff": 1.0}),
    "cross_entropy_cost": (
        {"labels": (1, 4), "probs": (3, 4), "label_log_probs": (1, 4), "correct_probs": (1, 4)},
        {},
    ),
    "cross_entropy_grad": ({"labels": (1, 4), "probs": (3, 4), "targets": (3, 4)}, {"coeff": 1.0}),
    "cross_entropy_softmax_grad": ({"labels": (1, 4), "probs": (3, 4), "targets": (3, 4)}, {"coeff": 1.0}),
    "cross_entropy2_cost": ({"labels": (1, 4), "probs": (3, 4), "targets": (3, 4)}, {}),
    "cross_entropy2_grad": ({"labels": (3, 4), "probs": (3, 4), "targets": (1, 4)}, {"coeff": 1.0}),
    "robust_flickr_cost": ({"labels": (1, 4), "probs": (3, 4), "targets": (3, 4)}, {}),
    "robust_flickr_grad": ({"labels": (1, 4), "probs": (3, 4), "targets": (3, 4)}, {"coeff": 1.0}),
    "eltwise_max": ({"a": (3, 4), "b": (4, 3), "targets": (3, 4)}, {}),
    "eltwise_max_grad": (
        {"acts_grad": (3, 4), "inputs": (3, 4), "outputs": (3, 4), "targets": (12,)},
        {},
    ),
}


@pytest.mark.parametrize("operation", WRONG)
def test_arrays_that_do_not_fit_are_named(engine, operation):
    wrong, scalars = WRONG[operation]
    with pytest.raises(EngineError, match=rf"^{operation}: "):
        after(engine, operation, {name: unread(*shape) for name, shape in wrong.items()}, **scalars)
