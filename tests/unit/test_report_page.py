import base64
import hashlib
import html as markup
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.report import page
from grokwatch.monitor.report.run import html, write
from tests.page_payloads import PAYLOADS
from tests.report_runs import evaluated, grokked, hostile, observed, start

MOST_BYTES = 4_000_000
STATIC = Path(page.__file__).parent / "static"
HANDLERS = re.compile(r"^on|^srcdoc$|^style$|^action$")


class _Seen(HTMLParser):
    """Elements of a page with their attributes, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[bool, str]] = []
        self._in_script: bool | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_script = dict(attrs).get("type") is None if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._in_script is not None:
            self.scripts.append((self._in_script, data))
            self._in_script = None


def _policy(seen: _Seen) -> str:
    return next(
        str(attributes["content"])
        for tag, attributes in seen.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )


def test_a_page_allows_its_own_scripts_by_their_hashes_and_nothing_else() -> None:
    seen = _Seen(html(grokked()))
    policy = _policy(seen)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "base-uri 'none'; form-action 'none'" in policy
    assert not re.search(r"https?:|\*|eval|script-src[^;]*unsafe", policy)
    run = [text for is_run, text in seen.scripts if is_run]
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run}
    assert hashes == set(re.findall(r"'sha256-([^']+)'", policy))
    assert len(run) == 7


def test_a_page_asks_for_nothing() -> None:
    for tag, attributes in _Seen(html(grokked())).elements:
        assert tag not in {"iframe", "object", "embed", "base", "form", "img"}
        links = [attributes.get(name) for name in ("src", "href", "data", "poster")]
        assert all(link is None or link.startswith(("#", "data:")) for link in links)


def test_no_static_file_holds_what_would_end_a_script_or_a_style() -> None:
    for file in STATIC.iterdir():
        if file.suffix in {".js", ".css"}:
            assert not re.search(r"</(script|style)|<!--", file.read_text(), re.IGNORECASE)


@pytest.mark.parametrize(
    "name",
    ["core.js", "run-charts.js", "run.js", "weights-looks.js", "weights-charts.js", "weights.js"],
)
def test_no_script_writes_markup_or_runs_text(name: str) -> None:
    text = (STATIC / name).read_text()
    assert text.startswith('"use strict";\n')
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|fetch\("
    )
    assert not re.search(forbidden, text)


def test_hostile_words_stay_words() -> None:
    records = hostile(PAYLOADS)
    seen, harmless = _Seen(html(records)), _Seen(html(grokked()))
    assert {tag for tag, _ in seen.elements} <= {tag for tag, _ in harmless.elements} | {"code"}
    assert not any(HANDLERS.match(name) for _, attributes in seen.elements for name in attributes)
    assert len([tag for tag, _ in seen.elements if tag == "script"]) == 8


def test_data_is_json_that_says_what_the_records_said() -> None:
    text = html(hostile(PAYLOADS))
    written = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert not set(written[0]) & set("<>&\u2028\u2029")
    data = json.loads(written[0])
    assert data["hyper_parameters"]
    assert markup.escape("<svg onload=alert(1)>") in text


def test_a_run_of_every_kind_of_word_is_small_enough() -> None:
    assert len(html(hostile(PAYLOADS)).encode()) < MOST_BYTES


@pytest.mark.parametrize(
    "records",
    [[], [start()], [observed(100)], [evaluated(100)], [start(), observed(100, values={})]],
    ids=["nothing", "start", "observation", "evaluation", "values"],
)
def test_a_run_with_hardly_anything_has_a_page(records: list[AnyRecord]) -> None:
    text = html(records)
    assert 'class="missing"' in text
    assert "Keep training, or kill it?" in text


def test_remarks_stand_on_the_page() -> None:
    assert "was never <b>finished" not in html(grokked(), remarks=["was never <b>finished"])
    assert "was never &lt;b&gt;finished" in html(grokked(), remarks=["was never <b>finished"])


def test_a_report_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    assert write(grokked(), tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype")
    with pytest.raises(ConfigurationError, match="Expected a file for the report that can be"):
        write(grokked(), tmp_path / "missing" / "a.html")
