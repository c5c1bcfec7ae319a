"""The dummies, and the memorization step they share with every predictor."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.labels import label
from grokwatch.monitor.predictors import FOREVER, Memorization, chance, load
from grokwatch.monitor.records import Assessment, Observation, RunStarted
from grokwatch.monitor.vocabulary import Stage

RUN = RunStarted(run_id="a", time=0.0)


def seen(step: int, accuracy: float | None = 1.0) -> Observation:
    return Observation(run_id="a", step=step, time=0.0, train_loss=0.1, train_accuracy=accuracy)


def judge(target: str, steps: range) -> list[Assessment]:
    predictor = load(target, RUN)
    return [predictor.update(seen(step)) for step in steps]


def test_never_and_always_wait_for_memorization() -> None:
    never, always = (
        judge("baseline:never", range(10, 60, 10)),
        judge("baseline:always", range(10, 60, 10)),
    )
    assert [a.probability for a in never] == [None, None, 0.0, 0.0, 0.0]
    assert [a.probability for a in always] == [None, None, 1.0, 1.0, 1.0]
    assert [a.stage for a in never[1:3]] == [Stage.FITTING, Stage.PLATEAU]
    assert [a.stage for a in always[1:3]] == [Stage.FITTING, Stage.CIRCUIT_FORMATION]
    assert never[-1].predictor == "never@1"


@pytest.mark.parametrize(
    ("options", "multiple"), [("", 10), (",multiple=3", 3), (",multiple=0", 0)]
)
def test_after_memorization_fires_at_a_multiple(options: str, multiple: int) -> None:
    assessments = judge(f"baseline:after_memorization{options}", range(100, 3000, 50))
    fired = [a.step for a in assessments if a.probability == 1.0]
    assert fired[0] == max(100 + multiple * 100, 200)
    assert fired[-1] == 2950


@pytest.mark.parametrize(
    "target",
    ["baseline:", "baseline:sometimes", "baseline:never,multiple=2", "baseline:always,colour=red"],
)
def test_unknown_baseline_lists_the_known(target: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected a baseline among never, always, after_"):
        load(target, RUN)


@pytest.mark.parametrize("multiple", ["ten", "-1", "nan"])
def test_multiple_is_a_number(multiple: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"Expected a multiple of 0 or more, got '{multiple}'"
    ):
        load(f"baseline:after_memorization,multiple={multiple}", RUN)


def test_memorization_is_where_accuracy_began_to_hold() -> None:
    memorization = Memorization()
    for step, accuracy in ((10, 0.99), (20, 0.98), (30, 0.99), (40, None), (50, 1.0), (60, 0.99)):
        assert memorization.step is None
        memorization.update(seen(step, accuracy))
    assert memorization.step == 30
    memorization.update(seen(70, 0.1))
    assert memorization.step == 30


@given(st.lists(st.tuples(st.integers(1, 9), st.none() | st.sampled_from((0.9, 0.99, math.nan)))))
def test_memorization_seen_live_is_the_label_s(parts: list[tuple[int, float | None]]) -> None:
    steps = itertools.accumulate(gap * gap for gap, _ in parts)
    run = [seen(step, accuracy) for step, (_, accuracy) in zip(steps, parts, strict=True)]
    memorization = Memorization()
    for observation in run:
        memorization.update(observation)
    assert memorization.step == label(run, []).train_step


@pytest.mark.parametrize(("step", "kept"), [(30, None), (31, 30)])
def test_rewind_to_before_memorization_forgets_it(step: int, kept: int | None) -> None:
    memorization = Memorization()
    for earlier in (30, 40, 50, 600):
        memorization.update(seen(earlier))
    memorization.update(seen(step))
    assert memorization.step == kept


def test_horizon_is_at_least_a_step_and_fits_a_record() -> None:
    assert chance(5, 5, 0.5)[0].horizon_steps == 1
    assert chance(FOREVER, 5, 0.5)[0].horizon_steps == FOREVER
