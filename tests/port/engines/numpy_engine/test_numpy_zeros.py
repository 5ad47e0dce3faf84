"""Which zero an extreme is, compared with the original's order of comparisons, step by step."""

import numpy as np
import pytest
from plain import assert_same_bits, unread


def larger(a, b):
    return a if a > b else b


def smaller(a, b):
    return b if a > b else a


def straight_down(line, pick):
    kept = line[0]
    for value in line[1:]:
        kept = pick(value, kept)
    return kept


def one_after_the_other(line, pick):
    kept = line[0]
    for value in line[1:]:
        kept = pick(kept, value)
    return kept


def in_lanes(line, pick, count):
    """Short rows by 32 threads: each keeps its own, new value first; then they are compared in order."""
    lanes = []
    for lane in range(min(count, len(line))):
        kept = line[lane]
        for value in line[lane + count :: count]:
            kept = pick(value, kept)
        lanes.append(kept)
    return one_after_the_other(lanes, pick)


def in_block(line, pick):
    """A whole row by 256 threads: each keeps its own, old value first; then they are compared in order."""
    return one_after_the_other(
        [one_after_the_other(line[lane::256], pick) for lane in range(min(256, len(line)))], pick
    )


def in_tree(line, pick):
    width = 64
    while width < len(line):
        width *= 2
    kept = list(line) + [None] * (width - len(line))
    while width > 1:
        width //= 2
        for i in range(width):
            if kept[i + width] is not None:
                kept[i] = pick(kept[i], kept[i + width]) if kept[i] is not None else kept[i + width]
    return kept[0]


def signed_zeros(rows, columns, sign):
    """Lines of zeros of both signs, and some values on the other side of zero."""
    random = np.random.RandomState(rows + columns)
    values = np.where(random.rand(rows, columns) < 0.5, 0.0, -0.0)
    return np.where(random.rand(rows, columns) < 0.3, -sign * random.rand(rows, columns), values).astype(
        np.float32
    )


@pytest.mark.parametrize(
    ("operation", "pick", "sign"), [("matrix_max", larger, 1), ("matrix_min", smaller, -1)]
)
@pytest.mark.parametrize(
    ("rows", "columns", "axis", "order"),
    [
        (50, 9, 0, straight_down),
        (20, 40, 1, in_tree),
        (20, 200, 1, in_tree),
        (20, 511, 1, in_tree),
        (20, 1300, 1, in_block),
        (16384, 7, 1, one_after_the_other),
        (16384, 40, 1, lambda line, pick: in_lanes(line, pick, 32)),
    ],
)
def test_zeros_are_chosen_in_the_originals_order(engine, operation, pick, sign, rows, columns, axis, order):
    matrix = signed_zeros(rows, columns, sign)
    result = unread(matrix.shape[1 - axis])
    getattr(engine, operation)(matrix, result, axis=axis)
    lines = (matrix.T if axis == 0 else matrix)[:64]
    assert_same_bits(result[:64], [order(list(line), pick) for line in lines])
