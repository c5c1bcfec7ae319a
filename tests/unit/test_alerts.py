"""The alert policy as a table of stories, and the sink that delivers."""

import logging
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.alerts import AlertPolicy, HookSink, connect
from grokwatch.monitor.alerts.log import LogHook, one_line
from grokwatch.monitor.errors import ConfigurationError, HookError, SinkError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Observation,
    alert_id,
)
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage
from tests.alert_stories import evaluated, said

F, K, E, C = AlertState.FIRING, AlertState.CONFIRMED, AlertState.EXPIRED, AlertState.CLEARED


def judged(
    step: int, probability: float | None, *, horizon: int = 10**6, stage: Stage = Stage.PLATEAU
) -> Assessment:
    if probability is None:
        return said(step, stage=stage)
    return said(step, Chance(horizon_steps=horizon, probability=probability), stage=stage)


def one(alerts: tuple[Alert, ...]) -> Alert | None:
    """The alert of GRK001, the only code that these stories are about."""
    found = [alert for alert in alerts if alert.code is AlertCode.LIKELY_GROKKING]
    assert len(found) <= 1
    return found[0] if found else None


def assess(policy: AlertPolicy, assessment: Assessment, time: float) -> Alert | None:
    return one(policy.step(assessment, time))


def confirm(policy: AlertPolicy, evaluation: Evaluation) -> Alert | None:
    return one(policy.confirm(evaluation))


def states(policy: AlertPolicy, *probabilities: float | None) -> list[AlertState | None]:
    """States announced for one probability every 100 steps from 1,000 on."""
    alerts = [
        assess(policy, judged(1000 + 100 * index, probability), 0.0)
        for index, probability in enumerate(probabilities)
    ]
    return [None if alert is None else alert.state for alert in alerts]


@pytest.mark.parametrize(
    ("hold", "probabilities", "expected"),
    [
        (1, (0.4, 0.5, 0.9, 0.9), (None, F, None, None)),
        (1, (0.9,), (F,)),
        (1, (0.6, 0.3, 0.25, 0.24), (F, None, None, C)),
        (3, (0.6, 0.6, 0.4, 0.6, 0.6, 0.6), (None, None, None, None, None, F)),
        (2, (0.6, None, 0.6, 0.6), (None, None, None, F)),
        (2, (0.6, 0.6, 0.1, None, 0.1, 0.1), (None, F, None, None, None, C)),
        (1, (0.6, None, None), (F, None, None)),
    ],
)
def test_raise_hold_and_clear(
    hold: int, probabilities: tuple[float | None, ...], expected: tuple[AlertState | None, ...]
) -> None:
    policy = AlertPolicy(raise_at=0.5, clear_at=0.25, hold=hold)
    assert states(policy, *probabilities) == list(expected)


def test_fitting_raises_nothing() -> None:
    assert assess(AlertPolicy(), judged(10, 1.0, stage=Stage.FITTING), 0.0) is None


def test_cool_down_is_a_share_of_the_step() -> None:
    policy = AlertPolicy(cool_down=0.25)
    assert states(policy, 0.9, 0.1) == [F, C]
    assert assess(policy, judged(1374, 0.9), 0.0) is None
    again = assess(policy, judged(1375, 0.9), 0.0)
    assert again is not None
    assert (again.state, again.episode) == (F, 2)


def test_alert_names_its_run_code_and_episode_and_speaks_plainly() -> None:
    assessment = judged(5600, 0.834, horizon=42_000)
    alert = assess(AlertPolicy(raise_at=0.8), assessment, 3.0)
    assert alert == Alert(
        run_id="a",
        id=alert_id("a", AlertCode.LIKELY_GROKKING, 1),
        code=AlertCode.LIKELY_GROKKING,
        episode=1,
        severity=Severity.WARNING,
        state=F,
        step=5600,
        time=3.0,
        message="a: likely to generalise if training goes on: "
        "probability 0.83 within 42,000 more steps, seen at step 5,600",
        assessment=assessment,
    )


