"""The update rule, against arithmetic done by hand: alexnet:src/weights.cu."""

import numpy as np
import pytest

from cuda_convnet.config.specs import Schedule
from cuda_convnet.schedules import make_schedule
from cuda_convnet.weights import Weights
from small_nets import ENGINE, Recorder


def schedule(rate, **options):
    return make_schedule(Schedule(**options), rate, "layer 'x'")


def weights(values=(2.0, -3.0), rate=0.5, engine=ENGINE, randn=lambda: 0.0, **options):
    return Weights(engine, np.array([values], np.float32), schedule(rate), randn, **options)


def set_grad(target, values):
    target.grad[...] = np.array([values], np.float32)
    target.num_updates = 1


def test_an_update_adds_momentum_gradient_times_rate_and_decay_of_the_old_weights():
    w = weights(mom=0.5, wc=0.25)
    w.inc[...] = [[1.0, 8.0]]
    set_grad(w, (4.0, 6.0))
    w.update(0.0)
    inc = np.array([0.5 * 1 + 0.5 * 4 - 0.25 * 0.5 * 2, 0.5 * 8 + 0.5 * 6 + 0.25 * 0.5 * 3])
    assert w.inc[0].tolist() == inc.tolist()
    assert w.w[0].tolist() == (np.array([2.0, -3.0]) + inc).tolist()


def test_two_updates_in_a_row_follow_the_rule_with_the_new_weights():
    w = weights((1.0,), rate=0.5, mom=0.5, wc=0.5)
    inc, value = 0.0, 1.0
    for gradient in (2.0, -1.0):
        set_grad(w, (gradient,))
        w.update(0.0)
        inc = 0.5 * inc + 0.5 * gradient - 0.5 * 0.5 * value
        value += inc
    assert (w.w[0, 0], w.inc[0, 0]) == (value, inc)


def test_without_a_gradient_matrix_inc_already_holds_momentum_and_rate_times_gradient():
    w = weights((2.0,), use_grad=False, mom=0.5, wc=0.25)
    assert w.grad is w.inc
    w.inc[...] = 3.0
    w.update(0.0)
    assert w.inc[0, 0] == 3.0 - 0.25 * 0.5 * 2.0
    assert w.w[0, 0] == 2.0 + w.inc[0, 0]


def test_a_rate_of_zero_changes_nothing_and_keeps_the_count():
    w = weights(rate=0.0, wc=1.0)
    set_grad(w, (1.0, 1.0))
    w.update(0.0)
    assert w.w[0].tolist() == [2.0, -3.0]
    assert w.num_updates == 1


def test_decay_uses_the_scheduled_rate():
    w = Weights(
        ENGINE, np.float32([[4.0]]), schedule(0.5, type="linear", tgt_factor=4.0), lambda: 0.0, wc=1.0
    )
    set_grad(w, (0.0,))
    w.update(1.0)
    assert w.w[0, 0] == 4.0 - 0.125 * 4.0


def test_a_noisy_schedule_draws_once_for_the_gradient_and_once_for_the_decay():
    drawn = iter([1.0, 3.0])
    noisy = schedule(1.0, type="linear", tgt_factor=1.0, noise_stdev=0.5)
    w = Weights(ENGINE, np.float32([[2.0]]), noisy, lambda: next(drawn), wc=0.5)
    set_grad(w, (1.0,))
    w.update(0.0)
    assert w.inc[0, 0] == 1.5 * 1.0 - 0.5 * 2.5 * 2.0


def test_no_decay_is_not_computed():
    engine = Recorder()
    w = weights(engine=engine)
    set_grad(w, (1.0, 1.0))
    w.update(0.0)
    assert [name for name, *_ in engine.named("matrix_add")] == ["matrix_add", "matrix_add"]


def test_super_eps_scales_by_the_spread_of_the_gradient_and_wants_a_gradient_matrix():
    w = weights((1.0,), rate=0.5, mom=0.75, super_eps=0.5, use_grad=False)
    assert w.use_grad
    first = second = inc = 0.0
    for gradient in (2.0, -1.0):
        set_grad(w, (gradient,))
        w.update(0.0)
        first = 0.75 * first + 0.25 * gradient
        second = 0.75 * second + 0.25 * gradient**2
        inc = 0.9 * inc + 0.5 * gradient / np.sqrt(second - first + 0.5)
    assert w.inc[0, 0] == pytest.approx(inc, rel=1e-6)
    assert [average[0, 0] for average in w.averages] == pytest.approx([first, second], rel=1e-6)


class TestSharedWeights:
    def test_a_sharer_has_the_matrices_of_its_source_and_a_rate_of_its_own(self):
        source = weights(mom=0.5, wc=0.25, wball=2.0)
        sharer = Weights.shared(source, schedule(0.125), lambda: 0.0)
        assert sharer.w is source.w
        assert sharer.inc is source.inc
        assert sharer.grad is source.grad
        assert (sharer.rate(0.0), sharer.mom, sharer.wc, sharer.wball) == (0.125, 0.5, 0.0, 0.0)

    def test_contributions_are_counted_at_the_owner(self):
        source = weights()
        chain = Weights.shared(Weights.shared(source, schedule(1.0), lambda: 0.0), schedule(1.0), lambda: 0.0)
        chain.num_updates += 1
        assert source.num_updates == 1
        assert not chain.is_owner

    def test_only_the_owner_updates(self):
        source = weights()
        sharer = Weights.shared(source, schedule(1.0), lambda: 0.0)
        set_grad(source, (1.0, 1.0))
        sharer.update(0.0)
        assert source.w[0].tolist() == [2.0, -3.0]
        source.update(0.0)
        assert sharer.w[0].tolist() == [2.5, -2.5]
        assert sharer.num_updates == 0

    def test_the_first_contribution_scales_by_momentum_and_later_ones_add(self):
        source = weights(rate=0.5, mom=0.25, use_grad=False)
        sharer = Weights.shared(source, schedule(2.0), lambda: 0.0)
        assert source.gradient_scales(8, 0.0, gradient_check=False) == (0.25, 0.5 / 8)
        source.num_updates += 1
        assert sharer.gradient_scales(8, 0.0, gradient_check=False) == (1.0, 2.0 / 8)

    def test_a_gradient_matrix_is_overwritten_first_and_divided_by_the_cases_alone(self):
        source = weights(rate=0.5, mom=0.25)
        assert source.gradient_scales(8, 0.0, gradient_check=False) == (0.0, 1 / 8)
        source.num_updates += 1
        assert source.gradient_scales(8, 0.0, gradient_check=False) == (1.0, 1 / 8)

    @pytest.mark.parametrize("use_grad", [True, False])
    def test_a_gradient_check_wants_plain_sums(self, use_grad):
        w = weights(use_grad=use_grad, mom=0.5)
        assert w.gradient_scales(8, 0.0, gradient_check=True) == (0.0, 1.0)
        w.num_updates = 1
        assert w.gradient_scales(8, 0.0, gradient_check=True) == (1.0, 1.0)
