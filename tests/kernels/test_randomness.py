"""philox.cu: the words of NumPy's own Philox generator."""

import numpy as np
import pytest
from beside import NUMPY, assert_same_bits, result, unread

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.operations import OPERATIONS

KEYS = [(0, 0), (145, 2**63 + 12345), (2**64 - 1, 2**64 - 1)]
COUNTERS = [0, 5, 2**64 - 2, 2**64 - 1, 2**128 - 3, 2**192 + 17, 2**256 - 1]
SHAPES = [(1,), (7,), (8,), (9,), (33, 5), (4, 3, 129)]

keys = pytest.mark.parametrize("key", KEYS)
counters = pytest.mark.parametrize("counter", COUNTERS)


@keys
@counters
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masks_are_those_of_numpy(engine, key, counter, shape):
    arrays = {"targets": unread(*shape)}
    draws = {"key": key, "counter": counter}
    ours, expected = (result(e, "random_keep_mask", arrays, keep=0.5, **draws) for e in (engine, NUMPY))
    assert_same_bits(ours, expected)


@pytest.mark.parametrize("keep", [0.0, 1e-12, 0.3, 0.7, 1 - 2**-32, 1.0])
def test_any_share_can_be_kept(engine, keep):
    arrays = {"targets": unread(4000)}
    ours, expected = (
        result(e, "random_keep_mask", arrays, keep=keep, key=KEYS[1], counter=3) for e in (engine, NUMPY)
    )
    assert_same_bits(ours, expected)
    assert abs(ours.mean() - keep) < 0.04


def test_a_mask_goes_on_where_a_shorter_one_ends(engine):
    whole = result(engine, "random_keep_mask", {"targets": unread(4099)}, keep=0.5, key=KEYS[1], counter=9)
    start = result(engine, "random_keep_mask", {"targets": unread(1001)}, keep=0.5, key=KEYS[1], counter=9)
    assert_same_bits(whole[:1001], start)


@keys
@counters
@pytest.mark.parametrize("shape", [(1,), (5,), (33, 5)], ids=str)
def test_normal_numbers_are_those_of_numpy(engine, key, counter, shape):
    arrays = {"targets": unread(*shape)}
    draws = {"key": key, "counter": counter}
    ours, expected = (result(e, "random_normal", arrays, **draws) for e in (engine, NUMPY))
    bound = OPERATIONS["random_normal"].bound("kernels", "targets", {**draws, "original": expected})
    assert bound.share(difference(expected, ours)) <= 1


def test_normal_numbers_are_normal(engine):
    drawn = result(engine, "random_normal", {"targets": unread(20000)}, key=KEYS[1], counter=0)
    assert abs(drawn.mean()) < 0.03
    assert abs(drawn.std() - 1) < 0.03
    assert abs(np.mean(np.abs(drawn) < 1) - 0.6827) < 0.02


def test_nothing_is_drawn_for_nothing(engine):
    assert result(engine, "random_normal", {"targets": unread(0)}, key=KEYS[0], counter=0).size == 0
