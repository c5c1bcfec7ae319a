"""The causal rule on runs whose sparsity is drawn by hand."""

import math
from collections.abc import Callable, Iterable

import msgspec
import pytest

from grokwatch.monitor.errors import ConfigurationError, WireError
from grokwatch.monitor.predictors import load
from grokwatch.monitor.predictors.threshold import RULE, Rule, Threshold
from grokwatch.monitor.records import Assessment, Observation, RunStarted, SkippedSignal
from grokwatch.monitor.vocabulary import Stage

INPUT = "inverse_participation_ratio.excess@input"
EMBEDDING = "inverse_participation_ratio.excess@embedding"
COORDINATES = "coordinate_inverse_participation_ratio.excess@input"
GRID = sorted({round(10 ** (k / 50)) for k in range(50, 226)})
"""Log-spaced steps from 10 to 31,623, fifty per decade."""

Curve = Callable[[int], float]


def at_least(step: int) -> int:
    return next(s for s in GRID if s >= step)


def run(group: str | None = None, *skipped: SkippedSignal) -> RunStarted:
    return RunStarted(run_id="a", time=0.0, group=group, skipped=skipped)


def seen(
    step: int,
    values: dict[str, float],
    *,
    accuracy: float | None = 1.0,
    loss: float = 0.1,
    attempt: int = 1,
) -> Observation:
    return Observation(
        run_id="a",
        attempt=attempt,
        step=step,
        time=0.0,
        train_loss=loss,
        train_accuracy=accuracy,
        values=values,
    )


def story(
    curve: Curve, *, key: str = INPUT, norm: Curve | None = None, steps: Iterable[int] = GRID
) -> list[Observation]:
    """Memorize at 200, with one signal."""
    return [
        seen(
            step,
            {key: curve(step)} | ({} if norm is None else {"weight_norm": norm(step)}),
            accuracy=1.0 if step >= 200 else 0.3,
        )
        for step in steps
    ]


def judge(predictor: Threshold, observations: Iterable[Observation]) -> list[Assessment]:
    return [predictor.update(observation) for observation in observations]


def alarms(assessments: Iterable[Assessment]) -> list[int]:
    return [a.step for a in assessments if (a.probability or 0) >= RULE.alarm_probability]


def level(low: float, high: float, start: int) -> Curve:
    return lambda step: high if step >= start else low


def test_alarm_is_the_third_observation_above_the_threshold() -> None:
    assessments = judge(Threshold(run("cyclic:67")), story(level(0.05, 0.3, 3000)))
    first = GRID.index(at_least(3000))
    assert alarms(assessments)[0] == GRID[first + 2]
    assert alarms(assessments)[-1] == GRID[-1]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.10, 0.1501, True),  # 1.5 times the reference
        (0.10, 0.1499, False),
        (0.01, 0.0301, True),  # .02 above it, where 1.5 times is less
        (0.01, 0.0299, False),
        (-0.02, 0.0001, True),
        (-0.02, -0.0001, False),
    ],
)
def test_cyclic_threshold_is_a_factor_and_an_offset(
    low: float, high: float, expected: bool
) -> None:
    rise = msgspec.structs.replace(RULE.cyclic, factor=1.5, offset=0.02, offset_per_decade=0.0)
    rule = msgspec.structs.replace(RULE, cyclic=rise)
    assessments = judge(Threshold(run("cyclic:67"), rule), story(level(low, high, 3000)))
    assert bool(alarms(assessments)) == expected


@pytest.mark.parametrize(
    ("start", "high", "expected"),
    [(1_000, 0.105, True), (1_000, 0.095, False), (20_000, 0.180, True), (20_000, 0.145, False)],
)
def test_more_is_asked_for_later(start: int, high: float, expected: bool) -> None:
    rise = msgspec.structs.replace(RULE.cyclic, factor=1.0, offset=0.03, offset_per_decade=0.05)
    rule = msgspec.structs.replace(RULE, cyclic=rise)
    steps = [step for step in GRID if step < 1.2 * start]
    curve = level(0.05, high, start)
    assert bool(alarms(judge(Threshold(run("cyclic:67"), rule), story(curve, steps=steps)))) == (
        expected
    )


@pytest.mark.parametrize(("high", "expected"), [(0.0115, True), (0.0105, False)])
def test_bits_are_judged_by_their_own_rise(high: float, expected: bool) -> None:
    curve = level(0.001, high, 3000)
    assessments = judge(Threshold(run("bits:30")), story(curve, key=COORDINATES))
    assert bool(alarms(assessments)) == expected


