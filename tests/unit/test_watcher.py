"""One run watched: records out, status, and going on where it stopped."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.alerts import AlertPolicy
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.predictors import load
from grokwatch.monitor.protocols import Predictor
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
)
from grokwatch.monitor.vocabulary import AlertState, RunStatus, Stage
from grokwatch.monitor.watcher import Watcher, replay

KEY = "inverse_participation_ratio.excess@input"
LISTED = tuple(
    SignalInfo(name=name, unit="", summary="")
    for name in ("inverse_participation_ratio", "weight_norm")
)
GRID = sorted({round(10 ** (k / 50)) for k in range(50, 226)})


def started(run_id: str = "a") -> RunStarted:
    return RunStarted(run_id=run_id, time=0.0, group="cyclic:67", signals=LISTED)


def story(run_id: str = "a") -> list[AnyRecord]:
    """Memorize at 200, sparsity from 2,000, test accuracy from 6,000 on."""
    records: list[AnyRecord] = [started(run_id)]
    for step in GRID:
        rise = min(max(step - 2000, 0) / 4000, 1.0)
        records += (
            Observation(
                run_id=run_id,
                step=step,
                time=float(step),
                train_loss=1 / step,
                train_accuracy=float(step >= 200),
                values={KEY: 0.05 + 0.8 * rise, "weight_norm": 60 - 20 * rise},
            ),
            Evaluation(
                run_id=run_id, step=step, time=float(step), test_accuracy=float(step >= 6000)
            ),
        )
    return [*records, RunEnded(run_id=run_id, step=GRID[-1], time=0.0, status=RunStatus.FINISHED)]


def watch(target: str = "threshold:") -> Watcher:
    run = started()
    return Watcher(run, load(target, run), AlertPolicy())


def feed(watcher: Watcher, records: list[AnyRecord]) -> list[AnyRecord]:
    out: list[AnyRecord] = []
    for record in records:
        if isinstance(record, Observation):
            out += watcher.consume(record)
        elif isinstance(record, Evaluation):
            out += watcher.confirm(record)
    return out


def test_a_run_that_groks_is_warned_of_and_confirmed() -> None:
    watcher = watch()
    out = feed(watcher, story())
    alerts = [record for record in out if isinstance(record, Alert)]
    assert [alert.state for alert in alerts] == [AlertState.FIRING, AlertState.CONFIRMED]
    assert 2000 < alerts[0].step < 3500
    assert 6000 <= alerts[1].step < 8000
    assert sum(isinstance(record, Assessment) for record in out) == len(GRID)
    assert watcher.stage is Stage.GENERALIZED


def test_stage_is_the_predictor_s_until_evaluations_say_more() -> None:
    watcher = watch()
    stages = [watcher.stage]
    feed(watcher, [record for record in story() if isinstance(record, Observation)])
    assert [*stages, watcher.stage] == [Stage.FITTING, Stage.CLEANUP]


def test_evaluations_do_not_reach_the_predictor() -> None:
    seen = [r for r in feed(watch(), story()) if isinstance(r, Assessment)]
    blind = [r for r in story() if isinstance(r, Observation)]
    assert seen == feed_assessments(blind)


def feed_assessments(records: list[Observation]) -> list[AnyRecord]:
    return [r for r in feed(watch(), list(records)) if isinstance(r, Assessment)]


class Broken:
    """A predictor that raises."""

    def update(self, observation: Observation, /) -> Assessment:
        raise ZeroDivisionError(observation.step)

    def state(self) -> bytes:
        return b""

    def restore(self, state: bytes, /) -> None:
        raise WireError("no state of mine")


def test_a_predictor_s_error_passes_and_leaves_the_policy_alone() -> None:
    broken: Predictor = Broken()
    policy = AlertPolicy()
    watcher = Watcher(RunStarted(run_id="a", time=0.0), broken, policy)
    before = policy.state()
    with pytest.raises(ZeroDivisionError):
        watcher.consume(Observation(run_id="a", step=1, time=0.0, train_loss=1.0))
    with pytest.raises(WireError, match="no state of mine"):
        watcher.restore(watch().state())
    assert policy.state() == before


class Attentive:
    """A predictor that keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: list[dict[str, float]] = []

    def update(self, observation: Observation, /) -> Assessment:
        self.shown.append(observation.values)
        return Assessment(
            run_id="a", step=observation.step, time=0.0, predictor="p@1", stage=Stage.FITTING
        )

    def state(self) -> bytes:
        return b""

    def restore(self, state: bytes, /) -> None:
        pass


PLANTED = {
    "weight_norm": 3.0,
    "weight_norm@input": 2.0,
    "walsh.low@input": 1.0,
    "excluded": 1.0,
    "test_margin.least": 1.0,
    "weight_norm_of_the_test_set": 1.0,
    "unlisted@input": 1.0,
}
SEEN = {"weight_norm": 3.0, "weight_norm@input": 2.0}
OTHERS = tuple(
    SignalInfo(name=name, unit="", summary="", access=access)
    for name, access in (
        ("walsh", "unlabelled"),
        ("excluded", "solution"),
        ("test_margin", "held-out"),
        ("unlisted_elsewhere", "an access of a later version"),
    )
)
MIXED = RunStarted(run_id="a", time=0.0, signals=(*LISTED, *OTHERS))


