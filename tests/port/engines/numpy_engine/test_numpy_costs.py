import numpy as np
import pytest
from plain import assert_close, assert_same_bits, random, unread

from cuda_convnet.errors import EngineError

COEFF = 0.7


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max(axis=0))
    return e / e.sum(axis=0)


def some_probs(classes=7, images=5, seed=1):
    return softmax(random(seed, classes, images)).astype(np.float32)


def some_labels(classes=7, images=5):
    return np.random.RandomState(3).randint(0, classes, (1, images)).astype(np.float32)


def one_hot(labels, classes):
    return (np.arange(classes)[:, None] == labels).astype(np.float64)


@pytest.mark.parametrize("shape", [(7, 5), (1000, 3), (1, 4), (3, 1)])
def test_softmax_sums_to_one_for_each_image(engine, shape):
    inputs, probs = 10 * random(1, *shape), unread(*shape)
    engine.softmax(inputs, probs)
    assert_close(probs, softmax(inputs), 12 + shape[0] ** 0.5)


def test_softmax_of_huge_inputs_is_finite(engine):
    inputs, probs = np.array([[3e38], [-3e38], [1e30]], np.float32), unread(3, 1)
    engine.softmax(inputs, probs)
    assert probs.ravel().tolist() == [1, 0, 0]


@pytest.mark.parametrize("add", [False, True])
def test_the_gradient_of_softmax(engine, add):
    probs, g, before = some_probs(), random(2, 7, 5), random(3, 7, 5)
    targets = before.copy() if add else unread(7, 5)
    engine.softmax_grad(g, probs, targets, add=add)
    p, g64 = probs.astype(np.float64), g.astype(np.float64)
    plain = np.empty_like(p)
    for i in range(7):
        plain[i] = p[i] * sum(g64[j] * ((i == j) - p[j]) for j in range(7))
    assert_close(targets, add * before.astype(np.float64) + plain, 8)


def test_the_cost_is_the_labels_log_probability(engine):
    labels, probs, logs, correct = some_labels(), some_probs(), unread(1, 5), unread(1, 5)
    engine.logreg_cost(labels, probs, logs, correct)
    chosen = probs[labels[0].astype(int), np.arange(5)]
    assert_close(logs, np.log(chosen.astype(np.float64))[None], 5)
    assert_same_bits(correct, (chosen == probs.max(axis=0)).astype(np.float32)[None])


def test_a_tie_at_the_top_is_right_in_part(engine):
    probs = np.array([[0.4, 0.3, 0.5], [0.4, 0.3, 0.5], [0.2, 0.3, 0.0], [0.0, 0.1, 0.0]], np.float32)
    logs, correct = unread(1, 3), unread(1, 3)
    engine.logreg_cost(np.array([[0, 1, 2]], np.float32), probs, logs, correct)
    assert_same_bits(correct, [[0.5, np.float32(1) / np.float32(3), 0]])
    assert np.isneginf(logs[0, 2])


@pytest.mark.parametrize(("topk", "expected"), [
    (1, [0, 0, 1 / 3]), (2, [0, 0.5, 2 / 3]), (3, [0, 1, 1]), (4, [1, 1, 1]), (9, [1, 1, 1]),
])  # fmt: skip
def test_top_k_draws_ties_by_lot(engine, topk, expected):
    probs = np.array([[0.1, 0.5, 0.3], [0.4, 0.2, 0.3], [0.3, 0.2, 0.3], [0.2, 0.1, 0.1]], np.float32)
    logs, correct, top = unread(1, 3), unread(1, 3), unread(1, 3)
    engine.logreg_cost_topk(np.array([[0, 1, 2]], np.float32), probs, logs, correct, top, topk=topk)
    assert_same_bits(top, np.array([expected], np.float32))
    assert_same_bits(correct, np.array([[0, 0, 1 / 3]], np.float32))


