"""Detectors of stuck numbers and of collapse, on readings drawn by hand."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.alerts import AlertPolicy
from grokwatch.monitor.predictors import load
from grokwatch.monitor.predictors._concerns import Concerns
from grokwatch.monitor.records import (
    Alert,
    Assessment,
    Concern,
    Observation,
    RunStarted,
    SignalInfo,
)
from grokwatch.monitor.state import Memory, pack, unpack
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Stage
from grokwatch.monitor.watcher import Watcher

Values = dict[str, float]

ALPHA, TAIL = "power_law_exponent@hidden", "power_law_exponent.tail@hidden"
TRAPS = "correlation_traps.excess@hidden"
LOST: Values = {"softmax_collapse": 1.0, "frozen_update_fraction": 1.0}


def seen(step: int, values: Values, *, loss: float = 0.1) -> Observation:
    return Observation(
        run_id="a", step=step, time=0.0, train_loss=loss, train_accuracy=1.0, values=values
    )


def codes(found: tuple[Concern, ...]) -> list[str]:
    return [concern.code.value for concern in found]


def watch(
    concerns: Concerns, readings: dict[int, Values], stage: Stage = Stage.PLATEAU
) -> list[int]:
    """Steps at which there is a concern."""
    steps = []
    for step, values in readings.items():
        concerns.update(seen(step, values), stage)
        steps += [step] if concerns.at(step) else []
    return steps


def every(values: Values, start: int = 1000, count: int = 6) -> dict[int, Values]:
    return {start + 100 * number: values for number in range(count)}


# Stuck


@pytest.mark.parametrize(
    "values",
    [
        LOST,
        {"zero_loss": 0.99, "frozen_update_fraction": 0.99},
        {"zero_loss": 1.0, "gradient_norm": 0.0},
        {"softmax_collapse": 0.2, "zero_loss": 1.0, "gradient_norm": 0.0},
        {**LOST, "gradient_norm": 0.5},
    ],
)
def test_no_loss_left_and_nothing_moving_is_stuck_once_it_has_held(values: Values) -> None:
    concerns = Concerns()
    assert watch(concerns, every(values)) == [1200, 1300, 1400, 1500]
    (concern,) = concerns.at(1500)
    assert concern.code is AlertCode.NUMERICALLY_STUCK
    for remedy in ("StableMax", "float64 loss", "weight decay", "2501.04697"):
        assert remedy in concern.reason


@pytest.mark.parametrize(
    "values",
    [
        {"softmax_collapse": 1.0, "zero_loss": 1.0},
        {"frozen_update_fraction": 1.0, "gradient_norm": 0.0},
        {**LOST, "softmax_collapse": 0.98},
        {**LOST, "frozen_update_fraction": 0.98},
        {"zero_loss": 1.0, "gradient_norm": 5e-324},
        {"zero_loss": math.nan, "gradient_norm": 0.0},
        {"zero_loss": 1.0, "gradient_norm": math.nan},
    ],
)
def test_one_of_the_two_alone_is_not(values: Values) -> None:
    assert not watch(Concerns(), every(values, count=20))


def test_two_observations_and_one_percent_of_a_step_are_not_yet_enough() -> None:
    readings = {1000: LOST, 1001: LOST, 1002: LOST, 1009: LOST, 1010: LOST}
    assert watch(Concerns(), readings) == [1010]


def test_it_ends_where_updates_move_again() -> None:
    moving = {**LOST, "frozen_update_fraction": 0.5}
    assert watch(Concerns(), {**every(LOST, count=3), 1300: moving, 1400: LOST}) == [1200]


def test_what_was_said_last_stands_until_it_is_stale() -> None:
    concerns = Concerns()
    readings = {**every(LOST, count=3), 1500: {}, 1600: {}, 1601: {}}
    assert watch(concerns, readings) == [1200, 1500, 1600]


def test_rewind_starts_over() -> None:
    concerns = Concerns()
    assert watch(concerns, every(LOST)) == [1200, 1300, 1400, 1500]
    assert watch(concerns, every(LOST, start=1300, count=3)) == [1500]


# Collapse


def spectrum(alpha: float, *, tail: float = 100.0, traps: float = 0.0) -> Values:
    return {ALPHA: alpha, TAIL: tail, TRAPS: traps}


def settled(**changes: float) -> Concerns:
    """A run that cleaned up at 1,000 with an exponent about 3."""
    concerns = Concerns()
    for number in range(11):
        values = spectrum(3.0 + 0.02 * (-1) ** number, **changes)
        concerns.update(seen(1000 + 100 * number, values), Stage.CLEANUP)
    assert not concerns.at(2000)
    return concerns


def test_an_exponent_that_falls_below_two_is_a_sign_of_collapse() -> None:
    concerns = settled()
    assert watch(concerns, every(spectrum(1.6), start=2100, count=4)) == [2300, 2400]
    (concern,) = concerns.at(2400)
    assert concern.code is AlertCode.COLLAPSE
    assert concern.reason == (
        "a spectrum's power law fell below 2 (at most 1.72, by 1.68) (arXiv:2506.04434, 2602.02859)"
    )


@pytest.mark.parametrize(
    "values",
    [
        spectrum(2.0),
        spectrum(1.9),  # less than two standard errors below
        spectrum(1.6, tail=19),
        {ALPHA: 1.6},
        spectrum(math.nan),
        spectrum(0.5),
        spectrum(3.0, traps=0.5),
        spectrum(3.0, traps=-1.0),
    ],
)
def test_a_fall_that_chance_explains_is_not(values: Values) -> None:
    assert not watch(settled(), every(values, start=2100, count=20))


def test_a_run_that_settled_below_two_is_judged_by_its_own_past() -> None:
    low = Concerns()
    assert not watch(low, every(spectrum(1.5), count=30), Stage.CLEANUP)
    assert watch(low, every(spectrum(1.2), start=4000, count=3)) == [4200]


def test_a_few_weights_that_outgrow_the_rest_are_a_sign() -> None:
    concerns = settled(traps=0.1)
    assert watch(concerns, every(spectrum(3.0, traps=0.7), start=2100, count=4)) == [2300, 2400]
    assert "correlation traps, excess up by 0.60" in concerns.at(2400)[0].reason


def test_an_unsteady_past_asks_for_more() -> None:
    noisy = Concerns()
    for number in range(11):
        values = spectrum(3.0, traps=0.5 * (number % 2))
        noisy.update(seen(1000 + 100 * number, values), Stage.CLEANUP)
    assert not watch(noisy, every(spectrum(3.0, traps=0.9), start=2100))
    assert watch(noisy, every(spectrum(3.0, traps=1.5), start=3000, count=3)) == [3200]


def test_spectra_of_a_run_that_never_cleaned_up_say_nothing() -> None:
    concerns = Concerns()
    readings = {**every(spectrum(3.0), count=30), **every(spectrum(1.2), start=5000, count=30)}
    assert not watch(concerns, readings, Stage.CIRCUIT_FORMATION)


def test_the_reference_is_not_left_before_it_has_five_readings() -> None:
    few = Concerns()
    readings = {1000: spectrum(3.0), 5000: spectrum(3.1), 6000: spectrum(2.9), 7000: spectrum(3.0)}
    assert not watch(few, readings, Stage.CLEANUP)
    assert not watch(few, {8000: spectrum(3.0)}, Stage.CLEANUP)
    assert watch(few, every(spectrum(1.4), start=8100, count=3)) == [8300]


def test_rewind_keeps_a_reference_that_was_over_and_no_other() -> None:
    kept = settled()
    watch(kept, every(spectrum(1.6), start=2100, count=4))
    kept.update(seen(2200, spectrum(1.6)), Stage.CLEANUP)
    assert not kept.at(2200)
    assert watch(kept, every(spectrum(1.6), start=2300, count=2)) == [2400]
    kept.update(seen(1500, spectrum(1.6)), Stage.PLATEAU)
    assert kept.collapse.since is None
    assert not watch(kept, every(spectrum(1.2), start=2500, count=10))


# Any story


class Kept(Memory):
    """A predictor's memory with concerns in it."""

    concerns: Concerns = msgspec.field(default_factory=Concerns)


