"""GRK002, will not grok within the budget, as a table of stories."""

import math

import pytest
from msgspec.structs import replace

from grokwatch.monitor.alerts import AlertPolicy, is_spared
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Assessment, Chance, RunStarted, alert_id
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage
from tests.alert_stories import evaluated, feed, said

CODE = AlertCode.WILL_NOT_GROK
F, K, E, C = AlertState.FIRING, AlertState.CONFIRMED, AlertState.EXPIRED, AlertState.CLEARED
BUDGET = 100_000
SPARED = next(name for name in map(str, range(1000)) if is_spared(name, 0.05))


def always(probability: float) -> tuple[Chance, ...]:
    return tuple(Chance(horizon_steps=steps, probability=probability) for steps in (1, 2))


def judged(
    step: int, probability: float | None, *, run_id: str = "a", stage: Stage = Stage.PLATEAU
) -> Assessment:
    """What a predictor says whose chance is that of all that is left of the budget, and more."""
    chances = () if probability is None else always(probability)
    return said(step, *chances, run_id=run_id, stage=stage)


def policy(budget: int | None = BUDGET, run_id: str = "a") -> AlertPolicy:
    made = AlertPolicy()
    made.start(RunStarted(run_id=run_id, time=0.0, budget_steps=budget))
    return made


