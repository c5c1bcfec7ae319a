import html
import re
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest

from grokwatch.monitor.service.pages.assets import FOLDER, PLOTLY
from tests.page_application import Visitor, page_app
from tests.page_payloads import PAYLOADS, hostile, renamed
from tests.page_reader import StandInReader
from tests.page_runs import life_like

HANDLERS = re.compile(r"^on|^style$|^srcdoc$")
TAGS = set(
    re.findall(
        r"\w+",
        """html head meta title link script body a header img nav p main div h1 h2 h3 form label
        input select option optgroup button table caption thead tbody tr th td span bdi strong svg
        path rect circle time details summary dl dt dd noscript section code pre ul ol li article
        em""",
    )
)


class _Seen(HTMLParser):
    """Elements of a page, each with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def client() -> Visitor:
    return Visitor(page_app(StandInReader(life_like())))


@pytest.fixture(scope="module")
def attacked() -> Visitor:
    told = hostile()
    reachable = [renamed(each, f"hostile-{number}") for number, each in enumerate(told)]
    return Visitor(page_app(StandInReader([*told, *reachable])))


@pytest.mark.parametrize(
    "path", ["/", "/runs/addition-seed-2", "/compare", "/alerts", "/runs/gone"]
)
def test_every_page_forbids_scripts_of_others(client: Visitor, path: str) -> None:
    answer = client.get(path)
    sent = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self';" in sent
    assert ("'unsafe-inline'" in sent) is ('src="/static/plotly' in answer.text or "plotly" in sent)
    assert answer.headers["cache-control"] == "no-store"
    elements = _Seen(answer.text).elements
    assert all(attributes.get("src") for tag, attributes in elements if tag == "script")
    links = [
        a.get("src") or a.get("href") for tag, a in elements if tag in {"script", "link", "img"}
    ]
    assert all(str(link).startswith("/static/") for link in links)


def test_static_files_are_kept_for_as_long_as_their_hash_holds(
    client: Visitor,
) -> None:
    page = client.get("/runs/addition-seed-2").text
    address = re.findall(r'src="(/static/plotly[^"]+)"', page)[0]
    first = client.get(address)
    assert "immutable" in first.headers["cache-control"]
    assert first.headers["content-encoding"] == "gzip"
    assert b"plotly.js" in first.content[:100]
    again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get(f"/static/{PLOTLY}", headers={"Accept-Encoding": "identity"})
    assert plain.headers["cache-control"] == "no-cache"
    assert plain.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("name", "status"), [("nothing.js", 404), ("..%2f__init__.py", 400), ("icon.svg.bak", 404)]
)
def test_only_listed_files_are_served(client: Visitor, name: str, status: int) -> None:
    assert client.get(f"/static/{name}").status_code == status


def test_every_script_that_a_module_imports_is_served() -> None:
    for file in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', file.read_text()):
            assert (FOLDER / name).is_file(), f"{file.name} imports {name}"


def _is_inert(text: str) -> bool:
    """Whether a page has only elements and attributes of ours."""
    for tag, attributes in _Seen(text).elements:
        if tag not in TAGS or any(HANDLERS.match(name) for name in attributes):
            return False
        link = str(
            attributes.get("href") or attributes.get("src") or attributes.get("action") or "/"
        )
        if not link.startswith(("/", "#")) or link.startswith("//"):
            return False
    return True


@pytest.mark.parametrize("path", ["/", "/?page=2", "/alerts", "/alerts?page=2"])
def test_hostile_names_stay_words_in_lists(attacked: Visitor, path: str) -> None:
    text = attacked.get(path).text
    assert _is_inert(text)
    assert "49" not in re.findall(r"<bdi>(\d+)", text)


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_hostile_names_stay_words_everywhere(attacked: Visitor, number: int) -> None:
    run_id = f"{number}-{PAYLOADS[number]}"
    refused = attacked.get(f"/runs/{quote(run_id, safe='')}")
    assert refused.status_code in {400, 404}
    assert _is_inert(refused.text)
    page = attacked.get(f"/runs/hostile-{number}")
    assert page.status_code == 200
    assert _is_inert(page.text)
    assert html.escape(PAYLOADS[number]).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in (
        page.text
    )
    asked = urlencode([("run", run_id), ("run", PAYLOADS[number]), ("key", PAYLOADS[number])])
    assert _is_inert(attacked.get(f"/compare?{asked}").text)
    filtered = urlencode({"text": PAYLOADS[number], "sort": PAYLOADS[number]})
    assert _is_inert(attacked.get(f"/?{filtered}").text)