def test_expires_after_its_horizon_and_needs_a_low_before_the_next() -> None:
    policy = AlertPolicy()
    assess(policy, judged(1000, 0.9, horizon=500), 0.0)
    assert assess(policy, judged(1500, 0.9), 0.0) is None
    expired = assess(policy, judged(1501, 0.9), 0.0)
    assert expired is not None
    assert (expired.state, expired.episode, expired.severity) == (E, 1, Severity.INFO)
    assert expired.message == ("a: not generalised within the time given; warned at step 1,000")
    assert assess(policy, judged(1600, 0.9), 0.0) is None
    assert assess(policy, judged(1700, 0.1), 0.0) is None
    again = assess(policy, judged(1800, 0.9), 0.0)
    assert again is not None
    assert again.episode == 2


def test_expires_even_where_nothing_can_be_told() -> None:
    policy = AlertPolicy()
    assess(policy, judged(1000, 0.9, horizon=500), 0.0)
    expired = assess(policy, judged(1600, None), 0.0)
    assert expired is not None
    assert expired.state is E


def test_confirmed_by_three_evaluations_and_not_raised_again() -> None:
    policy = AlertPolicy()
    assess(policy, judged(1000, 0.9), 0.0)
    assert confirm(policy, evaluated(2000, 0.96)) is None
    assert confirm(policy, evaluated(2100, None)) is None
    assert confirm(policy, evaluated(2200, 0.97)) is None
    assert not policy.is_generalized
    confirmed = confirm(policy, evaluated(2300, 0.99))
    assert confirmed is not None
    assert (confirmed.state, confirmed.episode, confirmed.time) == (K, 1, 7.0)
    assert confirmed.id == alert_id("a", AlertCode.LIKELY_GROKKING, 1)
    assert confirmed.message == "a: generalised at step 2,000; warned at step 1,000"
    assert policy.is_generalized
    assert confirm(policy, evaluated(2400, 0.99)) is None
    assert not any(assess(policy, judged(3000 + s, s % 2), 0.0) for s in range(6))


@pytest.mark.parametrize("accuracy", [0.94, math.nan, None])
def test_no_confirmation_below_the_level(accuracy: float | None) -> None:
    policy = AlertPolicy()
    assess(policy, judged(1000, 0.9), 0.0)
    assert not any(confirm(policy, evaluated(step, accuracy)) for step in range(2000, 4000, 100))
    assert not policy.is_generalized


@pytest.mark.parametrize(("horizon", "state"), [(1000, K), (999, E)])
def test_late_generalization_expires_the_alert(horizon: int, state: AlertState) -> None:
    policy = AlertPolicy()
    assess(policy, judged(1000, 0.9, horizon=horizon), 0.0)
    alerts = [confirm(policy, evaluated(step, 1.0)) for step in (2000, 2100, 2200)]
    assert alerts[-1] is not None
    assert alerts[-1].state is state


def test_run_that_generalized_unannounced_is_not_announced_after() -> None:
    policy = AlertPolicy()
    for step in (500, 600, 700):
        confirm(policy, evaluated(step, 1.0))
    assert policy.is_generalized
    assert states(policy, 0.9, 0.9) == [None, None]


def test_collapse_ends_generalized_but_not_confirmed() -> None:
    policy = AlertPolicy()
    assess(policy, judged(1000, 0.9), 0.0)
    for step in (2000, 2100, 2200):
        confirm(policy, evaluated(step, 1.0))
    for step in (3000, 3100, 3200):
        assert policy.is_generalized
        confirm(policy, evaluated(step, 0.7))
    assert not policy.is_generalized
    assert assess(policy, judged(4000, 0.1), 0.0) is None
    assert assess(policy, judged(4100, 0.9), 0.0) is None


def test_rewind_announces_nothing_twice() -> None:
    policy = AlertPolicy()
    assert states(policy, 0.1, 0.1, 0.9) == [None, None, F]
    assert states(policy, 0.1, 0.1, 0.9) == [None, None, None]
    assert states(policy, 0.1, 0.9, 0.1) == [None, None, C]
    # After it, episodes count on from where the rewind left them.
    assert states(policy, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9) == [None] * 5 + [F]


