import pytest

from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Observation,
    RunStarted,
    alert_id,
)
from grokwatch.monitor.story import read_story, tell
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage

STEPS = range(100, 4_001, 100)


def run(
    *, memorized: int | None = 300, rises: int | None = None, passes: int | None = None
) -> list[AnyRecord]:
    records: list[AnyRecord] = [RunStarted(run_id="r", time=0.0, name="toy", group="cyclic:5")]
    for step in STEPS:
        train = 1.0 if memorized is not None and step >= memorized else 0.5
        test = 0.1
        if rises is not None and step >= rises:
            test = 0.5
        if passes is not None and step >= passes:
            test = 1.0
        records += [
            Observation(run_id="r", step=step, time=0.0, train_loss=1.0, train_accuracy=train),
            Evaluation(run_id="r", step=step, time=0.0, test_accuracy=test),
        ]
    return records


def alert(step: int, state: AlertState = AlertState.FIRING, probability: float = 0.75) -> Alert:
    assessment = Assessment(
        run_id="r",
        step=step,
        time=50.0,
        predictor="p@1",
        stage=Stage.CIRCUIT_FORMATION,
        chances=(Chance(horizon_steps=10, probability=probability),),
    )
    return Alert(
        run_id="r",
        id=alert_id("r", AlertCode.LIKELY_GROKKING, 1),
        code=AlertCode.LIKELY_GROKKING,
        episode=1,
        severity=Severity.WARNING,
        state=state,
        step=step,
        time=0.0,
        message="likely",
        assessment=assessment,
    )


def test_a_run_that_was_warned_of_in_time_is_told_in_full() -> None:
    records = [*run(rises=2_000, passes=3_000), alert(1_200)]
    assert tell(read_story(records)) == [
        "memorised at step 300",
        "warned at step 1,200 (p = 0.75)",
        "test accuracy began to rise at step 2,000",
        "passed 95 % at step 3,000",
        "lead: 800 steps before test accuracy began to rise",
        "lead: 1,800 steps before it passed 95 %",
    ]


def test_a_late_warning_is_called_late() -> None:
    lines = tell(read_story([*run(rises=2_000, passes=3_000), alert(2_500)]))
    assert "no lead: 500 steps after test accuracy began to rise" in lines
    assert "lead: 500 steps before it passed 95 %" in lines


def test_a_run_still_flat_is_censored_not_condemned() -> None:
    lines = tell(read_story(run()))
    assert lines == [
        "memorised at step 300",
        "no warning by step 4,000",
        "test accuracy did not begin to rise by step 4,000",
        "test accuracy did not pass 95 % by step 4,000; it stood at 10.0%",
        "silence, so far right: flat until step 4,000; nobody knows beyond",
    ]
    assert not any("never" in line for line in lines)


def test_a_warning_that_did_not_come_true_is_said_so() -> None:
    lines = tell(read_story([*run(), alert(1_200), alert(1_500, AlertState.CLEARED)]))
    assert "warned at step 1,200 (p = 0.75), taken back at step 1,500" in lines
    assert lines[-1] == "the warning did not come true by step 4,000"


def test_a_missed_run_is_said_so() -> None:
    assert tell(read_story(run(rises=2_000, passes=3_000)))[-1] == (
        "missed: it generalised without a warning"
    )


def test_silence_on_random_labels_is_said_to_be_right() -> None:
    started, *rest = run()
    shuffled = RunStarted(
        run_id="r", time=0.0, hyper_parameters={"task.random_labels": True}, group="cyclic:5"
    )
    assert tell(read_story([shuffled, *rest]))[-1].startswith("silence was right: the answers are")
    assert not read_story([started, *rest]).has_random_labels


def test_a_run_that_did_not_memorize_claims_nothing() -> None:
    lines = tell(read_story(run(memorized=None)))
    assert lines[0] == "not memorised by step 4,000"


def test_an_empty_journal_is_told_without_a_crash() -> None:
    story = read_story([])
    assert story.last_step == 0
    assert tell(story)[0] == "not memorised by step 0"


@pytest.mark.parametrize("state", [AlertState.CONFIRMED, AlertState.EXPIRED])
def test_only_a_firing_alert_is_a_warning(state: AlertState) -> None:
    assert read_story([*run(), alert(1_200, state)]).warning is None
