"""A fused multiply-add rounds once."""

from fractions import Fraction

import numpy as np
import pytest
from plain import assert_same_bits, random, unread

from cuda_convnet.engines.numpy_engine.fma import combine_exactly, fma


def exactly(a, b, c):
    """a * b + c, rounded once to float32: the nearest of the neighbours, in rational arithmetic."""
    value = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    near = np.float32(float(value))
    candidates = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(candidates, key=lambda x: (abs(Fraction(float(x)) - value), int(x.view(np.int32)) & 1))


@pytest.mark.parametrize("seed", range(3))
def test_random_operands_are_rounded_once(seed):
    a, c = random(seed, 500), random(seed + 10, 500) * np.float32(10.0) ** random(seed + 20, 500).round()
    b = random(seed + 30, 500)
    assert_same_bits(fma(a, b, c), [exactly(*operands) for operands in zip(a, b, c, strict=True)])


def test_a_sum_halfway_in_float64_is_not_rounded_twice():
    # a * b + c = 1 + 2**-24 + 2**-60: float64 drops the last bit and leaves a tie, which would go to even
    a, b, c = np.float32([2.0**-30]), 2.0**-30, np.float32([1])
    tie = np.float32([1 + 2.0**-23])
    assert fma(a, b, c)[0] == 1
    one_and_half_ulp = np.float32([2.0**-12 + 2.0**-35])
    assert_same_bits(
        fma(one_and_half_ulp, 2.0**-12, c), [exactly(one_and_half_ulp[0], np.float32(2.0**-12), c[0])]
    )
    assert fma(one_and_half_ulp, 2.0**-12, c)[0] == tie[0]


def test_infinities_and_nan_go_through():
    with np.errstate(invalid="ignore"):
        found = fma(np.float32([np.inf, np.inf, np.nan]), 1.0, np.float32([1, -np.inf, 1]))
    assert np.isposinf(found[0])
    assert np.isnan(found[1:]).all()


def test_scaled_accumulation_does_not_round_the_first_product():
    targets, result = random(1, 1000), random(2, 1000)
    expected = [
        exactly(t, np.float32(0.9), np.float32(0.3) * r) for t, r in zip(targets, result, strict=True)
    ]
    combine_exactly(targets, result, 0.9, 0.3)
    assert_same_bits(targets, expected)


def test_targets_with_a_scale_of_zero_are_not_read():
    targets, result = unread(5), random(1, 5)
    combine_exactly(targets, result.copy(), 0.0, 2.0)
    assert_same_bits(targets, 2 * result)