def test_rewind_reopens_what_was_resolved_after_it() -> None:
    policy = AlertPolicy()
    assess(policy, judged(1000, 0.9), 0.0)
    for step in (2000, 2100, 2200):
        confirm(policy, evaluated(step, 1.0))
    assess(policy, judged(3000, 0.9), 0.0)
    assert policy.is_generalized
    assess(policy, judged(1500, 0.9), 0.0)
    assert not policy.is_generalized
    cleared = assess(policy, judged(1600, 0.1), 0.0)
    assert cleared is not None
    assert (cleared.state, cleared.episode) == (C, 1)


def test_rewind_after_an_expiry_does_not_stand_in_for_a_low_probability() -> None:
    policy = AlertPolicy()
    steps = (100, 160, 200, 300, 250, 260, 400)
    alerts = [assess(policy, judged(step, 0.95, horizon=50), 0.0) for step in steps]
    assert [alert.state for alert in alerts if alert is not None] == [F, E]


def test_memory_is_bounded() -> None:
    policy = AlertPolicy(cool_down=0.0)
    for step in range(5000):
        assess(policy, judged(step, float(step % 2)), 0.0)
    assert len(policy.state()) < 4096


def test_resume_from_an_older_state_announces_nothing_twice() -> None:
    policy, resumed = AlertPolicy(), AlertPolicy()
    state = policy.state()
    announced = [
        alert
        for alert in (
            assess(policy, judged(1000, 0.9), 0.0),
            assess(policy, judged(2000, 0.1), 0.0),
        )
        if alert is not None
    ]
    assert [alert.state for alert in announced] == [F, C]
    resumed.restore(state)
    for alert in announced:
        resumed.remember(alert)
    assert assess(resumed, judged(1000, 0.9), 0.0) is None
    # The same episode ends otherwise this time, which is news.
    confirmed = [confirm(resumed, evaluated(step, 1.0)) for step in (1500, 1600, 1700)]
    assert confirmed[-1] is not None
    assert (confirmed[-1].id, confirmed[-1].state) == (announced[0].id, K)


def test_alerts_of_other_codes_are_not_mistaken_for_this_one() -> None:
    policy = AlertPolicy()
    alert = assess(AlertPolicy(), judged(1000, 0.9), 0.0)
    assert alert is not None
    policy.remember(msgspec.structs.replace(alert, code=AlertCode.COLLAPSE))
    assert states(policy, 0.9) == [F]