def test_probability_is_the_alarm_probability_exactly_at_the_rule() -> None:
    rise = msgspec.structs.replace(RULE.bits, offset=0.25)
    rule = msgspec.structs.replace(RULE, bits=rise)
    curve = level(0.25, 0.5, 3000)
    last = judge(Threshold(run("bits:30"), rule), story(curve, key=COORDINATES))[-1]
    assert last.probability == pytest.approx(RULE.alarm_probability, abs=1e-12)
    assert last.probability is not None
    assert last.probability >= RULE.alarm_probability


def test_probability_is_the_base_rate_where_nothing_rises() -> None:
    last = judge(Threshold(run()), story(level(0.05, 0.05, 0)))[-1]
    assert last.probability == pytest.approx(RULE.base_rate)


def test_probability_grows_with_the_rise() -> None:
    heights = [0.0, 0.05, 0.07, 0.08, 0.2, 1.0]
    last = [
        judge(Threshold(run()), story(level(0.05, height, 3000)))[-1].probability
        for height in heights
    ]
    assert last == sorted(last, key=lambda p: p or 0)
    assert all(p is not None and 0 < p < 1 for p in last)


def test_reference_is_the_median_of_its_window() -> None:
    def spiked(step: int) -> float:
        return 1.0 if step in {at_least(260), at_least(300)} else 0.05 if step < 3000 else 0.25

    assert alarms(judge(Threshold(run()), story(spiked)))


def test_spike_is_no_alarm() -> None:
    spike = {at_least(3000), GRID[GRID.index(at_least(3000)) + 1]}
    curve: Curve = lambda step: 0.9 if step in spike else 0.05  # noqa: E731
    assert not alarms(judge(Threshold(run()), story(curve)))


def test_three_observations_close_together_are_no_alarm() -> None:
    steps = [*(s for s in GRID if s < 3000), *range(3000, 3400, 10)]
    assessments = judge(Threshold(run()), story(level(0.05, 0.5, 3000), steps=steps))
    first = alarms(assessments)[0]
    assert first >= 3000 * (1 + RULE.hold_fraction)
    assert first <= 3000 * (1 + RULE.hold_fraction) + 20


def test_random_labels_stay_silent_while_the_norm_falls() -> None:
    def noise(step: int) -> float:
        return 0.05 + 0.01 * math.sin(step)

    assert not alarms(judge(Threshold(run()), story(noise, norm=lambda s: 60 / (1 + s / 1000))))


def test_horizon_is_ten_times_the_steps_since_memorization() -> None:
    (chance,) = judge(Threshold(run()), story(level(0.05, 0.5, 3000)))[-1].chances
    assert chance.horizon_steps == 10 * (GRID[-1] - at_least(200))


def test_stages_go_forward_and_back() -> None:
    def curve(step: int) -> float:
        return 0.05 if step < 2000 else 0.3 if step < 6000 else 0.8 if step < 20_000 else 0.05

    norm = level(60, 40, 6000)
    stages = [a.stage for a in judge(Threshold(run()), story(curve, norm=norm))]
    order = [stage for i, stage in enumerate(stages) if i == 0 or stage is not stages[i - 1]]
    assert order == [
        Stage.FITTING,
        Stage.PLATEAU,
        Stage.CIRCUIT_FORMATION,
        Stage.CLEANUP,
        Stage.PLATEAU,
    ]


def test_cleanup_needs_a_falling_norm() -> None:
    assessments = judge(Threshold(run()), story(level(0.05, 0.9, 2000), norm=lambda s: 60.0))
    assert assessments[-1].stage is Stage.CIRCUIT_FORMATION
    assessments = judge(Threshold(run()), story(level(0.05, 0.9, 2000)))
    assert assessments[-1].stage is Stage.CIRCUIT_FORMATION


def test_norm_can_be_a_second_condition() -> None:
    cyclic = msgspec.structs.replace(RULE.cyclic, norm_fall=0.2)
    rule = msgspec.structs.replace(RULE, cyclic=cyclic)
    curve = level(0.05, 0.9, 2000)
    assert not alarms(judge(Threshold(run(), rule), story(curve, norm=lambda s: 60.0)))
    fell = judge(Threshold(run(), rule), story(curve, norm=level(60, 40, 5000)))
    assert alarms(fell)[0] >= 5000
    assert [part.signal for part in fell[-1].evidence] == [INPUT, "weight_norm"]
    assert alarms(judge(Threshold(run(), rule), story(curve)))[0] < 3000