def planted(step: int) -> Observation:
    return Observation(run_id="a", step=step, time=0.0, train_loss=1.0, values=dict(PLANTED))


def test_the_predictor_is_shown_the_values_of_listed_train_side_signals_only() -> None:
    predictor, observation = Attentive(), planted(1)
    Watcher(MIXED, predictor, AlertPolicy()).consume(observation)
    assert predictor.shown == [SEEN]
    assert observation.values == PLANTED, "the journal and the sinks keep the rest"


def test_in_replay_too_and_by_each_attempt_s_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Attentive()
    monkeypatch.setattr("grokwatch.monitor.watcher.load", lambda target, run: predictor)
    other = OTHERS[1]
    again = RunStarted(
        run_id="a", attempt=2, time=0.0, signals=(msgspec.structs.replace(other, access="train"),)
    )
    told: list[AnyRecord] = [planted(1), MIXED, planted(2), again, planted(3)]
    assert len(list(replay(told, predictor="p"))) == 3
    assert predictor.shown == [{}, SEEN, {"excluded": 1.0}]


def test_all_that_a_train_side_signal_gives_is_shown_as_it_is() -> None:
    predictor = Attentive()
    observation = Observation(run_id="a", step=1, time=0.0, train_loss=1.0, values=dict(SEEN))
    Watcher(MIXED, predictor, AlertPolicy()).consume(observation)
    assert predictor.shown[0] is observation.values


@given(
    cut=st.integers(0, 2 * len(GRID) + 2), target=st.sampled_from(("threshold:", "baseline:always"))
)
def test_prefix_and_restore_and_suffix_equal_uninterrupted(cut: int, target: str) -> None:
    whole, first, second = watch(target), watch(target), watch(target)
    expected = feed(whole, story())
    seen = feed(first, story()[:cut])
    second.restore(first.state())
    assert second.stage is first.stage
    seen += feed(second, story()[cut:])
    assert msgspec.msgpack.encode(seen) == msgspec.msgpack.encode(expected)
    assert second.state() == whole.state()


def test_foreign_state_is_refused() -> None:
    watcher = watch()
    with pytest.raises(WireError, match="Expected a state of kind WatcherMemory"):
        watcher.restore(AlertPolicy().state())


def test_resumed_from_a_checkpoint_repeats_no_alert() -> None:
    interrupted = watch()
    cut = next(i for i, r in enumerate(story()) if isinstance(r, Observation) and r.step > 1500)
    feed(interrupted, story()[:cut])
    checkpoint = interrupted.state()
    announced = [r for r in feed(interrupted, story()[cut:]) if isinstance(r, Alert)]
    assert announced
    resumed = watch()
    resumed.restore(checkpoint)
    for alert in announced:
        resumed.remember(alert)
    again = feed(resumed, story()[cut:])
    assert not [record for record in again if isinstance(record, Alert)]
    assert resumed.stage is Stage.GENERALIZED


def test_rewind_in_one_process_repeats_no_alert() -> None:
    watcher = watch()
    feed(watcher, [r for r in story() if getattr(r, "step", 0) <= 5000])
    again = feed(watcher, [r for r in story() if 1000 <= getattr(r, "step", 0) <= 5000])
    assert not [record for record in again if isinstance(record, Alert)]


def test_replay_equals_live() -> None:
    assert list(replay(story(), predictor="threshold:")) == feed(watch(), story())


def test_replay_keeps_runs_apart_and_reads_no_judgement_of_the_past() -> None:
    old = list(replay(story(), predictor="baseline:always"))
    mixed = [r for pair in zip(story("a"), story("b"), strict=True) for r in pair]
    out = list(replay([*old, *mixed], predictor="threshold:"))
    # The past judgements come before the run's start: its group is not read, its signals are.
    for run_id in ("a", "b"):
        expected = list(replay(story(run_id), predictor="threshold:"))
        assert [record for record in out if record.run_id == run_id] == expected


def test_replay_without_a_start_knows_the_run_by_name() -> None:
    records = [r for r in story() if isinstance(r, Observation)]
    out = list(replay(records, predictor="baseline:never"))
    assert {record.run_id for record in out} == {"a"}
    assert len(out) == len(GRID)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_divergence_is_told_and_raises_nothing(loss: float) -> None:
    watcher = watch()
    sick = Observation(run_id="a", step=10, time=0.0, train_loss=loss, values={KEY: 1.0})
    (assessment,) = watcher.consume(sick)
    assert isinstance(assessment, Assessment)
    assert assessment.reason == f"diverged: train loss is {loss} at step 10"
