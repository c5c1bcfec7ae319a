import logging
import re
import sys
import traceback
from typing import Any

import msgspec
import pytest

from grokwatch.monitor import alerts
from grokwatch.monitor.alerts.apprise import AppriseHook, connect
from grokwatch.monitor.errors import ConfigurationError, HookError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.vocabulary import AlertState, Severity
from tests.receivers import NOTICE, Receiver

CANARY = "c4n4ry"
REFUSALS = [
    b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/c4n4ry\r\nContent-Length: 0\r\n\r\n",
    b"no HTTP c4n4ry\r\n\r\n",
    b"",
]


def test_title_and_text_arrive_as_plain_text() -> None:
    with Receiver() as receiver:
        connect(f"json://{receiver.authority}/").fire(NOTICE)
        told = receiver.requests[0].json
    assert told["title"] == "GRK001 firing: likely to generalise if training goes on (seed 3)"
    assert told["message"].replace("\N{ZERO WIDTH SPACE}", "") == (
        "a: likely to generalise if training goes on. "
        "Probability 0.93 within 10,000 steps of test accuracy beginning to rise, "
        "0.71 within 10,000 steps of generalising (hazard@2). "
        "Expected in 900 to 2,400 steps from step 1,660. "
        "Moved: fourier_entropy@embedding (for since step 900), "
        "weight_norm (against since step 1,500).\n"
        "run: https://watch.example.com/runs/a"
    )
    assert told["type"] == "warning"


@pytest.mark.parametrize(
    ("state", "severity", "kind"),
    [
        (AlertState.FIRING, Severity.CRITICAL, "failure"),
        (AlertState.CONFIRMED, Severity.INFO, "success"),
        (AlertState.EXPIRED, Severity.INFO, "info"),
    ],
)
def test_how_loud_it_is_shows(state: AlertState, severity: Severity, kind: str) -> None:
    alert = msgspec.structs.replace(NOTICE.alert, state=state, severity=severity)
    with Receiver() as receiver:
        connect(f"json://{receiver.authority}/").fire(Notice(alert=alert))
        assert receiver.requests[0].json["type"] == kind


def test_the_address_may_be_a_secret_as_a_whole() -> None:
    with Receiver() as receiver:
        connect("env:CHAT", environment={"CHAT": f"json://{receiver.authority}/"}).fire(NOTICE)
        assert len(receiver.requests) == 1


def test_names_call_nobody_in_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.slack import NotifySlack

    alert = msgspec.structs.replace(NOTICE.alert, run_id="<!channel>", message="<@U1> @here & <x>")
    with Receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as receiver:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{receiver.authority}")
        tokens = f"T{'1' * 8}/A{'1' * 8}/{'x' * 24}"
        connect(f"slack://{tokens}/#runs").fire(Notice(alert=alert, name="<!everyone>"))
        text = receiver.requests[0].body.decode()
    assert "&lt;!everyone&gt;" in text
    assert "&amp; &lt;x&gt;" in text
    assert "<" not in text
    assert "@here" not in text
    assert "@U1" not in text


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_is_an_error_and_tells_no_secret(
    answer: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with Receiver(answer) as receiver, caplog.at_level(logging.DEBUG):
        hook = connect(f"json://{receiver.authority}/{CANARY}?+X-Key={CANARY}")
        with pytest.raises(HookError, match=r"Expected json:// to take the alert, got a") as caught:
            hook.fire(NOTICE)
        assert receiver.num_connections == 1, "redirects are not followed"
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(hook)
    assert CANARY not in shown + "".join(capfd.readouterr())


def test_nothing_is_logged_of_a_success_and_others_are_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Receiver() as receiver, caplog.at_level(logging.DEBUG):
        connect(f"json://{receiver.authority}/{CANARY}").fire(NOTICE)
        assert CANARY not in caplog.text
        logging.getLogger("apprise").warning("of somebody else")
    assert "of somebody else" in caplog.text


def test_nobody_there_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        pass
    hook = connect(f"json://ann:{CANARY}@{receiver.authority}/{CANARY}")
    with caplog.at_level(logging.DEBUG), pytest.raises(HookError, match="no answer") as caught:
        hook.fire(NOTICE)
    assert CANARY not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_a_fault_of_the_library_is_an_error_of_ours() -> None:
    class Broken:
        def notify(self, **_: object) -> bool:
            raise RuntimeError(CANARY)

    service: Any = Broken()
    with pytest.raises(HookError, match="got RuntimeError within Apprise") as caught:
        AppriseHook(service, "json://").fire(NOTICE)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "address", ["", CANARY, f"nosuch://{CANARY}", f"slack://{CANARY}", f"https://{CANARY}.x/y"]
)
def test_an_address_that_apprise_does_not_know_is_refused_and_not_repeated(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(ConfigurationError, match="Expected an address that Apprise knows") as caught,
    ):
        connect(address)
    assert CANARY not in str(caught.value) + caplog.text


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(ConfigurationError, match="Expected the environment variable CHAT"):
        connect("env:CHAT", environment={})


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    message = "Expected the libraries that 'apprise' needs, got no 'apprise'. Try: pip install"
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        alerts.connect("apprise:json://127.0.0.1/")
