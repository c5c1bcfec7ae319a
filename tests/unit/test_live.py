import pytest

from grokwatch.experiments.live import Announcer, Reading, progress_bar, progress_lines
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Alert, Assessment, Chance
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage


def alert(
    code: AlertCode = AlertCode.LIKELY_GROKKING, state: AlertState = AlertState.FIRING
) -> Alert:
    assessment = Assessment(
        run_id="r",
        step=1_200,
        time=50.0,
        predictor="p@1",
        stage=Stage.CIRCUIT_FORMATION,
        chances=(Chance(horizon_steps=10, probability=0.75),),
    )
    return Alert(
        run_id="r",
        id="x",
        code=code,
        episode=1,
        severity=Severity.WARNING,
        state=state,
        step=1_200,
        time=0.0,
        message="likely",
        assessment=assessment,
    )


def test_the_crossing_is_announced_in_one_line() -> None:
    shown: list[str] = []
    Announcer(shown.append, lambda _: 0.0219).fire(Notice(alert=alert()))
    assert shown == [">>> step 1,200: likely to generalise if training goes on (p 0.75, test 2.1%)"]


@pytest.mark.parametrize(
    "other", [alert(state=AlertState.CONFIRMED), alert(code=AlertCode.COLLAPSE)]
)
def test_nothing_else_is_announced(other: Alert) -> None:
    shown: list[str] = []
    Announcer(shown.append, lambda _: None).fire(Notice(alert=other))
    assert shown == []


def test_without_a_terminal_there_are_ten_lines() -> None:
    shown: list[str] = []
    with progress_lines(1_000, shown.append) as report:
        for step in range(1, 1_001):
            report(Reading(step=step))
    assert [line[:12] for line in shown] == [f"step {step:>7,}" for step in range(100, 1_001, 100)]


def test_a_reading_never_rounds_up_to_all() -> None:
    reading = Reading(step=1, train_accuracy=0.99999, stage=Stage.PLATEAU, probability=0.5)
    assert str(reading) == "train  99.9%  test   -     plateau            p 0.50"


def test_the_bar_shows_the_reading(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar(10) as report:
        report(Reading(step=10, train_accuracy=1.0, test_accuracy=0.25, stage=Stage.CLEANUP))
    out, err = capfd.readouterr()
    assert out == ""
    assert "10/10" in err
