"""The published rules on runs drawn by hand: where each must fire, and where it must not."""

import math
import random
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest

from grokwatch.monitor.errors import ConfigurationError, WireError
from grokwatch.monitor.predictors import load
from grokwatch.monitor.predictors._course import Course, Look, Rule
from grokwatch.monitor.predictors._published import Published, probability
from grokwatch.monitor.predictors.change_point import ALLOWANCE, decision_level
from grokwatch.monitor.predictors.dmd import WINDOW, log_residual
from grokwatch.monitor.predictors.norm_law import ERROR
from grokwatch.monitor.records import Assessment, Interval, Observation, RunStarted, SkippedSignal
from grokwatch.monitor.vocabulary import Stage

GRID = sorted({round(10 ** (k / 50)) for k in range(226)})
"""Log-spaced steps from 1 to 31,623, fifty per decade."""
MEMORIZED, LATE = 200, 3000
EXCESS = "inverse_participation_ratio.excess@input"
TARGETS = (
    "weight_norm:",
    "oscillation:",
    "commutator:",
    "spectral_entropy:",
    "spectral_entropy:representation",
    "norm_law:",
    "dmd:",
    "change_point:",
)

Values = Callable[[int], dict[str, float]]


def seen(step: int, values: dict[str, float], *, loss: float = 0.1) -> Observation:
    return Observation(
        run_id="a",
        step=step,
        time=0.0,
        train_loss=loss,
        train_accuracy=1.0 if step >= MEMORIZED else 0.3,
        values=values,
    )


def made(target: str, *skipped: SkippedSignal, group: str | None = None) -> Published:
    rule = load(target, RunStarted(run_id="a", time=0.0, group=group, skipped=skipped))
    assert isinstance(rule, Published)
    return rule


def judge(rule: Published, values: Values, steps: Iterable[int] = GRID) -> list[Assessment]:
    return [rule.update(seen(step, values(step))) for step in steps]


def alarms(assessments: Iterable[Assessment]) -> list[int]:
    return [a.step for a in assessments if (a.probability or 0) >= 0.9]


def one(key: str, curve: Callable[[int], float]) -> Values:
    return lambda step: {key: curve(step)}


def level(low: float, high: float, start: int = LATE) -> Callable[[int], float]:
    return lambda step: high if step >= start else low


def wobble(step: int) -> float:
    """Noise of unit deviation or so, the same whenever it is asked for."""
    return random.Random(step).gauss(0, 1)


def linear(step: int, *, breaks: bool) -> dict[str, float]:
    """Log loss and margins that are straight in log time, until they oscillate or not."""
    time = math.log(step)
    kink = math.sin(40 * time) if breaks and step >= LATE else 0.0
    keys = ("margin.low", "margin.least", "margin")
    rest = {key: (rank + 1) * (time + kink) for rank, key in enumerate(keys)}
    return {"train_loss.log": 1 - time - kink, **rest}


def growing(step: int, *, rate: float) -> dict[str, float]:
    """Sparsity that drifts with noise, and from `LATE` on grows besides."""
    grown = rate * math.log(max(step / LATE, 1.0))
    return {EXCESS: 0.05 + 0.01 * math.log(step) + 0.001 * wobble(step) + grown}


def crossing(step: int, *, goes: bool) -> dict[str, float]:
    """A norm whose square is to halve at 10,000, or never."""
    left = max(10_000.0 - step, 0.0) if goes else math.inf
    return {"norm_crossing": left, "norm_crossing.rate": 1e-4}


