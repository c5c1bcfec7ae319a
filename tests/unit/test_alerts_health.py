"""GRK003, collapse, and GRK004, numerically stuck, as tables of stories."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from grokwatch.monitor.alerts import AlertPolicy
from grokwatch.monitor.errors import SchemaError
from grokwatch.monitor.records import (
    Alert,
    Assessment,
    Chance,
    Concern,
    Evaluation,
    RunStarted,
    alert_id,
)
from grokwatch.monitor.state import Memory, pack
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity
from tests.alert_stories import evaluated, feed, said

F, K, E, C = AlertState.FIRING, AlertState.CONFIRMED, AlertState.EXPIRED, AlertState.CLEARED
STUCK, COLLAPSE = AlertCode.NUMERICALLY_STUCK, AlertCode.COLLAPSE


def judged(step: int, *codes: AlertCode, probability: float | None = None) -> Assessment:
    chances = () if probability is None else (Chance(horizon_steps=1000, probability=probability),)
    concerns = tuple(Concern(code=code, reason="try StableMax") for code in codes)
    return said(step, *chances, concerns=concerns)


def states(alerts: list[Alert]) -> list[tuple[AlertCode, AlertState, int]]:
    return [(alert.code, alert.state, alert.step) for alert in alerts]


def grokked() -> AlertPolicy:
    """A policy whose run generalized by step 700, at its best .98."""
    policy = AlertPolicy()
    accuracies = {500: 0.96, 600: 0.98, 700: 0.97}
    assert not feed(policy, *(evaluated(*pair) for pair in accuracies.items()))
    assert policy.is_generalized
    return policy


@pytest.mark.parametrize("code", [STUCK, COLLAPSE])
@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("xx", []),
        ("xxx", [(F, 1002)]),
        ("xx.xxx", [(F, 1005)]),
        ("xxx..x...", [(F, 1002), (C, 1008)]),
        ("xxx...xxx", [(F, 1002), (C, 1005), (F, 1008)]),
    ],
)
def test_a_concern_fires_and_clears_after_three_observations(
    code: AlertCode, story: str, expected: list[tuple[AlertState, int]]
) -> None:
    codes = {"x": (code,), ".": ()}
    alerts = feed(AlertPolicy(), *(judged(1000 + n, *codes[x]) for n, x in enumerate(story)))
    assert states(alerts) == [(code, state, step) for state, step in expected]


def test_the_message_names_the_remedy_that_the_predictor_gave() -> None:
    (alert,) = feed(AlertPolicy(), *(judged(step, STUCK) for step in (1000, 1001, 1002)))
    assert (alert.id, alert.severity) == (alert_id("a", STUCK, 1), Severity.WARNING)
    assert alert.message == (
        "a: learning has stalled for numerical reasons: try StableMax, seen at step 1,002"
    )


def test_several_codes_may_change_at_one_observation() -> None:
    policy = AlertPolicy()
    steps = (1000, 1001, 1002)
    alerts = feed(policy, *(judged(s, STUCK, COLLAPSE, probability=0.95) for s in steps))
    assert states(alerts) == [
        (AlertCode.LIKELY_GROKKING, F, 1000),
        (COLLAPSE, F, 1002),
        (STUCK, F, 1002),
    ]
    assert [policy.firing_since(code) for code in AlertCode] == [1000, None, 1002, 1002]


def test_a_run_that_has_generalized_may_stand_still() -> None:
    policy = grokked()
    assert not feed(policy, *(judged(step, STUCK) for step in range(1000, 1010)))


def test_evaluations_show_a_collapse_and_a_recovery() -> None:
    policy = grokked()
    low = {800: 0.77, 900: 0.5, 1000: 0.6, 1100: 0.75, 1200: 0.76, 1300: 0.7}
    alerts = feed(policy, *(evaluated(*pair) for pair in low.items()))
    assert states(alerts) == [(COLLAPSE, F, 1000)]
    assert (alerts[0].severity, alerts[0].assessment) == (Severity.CRITICAL, None)
    assert alerts[0].message == (
        "a: generalisation is collapsing: test accuracy fell from 98.0% to 60.0%, "
        "seen at step 1,000"
    )
    assert not policy.is_generalized
    alerts = feed(policy, *(evaluated(step, 0.96) for step in (1400, 1500, 1600)))
    assert states(alerts) == [(COLLAPSE, C, 1600)]
    assert alerts[0].message == (
        "a: test accuracy is back at 96.0%, seen at step 1,600; warned at step 1,000"
    )
    assert policy.is_generalized
    # its best is counted anew: .2 below .96, not below .98
    assert not feed(policy, *(evaluated(step, 0.77) for step in (1700, 1800, 1900)))
    alerts = feed(policy, *(evaluated(step, 0.75) for step in (2000, 2100, 2200)))
    assert [(alert.state, alert.episode) for alert in alerts] == [(F, 2)]


@pytest.mark.parametrize("low", [0.79, math.nan])
def test_a_small_fall_or_no_number_is_no_collapse(low: float) -> None:
    policy = grokked()
    assert not feed(policy, *(evaluated(step, low) for step in range(800, 2000, 100)))
    assert policy.is_generalized


def test_a_fall_that_does_not_hold_is_no_collapse() -> None:
    policy = grokked()
    accuracies = (0.2, 0.2, 0.97, 0.2, 0.2, 0.97)
    alerts = feed(policy, *(evaluated(800 + 100 * n, x) for n, x in enumerate(accuracies)))
    assert not alerts


def test_a_run_that_never_generalized_cannot_collapse() -> None:
    policy = AlertPolicy()
    assert not feed(policy, *(evaluated(step, 0.9) for step in (500, 600, 700)))
    assert not feed(policy, *(evaluated(step, 0.1) for step in (800, 900, 1000)))


def test_where_test_accuracy_is_seen_spectra_have_no_say() -> None:
    policy = grokked()
    assert not feed(policy, *(judged(step, COLLAPSE) for step in range(1000, 1010)))
    unseen = AlertPolicy()
    feed(unseen, evaluated(500, None))
    alerts = feed(unseen, *(judged(step, COLLAPSE) for step in range(1000, 1003)))
    assert states(alerts) == [(COLLAPSE, F, 1002)]
    assert alerts[0].severity is Severity.CRITICAL


def test_a_collapse_that_spectra_warned_of_is_cleared_by_evaluations() -> None:
    policy = AlertPolicy()
    feed(policy, *(judged(step, COLLAPSE) for step in range(1000, 1003)))
    alerts = feed(policy, *(evaluated(step, 0.97) for step in (1100, 1200, 1300)))
    assert states(alerts) == [(COLLAPSE, C, 1300)]


def test_rewind_before_a_collapse_takes_it_back_and_announces_nothing_twice() -> None:
    policy = AlertPolicy()
    feed(policy, judged(400))
    feed(policy, *(evaluated(step, 1.0) for step in (500, 600, 700)))
    collapse = [evaluated(step, 0.2) for step in (1000, 1100, 1200)]
    feed(policy, judged(950))
    assert states(feed(policy, *collapse)) == [(COLLAPSE, F, 1200)]
    feed(policy, judged(1300))
    assert not policy.is_generalized
    assert not feed(policy, judged(900))
    assert policy.is_generalized
    assert policy.firing_since(COLLAPSE) is None
    assert not feed(policy, *collapse)
    assert policy.firing_since(COLLAPSE) == 1200
    feed(policy, judged(1250), judged(300))
    assert not policy.is_generalized
    assert not feed(policy, *collapse)
    assert policy.firing_since(COLLAPSE) is None, "it has not generalized again"


def test_rewind_reopens_a_concern_that_was_over() -> None:
    policy = AlertPolicy()
    feed(policy, *(judged(step, STUCK) for step in (1000, 1001, 1002)))
    assert states(feed(policy, *(judged(s) for s in (1100, 1101, 1102)))) == [(STUCK, C, 1102)]
    assert not feed(policy, judged(1050, STUCK))
    assert policy.firing_since(STUCK) == 1002
    assert not feed(policy, *(judged(s) for s in (1100, 1101, 1102)))
    assert policy.firing_since(STUCK) is None


def test_what_an_earlier_process_announced_is_kept_by_code() -> None:
    steps = (1000, 1001, 1002)
    alerts = feed(AlertPolicy(), *(judged(step, STUCK, COLLAPSE) for step in steps))
    resumed = AlertPolicy()
    resumed.remember(alerts[0])
    again = feed(resumed, *(judged(step, STUCK, COLLAPSE) for step in steps))
    assert again == alerts[1:]
    assert resumed.firing_since(alerts[0].code) == 1002


class PolicyMemory(Memory):
    """What the policy kept while it knew GRK001 alone."""

    is_armed: bool = True


def test_a_state_of_the_policy_of_one_code_is_refused() -> None:
    policy = AlertPolicy()
    before = policy.state()
    with pytest.raises(SchemaError, match=r"Expected version 2 of PolicyMemory, got 1\. Try"):
        policy.restore(pack(PolicyMemory()))
    assert policy.state() == before


def test_memory_of_all_codes_is_bounded() -> None:
    policy = AlertPolicy(cool_down=0.0, lasting=1)
    policy.start(RunStarted(run_id="a", time=0.0, budget_steps=10**9))
    for step in range(2000):
        codes = (STUCK, COLLAPSE) if step % 2 else ()
        policy.step(judged(step, *codes, probability=float(step % 4 > 1)), 0.0)
    assert len(policy.state()) < 5120


codes = st.sets(st.sampled_from((STUCK, COLLAPSE))).map(tuple)
levels = st.none() | st.sampled_from((0.0, 0.04, 0.2, 0.95))
moves = st.lists(
    st.one_of(
        st.builds(
            lambda step, given, level: judged(step, *given, probability=level),
            st.integers(1, 60),
            codes,
            levels,
        ),
        st.builds(evaluated, st.integers(1, 60), st.sampled_from((None, 0.5, 0.96, 1.0))),
    ),
    max_size=100,
)


def started(lasting: int) -> AlertPolicy:
    policy = AlertPolicy(lasting=lasting)
    policy.start(RunStarted(run_id="a", time=0.0, budget_steps=50))
    return policy


@given(moves, st.integers(0, 100), st.integers(1, 3))
def test_any_story_of_all_codes_announces_nothing_twice_and_survives_restoring(
    records: list[Assessment | Evaluation], cut: int, lasting: int
) -> None:
    whole, second = started(lasting), started(lasting)
    first = started(lasting)
    expected = feed(whole, *records)
    seen = feed(first, *records[:cut])
    second.restore(first.state())
    assert seen + feed(second, *records[cut:]) == expected
    assert second.state() == whole.state()
    assert len({(alert.id, alert.state) for alert in expected}) == len(expected)


@given(moves, st.integers(1, 3))
def test_any_story_in_order_fires_and_resolves_each_code_in_turn(
    records: list[Assessment | Evaluation], lasting: int
) -> None:
    policy = started(lasting)
    ordered = [replace(record, step=step) for step, record in enumerate(records)]
    alerts = feed(policy, *ordered)
    for code in AlertCode:
        own = [alert for alert in alerts if alert.code is code]
        assert [alert.state is F for alert in own] == [n % 2 == 0 for n in range(len(own))]
        assert [alert.episode for alert in own] == [1 + n // 2 for n in range(len(own))]
        is_on = bool(own) and own[-1].state is F
        assert (policy.firing_since(code) is not None) == is_on