odd = st.floats(0, 4) | st.floats() | st.sampled_from((0.0, 1.0, 1e308, math.nan, math.inf))
stories = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1) | st.integers(1, 3000),
        st.dictionaries(st.sampled_from((*LOST, "gradient_norm", ALPHA, TAIL, TRAPS)), odd),
        st.sampled_from((Stage.PLATEAU, Stage.CLEANUP)),
    ),
    max_size=60,
)


@given(stories, st.integers(0, 60))
def test_any_story_goes_on_from_its_state_which_is_small(
    story: list[tuple[int, Values, Stage]], cut: int
) -> None:
    whole, second = Concerns(), Concerns()
    for number, (step, values, stage) in enumerate(story):
        if number == cut:
            second = unpack(pack(Kept(concerns=second)), Kept).concerns
        for concerns in (whole, second):
            concerns.update(seen(step, values), stage)
        assert second.at(step) == whole.at(step)
        assert len(pack(Kept(concerns=second))) < 512


# In the shipped rule, and through the policy


def run(*names: str) -> RunStarted:
    signals = tuple(SignalInfo(name=name, unit="", summary="") for name in names)
    return RunStarted(run_id="a", time=0.0, signals=signals)


def test_the_shipped_rule_tells_concerns_where_it_cannot_judge() -> None:
    watcher = Watcher(run(*LOST), load("threshold:", run()), AlertPolicy())
    records = [
        r for step, v in every(LOST, count=8).items() for r in watcher.consume(seen(step, v))
    ]
    assessments = [record for record in records if isinstance(record, Assessment)]
    assert [codes(a.concerns) for a in assessments] == [[]] * 2 + [["GRK004"]] * 6
    assert all(assessment.reason for assessment in assessments)
    (alert,) = (record for record in records if isinstance(record, Alert))
    assert (alert.code, alert.state, alert.step) == (
        AlertCode.NUMERICALLY_STUCK,
        AlertState.FIRING,
        1400,
    )
    assert "try StableMax or a float64 loss, or weight decay" in alert.message


def test_the_shipped_rule_keeps_its_concerns_while_the_loss_is_not_finite() -> None:
    predictor = load("threshold:", run())
    for step, values in every(LOST, count=4).items():
        predictor.update(seen(step, values))
    assert codes(predictor.update(seen(1400, {}, loss=math.nan)).concerns) == ["GRK004"]


def test_the_shipped_rule_goes_on_with_its_concerns() -> None:
    first, second = load("threshold:", run()), load("threshold:", run())
    for step, values in every(LOST, count=4).items():
        first.update(seen(step, values))
    second.restore(first.state())
    assert codes(second.update(seen(1400, {})).concerns) == ["GRK004"]