CASES: tuple[tuple[str, Values, bool], ...] = (
    ("weight_norm:", one("weight_norm", level(60.0, 41.0)), True),
    ("weight_norm:", one("weight_norm", level(60.0, 43.0)), False),
    ("weight_norm:ratio=0.5", one("weight_norm", level(60.0, 41.0)), False),
    ("oscillation:", one("loss_activity", level(0.1, 0.011, MEMORIZED)), True),
    ("oscillation:", one("loss_activity", level(0.1, 0.009, MEMORIZED)), False),
    ("oscillation:activity=0.05", one("loss_activity", level(0.1, 0.011, MEMORIZED)), False),
    ("commutator:", one("commutator_defect", level(1.0, 20.5)), True),
    ("commutator:", one("commutator_defect", level(1.0, 19.5)), False),
    ("commutator:", one("commutator_defect", level(3.0, 29.0)), False),
    ("commutator:multiple=5", one("commutator_defect", level(3.0, 29.0)), True),
    ("spectral_entropy:", one("spectral_entropy@input", level(0.8, 0.71)), True),
    ("spectral_entropy:", one("spectral_entropy@output", level(0.8, 0.73)), False),
    ("spectral_entropy:fall=0.05", one("spectral_entropy@output", level(0.8, 0.73)), True),
    ("spectral_entropy:representation", one("representation_entropy@last", level(0.8, 0.6)), True),
    ("spectral_entropy:representation", one("representation_entropy@last", level(0.8, 0.7)), False),
    ("norm_law:", partial(crossing, goes=True), True),
    ("norm_law:", partial(crossing, goes=False), False),
    ("dmd:", partial(linear, breaks=True), True),
    ("dmd:", partial(linear, breaks=False), False),
    ("change_point:", partial(growing, rate=0.1), True),
    ("change_point:", partial(growing, rate=0.0), False),
)


@pytest.mark.parametrize(("target", "values", "expected"), CASES)
def test_fires_beyond_the_threshold_and_not_before(
    target: str, values: Values, expected: bool
) -> None:
    assessments = judge(made(target), values)
    assert bool(alarms(assessments)) == expected
    assert assessments[-1].probability is not None
    assert assessments[-1].stage is (Stage.CIRCUIT_FORMATION if expected else Stage.PLATEAU)


def example(target: str, *, fires: bool) -> Values:
    return next(values for name, values, expected in CASES if (name, expected) == (target, fires))


def test_every_rule_has_a_run_where_it_fires_and_one_where_it_does_not() -> None:
    told = {(target, expected) for target, _, expected in CASES}
    assert {(target, yes) for target in TARGETS for yes in (True, False)} <= told


@pytest.mark.parametrize("target", ["weight_norm:", "commutator:", "spectral_entropy:"])
def test_alarm_comes_once_the_threshold_has_held_for_three_observations(target: str) -> None:
    values = example(target, fires=True)
    first = next(place for place, step in enumerate(GRID) if step >= LATE)
    assert alarms(judge(made(target), values))[0] == GRID[first + 2]


@pytest.mark.parametrize("back", [300, 2000])
@pytest.mark.parametrize("target", TARGETS)
def test_a_rewind_forgets_what_came_after_it(target: str, back: int) -> None:
    fires, rests = example(target, fires=True), example(target, fires=False)
    after = [step for step in GRID if step >= back]
    seen_by_both = []
    for future in (fires, rests):
        rule = made(target)
        judge(rule, rests, [step for step in GRID if step < back])
        judge(rule, future, after)
        seen_by_both.append(judge(rule, rests, after))
    assert seen_by_both[0] == seen_by_both[1]


@pytest.mark.parametrize("target", TARGETS)
def test_a_rewind_to_the_start_is_a_new_run(target: str) -> None:
    fires, rests = example(target, fires=True), example(target, fires=False)
    rule = made(target)
    judge(rule, fires)
    assert judge(rule, rests) == judge(made(target), rests)


@pytest.mark.parametrize("target", TARGETS)
def test_without_its_signal_a_rule_says_what_would_bring_it(target: str) -> None:
    last = judge(made(target), lambda step: {})[-1]
    assert last.probability is None
    assert (last.reason or "").startswith("no value of ")
    assert "Try signals='standard, " in (last.reason or "")


def test_a_skipped_signal_is_told_with_its_remedy() -> None:
    skipped = SkippedSignal(name="commutator_defect", reason="no landscape", remedy="a loss")
    last = judge(made("commutator:", skipped), lambda step: {})[-1]
    assert last.reason == "no value of commutator_defect: no landscape. Try a loss"


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_values_that_cannot_be_are_no_readings(value: float) -> None:
    assert judge(made("weight_norm:"), one("weight_norm", lambda step: value))[-1].reason


def test_the_judgement_stands_until_it_is_stale() -> None:
    rule = made("weight_norm:")
    judge(rule, one("weight_norm", level(60.0, 30.0, 400)), [s for s in GRID if s < 1000])
    assert judge(rule, lambda step: {}, [1200])[0].probability
    assert (
        judge(rule, lambda step: {}, [1400])[0].reason == "no value of weight_norm since step 955"
    )


