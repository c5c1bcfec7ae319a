import pytest

from grokwatch.monitor.errors import StoreError
from grokwatch.monitor.service.guard.asgi import Receive, Scope, Send
from grokwatch.monitor.service.guard.error_pages import ErrorPages
from grokwatch.monitor.service.pages import make_error_pages, make_renderer
from grokwatch.monitor.service.pages.error_pages import error_page
from grokwatch.monitor.service.views import RunPage, RunQuery
from tests.page_application import BROWSER, Visitor, page_app
from tests.page_reader import StandInReader
from tests.page_runs import life_like
from tests.service_web import ask


@pytest.fixture(scope="module")
def client() -> Visitor:
    return Visitor(page_app(StandInReader(life_like())))


def test_errors_are_pages_for_browsers_and_data_for_programs(
    client: Visitor,
) -> None:
    page = client.get("/runs/gone")
    assert (page.status_code, "No run has the id gone" in page.text) == (404, True)
    assert "There is no page at this address" in client.get("/nowhere").text
    plain = client.get("/nowhere", headers={"Accept": "application/json"})
    assert plain.json()["detail"].startswith("Expected an address of this service")
    file = client.get("/static/nothing.js", headers={"Accept": "*/*"})
    assert (file.status_code, "Expected one of ['alarms.js'" in file.json()["detail"]) == (
        404,
        True,
    )


def test_a_browser_without_the_token_is_asked_for_it_on_a_page_of_its_own() -> None:
    app = page_app(StandInReader(life_like()))
    for path in ("/", "/nowhere", "/static/base.css", "/v1/runs"):
        answer = ask(app, "GET", path, headers=BROWSER)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "give the token as the password" in answer.text
        assert "/static/" not in answer.text
        assert "addition-seed-2" not in answer.text
        assert "detail" in ask(app, "GET", path, headers={"Accept": "*/*"}).json()


def test_a_browser_that_asks_too_often_is_told_when_to_come_again() -> None:
    app = page_app(StandInReader(()), requests_per_second=0.001)
    last = [Visitor(app).get("/alerts") for _ in range(3)][-1]
    assert (last.status_code, "Too many requests came" in last.text) == (429, True)
    assert last.headers["retry-after"] in {"1000", "999"}


def test_a_browser_that_spells_an_address_oddly_or_names_another_host_is_told_how(
    client: Visitor,
) -> None:
    odd = client.get("/runs/%3Cscript%3E")
    assert (odd.status_code, "<h1>Not understood" in odd.text) == (400, True)
    assert "letters, digits and" in odd.text
    foreign = client.get("/", headers={"Host": "evil.test"})
    assert (foreign.status_code, "Expected a known Host" in foreign.text) == (403, True)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "give the token as the password"),
        (403, "did not come from a page of this service"),
        (429, "Too many requests"),
        (418, "does not understand this address"),
        (500, "Training is not affected"),
    ],
)
def test_refusals_have_pages(status: int, said: str) -> None:
    answer = error_page(make_renderer(), status)
    assert answer.status_code == status
    assert said in answer.content.decode()


class _BrokenReader(StandInReader):
    def runs(self, query: RunQuery) -> RunPage:
        msg = "secret of the store"
        raise StoreError(msg)


def test_a_broken_store_is_a_page_that_tells_no_secrets() -> None:
    client = Visitor(page_app(_BrokenReader(())))
    for path in ("/", "/v1/runs"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "Training is not affected" in answer.text
        assert "secret" not in answer.text


def test_a_fault_of_ours_is_a_page_of_constant_text() -> None:
    class Faulty(StandInReader):
        def runs(self, query: RunQuery) -> RunPage:
            raise RuntimeError("secret of the store")

    answer = Visitor(page_app(Faulty(()))).get("/")
    assert (answer.status_code, "Training is not affected" in answer.text) == (500, True)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("parts", "said"),
    [((b'{"detail": "so ', b'and so"}'), "so and so"), ((b"not ", b"json"), "does not understand")],
)
def test_an_error_that_comes_in_parts_is_one_page(parts: tuple[bytes, bytes], said: str) -> None:
    async def failing(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"Content-Type", b"application/problem+json"), (b"retry-after", b"7")]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": parts[0], "more_body": True})
        await send({"type": "http.response.body", "body": parts[1]})

    answer = ask(ErrorPages(failing, make_error_pages()), "GET", "/", headers=BROWSER)
    assert (answer.status_code, answer.headers["retry-after"]) == (400, "7")
    assert answer.headers.get_list("content-type") == ["text/html; charset=utf-8"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert said in answer.text
