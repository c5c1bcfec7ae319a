import datetime
import json
import re
from typing import Any

import msgspec
import pytest

from grokwatch.monitor.alerts._post import Network
from grokwatch.monitor.alerts.alertmanager import connect
from grokwatch.monitor.errors import ConfigurationError, HookError
from grokwatch.monitor.notice import Moved, Notice
from grokwatch.monitor.records import Interval
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity
from tests.receivers import JUDGED, NOTICE, Receiver

NOW = 1_700_000_100.0
HOSTILE = [
    *("<script>alert(1)</script>", "{{ .Labels }}", '" onload="x', "a\r\nb: c", "\x1b[31m", "\0"),
    *("javascript:alert(1)", "<!channel>", "\u202egnp", "- x: &a *a", "\ud800", "`x`", "\\u003c"),
    *("a" * 100_000, "\N{GRINNING FACE}" * 1000),
]  # fmt: skip


def posted(notice: Notice) -> dict[str, Any]:
    """What the Alertmanager gets."""
    with Receiver() as receiver:
        network = Network(now=lambda: NOW)
        connect(f"http://{receiver.authority}/,allow=private", network=network).fire(notice)
        assert receiver.requests[0].line == "POST /api/v2/alerts HTTP/1.1"
        (entry,) = receiver.requests[0].json
    assert isinstance(entry, dict)
    return entry


def changed(**changes: Any) -> Notice:
    return msgspec.structs.replace(NOTICE, alert=msgspec.structs.replace(NOTICE.alert, **changes))


def seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def test_an_alert_that_fires_ends_three_repeats_ahead() -> None:
    entry = posted(NOTICE)
    assert entry["labels"] == {
        "alertname": "LikelyGrokking",
        "code": "GRK001",
        "severity": "warning",
        "run": "a",
    }
    assert seconds(entry["startsAt"]) == 1_700_000_000.0
    assert seconds(entry["endsAt"]) == NOW + 180.0
    assert entry["generatorURL"] == "https://watch.example.com/runs/a"
    told = entry["annotations"]
    assert told["summary"] == "a: likely to generalise if training goes on"
    assert (told["probability"], told["rise_probability"]) == ("0.71", "0.93")
    assert told["eta"] == "900 to 2,400 steps"
    assert told["name"] == "seed 3"
    assert "Moved: fourier_entropy@embedding (for since step 900)" in told["description"]


@pytest.mark.parametrize("state", [AlertState.CONFIRMED, AlertState.EXPIRED, AlertState.CLEARED])
def test_an_alert_that_ended_is_resolved_now_under_the_same_labels(state: AlertState) -> None:
    entry = posted(changed(state=state, severity=Severity.INFO, assessment=None))
    assert seconds(entry["endsAt"]) == NOW
    assert entry["labels"] == posted(NOTICE)["labels"]


def test_every_code_has_a_name_of_its_own() -> None:
    names = {posted(changed(code=code))["labels"]["alertname"] for code in AlertCode}
    assert len(names) == len(AlertCode)
    assert all(re.fullmatch("[A-Za-z]+", name) for name in names)


@pytest.mark.parametrize("time", [1e300, -1e300, float("nan"), float("inf"), NOW + 9.0, -1.0])
def test_a_start_that_cannot_be_is_now(time: float) -> None:
    assert seconds(posted(changed(time=time))["startsAt"]) == NOW


@pytest.mark.parametrize("text", HOSTILE)
def test_names_of_runs_are_inert(text: str) -> None:
    notice = msgspec.structs.replace(
        changed(run_id=text, message=text),
        name=text,
        moved=(Moved(signal=text, contribution=1.0),),
        links={"run": text},
    )
    entry = posted(notice)
    assert "generatorURL" not in entry
    texts = [*entry["labels"].values(), *entry["annotations"].values()]
    assert not [each for each in texts if set(each) & set("<>\"'`{}&\\")]
    assert all(each.isprintable() for each in texts)
    assert len(entry["labels"]["run"].encode()) <= 128
    assert len(json.dumps(entry)) < 30_000


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("http://127.0.0.1:8420/runs/a?x=1#y", "http://127.0.0.1:8420/runs/a?x=1#y"),
        ("https://ann:c4n4ry@watch.example/a", "https://watch.example/a"),
        ("https://watch.example", "https://watch.example"),
        ("javascript:alert(1)", None),
        ("https://watch.example/<script>", None),
        ("https://watch.example/a b", None),
        ("https://watch.example/\n", None),
        ("//watch.example/", None),
        ("", None),
    ],
)
def test_a_link_is_an_address_or_left_out(link: str, shown: str | None) -> None:
    entry = posted(msgspec.structs.replace(NOTICE, links={"run": link}))
    assert entry.get("generatorURL") == shown


def test_the_run_in_mlflow_is_linked_where_there_is_no_page() -> None:
    entry = posted(msgspec.structs.replace(NOTICE, links={"mlflow": "http://mlflow:5000/#/a"}))
    assert entry["generatorURL"] == "http://mlflow:5000/#/a"


def test_without_an_upper_end_the_interval_is_open() -> None:
    judged = msgspec.structs.replace(JUDGED, eta_steps=Interval(low=9, high=None))
    assert posted(changed(assessment=judged))["annotations"]["eta"] == "9 steps or more"


def test_a_refusal_says_which_and_not_why() -> None:
    with Receiver(b"HTTP/1.1 400 Bad\r\nContent-Length: 6\r\n\r\nc4n4ry") as receiver:
        hook = connect(f"http://{receiver.authority}/c4n4ry,allow=private")
        with pytest.raises(HookError, match=r"got 400\. Try the receiver's log") as caught:
            hook.fire(NOTICE)
    assert "c4n4ry" not in str(caught.value)


def test_plain_http_needs_a_word() -> None:
    with pytest.raises(ConfigurationError, match="',allow=private' for a receiver inside"):
        connect("http://alertmanager:9093")
    assert connect("http://alertmanager:9093,allow=private").repeat_seconds == 60.0
    with Receiver() as receiver:
        address = f"http://{receiver.authority}/am/"
        connect("env:AM,allow=private", environment={"AM": address}).fire(NOTICE)
        assert receiver.requests[0].line == "POST /am/api/v2/alerts HTTP/1.1"
