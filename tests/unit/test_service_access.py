import base64
import itertools
import random
from collections.abc import Iterator

import pytest

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.service.app import Application
from grokwatch.monitor.service.guard.headers import CONTENT_POLICY
from tests.page_application import page_app
from tests.service_stand_in import StandIn
from tests.service_web import ALERT_ID, BEARER, TOKEN, WRITE, app_of, ask, ask_all, ask_raw, stocked

READS = {
    "/",
    "/alerts",
    "/compare",
    "/runs/{run_id:path}",
    "/static/{name:str}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/v1/alerts",
    "/v1/alerts/{alert_id:str}",
    "/v1/events",
    "/v1/runs",
    "/v1/runs/{run_id:str}",
    "/v1/runs/{run_id:str}/assessments",
    "/v1/runs/{run_id:str}/series",
    "/v1/runs/{run_id:str}/series.csv",
}
WRITES = {"/v1/records", "/v1/alerts/test", "/v1/alerts/{alert_id:str}/resend"}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
BASIC = "Basic " + base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
BAD_TOKENS = ("Bearer x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Digest {TOKEN}", TOKEN)


@pytest.fixture(scope="module")
def app() -> Application:
    store = stocked()
    return page_app(store, store)


def concrete(template: str) -> str:
    known = {
        "run_id:str": "a",
        "run_id:path": "a",
        "name:str": "base.css",
        "alert_id:str": ALERT_ID,
    }
    for name, value in known.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def test_every_route_is_classified(app: Application) -> None:
    found = dict(app.routes)
    assert set(found) == READS | WRITES, "a new route: say here whether it reads or writes"
    assert all(methods == {"GET", "OPTIONS"} for path, methods in found.items() if path in READS)
    assert all(methods == {"POST", "OPTIONS"} for path, methods in found.items() if path in WRITES)


@pytest.mark.parametrize("token", [None, *BAD_TOKENS])
def test_without_the_token_nothing_but_health_answers(app: Application, token: str | None) -> None:
    headers = {"X-Grokwatch": "1", **({"Authorization": token} if token else {})}
    paths = [concrete(path) for path in (*READS, *WRITES)] + ["/nowhere", "/static/a.js"]
    requests = [
        {"method": method, "url": path, "headers": headers}
        for path, method in itertools.product(paths, METHODS)
    ]
    for request, answer in zip(requests, ask_all(app, requests), strict=True):
        is_open = request["url"] == "/healthz" and request["method"] in {"GET", "HEAD", "OPTIONS"}
        assert (answer.status_code != 401) is is_open, request
        if not is_open:
            assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert TOKEN not in answer.text