@pytest.mark.parametrize(
    "levels",
    [
        {"raise_at": 0.2, "clear_at": 0.2},
        {"raise_at": 1.1},
        {"clear_at": -0.1},
        {"hold": 0},
        {"cool_down": -1.0},
        {"raise_at": math.nan},
    ],
)
def test_levels_out_of_order_are_refused(levels: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected 0 <= clear_at < raise_at <= 1.*got"):
        AlertPolicy(**levels)  # type: ignore[arg-type]


moves = st.lists(
    st.one_of(
        st.builds(
            judged,
            st.integers(1, 100),
            st.none() | st.sampled_from((0.0, 0.2, 0.4, 0.6, 1.0)),
            horizon=st.sampled_from((1, 20, 2**63 - 1)),
        ),
        st.builds(evaluated, st.integers(1, 100), st.sampled_from((None, 0.5, 0.96, 1.0))),
    ),
    max_size=80,
)


def take(policy: AlertPolicy, record: Assessment | Evaluation) -> Alert | None:
    return (
        assess(policy, record, 0.0) if isinstance(record, Assessment) else confirm(policy, record)
    )


@given(moves, st.integers(0, 80))
def test_any_story_with_rewinds_announces_nothing_twice_and_survives_restoring(
    records: list[Assessment | Evaluation], cut: int
) -> None:
    whole, first, second = AlertPolicy(), AlertPolicy(), AlertPolicy()
    expected = [take(whole, record) for record in records]
    seen = [take(first, record) for record in records[:cut]]
    second.restore(first.state())
    assert seen + [take(second, record) for record in records[cut:]] == expected
    alerts = [alert for alert in expected if alert is not None]
    assert len({(alert.id, alert.state) for alert in alerts}) == len(alerts)


@given(moves)
def test_any_story_in_order_fires_and_resolves_in_turn(
    records: list[Assessment | Evaluation],
) -> None:
    policy = AlertPolicy()
    ordered = [msgspec.structs.replace(r, step=step) for step, r in enumerate(records)]
    alerts = [alert for alert in (take(policy, r) for r in ordered) if alert is not None]
    for index, alert in enumerate(alerts):
        assert alert.episode == index // 2 + 1
        assert (alert.state is F) == (index % 2 == 0)
    assert sum(alert.state is K for alert in alerts) <= 1


# Delivery


class Recorder:
    """A hook that keeps what it was given, and fails where it is told to."""

    def __init__(self, *failures: int) -> None:
        self.alerts: list[Alert] = []
        self._failures = set(failures)
        self._calls = 0

    repeat_seconds: float | None = None

    def fire(self, notice: Notice, /) -> None:
        self._calls += 1
        if self._calls in self._failures:
            raise HookError("the wire is cut")
        self.alerts.append(notice.alert)


def story() -> list[Alert]:
    policy = AlertPolicy(cool_down=0.0)
    alerts = [assess(policy, judged(1000 + i, p), 0.0) for i, p in enumerate((0.9, 0.1, 0.9, 0.1))]
    return [alert for alert in alerts if alert is not None]


def test_sink_delivers_alerts_once_and_nothing_else() -> None:
    hook = Recorder()
    sink = HookSink(hook)
    records: list[AnyRecord] = [
        Observation(run_id="a", step=1, time=0.0, train_loss=1.0),
        *story(),
        judged(1000, 0.9),
    ]
    sink.write(records)
    sink.write(records)
    sink.close()
    assert hook.alerts == story()


def test_sink_goes_on_where_the_hook_failed() -> None:
    hook = Recorder(2)
    sink = HookSink(hook)
    with pytest.raises(
        SinkError, match=rf"Alert {story()[1].id} was not delivered: the wire is cut"
    ):
        sink.write(story())
    assert hook.alerts == story()[:1]
    sink.write(story())
    assert hook.alerts == story()


def test_sink_passes_over_quiet_alerts() -> None:
    hook = Recorder()
    HookSink(hook, least=Severity.WARNING).write(story())
    assert [alert.state for alert in hook.alerts] == [F, F]


def test_sink_remembers_a_bounded_number() -> None:
    hook = Recorder()
    sink = HookSink(hook)
    alert = story()[0]
    sink.write([msgspec.structs.replace(alert, id=str(number)) for number in range(1025)])
    sink.write([msgspec.structs.replace(alert, id="1024")])
    assert len(hook.alerts) == 1025
    sink.write([msgspec.structs.replace(alert, id="0")])
    assert len(hook.alerts) == 1026


def test_unknown_hook_lists_the_known() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"Expected an alert hook among alertmanager, .*, webhook, got '_policy'",
    ):
        connect("_policy:")


# The log hook


def test_log_hook_writes_one_line_at_the_alert_s_level(caplog: pytest.LogCaptureFixture) -> None:
    firing, cleared = story()[:2]
    with caplog.at_level(logging.INFO):
        connect("log:").fire(Notice(alert=firing))
        connect("log:training.alerts").fire(Notice(alert=cleared))
    assert [(record.name, record.levelno) for record in caplog.records] == [
        ("grokwatch.monitor.alerts.log", logging.WARNING),
        ("training.alerts", logging.INFO),
    ]
    line = caplog.records[0].getMessage()
    assert line.startswith("GRK001 firing: a: likely to generalise")
    assert line.endswith(f"[alert {firing.id}]")


@pytest.mark.parametrize(
    "name", ["a\r\nGRK001", "\x1b[2J", "\u202eevil", "\u2028", "\x00", "\x85", "\ud800", "%s%n"]
)
def test_log_hook_keeps_one_event_on_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    alert = msgspec.structs.replace(story()[0], message=f"{name}: likely")
    LogHook().fire(Notice(alert=alert))
    (record,) = caplog.records
    line = record.getMessage()
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@given(st.text())
def test_one_line_is_printable_and_leaves_printable_text_alone(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


def test_log_hook_refuses_what_is_no_logger_s_name() -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a logger's name such as .*, got 'a b'"):
        connect("log:a b")
