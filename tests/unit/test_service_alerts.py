import pytest

from grokwatch.monitor.service.app import Application
from tests.service_rows import HOOK
from tests.service_stand_in import StandIn
from tests.service_web import (
    ALERT_ID,
    BEARER,
    WRITE,
    app_of,
    ask,
    stocked,
)


@pytest.fixture
def store() -> StandIn:
    return stocked()


@pytest.fixture
def app(store: StandIn) -> Application:
    return app_of(store)


def test_an_alert_is_shown_sent_again_and_tried(app: Application, store: StandIn) -> None:
    page = ask(app, "GET", "/v1/alerts?run=a&code=GRK003&state=firing", headers=BEARER).json()
    assert [alert["id"] for alert in page["alerts"]] == [ALERT_ID]
    one = ask(app, "GET", f"/v1/alerts/{ALERT_ID}", headers=BEARER).json()
    assert one["notice"]["alert"]["time"] == "inf"
    url = f"/v1/alerts/{ALERT_ID}/resend"
    assert ask(app, "POST", url, headers=WRITE).json() == {"deliveries": 1}
    tested = ask(app, "POST", "/v1/alerts/test", headers=WRITE, params={"hook": HOOK})
    assert tested.json() == {"hooks": {HOOK: None}}
    assert store.sent == [ALERT_ID, "test"]


def test_an_unknown_alert_or_hook_is_said(app: Application, store: StandIn) -> None:
    for method, url in (
        ("GET", "/v1/alerts/ff"),
        ("POST", "/v1/alerts/ff/resend"),
        ("POST", f"/v1/alerts/{ALERT_ID}/resend?hook=other"),
        ("POST", "/v1/alerts/test?hook=other"),
    ):
        answer = ask(app, method, url, headers=WRITE)
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith("Expected a known ")
    assert store.sent == []
