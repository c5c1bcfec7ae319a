"""What every alert hook keeps to. A new one adds a subclass with its target; the checks follow."""

import pkgutil
from collections.abc import Iterator

import msgspec
import pytest

import grokwatch.monitor.alerts as package
from grokwatch.monitor.alerts import HookSink, connect
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.protocols import AlertHook
from grokwatch.monitor.records import Alert, Assessment, Chance, alert_id
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage
from tests.receivers import Receiver

ALERT = Alert(
    run_id="a",
    id=alert_id("a", AlertCode.LIKELY_GROKKING, 1),
    code=AlertCode.LIKELY_GROKKING,
    episode=1,
    severity=Severity.WARNING,
    state=AlertState.FIRING,
    step=1000,
    time=0.0,
    message="a: likely to generalise if training goes on",
    assessment=Assessment(
        run_id="a",
        step=1000,
        time=50.0,
        predictor="drawn@1",
        stage=Stage.PLATEAU,
        chances=(Chance(horizon_steps=10, probability=0.9),),
    ),
)


class HookConformance:
    """The contract of `AlertHook`, executable; a subclass names its `target`.

    Where that depends on a port, the subclass completes it in a fixture.
    """

    target: str

    @pytest.fixture
    def hook(self) -> AlertHook:
        return connect(self.target)

    @pytest.mark.parametrize("code", AlertCode)
    @pytest.mark.parametrize("severity", Severity)
    @pytest.mark.parametrize("state", AlertState)
    def test_takes_every_code_severity_and_state(
        self, hook: AlertHook, code: AlertCode, severity: Severity, state: AlertState
    ) -> None:
        hook.fire(
            Notice(alert=msgspec.structs.replace(ALERT, code=code, severity=severity, state=state))
        )

    def test_takes_the_same_alert_again(self, hook: AlertHook) -> None:
        hook.fire(Notice(alert=ALERT))
        hook.fire(Notice(alert=ALERT))

    def test_takes_an_alert_without_assessment(self, hook: AlertHook) -> None:
        hook.fire(Notice(alert=msgspec.structs.replace(ALERT, assessment=None)))

    @pytest.mark.parametrize(
        "text", ["", "%s %d {}", "a\r\nb", "\x1b[31m", "\ud800", "x" * 100_000]
    )
    def test_takes_any_text(self, hook: AlertHook, text: str) -> None:
        hook.fire(Notice(alert=msgspec.structs.replace(ALERT, run_id=text, message=text)))

    def test_changes_nothing_it_was_given(self, hook: AlertHook) -> None:
        before = msgspec.msgpack.encode(ALERT)
        hook.fire(Notice(alert=ALERT))
        assert msgspec.msgpack.encode(ALERT) == before

    def test_two_of_it_do_not_disturb_each_other(self) -> None:
        first, second = connect(self.target), connect(self.target)
        first.fire(Notice(alert=ALERT))
        second.fire(Notice(alert=ALERT))

    def test_serves_as_a_sink(self, hook: AlertHook) -> None:
        sink = HookSink(hook)
        sink.write([ALERT, ALERT])
        sink.close()


class TestLog(HookConformance):
    target = "log:"


class TestFunction(HookConformance):
    target = "function:builtins:id"


class TestCommand(HookConformance):
    target = 'command:["cat"]'


class TestWebhook(HookConformance):
    target = "webhook:"

    @pytest.fixture(autouse=True)
    def receiver(self) -> Iterator[None]:
        with Receiver() as receiver:
            self.target = f"webhook:http://{receiver.authority}/,allow=private"
            yield
            assert receiver.requests


class TestAlertmanager(HookConformance):
    target = "alertmanager:"

    @pytest.fixture(autouse=True)
    def receiver(self) -> Iterator[None]:
        with Receiver() as receiver:
            self.target = f"alertmanager:http://{receiver.authority},allow=private"
            yield
            assert receiver.requests


class TestApprise(HookConformance):
    target = "apprise:"

    @pytest.fixture(autouse=True)
    def receiver(self) -> Iterator[None]:
        with Receiver() as receiver:
            self.target = f"apprise:json://{receiver.authority}/"
            yield
            assert receiver.requests


def test_every_hook_is_checked() -> None:
    checked = {c.target.partition(":")[0] for c in HookConformance.__subclasses__()}
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert checked == {name for name in modules if not name.startswith("_")}
