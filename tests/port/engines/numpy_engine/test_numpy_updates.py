import numpy as np
import pytest
from plain import assert_close, assert_same_bits, random, unread

from cuda_convnet.errors import EngineError

KEY = (145, 2012)


def test_the_super_update_is_in_units_of_the_gradients_spread(engine):
    inc, grad, first, second = (random(seed, 4, 5) for seed in range(4))
    second = np.abs(second) + 3
    v, g, a, b = (x.astype(np.float64) for x in (inc, grad, first, second))
    engine.super_update(inc, grad, first, second, eps=0.01, mom=0.9, super_eps=0.5)
    a, b = 0.9 * a + 0.1 * g, 0.9 * b + 0.1 * g * g
    assert_close(first, a, 5)
    assert_close(second, b, 5)
    assert_close(inc, 0.9 * v + 0.01 * g / np.sqrt(b - a + 0.5), 10)


def test_its_momentum_is_fixed_whatever_that_of_the_averages(engine):
    inc, grad = random(1, 2, 2), np.zeros((2, 2), np.float32)
    before = inc.copy()
    engine.super_update(
        inc, grad, np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32), eps=1, mom=0.5, super_eps=1
    )
    assert_close(inc, 0.9 * before, 2)


def test_local_filters_are_scaled_back_to_the_norm(engine):
    weights = random(1, 3, 2, 3, 3, 16)
    before = weights.astype(np.float64).reshape(3, 18, 16)
    lengths = np.sqrt((before**2).sum(axis=1, keepdims=True))
    engine.normalize_local_weights(weights, norm=4.0)
    assert (lengths > 4).any()
    assert (lengths < 4).any()
    assert_close(weights.reshape(3, 18, 16), before * np.minimum(1, 4 / lengths), 8)
    short = (lengths < 4)[:, 0]
    assert_same_bits(weights.reshape(3, 18, 16).transpose(0, 2, 1)[short], before.transpose(0, 2, 1)[short])


def test_columns_are_kept_in_the_ball(engine):
    weights = random(1, 20, 9)
    before = weights.astype(np.float64)
    lengths = np.sqrt((before**2).sum(axis=0))
    norm = float(np.median(lengths)) + 1e-3
    engine.constrain_ball(weights, norm=norm)
    assert_close(weights, before * np.minimum(1, norm / lengths), 8)


def test_the_spread_of_columns_is_kept_between_limits(engine):
    weights = random(1, 20, 9) * np.linspace(0.1, 3, 9, dtype=np.float32)
    before = weights.astype(np.float64)
    engine.constrain_contrast(weights, norm_min=0.1, norm_max=0.4)
    spread = np.sqrt(((before - before.mean(axis=0)) ** 2).sum(axis=0)) / 20
    assert (spread < 0.1).any()
    assert (spread > 0.4).any()
    assert_close(weights, before * np.clip(spread, 0.1, 0.4) / spread, 16)


def test_a_column_of_zeros_stays_as_it_is(engine):
    weights = np.zeros((5, 2), np.float32)
    engine.constrain_ball(weights, norm=1.0)
    assert not weights.any()


def test_a_mask_has_a_word_of_the_stream_for_each_entry(engine):
    mask = unread(7, 3)
    engine.random_keep_mask(mask, keep=0.3, key=KEY, counter=1 << 64)
    words = np.random.Philox(key=np.array(KEY, np.uint64), counter=1 << 64).random_raw(11)
    halves = [half for word in words.tolist() for half in (word & 0xFFFFFFFF, word >> 32)]
    assert mask.ravel().tolist() == [float(half < 0.3 * 2**32) for half in halves[:21]]


@pytest.mark.parametrize("keep", [0.0, 0.25, 0.5, 1.0])
def test_a_mask_keeps_the_share_it_is_told(engine, keep):
    mask = unread(400, 500)
    engine.random_keep_mask(mask, keep=keep, key=KEY, counter=0)
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert mask.mean() == pytest.approx(keep, abs=0.005)


def test_normal_numbers_are_normal_and_a_function_of_key_and_counter(engine):
    one, same, other = unread(300, 301), unread(300, 301), unread(300, 301)
    engine.random_normal(one, key=KEY, counter=5 << 64)
    engine.random_normal(same, key=KEY, counter=5 << 64)
    engine.random_normal(other, key=KEY, counter=6 << 64)
    assert_same_bits(one, same)
    assert (one != other).mean() > 0.99
    assert one.mean() == pytest.approx(0, abs=0.02)
    assert one.std() == pytest.approx(1, abs=0.02)
    assert np.abs(one).max() < 7


def test_normal_numbers_are_those_of_box_and_muller(engine):
    targets = unread(3)
    engine.random_normal(targets, key=KEY, counter=0)
    words = np.random.Philox(key=np.array(KEY, np.uint64), counter=0).random_raw(3).tolist()
    u, v = [(word & 0xFFFFFFFF) for word in words], [word >> 32 for word in words]
    plain = [
        np.sqrt(-2 * np.log((a + 1) / 2**32)) * np.cos(2 * np.pi * b / 2**32)
        for a, b in zip(u, v, strict=True)
    ]
    assert_close(targets, np.array(plain), 2)


def test_weights_without_modules_are_no_local_filters(engine):
    with pytest.raises(EngineError, match="modules"):
        engine.normalize_local_weights(random(1, 4, 4), norm=1.0)