def test_evidence_is_the_log_odds_of_the_signal_used() -> None:
    last = judge(Threshold(run()), story(level(0.05, 0.5, 3000)))[-1]
    (part,) = last.evidence
    assert part.signal == INPUT
    assert last.probability == pytest.approx(1 / (1 + math.exp(-part.contribution)))


def test_best_signal_present_is_followed() -> None:
    flat, rising = level(0.05, 0.05, 0), level(0.05, 0.5, 3000)
    both = [
        seen(s, {EMBEDDING: rising(s), INPUT: flat(s)}, accuracy=1.0 if s >= 200 else 0.0)
        for s in GRID
    ]
    assert not alarms(judge(Threshold(run()), both))
    assert alarms(judge(Threshold(run()), story(rising, key=EMBEDDING)))
    assert alarms(judge(Threshold(run()), story(rising, key=COORDINATES)))
    assert not alarms(judge(Threshold(run("cyclic:67")), story(rising, key=COORDINATES)))


# Why it cannot tell


def test_not_memorized_yet() -> None:
    (assessment,) = judge(Threshold(run()), [seen(10, {INPUT: 0.1}, accuracy=0.5)])
    assert assessment.reason is not None
    assert assessment.reason.startswith("not memorized yet")
    assert assessment.stage is Stage.FITTING


def test_no_train_accuracy() -> None:
    last = judge(Threshold(run()), [seen(s, {INPUT: 0.1}, accuracy=None) for s in GRID])[-1]
    assert "Try Probe(train_accuracy=...)" in (last.reason or "")


def test_too_soon_until_twice_the_memorization_step() -> None:
    assessments = judge(Threshold(run()), story(level(0.05, 0.5, 3000)))
    train_step = at_least(200)
    soon = [a for a in assessments if train_step * 1.2 < a.step <= 2 * train_step]
    assert {a.reason for a in soon} == {f"too soon after memorization at step {train_step}"}
    assert {a.stage for a in soon} == {Stage.PLATEAU}
    judged = [a.step for a in assessments if a.chances]
    assert judged[0] == GRID[GRID.index(at_least(2 * train_step + 1)) + 2]


def test_no_sparsity_signal_names_what_would_enable_it() -> None:
    bare = [seen(s, {"weight_norm": 60.0}) for s in GRID]
    assert "Try Probe(group='cyclic:<p>')" in (judge(Threshold(run()), bare)[-1].reason or "")
    skipped = SkippedSignal(
        name="inverse_participation_ratio",
        reason="no token axis",
        remedy="Probe(group='cyclic:67')",
    )
    other = SkippedSignal(name="sharpness", reason="no loss", remedy="Probe(loss=...)")
    last = judge(Threshold(run(None, other, skipped)), bare)[-1]
    assert last.reason == (
        "no sparsity signal: inverse_participation_ratio: no token axis. "
        "Try Probe(group='cyclic:67')"
    )


def test_divergence_freezes_and_recovers() -> None:
    whole, frozen = Threshold(run()), Threshold(run())
    observations = story(level(0.05, 0.5, 3000))
    expected = judge(whole, observations)
    for index, observation in enumerate(observations):
        if index % 7 == 0:
            sick = seen(observation.step, {INPUT: 1.0}, loss=math.nan if index % 2 else math.inf)
            before = frozen.state()
            diverged = frozen.update(sick)
            assert diverged.reason is not None
            assert diverged.reason.startswith("diverged: train loss is")
            assert frozen.state() == before
        assert frozen.update(observation) == expected[index]


def test_run_that_is_never_told_its_loss_is_judged_all_the_same() -> None:
    untold = SkippedSignal(name="train_loss", reason="needs the loss", remedy="returning it")
    told = judge(Threshold(run()), story(level(0.05, 0.5, 3000)))
    blind = judge(
        Threshold(run(None, untold)),
        (msgspec.structs.replace(o, train_loss=math.nan) for o in story(level(0.05, 0.5, 3000))),
    )
    assert blind == told


def test_stale_signal_cannot_tell() -> None:
    predictor = Threshold(run())
    judge(predictor, (o for o in story(level(0.05, 0.5, 3000)) if o.step < 10_000))
    last = max(s for s in GRID if s < 10_000)
    fresh = predictor.update(seen(last + 100, {}))
    assert fresh.chances
    stale = predictor.update(seen(2 * last, {}))
    assert stale.reason == f"no value of {INPUT} since step {last}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 1.01])