def fired(budget: int | None = BUDGET) -> AlertPolicy:
    """A policy whose alert fired at step 1,200."""
    made = policy(budget)
    assert [a.state for a in feed(made, *(judged(s, 0.01) for s in (1000, 1100, 1200)))] == [F]
    return made


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.05, 0.05), []),
        ((0.05, 0.05, 0.05, 0.0), [(F, 1200)]),
        ((0.01, 0.051, 0.01, 0.01), []),
        ((0.01, None, 0.01, 0.01, 0.01), [(F, 1400)]),
        ((0.01, 0.01, 0.01, 0.1, 0.1, 0.099, 0.1, 0.1, 0.1), [(F, 1200), (C, 1800)]),
        ((0.01, 0.01, 0.01, 0.1, None, 0.1, 0.1), [(F, 1200)]),
        ((0.0, 0.0, 0.0, 0.2, 0.2, 0.2, 0.0, 0.0, 0.0), [(F, 1200), (C, 1500), (F, 1800)]),
    ],
)
def test_fires_and_clears_on_three_observations_in_a_row(
    probabilities: tuple[float | None, ...], expected: list[tuple[AlertState, int]]
) -> None:
    alerts = feed(policy(), *(judged(1000 + 100 * n, p) for n, p in enumerate(probabilities)))
    assert [(alert.state, alert.step) for alert in alerts] == expected
    assert [alert.episode for alert in alerts] == [1 + n // 2 for n in range(len(alerts))]
    assert {alert.code for alert in alerts} <= {CODE}


def test_without_a_budget_it_is_never_raised() -> None:
    silent = policy(None)
    assert not feed(silent, *(judged(step, 0.0) for step in range(1000, 100_000, 1000)))
    assert silent.firing_since(CODE) is None


def test_not_before_memorization() -> None:
    records = (judged(s, 0.0, stage=Stage.FITTING) for s in range(100, 1000, 100))
    assert not feed(policy(), *records)


def test_the_probability_is_that_of_what_is_left_of_the_budget() -> None:
    def at(step: int) -> Assessment:
        wide = (
            Chance(horizon_steps=10_000, probability=0.5),
            Chance(horizon_steps=20_000, probability=0.75),
        )
        return Assessment(
            run_id="a", step=step, time=0.0, predictor="p@1", stage=Stage.PLATEAU, chances=wide
        )

    # 1 - .5 ** (left / 10,000) falls to .05 where 740 steps are left
    alerts = feed(policy(), *(at(step) for step in range(90_000, BUDGET, 10)))
    assert [alert.step for alert in alerts] == [99_280]
    assert alerts[0].message == (
        "a: unlikely to generalise within the budget: probability 0.049 within the 720 steps "
        "left of 100,000, seen at step 99,280"
    )


def test_one_horizon_alone_says_nothing_of_a_budget() -> None:
    records = (replace(judged(step, 0.0), chances=always(0.0)[:1]) for step in range(1000, 2000))
    assert not feed(policy(), *records)


def test_an_alert_names_its_code_and_carries_its_assessment() -> None:
    (alert,) = feed(policy(), *(judged(s, 0.0) for s in (1000, 1100, 1200)))
    assert (alert.id, alert.code) == (alert_id("a", CODE, 1), CODE)
    assert (alert.severity, alert.episode) == (Severity.WARNING, 1)
    assert alert.assessment == judged(1200, 0.0)
    assert not alert.spared


def test_it_waits_while_a_run_is_called_likely_to_grok() -> None:
    both = policy()
    chances = (
        Chance(horizon_steps=BUDGET, probability=0.0),
        Chance(horizon_steps=2 * BUDGET, probability=0.95),
        Chance(horizon_steps=3 * BUDGET, probability=0.95),
    )

    def at(step: int, *given: Chance) -> Assessment:
        return Assessment(
            run_id="a", step=step, time=0.0, predictor="p@1", stage=Stage.PLATEAU, chances=given
        )

    alerts = feed(both, *(at(step, *chances) for step in range(1000, 2000, 100)))
    assert [(a.code, a.state) for a in alerts] == [(AlertCode.LIKELY_GROKKING, F)]
    alerts = feed(both, *(at(step, *always(0.0)) for step in (2000, 2100, 2200)))
    assert [(a.code, a.state) for a in alerts] == [(AlertCode.LIKELY_GROKKING, C), (CODE, F)]


def test_confirmed_where_the_budget_ends_without_generalization() -> None:
    for last in (judged(BUDGET, None), judged(BUDGET + 1, 0.5), evaluated(BUDGET, 0.4)):
        over = fired()
        assert not feed(over, evaluated(2000, 0.3), judged(BUDGET - 1, 0.0))
        (alert,) = feed(over, last)
        assert (alert.state, alert.step, alert.severity) == (K, last.step, Severity.INFO)
        assert alert.message == (
            "a: not generalised within the budget of 100,000 steps; warned at step 1,200"
        )
        assert over.firing_since(CODE) is None
        assert not feed(over, judged(BUDGET + 10, 0.0), judged(BUDGET + 20, 0.0))


def test_where_no_test_accuracy_was_seen_nobody_says_that_it_came_true() -> None:
    over = fired()
    (alert,) = feed(over, evaluated(2000, None), judged(BUDGET, 0.0))
    assert alert.state is C
    assert "no test accuracy was seen; warned at step 1,200" in alert.message


def test_a_run_that_generalizes_all_the_same_proves_it_wrong() -> None:
    alerts = feed(fired(), *(evaluated(step, 0.97) for step in (2000, 2100, 2200)))
    assert [alert.state for alert in alerts] == [E]
    assert alerts[0].message == (
        "a: generalised at step 2,000, within the budget of 100,000, although it was called "
        "unlikely to generalise within the budget at step 1,200: that was wrong"
    )


def test_generalizing_at_the_very_end_of_the_budget_still_counts() -> None:
    late = fired()
    assert not feed(late, evaluated(97_900, 0.96), evaluated(98_900, 0.96), judged(BUDGET, 0.0))
    assert [a.state for a in feed(late, evaluated(BUDGET, 0.99))] == [E]


def test_accuracy_that_did_not_hold_does_not() -> None:
    late = fired()
    assert not feed(late, evaluated(98_900, 0.96), judged(BUDGET, 0.0), evaluated(BUDGET, 0.96))
    assert [a.state for a in feed(late, evaluated(BUDGET + 10, 0.9))] == [K]


def test_generalizing_after_the_budget_is_too_late() -> None:
    late = fired()
    feed(late, evaluated(2000, 0.1))
    assert not feed(late, judged(BUDGET - 10, 0.0))
    alerts = feed(late, *(evaluated(BUDGET + n, 1.0) for n in (1, 1000, 2000)))
    assert [(alert.state, alert.step) for alert in alerts] == [(K, BUDGET + 1)]


def test_a_run_that_has_generalized_is_not_given_up_even_after_a_collapse() -> None:
    done = policy()
    feed(done, *(evaluated(step, 1.0) for step in (500, 600, 700)))
    feed(done, *(evaluated(step, 0.2) for step in (800, 900, 950)))
    assert not done.is_generalized
    assert not feed(done, *(judged(step, 0.0) for step in range(1000, 2000, 100)))


def test_a_longer_budget_of_the_next_attempt_counts() -> None:
    longer = fired()
    feed(longer, evaluated(2000, 0.1))
    assert [a.state for a in feed(longer, judged(BUDGET, 0.0))] == [K]
    longer.start(RunStarted(run_id="a", attempt=2, time=0.0, budget_steps=2 * BUDGET))
    steps = (BUDGET + n for n in (100, 200, 300))
    alerts = feed(longer, *(judged(step, 0.0) for step in steps))
    assert [(alert.state, alert.episode) for alert in alerts] == [(F, 2)]


def test_rewind_announces_nothing_twice_and_reopens() -> None:
    again = fired()
    assert not feed(again, judged(1000, 0.5))
    assert again.firing_since(CODE) is None
    assert not feed(again, *(judged(step, 0.0) for step in (1010, 1020, 1030)))
    assert again.firing_since(CODE) == 1030
    cleared = feed(again, *(judged(step, 0.5) for step in (2000, 2100, 2200)))
    assert [(a.state, a.episode) for a in cleared] == [(C, 1)]
    feed(again, judged(1500, 0.0))
    assert again.firing_since(CODE) == 1030


def test_what_an_earlier_process_announced_is_not_announced_again() -> None:
    (alert,) = feed(policy(), *(judged(s, 0.0) for s in (1000, 1100, 1200)))
    resumed = policy()
    resumed.remember(alert)
    assert not feed(resumed, *(judged(s, 0.0) for s in (1000, 1100, 1200)))
    assert resumed.firing_since(CODE) == 1200


def test_a_restored_policy_goes_on_with_the_budget_of_its_own_start() -> None:
    resumed = policy(budget=2000)
    resumed.restore(fired().state())
    assert resumed.firing_since(CODE) == 1200
    feed(resumed, evaluated(1500, 0.1))
    assert [a.state for a in feed(resumed, judged(2000, 0.0))] == [K]


# Spared runs


def test_a_spared_run_is_warned_of_and_says_so() -> None:
    spared = policy(run_id=SPARED)
    assert spared.is_spared(SPARED)
    records = [judged(s, 0.0, run_id=SPARED) for s in (1000, 1100, 1200)]
    records += [judged(s, 0.5, run_id=SPARED) for s in (1300, 1400, 1500)]
    firing, cleared = feed(spared, *records)
    assert firing.spared
    assert firing.message.endswith(
        "; spared: let it run, so that alerts like this one can be checked"
    )
    assert cleared.spared


def test_only_giving_up_spares() -> None:
    alerts = feed(policy(run_id=SPARED), judged(1000, 0.95, run_id=SPARED))
    assert [(a.code, a.spared) for a in alerts] == [(AlertCode.LIKELY_GROKKING, False)]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_the_share_of_spared_runs_is_what_was_asked_for(share: float) -> None:
    count = sum(is_spared(f"run-{number}", share) for number in range(4000))
    assert count / 4000 == pytest.approx(share, abs=3 * math.sqrt(share * (1 - share) / 4000))


def test_who_is_spared_at_a_small_share_is_at_a_larger() -> None:
    names = [str(number) for number in range(1000)]
    few = {name for name in names if is_spared(name, 0.05)}
    assert few <= {name for name in names if is_spared(name, 0.2)}


def test_who_is_spared_does_not_change_between_versions() -> None:
    assert [n for n in range(100) if is_spared(f"run-{n}", 0.05)] == [23, 47, 58, 96]


@pytest.mark.parametrize(
    "levels",
    [
        {"give_up_at": 0.0},
        {"give_up_at": 0.6},
        {"give_up_at": math.nan},
        {"lasting": 0},
        {"spare": -0.1},
        {"spare": 1.1},
    ],
)
def test_levels_out_of_range_are_refused(levels: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected 0 < give_up_at <= 0\.5.*got.*Try"):
        AlertPolicy(**levels)  # type: ignore[arg-type]
