"""A real Alertmanager takes what the hook posts: an alert is active, and later resolved."""

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grokwatch.monitor.alerts import connect
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.vocabulary import AlertState, Severity
from tests.daemons import alertmanager
from tests.receivers import NOTICE, Receiver

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus-alertmanager") is None, reason="no alertmanager on this machine"
    ),
]  # fmt: skip

CONFIGURATION = """
route: {receiver: told, group_by: [run], group_wait: 100ms, group_interval: 200ms}
receivers:
  - name: told
    webhook_configs: [{url: "http://TOLD/", send_resolved: true}]
"""
HOSTILE = '{{ .Labels }} <script>alert("x")</script>\n'


@pytest.fixture
def told() -> Iterator[Receiver]:
    """Whom the Alertmanager tells."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def server(tmp_path: Path, told: Receiver) -> Iterator[str]:
    """Address of an Alertmanager."""
    configuration = CONFIGURATION.replace("TOLD", told.authority)
    with alertmanager(tmp_path, configuration) as address:
        yield address


def read(server: str, path: str) -> bytes | None:
    try:
        with urllib.request.urlopen(f"{server}{path}", timeout=10) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, ConnectionError):
        return None


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail("this should hold by now")
        time.sleep(0.05)


def active(server: str) -> list[Any]:
    return list(json.loads(read(server, "/api/v2/alerts?active=true") or b"[]"))


def notice(state: AlertState, **changes: Any) -> Notice:
    alert = msgspec.structs.replace(NOTICE.alert, state=state, **changes)
    return msgspec.structs.replace(NOTICE, alert=alert, name=HOSTILE)


def test_an_alert_is_active_while_it_fires_and_resolved_when_it_is_cleared(
    server: str, told: Receiver
) -> None:
    hook = connect(f"alertmanager:{server},allow=private")
    hook.fire(notice(AlertState.FIRING))
    hook.fire(notice(AlertState.FIRING))
    eventually(lambda: bool(active(server)))
    (entry,) = active(server)
    assert entry["labels"]["alertname"] == "LikelyGrokking"
    assert entry["status"]["state"] == "active"
    assert entry["generatorURL"] == "https://watch.example.com/runs/a"
    assert entry["annotations"]["name"] == "__ .Labels __ _script_alert(_x_)_/script__"
    eventually(lambda: bool(told.requests))
    assert told.requests[0].json["status"] == "firing"

    hook.fire(notice(AlertState.CLEARED, severity=Severity.INFO, time=NOTICE.alert.time + 60.0))
    eventually(lambda: active(server) == [])
    eventually(lambda: told.requests[-1].json["status"] == "resolved")
    (resolved,) = told.requests[-1].json["alerts"]
    assert resolved["labels"] == entry["labels"]
    hook.fire(notice(AlertState.CLEARED, severity=Severity.INFO))
    assert active(server) == []


def test_an_alertmanager_that_lost_everything_is_told_again(server: str) -> None:
    hook = connect(f"alertmanager:{server},allow=private")
    hook.fire(notice(AlertState.CLEARED, severity=Severity.INFO))
    assert active(server) == [], "of what it never saw fire, the end is fine"
    hook.fire(notice(AlertState.FIRING))
    eventually(lambda: len(active(server)) == 1)


def test_any_name_is_taken(server: str) -> None:
    hook = connect(f"alertmanager:{server},allow=private")
    names = ["\x00", "\ud800", "x" * 10_000, "", HOSTILE, "\N{GRINNING FACE}" * 100]
    for name in names:
        hook.fire(notice(AlertState.FIRING, run_id=name, message=name))
    # The first two cannot be told apart, and "" is no label.
    eventually(lambda: len(active(server)) == len(names) - 1)
