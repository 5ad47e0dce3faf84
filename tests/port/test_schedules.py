"""Learning-rate schedules: alexnet:src/lr.cu."""

import math

import numpy as np
import pytest

from cuda_convnet.config.specs import Schedule
from cuda_convnet.errors import ConfigError
from cuda_convnet.schedules import make_schedule


def no_noise():
    raise AssertionError("a schedule without noise draws nothing")


def rate(type_, progress, base=0.5, factor=8.0, steps=4, noise=0.0, randn=no_noise):
    schedule = make_schedule(Schedule(type_, factor, noise, steps), base, "layer 'conv1'")
    return schedule.rate(progress, randn)


def test_the_default_schedule_keeps_the_base_rate():
    assert [rate("default", p) for p in (0, 0.3, 1)] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("type_", ["linear", "exp", "dexp", "jdexp"])
def test_schedules_run_from_the_base_rate_to_the_base_rate_divided_by_tgt_factor(type_):
    assert rate(type_, 0.0) == 0.5
    assert rate(type_, 1.0) == pytest.approx(0.5 / 8, rel=1e-12)


def test_linear_is_a_straight_line():
    assert rate("linear", 0.25) == 0.75 * 0.5 + 0.25 * 0.0625


def test_exp_is_a_straight_line_of_logarithms():
    assert rate("exp", 0.5) == pytest.approx(math.sqrt(0.5 * 0.0625), rel=1e-12)


def test_dexp_has_equal_steps_whose_right_ends_belong_to_them():
    rates = [0.5 / 8 ** (i / 3) for i in range(4)]
    assert [rate("dexp", p) for p in (0, 0.25, 0.2501, 0.5, 0.75, 0.7501, 1)] == pytest.approx(
        [rates[i] for i in (0, 0, 1, 1, 2, 3, 3)], rel=1e-12
    )


def test_dexp_of_one_step_has_the_final_rate_alone():
    assert rate("dexp", 0.0, steps=1) == rate("dexp", 1.0, steps=1) == 0.0625


def test_dexp_keeps_the_final_rate_past_the_end():
    assert rate("dexp", 1.5) == 0.0625


def test_jdexp_takes_the_geometric_mean_with_the_step_before_in_the_second_half_of_a_step():
    rates = [0.5 / 8 ** (i / 3) for i in range(4)]
    mean = math.sqrt(rates[1] * rates[0])
    assert rate("jdexp", 0.3) == pytest.approx(rates[1], rel=1e-12)
    assert rate("jdexp", 0.4) == pytest.approx(mean, rel=1e-12)
    assert rate("jdexp", 0.2) == pytest.approx(rates[0], rel=1e-12), "there is no step before the first"
    assert rate("jdexp", 0.95) == pytest.approx(rates[3], rel=1e-12), "no jumps past 0.9"


def test_rates_of_zero_and_one_stay_what_they_are_under_exp():
    assert rate("exp", 0.7, base=0.0) == 0.0
    assert rate("exp", 0.7, base=1.0) == 1.0


def test_noise_multiplies_each_rate_that_is_asked_for():
    drawn = iter([-2.0, 0.5])
    schedule = make_schedule(Schedule("linear", 1.0, 0.25), 0.5, "layer 'conv1'")
    assert schedule.rate(0.0, lambda: next(drawn)) == 0.5 * 1.5
    assert schedule.rate(0.0, lambda: next(drawn)) == 0.5 * 1.125


def test_the_base_rate_is_single_precision():
    assert rate("default", 0, base=0.001) == float(np.float32(0.001)) != 0.001


@pytest.mark.parametrize(
    ("spec", "base", "told"),
    [
        (
            Schedule("dexp", 0.0, 0.0, 3),
            0.1,
            "layer 'conv1': tgtFactor=0 of the schedule must be greater than 0",
        ),
        (
            Schedule("exp", 2.0),
            -0.1,
            "layer 'conv1': a schedule exp needs a learning rate of at least 0, not -0.1",
        ),
        (
            Schedule("cosine"),
            0.1,
            "layer 'conv1': no schedule 'cosine'; there are default, linear, exp, dexp and jdexp",
        ),
    ],
)
def test_a_schedule_that_makes_no_sense_is_named(spec, base, told):
    with pytest.raises(ConfigError) as error:
        make_schedule(spec, base, "layer 'conv1'")
    assert str(error.value) == told
