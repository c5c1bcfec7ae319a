import msgspec
import pytest

from grokwatch.monitor.report.verdict import is_awaited, judge
from grokwatch.monitor.vocabulary import Stage
from tests.page_runs import life_like
from tests.page_stories import story

UNDECIDED = story("a", chance=0.4).row


def _word(**changes: object) -> tuple[str, str]:
    verdict = judge(msgspec.structs.replace(UNDECIDED, **changes))
    return verdict.tone, verdict.word


@pytest.mark.parametrize(
    ("alerts", "answer"),
    [
        (("GRK001",), ("keep", "keep")),
        (("GRK002",), ("stop", "stop is defensible")),
        (("GRK003",), ("alarm", "collapsing")),
        (("GRK004",), ("alarm", "stuck")),
        (("GRK999",), ("open", "undecided")),
    ],
)
def test_a_firing_alert_answers(alerts: tuple[str, ...], answer: tuple[str, str]) -> None:
    assert _word(alerts=alerts) == answer


def test_the_gravest_alert_answers_first() -> None:
    everything = ("GRK001", "GRK002", "GRK003", "GRK004")
    assert _word(alerts=everything)[1] == "collapsing"
    assert _word(alerts=everything[:2] + everything[3:])[1] == "stuck"
    assert _word(alerts=everything[:2])[1] == "keep"


def test_a_run_that_generalised_needs_no_advice_unless_it_collapses() -> None:
    stage = Stage.GENERALIZED.value
    assert _word(stage=stage, alerts=("GRK001",)) == ("done", "generalised")
    assert _word(stage=stage, alerts=("GRK003",)) == ("alarm", "collapsing")


def test_a_run_that_ended_is_not_told_to_stop() -> None:
    assert _word(status="finished", alerts=("GRK002",)) == ("stop", "ended")
    assert _word(status="failed", alerts=("GRK001",)) == ("keep", "worth resuming")
    assert _word(status="interrupted") == ("open", "ended undecided")


def test_a_chance_alone_is_no_verdict() -> None:
    for chance in (0.001, 0.5, 0.999):
        assert _word(rise_probability=chance) == ("open", "undecided")
    assert judge(UNDECIDED).detail.startswith("40\xa0% chance of a rise, no alarm")


def test_what_cannot_be_told_comes_with_its_reason() -> None:
    silent = msgspec.structs.replace(UNDECIDED, rise_probability=None, reason="too soon")
    assert (judge(silent).word, judge(silent).detail) == ("cannot tell", "too soon")
    mute = msgspec.structs.replace(silent, reason=None)
    assert judge(mute).detail == "the predictor gives no reason"


def test_a_run_without_observations_has_no_data_yet() -> None:
    assert _word(step=None, rise_probability=None) == ("open", "no data yet")


def test_stopping_is_never_advised_without_its_price() -> None:
    told = judge(msgspec.structs.replace(UNDECIDED, alerts=("GRK002",)))
    assert "gave up 6 %" in told.advice


def test_tones_differ_in_their_marks() -> None:
    verdicts = [judge(each.row) for each in life_like()]
    marks = {(verdict.tone, verdict.mark) for verdict in verdicts}
    assert {tone for tone, _ in marks} == {"keep", "stop", "alarm", "done", "open"}
    assert len({mark for _, mark in marks}) == len(marks)


def test_a_rise_is_awaited_only_while_training_goes_on_without_it() -> None:
    assert is_awaited(UNDECIDED)
    assert not is_awaited(msgspec.structs.replace(UNDECIDED, status="finished"))
    assert not is_awaited(msgspec.structs.replace(UNDECIDED, stage=Stage.GENERALIZED.value))
