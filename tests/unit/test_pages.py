import html
import re
from urllib.parse import urlencode

import pytest

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.service.pages.list_page import push_address
from tests.page_alerts import alert
from tests.page_application import Visitor, page_app
from tests.page_reader import StandInReader
from tests.page_runs import life_like
from tests.page_stories import story, unseen


@pytest.fixture(scope="module")
def client() -> Visitor:
    return Visitor(page_app(StandInReader(life_like())))


@pytest.fixture
def empty() -> Visitor:
    return Visitor(page_app(StandInReader(())))


def _rows(text: str) -> list[str]:
    return [html.unescape(key) for key in re.findall(r'<tr data-key="([^"]+)"', text)]


def test_the_list_answers_for_every_run(client: Visitor) -> None:
    text = client.get("/").text
    assert len(_rows(text)) == len(life_like())
    for word in ("keep", "stop is defensible", "cannot tell", "generalised", "collapsing", "stuck"):
        assert f"<strong>{word}</strong>" in text
    assert "the training data are not memorised yet" in text
    assert text.count('class="spark"') == 7


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"text": "PARITY"}, ["parity-40-3-small-decay"]),
        ({"alert": "GRK003"}, ["division-lr-0.03"]),
        ({"stage": "generalized"}, ["division-seed-0"]),
        ({"status": "interrupted"}, ["random-labels-control"]),
        ({"status": "running", "text": "division"}, ["division-lr-0.03"]),
    ],
)
def test_the_list_is_filtered(client: Visitor, asked: dict[str, str], expected: list[str]) -> None:
    assert _rows(client.get("/", params=asked).text) == expected


def test_the_list_is_sorted_by_its_headers(client: Visitor) -> None:
    text = client.get("/").text
    assert 'aria-sort="descending"' in text
    link = html.unescape(re.findall(r'href="([^"]+)" data-sort="name"', text)[0])
    sorted_up = client.get(link).text
    assert _rows(sorted_up) == sorted(_rows(sorted_up))
    link = html.unescape(re.findall(r'href="([^"]+)" data-sort="name"', sorted_up)[0])
    sorted_down = client.get(link).text
    assert _rows(sorted_down) == _rows(sorted_up)[::-1]


def test_many_runs_come_in_pages() -> None:
    reader = StandInReader([story(f"run-{index:03}", last=20) for index in range(120)])
    client = Visitor(page_app(reader))
    first = client.get("/?sort=name&order=up").text
    assert len(_rows(first)) == 50
    after = html.unescape(re.findall(r'rel="next" href="([^"]+)"', first)[0])
    assert _rows(client.get(after).text)[0] == "run-050"
    last = client.get("/?sort=name&page=3").text
    assert (len(_rows(last)), 'rel="next"' in last) == (20, False)
    assert "There is no such page: 120 runs" in client.get("/?page=9").text


@pytest.mark.parametrize(
    "asked", ["sort=secret", "order=sideways", "page=x", "page=-1", "stage=%00"]
)
def test_an_address_that_somebody_edited_still_shows_the_list(client: Visitor, asked: str) -> None:
    answer = client.get(f"/?{asked}")
    assert answer.status_code == 200
    assert len(_rows(answer.text)) == len(life_like())


def test_without_runs_the_page_says_how_to_push_one(empty: Visitor) -> None:
    text = html.unescape(empty.get("/").text)
    assert 'GrokkingMonitor(sinks=["remote:http://127.0.0.1:8420"])' in text
    assert 'sources = ["mlflow:' in text
    assert "<table" not in text
    assert "No alerts yet" in empty.get("/alerts").text
    assert "Nothing to compare" in empty.get("/compare").text


def test_the_address_to_push_to_is_the_public_one() -> None:
    assert (
        push_address(ServiceSection(public_url="https://grok.example/")) == "https://grok.example"
    )
    assert push_address(ServiceSection(host="::1")) == "http://[::1]:8420"


def test_a_filter_that_nothing_fits_says_so(client: Visitor) -> None:
    assert "No run fits." in client.get("/?text=nowhere").text
    assert "No alert fits" in client.get("/alerts?code=GRK001&state=expired").text


def test_a_run_shows_what_it_rests_on(client: Visitor) -> None:
    text = html.unescape(client.get("/runs/addition-seed-2").text)
    for said in (
        "<strong>keep:</strong>",
        "memorised; structure is forming in the weights",
        "1,200 to 5,400",
        "of 30,000",
        "within 10,000 steps",
        "Sparsity of the Fourier spectrum",
        "against, 0.35",
        'Probe(attention="blocks.0.attention")',
        "its rows are as many as tokens",
        "grokwatch 0.1.0",
        'href="https://mlflow.example.org/#/experiments/1/runs/2f9c"',
        "<noscript>",
    ):
        assert said in text


def test_signals_are_chosen_by_the_address(client: Visitor) -> None:
    def ticked(address: str) -> list[str]:
        return re.findall(r'name="signal" value="([^"]+)" checked', client.get(address).text)

    assert ticked("/runs/addition-seed-2") == ["gini_coefficient.excess@embedding", "weight_norm"]
    assert ticked("/runs/addition-seed-2?signal=margin.mean") == ["margin.mean"]


def test_a_run_without_observations_has_a_page() -> None:
    client = Visitor(page_app(StandInReader([unseen("queued")])))
    assert "no data yet" in client.get("/runs/queued").text


def test_a_comparison_shows_what_differs_and_what_is_missing(
    client: Visitor,
) -> None:
    chosen = [("run", "addition-seed-2"), ("run", "s5-float16"), ("run", "gone")]
    text = client.get("/compare?" + urlencode([*chosen, ("key", "weight_norm")])).text
    assert "2 runs compared" in text
    assert "No run has the id <bdi>gone</bdi>" in text
    assert 'data-key="weight_norm"' in text
    differing = text.partition('class="differing"')[2]
    assert ("seed" in differing, "weight_decay" in differing) == (True, False)


def test_no_more_than_eight_runs_are_compared() -> None:
    reader = StandInReader([story(f"run-{index}", last=20) for index in range(11)])
    client = Visitor(page_app(reader))
    text = client.get("/compare?" + urlencode([("run", f"run-{i}") for i in range(11)])).text
    assert text.count("data-run=") == 8
    assert "3 more were chosen" in text


def test_alerts_say_what_became_of_them_and_who_was_told(client: Visitor) -> None:
    text = client.get("/alerts").text
    assert text.count('class="card alert"') == 5
    assert "given up" in text
    assert "HookError: the receiver answered 500" in text
    assert 'class="state confirmed"' in text
    assert text.count("data-resend=") == 4
    only = client.get("/alerts?code=GRK001&state=confirmed").text
    assert only.count('class="card alert"') == 1


def test_a_message_does_not_begin_with_an_id_that_stands_beside_it() -> None:
    row = alert("3f2c", "GRK001", message="3f2c: likely to generalise", name="seed 2")
    client = Visitor(page_app(StandInReader([story("3f2c", name="seed 2", alerts=(row,))])))
    for path in ("/alerts", "/runs/3f2c"):
        assert "<p><bdi>likely to generalise</bdi></p>" in client.get(path).text


def test_without_hooks_nothing_can_be_sent_again() -> None:
    client = Visitor(page_app(StandInReader(life_like()), can_resend=False))
    assert "data-resend=" not in client.get("/alerts").text