def test_health_says_nothing_else(app: Application) -> None:
    assert ask(app, "GET", "/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("given", [BEARER["Authorization"], BASIC, f"bearer  {TOKEN}"])
def test_with_the_token_everything_answers(app: Application, given: str) -> None:
    headers = {"Authorization": given}
    for path in READS - {"/v1/events"}:
        assert ask(app, "GET", concrete(path), headers=headers).status_code == 200, path


def test_without_a_token_loopback_may_read_and_not_write() -> None:
    store = stocked()
    app = page_app(store, store, token=None)
    for path in READS - {"/v1/events"}:
        assert ask(app, "GET", concrete(path)).status_code == 200, path
    for path in WRITES:
        answer = ask(app, "POST", concrete(path), headers={"X-Grokwatch": "1"})
        assert answer.status_code == 403
        assert "without a token this service takes no writes" in answer.json()["detail"]
        assert "GROKWATCH_TOKEN_FILE" in answer.json()["detail"]
    assert store.sent == []


def test_no_other_address_is_served_without_a_token() -> None:
    with pytest.raises(ConfigurationError, match="Expected a token to listen on"):
        app_of(StandIn(), token=None, host="0.0.0.0")


def variants(path: str, number: int) -> Iterator[str]:
    """Spellings that some reader takes for the path."""
    chance = random.Random(path)
    slashes = (
        "/",
        "/",
        "/",
        "//",
        "/./",
        "/x/../",
        "/%2e/",
        "/%2f",
        "%2f",
        "\\",
        "/%5c",
        "/;/",
        "/%00/",
    )
    ends = (
        "",
        "",
        "",
        "/",
        ".",
        "%20",
        "%00",
        "%2e",
        "/..",
        "/.",
        "?",
        "#",
        ";a=b",
        "%0a",
        "/%2e%2e",
    )
    for _ in range(number):
        parts = path.strip("/").split("/")
        spelled = chance.choice(("", "", "/", "/..", "/%2e%2e", "/healthz/..", "/healthz/%2e%2e"))
        for part in parts:
            spelled += chance.choice(slashes)
            for letter in part:
                odd = chance.choice(
                    (f"%{ord(letter):02x}", f"%25{ord(letter):02x}", letter.upper())
                )
                spelled += odd if chance.random() < 0.05 else letter
        yield spelled + chance.choice(ends)


SPELLINGS = [
    *variants("/v1/runs/a", 500),
    *variants("/metrics", 300),
    *variants("/healthz", 500),
    *variants("/runs/a", 400),
    *variants("/static/base.css", 300),
]


def test_no_spelling_of_a_path_comes_past_the_token(app: Application) -> None:
    statuses = ask_raw(app, SPELLINGS)
    for path, status in zip(SPELLINGS, statuses, strict=True):
        is_plain_health = path.partition("?")[0] == "/healthz"
        assert status == 200 if is_plain_health else status in {400, 401}, path
    assert set(statuses) == {200, 400, 401}


def test_with_the_token_a_spelling_is_the_path_itself_or_nothing(app: Application) -> None:
    known = {"/v1/runs/a", "/metrics", "/healthz", "/runs/a", "/static/base.css"}
    statuses = ask_raw(app, SPELLINGS, BEARER["Authorization"])
    for path, status in zip(SPELLINGS, statuses, strict=True):
        expected = {200} if path.partition("?")[0] in known else {400, 404}
        assert status in expected, path


def writing(**headers: str) -> dict[str, str]:
    return {**BEARER, **{name.replace("_", "-"): text for name, text in headers.items()}}


FOREIGN = [
    writing(),
    writing(X_Grokwatch="0"),
    writing(X_Grokwatch="1", Origin="https://evil.test"),
    writing(X_Grokwatch="1", Origin="null"),
    writing(X_Grokwatch="1", Origin="http://localhost:9999"),
    writing(X_Grokwatch="1", Sec_Fetch_Site="cross-site"),
    writing(X_Grokwatch="1", Sec_Fetch_Site="same-site"),
    writing(X_Grokwatch="1", Sec_Fetch_Site="none"),
    writing(Content_Type="application/x-www-form-urlencoded", Origin="http://localhost"),
    writing(Content_Type="text/plain", Sec_Fetch_Site="same-origin"),
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_write_from_elsewhere_changes_nothing(headers: dict[str, str]) -> None:
    store = stocked()
    before = (store.changes, len(store.sent))
    app = app_of(store)
    for path in sorted(WRITES):
        answer = ask(app, "POST", concrete(path), headers=headers, content=b'{"records": []}')
        assert answer.status_code == 403, path
        assert answer.json()["detail"].startswith(
            ("Expected the header 'X-Grokwatch: 1'", "Expected a write from a program or from")
        )
    assert (store.changes, len(store.sent)) == before


def test_a_write_of_the_page_itself_is_taken() -> None:
    store = stocked()
    headers = {**WRITE, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert ask(app_of(store), "POST", "/v1/alerts/test", headers=headers).status_code == 200
    assert store.sent == ["test"]


def test_no_answer_lets_another_origin_read_it(app: Application) -> None:
    preflight = {**BEARER, "Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
    for path in ("/v1/records", "/v1/runs", "/healthz"):
        for method in ("OPTIONS", "GET"):
            answer = ask(app, method, path, headers=preflight)
            assert not [name for name in answer.headers if name.startswith("access-control")]
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1/runs", "/metrics", "/nowhere", "/v1//runs", "/", "/alerts"]
)
@pytest.mark.parametrize("headers", [BEARER, {}])
def test_every_answer_carries_the_security_headers(
    app: Application, path: str, headers: dict[str, str]
) -> None:
    answer = ask(app, "GET", path, headers=headers)
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_one_address_cannot_ask_for_ever() -> None:
    app = app_of(stocked(), requests_per_second=0.001)
    answers = ask_all(app, [{"method": "GET", "url": "/healthz"}] * 3)
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert answers[-1].headers["retry-after"] in {"1000", "999"}