def test_after_a_rewind_it_waits_for_the_next_value() -> None:
    rule = made("weight_norm:")
    judge(rule, one("weight_norm", level(60.0, 30.0, 400)))
    assert judge(rule, lambda step: {}, [900])[0].reason == (
        "no value of weight_norm since the rewind"
    )


@pytest.mark.parametrize(
    ("target", "key"),
    [("weight_norm:", "weight_norm"), ("spectral_entropy:", "spectral_entropy@input")],
)
def test_a_first_value_long_after_memorization_is_no_reference(target: str, key: str) -> None:
    late = judge(made(target), lambda step: {key: 0.5} if step > 1000 else {})
    assert f"just after memorization at step {MEMORIZED}" in (late[-1].reason or "")


def test_diverged_freezes_the_memory() -> None:
    rule = made("weight_norm:")
    judge(rule, one("weight_norm", level(60.0, 30.0)))
    before = rule.state()
    assessment = rule.update(seen(40_000, {"weight_norm": 60.0}, loss=math.nan))
    assert (assessment.reason or "").startswith("diverged: train loss is nan at step 40000")
    assert assessment.stage is Stage.CIRCUIT_FORMATION
    assert rule.state() == before


def test_a_run_that_is_never_told_its_loss_does_not_diverge() -> None:
    skipped = SkippedSignal(name="train_loss", reason="none is logged", remedy="log it")
    rule = made("weight_norm:", skipped)
    steps = [step for step in GRID if step >= MEMORIZED]
    assert [rule.update(seen(s, {"weight_norm": 1.0}, loss=math.nan)) for s in steps][-1].chances


def test_a_score_that_is_no_number_is_no_probability() -> None:
    rule = Rule(
        name="odd", groups=(("weight_norm",),), bounds=(0.0, 1e9), score=lambda *_: math.nan
    )
    last = judge(Published(RunStarted(run_id="a", time=0.0), rule), one("weight_norm", float))[-1]
    assert last.reason == "no number follows from the course of weight_norm"


def test_probability_grows_with_the_score() -> None:
    scores = [place / 4 for place in range(-32, 33)]
    found = [probability(score) for score in scores]
    assert all(low < high for low, high in pairwise(found))
    assert 0 < found[0] < found[-1] < 1
    assert probability(0.5) == pytest.approx(0.5)
    assert probability(1.0) >= 0.9


@pytest.mark.parametrize("step", [300, 3000])
def test_the_crossing_comes_with_an_interval_of_steps_to_go(step: int) -> None:
    found = judge(made("norm_law:"), partial(crossing, goes=True), [s for s in GRID if s < step])
    left = 10_000 - found[-1].step
    assert found[-1].eta_steps == Interval(
        low=math.floor(left * (1 - ERROR)), high=math.ceil(left * (1 + ERROR))
    )
    assert judge(made("norm_law:"), partial(crossing, goes=False))[-1].eta_steps is None


def test_the_crossing_is_judged_against_the_horizon() -> None:
    left = {"norm_crossing.rate": 1e-4}
    due = judge(made("norm_law:"), lambda s: left | {"norm_crossing": 10.0 * max(s - 200, 1)})
    half = judge(made("norm_law:"), lambda s: left | {"norm_crossing": 4.9 * max(s - 200, 1)})
    assert due[-1].probability == pytest.approx(0.5, abs=0.01)
    assert half[-1].probability == pytest.approx(0.9, abs=0.02)


def test_a_norm_without_decay_has_no_law() -> None:
    flat = {"norm_crossing": math.inf, "norm_crossing.rate": 0.0}
    reason = judge(made("norm_law:"), lambda step: flat)[-1].reason
    assert (reason or "").startswith("no decay to fit")


def window(curve: Callable[[float], tuple[float, ...]]) -> list[Look]:
    return [Look(step=place + 1, values=curve(float(place))) for place in range(WINDOW)]


def test_a_linear_system_leaves_no_residual() -> None:
    turn = log_residual(window(lambda t: (1 + 0.9**t, 2 - 0.9**t)))
    assert turn is not None
    assert turn < -7
    broken = log_residual(window(lambda t: (1 + wobble(int(t)), 2 - wobble(int(t) + 99))))
    assert broken is not None
    assert broken > -1
    assert log_residual(window(lambda t: (t,))[1:]) is None


