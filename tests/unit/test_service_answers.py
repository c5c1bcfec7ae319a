import logging
from typing import Any

import msgspec
import pytest
from litestar import Response, Router, get
from litestar.exceptions import InternalServerException

from grokwatch.monitor.errors import StoreError
from grokwatch.monitor.service.api.batches import MESSAGE_PACK
from grokwatch.monitor.service.app import Application
from grokwatch.monitor.service.guard.headers import CHARTS_POLICY
from grokwatch.monitor.service.views import Batch
from tests.service_stand_in import StandIn
from tests.service_web import (
    BEARER,
    WRITE,
    app_of,
    ask,
    ask_all,
    observed,
    stocked,
)

PUSHED = msgspec.msgpack.encode(Batch(records=(observed(),)))
SECRET = "postgresql://ann:hunter2@db/grokwatch"


@pytest.fixture
def store() -> StandIn:
    return stocked()


@pytest.fixture
def app(store: StandIn) -> Application:
    return app_of(store)


def test_a_store_that_fails_says_when_to_come_again_and_nothing_else(
    store: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(store)
    store.failure = StoreError(f"Expected {SECRET} to answer, got nothing. Try again.")
    headers = {**WRITE, "Content-Type": MESSAGE_PACK}
    requests: list[dict[str, Any]] = [
        {
            "method": "POST",
            "url": "/v1/records",
            "headers": headers,
            "content": PUSHED,
        },
        *({"method": "GET", "url": url, "headers": BEARER} for url in ("/v1/runs", "/readyz")),
    ]
    for answer in ask_all(app, requests):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "hunter2" not in answer.text
    assert ask(app, "GET", "/healthz").json() == {"status": "degraded"}
    store.failure = None
    assert ask(app, "GET", "/healthz").json() == {"status": "ok"}
    assert "The store did not answer" in caplog.text


def test_a_store_that_takes_nothing_is_not_ready(store: StandIn) -> None:
    app = app_of(store)
    assert ask(app, "GET", "/readyz", headers=BEARER).json() == {"status": "ok"}
    store.is_writable = False
    assert ask(app, "GET", "/readyz", headers=BEARER).status_code == 503
    assert ask(app, "GET", "/v1/runs", headers=BEARER).status_code == 200


def test_a_fault_that_a_page_raised_by_name_is_a_fault_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @get("/broken", sync_to_thread=False)
    def broken() -> str:
        raise InternalServerException(SECRET)

    app = app_of(StandIn(), pages=[Router("/", route_handlers=[broken])])
    answer = ask(app, "GET", "/broken", headers=BEARER)
    assert (answer.status_code, "hunter2" in answer.text) == (500, False)
    assert ask(app, "GET", "/broken").status_code == 401


def test_a_page_that_draws_charts_may_set_styles_and_no_more() -> None:
    @get("/chart", media_type="text/html", sync_to_thread=False)
    def chart() -> Response[str]:
        return Response("<p>", headers={"Content-Security-Policy": CHARTS_POLICY})

    app = app_of(StandIn(), pages=[Router("/", route_handlers=[chart])])
    answer = ask(app, "GET", "/chart", headers=BEARER)
    assert answer.headers["content-security-policy"] == CHARTS_POLICY
    assert (answer.text, answer.headers["content-type"]) == ("<p>", "text/html; charset=utf-8")


@pytest.mark.parametrize("content", ["<p>ü", "<p>ü".encode()])
def test_a_page_may_answer_with_text_or_bytes(content: str | bytes) -> None:
    @get("/page", media_type="text/html", sync_to_thread=False)
    def show() -> Any:
        return content

    app = app_of(StandIn(), pages=[Router("/", route_handlers=[show])])
    assert ask(app, "GET", "/page", headers=BEARER).text == "<p>ü"


def test_a_fault_of_ours_is_a_constant_text_and_a_line_in_the_log(
    store: StandIn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(store)
    store.records = None  # type: ignore[assignment]
    with caplog.at_level(logging.ERROR):
        answer = ask(app, "GET", "/v1/runs", headers=BEARER)
    assert answer.status_code == 500
    assert answer.json() == {"detail": "The service failed; its log says why. Try again later."}
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs?limit=0",
        "/v1/runs?limit=501",
        "/v1/runs?limit=x",
        "/v1/runs?sort=secret",
        "/v1/runs?status=a'b",
        "/v1/runs?offset=-1",
        "/v1/alerts?run=../x",
        "/v1/runs/a/series?low=9007199254740992",
        "/v1/runs/a/series?keys=" + ",".join(map(str, range(51))),
    ],
)
def test_a_wrong_parameter_is_refused_in_words(app: Application, path: str) -> None:
    answer = ask(app, "GET", path, headers=BEARER)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Expected ")
    assert "Try " in answer.json()["detail"]


def test_a_wrong_method_and_a_wrong_address_are_said(app: Application) -> None:
    wrong = ask(app, "PUT", "/v1/runs", headers=WRITE)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, OPTIONS")
    assert wrong.json()["detail"].startswith("Expected a method that this address takes")
    missing = ask(app, "GET", "/v2/runs", headers=BEARER)
    assert missing.json()["detail"].startswith("Expected an address of this service")
