"""Differences between float32 arrays, and what bounds make of them."""

import math

import numpy as np
import pytest

from cuda_convnet.engines.bounds import EPS, Bitwise, Chosen, Relative, Rounded, Ulp, difference, walk

ONE = np.float32(1)
NEXT = np.nextafter(ONE, np.float32(2))


def test_equal_bits_do_not_differ():
    values = np.array([0.0, -0.0, 1.5, np.inf, np.nan], np.float32)
    found = difference(values, values.copy())
    assert (found.bitwise, found.max_ulp, found.max_rel) == (True, 0, 0.0)


def test_neighbouring_floats_are_one_ulp_apart():
    found = difference([ONE], [NEXT])
    assert (found.bitwise, found.max_ulp) == (False, 1)
    assert found.max_rel == pytest.approx(EPS)


def test_ulps_are_counted_across_zero():
    tiny = np.float32(1e-45)
    assert difference([tiny], [-tiny]).max_ulp == 2


def test_zeros_of_different_signs_are_not_the_same_bits_but_no_ulp_apart():
    found = difference([0.0], [-0.0])
    assert (found.bitwise, found.max_ulp, found.max_rel) == (False, 0, 0.0)


def test_the_largest_difference_is_in_units_of_the_originals_largest_entry():
    assert difference([4.0, 1.0], [4.0, 1.5]).max_rel == 0.125


def test_any_two_nans_agree():
    quiet, other = np.array([0x7FC00000], np.uint32), np.array([0x7FC00001], np.uint32)
    assert difference(quiet.view(np.float32), other.view(np.float32)).bitwise


@pytest.mark.parametrize(
    ("original", "ours"), [([np.nan], [1.0]), ([1.0], [np.nan]), ([np.inf], [1.0]), ([1.0], [np.inf])]
)
def test_what_is_not_finite_on_one_side_alone_is_infinitely_far(original, ours):
    assert difference(original, ours).max_rel == math.inf


def test_a_difference_from_nothing_but_zeros_is_infinite():
    assert difference([0.0, 0.0], [0.0, 1e-30]).max_rel == math.inf


def test_other_numbers_of_values_cannot_be_compared():
    with pytest.raises(ValueError, match="2 values where the original has 1"):
        difference([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("bound", "ours", "share"), [
    (Bitwise(), ONE, 0.0),
    (Bitwise(), NEXT, math.inf),
    (Ulp(4), NEXT, 0.25),
    (Relative(2 * EPS), NEXT, 0.5),
    (Relative(EPS / 2), NEXT, 2.0),
])  # fmt: skip
def test_the_share_of_a_bound_that_a_difference_uses(bound, ours, share):
    assert bound.share(difference([ONE], [ours])) == pytest.approx(share)


def test_a_rounded_bound_takes_its_size_from_the_call():
    bound = Rounded(lambda terms, **_: 1 + walk(terms), lambda original, **_: 8 / original)
    assert bound.at({"terms": 9, "original": 2.0}) == Relative(4 * EPS * 4)


def test_a_condition_below_one_does_not_tighten_a_bound():
    assert Rounded(3, 0.1).at({}) == Relative(3 * EPS)


def test_a_chosen_bound_is_one_of_several():
    bound = Chosen(lambda add, **_: Rounded(2) if add else Bitwise())
    assert bound.at({"add": False}) == Bitwise()
    assert bound.at({"add": True}) == Relative(2 * EPS)


@pytest.mark.parametrize("bound", [Rounded(1), Chosen(lambda: Bitwise())])
def test_a_bound_without_a_call_has_no_size(bound):
    with pytest.raises(TypeError):
        bound.share(difference([ONE], [ONE]))