def test_values_that_no_excess_can_have_are_missing(value: float) -> None:
    clean, dirty = Threshold(run()), Threshold(run())
    for index, observation in enumerate(story(level(0.05, 0.5, 3000))):
        if index % 5 == 4:
            observation = msgspec.structs.replace(observation, values={INPUT: value})
            bare = msgspec.structs.replace(observation, values={})
            assert dirty.update(observation) == clean.update(bare)
        else:
            assert dirty.update(observation) == clean.update(observation)


# Rewinds


def test_rewind_after_memorization_forgets_the_rise_and_keeps_the_reference() -> None:
    predictor = Threshold(run())
    judge(predictor, (o for o in story(level(0.05, 0.5, 3000)) if o.step < 6000))
    again = [o for o in story(level(0.05, 0.05, 0)) if o.step >= 2000]
    assessments = judge(predictor, [msgspec.structs.replace(o, attempt=2) for o in again])
    assert not alarms(assessments)
    assert assessments[-1].attempt == 2
    assert assessments[-1].chances[0].horizon_steps == 10 * (GRID[-1] - at_least(200))


def test_rewind_into_the_reference_window_takes_the_rest_of_it_anew() -> None:
    whole, rewound = Threshold(run()), Threshold(run())
    observations = story(level(0.05, 0.5, 3000))
    expected = judge(whole, observations)
    judge(rewound, (o for o in story(lambda s: 0.05 if s < 300 else 0.4) if o.step < 6000))
    cut = GRID.index(at_least(300))
    assert judge(rewound, observations[cut:]) == expected[cut:]


def test_rewind_before_memorization_starts_over() -> None:
    whole, rewound = Threshold(run()), Threshold(run())
    observations = story(level(0.05, 0.5, 3000))
    expected = judge(whole, observations)
    judge(rewound, (seen(s, {INPUT: 0.9}) for s in range(50, 1000, 10)))
    assert judge(rewound, observations) == expected


def test_rewind_without_the_signal_says_so() -> None:
    predictor = Threshold(run())
    judge(predictor, story(level(0.05, 0.5, 3000)))
    assessment = predictor.update(seen(1000, {}, attempt=2))
    assert assessment.reason == f"no value of {INPUT} since the rewind"


def test_next_attempt_that_goes_on_is_no_rewind() -> None:
    one, other = Threshold(run()), Threshold(run())
    observations = story(level(0.05, 0.5, 3000))
    expected = judge(one, observations)
    resumed = [msgspec.structs.replace(o, attempt=1 + (o.step > 2500)) for o in observations]
    assert [a.chances for a in judge(other, resumed)] == [a.chances for a in expected]


def test_coarse_observations_take_the_first_after_the_window_as_reference() -> None:
    steps = [200, 300, 390, *range(2000, 20_000, 1000)]
    cyclic = msgspec.structs.replace(RULE.cyclic, baseline_from=3.0, baseline_to=4.0)
    predictor = Threshold(run(), msgspec.structs.replace(RULE, cyclic=cyclic))
    assert alarms(judge(predictor, story(level(0.05, 0.5, 10_000), steps=steps)))[0] == 12_000


def test_dense_observations_are_thinned_evenly() -> None:
    steps = [*range(10, 600), *(s for s in GRID if s >= 600)]

    def halves(step: int) -> float:
        return 0.04 if step < 300 else 0.06 if step < 3000 else 0.5

    predictor = Threshold(run())
    assert alarms(judge(predictor, story(halves, steps=steps)))
    samples = msgspec.msgpack.decode(predictor.state())["window"]["samples"]
    assert 16 <= len(samples) <= 33
    assert sum(sample["step"] < 300 for sample in samples) == pytest.approx(len(samples) / 2, abs=1)


def test_state_of_a_run_over_another_group_is_refused() -> None:
    one, other = Threshold(run("cyclic:67")), Threshold(run("bits:30"))
    judge(one, story(level(0.05, 0.5, 3000)))
    before = other.state()
    with pytest.raises(
        WireError, match=rf"follows one of {COORDINATES}, got one that follows {INPUT}"
    ):
        other.restore(one.state())
    assert other.state() == before


def test_takes_no_options() -> None:
    assert isinstance(load("threshold:", run()), Threshold)
    with pytest.raises(
        ConfigurationError, match=r"Expected no options after 'threshold:', got \['fac"
    ):
        load("threshold:factor=2", run())


def test_unknown_predictor_lists_the_known() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"Expected a predictor among baseline, .*threshold.*, got 'oracle'",
    ):
        load("oracle:", run())


def test_rule_is_frozen() -> None:
    with pytest.raises(AttributeError):
        RULE.base_rate = 1.0  # type: ignore[misc]
    assert Rule() == RULE