def test_residual_is_that_of_the_best_linear_map_of_rank_three() -> None:
    looks = window(lambda t: (wobble(int(t)), wobble(int(t) + 50)))
    series = np.array([look.values for look in looks]).T
    series /= np.sqrt((series**2).mean(1, keepdims=True))
    stacked = np.array([np.concatenate(series[:, t : t + 4].T) for t in range(9)]).T
    u, s, v = np.linalg.svd(stacked[:, :-1], full_matrices=False)
    dynamics = stacked[:, 1:] @ v[:3].T @ np.diag(1 / s[:3]) @ u[:, :3].T
    rest = stacked[:, 1:] - dynamics @ stacked[:, :-1]
    expected = np.linalg.norm(rest) / np.linalg.norm(stacked[:, 1:])
    assert log_residual(looks) == pytest.approx(math.log10(expected))


def test_log_loss_alone_is_followed_where_there_are_no_margins() -> None:
    values = partial(linear, breaks=True)
    alone = judge(made("dmd:"), lambda s: {"train_loss.log": values(s)["train_loss.log"]})
    assert alarms(alone)


def run_length(level: float, draw: random.Random) -> int:
    total, looks = 0.0, 0
    while total < level:
        total, looks = max(0.0, total + draw.gauss(0, 1) - ALLOWANCE), looks + 1
    return looks


def test_decision_level_gives_the_run_length_asked_for() -> None:
    draw, level = random.Random(0), decision_level(200)
    assert fmean(run_length(level, draw) for _ in range(1500)) == pytest.approx(200, rel=0.1)


def test_the_group_selects_the_sparsity_of_a_change_point() -> None:
    values = partial(growing, rate=0.1)
    assert alarms(judge(made("change_point:", group="cyclic:67"), values))
    assert not alarms(judge(made("change_point:", group="bits:30"), values))


@pytest.mark.parametrize("target", TARGETS)
def test_state_stays_small_with_full_buffers_and_wide_numbers(target: str) -> None:
    rule = made(target)
    values = example(target, fires=True)
    start = 2**40
    steps = [start + round(start * 0.03 * k) for k in range(200)]
    for step in steps:
        rule.update(seen(step, values(min(step - start + MEMORIZED, 2**30))))
    assert len(rule.state()) <= 2048


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("weight_norm:", "ratio between 0 and 1"),
        ("oscillation:", "activity between 0 and 1e"),
        ("commutator:", "multiple between 0 and 1e"),
        ("spectral_entropy:", "fall between 0 and 1"),
        ("spectral_entropy:representation", "level between 0 and 1"),
        ("norm_law:", "factor between 0 and 1e"),
        ("dmd:", "deviations between 1e-06 and 1e"),
        ("change_point:", "run_length between 10 and 1e"),
    ],
)
@pytest.mark.parametrize("wrong", ["colour=red", "nan", "-1", "ten"])
def test_an_option_is_a_number_that_the_rule_takes(target: str, names: str, wrong: str) -> None:
    option = wrong if "=" in wrong else f"{names.split()[0]}={wrong}"
    name = target.partition(":")[0]
    with pytest.raises(
        ConfigurationError, match=rf"Expected options of {name} among {names}.*got {option}\. Try '"
    ):
        made(f"{target},{option}")


def test_entropy_is_of_weights_or_of_representations() -> None:
    with pytest.raises(
        ConfigurationError,
        match="Expected the spectral entropy of weights or representation, got 'gradients'",
    ):
        made("spectral_entropy:gradients")


def test_the_state_of_another_rule_is_refused() -> None:
    rule, other = made("weight_norm:"), made("oscillation:")
    judge(other, one("loss_activity", level(0.1, 0.1)))
    before = rule.state()
    with pytest.raises(
        WireError, match="Expected a state of weight_norm, got one that follows loss_activity"
    ):
        rule.restore(other.state())
    assert rule.state() == before


def test_looks_closer_than_three_per_cent_of_the_step_are_not_kept() -> None:
    rule = Rule(name="odd", groups=(("a",),), bounds=(0.0, 1.0), score=lambda *_: 0.0, num_last=50)
    course = Course()
    for step in range(1000, 1101):
        course.take(seen(step, {"a": 0.5}), rule)
    assert [point.step for point in course.last] == [1000, 1030, 1061, 1093]
    assert course.newest is not None
    assert course.newest.step == 1100