@pytest.mark.parametrize("add", [False, True])
def test_gradients_of_logistic_regression(engine, add):
    labels, probs, before = some_labels(), some_probs(), random(3, 7, 5)
    hot, p = one_hot(labels, 7), probs.astype(np.float64)
    for operation, plain in (
        (engine.logreg_grad, COEFF * hot / p),
        (engine.logreg_softmax_grad, COEFF * (hot - p)),
    ):
        targets = before.copy() if add else unread(7, 5)
        operation(labels, probs, targets, coeff=COEFF, add=add)
        assert_close(targets, add * before.astype(np.float64) + plain, 4)


def test_a_gradient_by_a_probability_of_zero_is_not_a_number_except_for_the_label(engine):
    targets = unread(2, 1)
    engine.logreg_grad(np.array([[0]], np.float32), np.array([[0], [0]], np.float32), targets, coeff=1.0)
    assert np.isinf(targets[0, 0])
    assert np.isnan(targets[1, 0])


def test_cross_entropy_takes_minus_fifty_for_the_log_of_nothing(engine):
    probs = np.array([[0.5, 0.0], [0.5, 1.0]], np.float32)
    labels = np.array([[0.25, 0.5], [0.75, 0.5]], np.float32)
    logs, correct = unread(1, 2), unread(1, 2)
    engine.cross_entropy_cost(labels, probs, logs, correct)
    assert_close(logs, np.array([[np.log(0.5), 0.5 * -50]]), 4)
    assert_same_bits(correct, [[0.5, 1]])


def test_cross_entropy_is_right_if_any_probable_class_is_a_label(engine):
    probs = np.array([[0.5, 0.5], [0.3, 0.3], [0.2, 0.2]], np.float32)
    labels = np.array([[0, 0.1], [0.5, 0.9], [0.5, 0]], np.float32)
    logs, correct = unread(1, 2), unread(1, 2)
    engine.cross_entropy_cost(labels, probs, logs, correct)
    assert_same_bits(correct, [[0, 1]])


@pytest.mark.parametrize("add", [False, True])
def test_gradients_of_cross_entropy(engine, add):
    labels, probs, before = some_probs(seed=5), some_probs(), random(3, 7, 5)
    t, p = labels.astype(np.float64), probs.astype(np.float64)
    for operation, plain in (
        (engine.cross_entropy_grad, COEFF * t / p),
        (engine.cross_entropy_softmax_grad, COEFF * (t - p * t.sum(axis=0))),
    ):
        targets = before.copy() if add else unread(7, 5)
        operation(labels, probs, targets, coeff=COEFF, add=add)
        assert_close(targets, add * before.astype(np.float64) + plain, 6)


@pytest.mark.parametrize("add", [False, True])
def test_elementwise_costs_of_the_release(engine, add):
    t, y, before = some_probs(seed=5), some_probs(), random(3, 7, 5)
    t64, y64 = t.astype(np.float64), y.astype(np.float64)
    targets = unread(7, 5)
    engine.cross_entropy2_cost(t, y, targets)
    assert_close(targets, t64 * np.log(y64) + (1 - t64) * np.log(1 - y64), 10)
    engine.robust_flickr_cost(t, y, targets)
    assert_close(targets, np.log(1 + (y64 - t64) ** 2), 10)
    d = y64 - t64
    for operation, plain in (
        (engine.cross_entropy2_grad, COEFF * (t64 / y64 + (1 - t64) / (1 - y64))),
        (engine.robust_flickr_grad, -COEFF * 2 * d / (1 + d * d)),
    ):
        targets = before.copy() if add else unread(7, 5)
        operation(t, y, targets, coeff=COEFF, add=add)
        assert_close(targets, add * before.astype(np.float64) + plain, 8)


@pytest.mark.parametrize("label", [-1, 7])
def test_a_label_that_is_no_class_is_named(engine, label):
    labels = some_labels()
    labels[0, 2] = label
    with pytest.raises(EngineError, match=f"label {label} is none of the 7 classes"):
        engine.logreg_cost(labels, some_probs(), unread(1, 5), unread(1, 5))


def test_labels_for_other_images_are_refused(engine):
    with pytest.raises(EngineError, match=r"labels \(1, 4\) must be \(1, images\), images 5"):
        engine.logreg_grad(some_labels(images=4), some_probs(), unread(7, 5), coeff=1.0)
