"""Readings followed on the clock of ln(step)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.predictors._features import FAST, SLOW, Course, Floats, followed
from grokwatch.monitor.predictors._readings import FAMILIES, NAMES, READINGS
from grokwatch.monitor.records import Observation
from grokwatch.monitor.signals import ALL

KEY = "spectral_entropy@input"
TRAIN_STEP = 100


def looked_at(steps: list[int], value: float, *, slope: float = 0.0, gap: int = 10**9) -> Floats:
    """Features after an entropy that is linear in ln(step), not measured from `gap` on."""
    course = Course()
    for step in steps:
        values = {KEY: value + slope * math.log(step / TRAIN_STEP)} if step < gap else {}
        course.read(
            Observation(run_id="a", step=step, time=0.0, train_loss=0.5, values=values), TRAIN_STEP
        )
    return course.features(steps[-1], TRAIN_STEP)


def feature(features: Floats, name: str) -> float:
    return float(features[NAMES.index(name)])


def log_spaced(per_decade: int, until: float = 5.0) -> list[int]:
    powers = np.arange(2.0, until, 1 / per_decade)
    return sorted({round(10**power) for power in powers})


@pytest.mark.parametrize("per_decade", [20, 50, 200])
def test_a_line_in_log_time_has_its_slope_at_any_cadence(per_decade: int) -> None:
    found = looked_at(log_spaced(per_decade), 0.5, slope=0.1)
    assert feature(found, "first_entropy.slope") == pytest.approx(0.1, rel=0.25)
    assert feature(found, "first_entropy.change") == pytest.approx(0.1 * math.log(1000), rel=0.15)


def test_steps_scaled_by_a_thousand_change_nothing() -> None:
    short, long = Course(), Course()
    for step in log_spaced(50, 4.0):
        for course, scale in ((short, 1), (long, 1000)):
            observation = Observation(
                run_id="a", step=step * scale, time=0.0, train_loss=0.5, values={KEY: step**-0.5}
            )
            course.read(observation, TRAIN_STEP * scale)
    last = log_spaced(50, 4.0)[-1]
    np.testing.assert_allclose(
        short.features(last, TRAIN_STEP), long.features(last * 1000, TRAIN_STEP * 1000)
    )


def test_what_was_not_measured_or_not_for_long_is_missing() -> None:
    steps = log_spaced(50)
    assert math.isnan(feature(looked_at(steps, 0.5), "last_entropy.level"))
    assert not math.isnan(feature(looked_at(steps, 0.5, gap=steps[-5]), "first_entropy.level"))
    assert math.isnan(feature(looked_at(steps, 0.5, gap=1000), "first_entropy.level"))
    assert feature(looked_at(steps, 0.5), "loss.level") == pytest.approx(math.log(0.5))


def test_the_reference_is_taken_after_memorization_and_stays() -> None:
    course = Course()
    for step, value in ((90, 9.0), (100, 9.0), (119, 0.3), (121, 0.3), (1000, 0.8)):
        course.read(
            Observation(run_id="a", step=step, time=0.0, train_loss=1.0, values={KEY: value}), 100
        )
    entropy = [reading.name for reading in READINGS].index("first_entropy")
    early = course.reference[entropy]
    assert 0.3 < early < 9.0
    assert course.fast[entropy] - early == pytest.approx(
        feature(course.features(1000, 100), "first_entropy.change")
    )


@given(st.dictionaries(st.sampled_from([k for r in READINGS for k in r.keys]), st.floats()))
def test_no_value_however_odd_makes_a_feature_infinite_for_ever(values: dict[str, float]) -> None:
    course = Course()
    course.read(Observation(run_id="a", step=10, time=0.0, train_loss=1.0, values=values), 5)
    assert np.isfinite(course.fast[~np.isnan(course.fast)]).all()


def test_averages_forget_on_their_own_clocks() -> None:
    course = Course()
    for step, value in ((1000, 0.0), (round(1000 * math.e**0.1), 1.0)):
        course.read(
            Observation(run_id="a", step=step, time=0.0, train_loss=1.0, values={KEY: value}), 5
        )
    entropy = [reading.name for reading in READINGS].index("first_entropy")
    assert course.fast[entropy] == pytest.approx(1 - math.exp(-0.1 / FAST), abs=0.01)
    assert course.slow[entropy] == pytest.approx(1 - math.exp(-0.1 / SLOW), abs=0.01)


def test_state_brings_everything_back() -> None:
    course, other = Course(), Course()
    course.read(Observation(run_id="a", step=9, time=0.0, train_loss=1.0, values={KEY: 0.5}), 5)
    other.restore(course.state())
    np.testing.assert_array_equal(course.features(9, 5), other.features(9, 5))
    assert len(course.state()) == 4 * 8 * len(READINGS)


def test_readings_follow_signals_that_there_are_and_see_the_train_side_alone() -> None:
    known = {signal.name: signal for signal in ALL}
    for reading in READINGS:
        names = {key.partition("@")[0].partition(".")[0] for key in reading.keys}
        for name in names - {"train_loss"}:
            assert known[name].access.value == "train"
    assert len(NAMES) == len(FAMILIES) == len(set(NAMES))


def test_a_reading_is_named_by_the_signal_it_follows_here() -> None:
    bits = {"coordinate_gini_coefficient.neuron_excess@input": 0.1}
    bare = Observation(run_id="a", step=9, time=0.0, train_loss=1.0)
    observation = Observation(run_id="a", step=9, time=0.0, train_loss=1.0, values=bits)
    assert followed("neuron_sparsity", observation) in bits
    assert followed("neuron_sparsity", bare) == "gini_coefficient.excess@input"
    assert followed("clock", bare) == "clock"
