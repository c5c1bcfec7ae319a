"""The report in a real browser: opened from disk, read, and attacked."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from grokwatch.monitor.records import AnyRecord, Observation
from grokwatch.monitor.report.run import write
from tests.page_browser import CHROMIUM, Watched, browsing, watched
from tests.page_payloads import PAYLOADS
from tests.report_runs import RUN, going, grokked, hostile, observed, start

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1440, "height": 900}
STEP = "document.getElementById('cursor-step').textContent"
LINE = """
(id) => {
  const chart = document.getElementById(id);
  const line = chart.layout.shapes[chart.layout.shapes.length - 1];
  return line.x0;
}
"""
COLOR = "document.getElementById('chart-accuracy')._fullLayout.paper_bgcolor"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@contextlib.contextmanager
def opened(
    browser: Browser, path: Path, records: Sequence[AnyRecord], **settings: Any
) -> Iterator[Watched]:
    """A report from disk; nothing may be complained of, and nothing but the file asked for."""
    address = write(records, path / "report.html").as_uri()
    with watched(browser, address, **settings) as seen:
        seen.page.goto(address)
        seen.until("document.body.dataset.drawn === 'all'")
        yield seen
        assert seen.complaints == []
        assert seen.violations() == []


def test_the_cursor_is_moved_by_keys_slider_and_pointer_and_all_follow(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, tmp_path, grokked(), viewport=WIDE) as seen:
        page = seen.page
        assert page.evaluate(STEP) == "2,700"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert page.evaluate(STEP) == "3,800"
        page.locator("#cursor-slider").focus()
        page.keyboard.press("Home")
        assert page.evaluate(STEP) == "100"
        page.keyboard.press("End")
        assert page.evaluate(STEP) == "8,000"
        for chart in ("chart-accuracy", "chart-loss"):
            seen.until(f"({LINE})('{chart}') === 8000")
        box = page.locator("#chart-accuracy .nsewdrag").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        seen.until(f"{STEP} !== '8,000'")
        step = page.evaluate("grokwatch.cursor.step")
        seen.until(f"({LINE})('chart-loss') === {step}")


def test_the_readout_tells_every_value_at_the_cursor(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, grokked(), viewport=WIDE) as seen:
        page = seen.page
        page.evaluate("grokwatch.cursor.set(4000)")
        page.locator("#readout-box summary").click()
        rows = page.locator("#readout tr").all_inner_texts()
        told = dict(row.split("\t") for row in rows)
        assert told["train loss"] == "0.0025"
        assert told["test accuracy"] == "3 %"
        assert told["chance of a rise"] == "91 %"
        assert told["stage"] == "structure forming"
        assert told["weight_norm"] == "70"
        page.keyboard.press("Escape")
        page.evaluate("grokwatch.cursor.set(100)")
        page.locator("#readout-box summary").click()
        assert page.locator("#readout tr").all_inner_texts() != rows


def test_steps_are_drawn_by_their_logarithm_or_as_they_are(
    browser: Browser, tmp_path: Path
) -> None:
    kind = "document.getElementById('chart-loss')._fullLayout.xaxis.type"
    with opened(browser, tmp_path, grokked(), viewport=WIDE) as seen:
        assert seen.page.evaluate(kind) == "log"
        seen.page.locator("#log-steps").click()
        seen.until(f"{kind} === 'linear'")
        assert seen.page.locator("#log-steps").get_attribute("aria-pressed") == "false"


def test_words_are_explained_where_they_are_pointed_at(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, grokked(), viewport=WIDE) as seen:
        page = seen.page
        page.locator("[data-term='chance of a rise']").first.hover()
        assert "leave its plateau" in page.locator("#term").inner_text()
        page.mouse.move(2, 2)
        page.locator(".small h4 span").first.scroll_into_view_if_needed()
        page.evaluate("new Promise(requestAnimationFrame)")
        page.locator(".small h4 span").first.focus()
        assert page.locator("#term").inner_text() == "Entropy of the power. [nats]"
        page.keyboard.press("Escape")
        assert not page.locator("#term").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_until_somebody_chooses(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    papers = {"light": "#ffffff", "dark": "#0d1117"}
    other = {"light": "dark", "dark": "light"}[scheme]
    with opened(browser, tmp_path, grokked(), viewport=WIDE, color_scheme=scheme) as seen:
        assert seen.page.evaluate(COLOR) == papers[scheme]
        seen.page.locator("#theme").click()
        seen.until(f"{COLOR} === '{papers[other]}'")
        assert seen.page.evaluate("getComputedStyle(document.body).colorScheme") == other


def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, tmp_path, grokked(), viewport=PHONE) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        charts = seen.page.locator(".plot:has(svg)").all()
        widths = [box["width"] for chart in charts if (box := chart.bounding_box())]
        assert len(widths) > 6
        assert max(widths) <= PHONE["width"]


def test_on_paper_charts_stay_and_controls_go(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, grokked(), viewport=WIDE, color_scheme="dark") as seen:
        page = seen.page
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme="dark")
        seen.until(f"{COLOR} === '#ffffff'")
        for control in ("#theme", "#scrub", "#log-steps"):
            assert not page.locator(control).is_visible()
        assert page.locator("#chart-accuracy svg.main-svg").first.is_visible()
        assert page.locator("#chart-stages svg.main-svg").first.is_visible()
        page.emulate_media(media="screen", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        seen.until(f"{COLOR} === '#0d1117'")


def test_hostile_words_run_nothing(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, hostile(PAYLOADS), viewport=WIDE) as seen:
        page = seen.page
        page.locator("#readout-box summary").click()
        page.keyboard.press("ArrowRight")
        for name in page.locator(".small h4 span:first-child").all()[:5]:
            name.focus()
        box = page.locator("#chart-accuracy .nsewdrag").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        assert page.locator("main script, main img, main iframe, main a[href*=':']").count() == 0
        assert page.evaluate("document.title").endswith("grokwatch")


def gaps() -> list[AnyRecord]:
    """Numbers that are none, everywhere."""
    bad = [
        observed(step, train_loss=math.nan, train_accuracy=math.inf, values={"a": -math.inf})
        for step in range(100, 900, 100)
    ]
    return [start(), *bad, *going()[1:]]


def long_run() -> list[AnyRecord]:
    """A million steps in a hundred thousand observations."""
    return [
        start(),
        *(
            Observation(
                run_id=RUN,
                step=10 * at,
                time=float(at),
                train_loss=1 / at,
                values={"weight_norm": math.sin(at / 1000)},
            )
            for at in range(1, 100_001)
        ),
    ]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], "Nothing was measured"),
        ([start()], "Nothing was measured"),
        ([start(), observed(100)], "one observation only"),
        ([start(), observed(0, values={}, cost_seconds=0)], "No signal was measured"),
        ([r for r in grokked() if not hasattr(r, "test_accuracy")], "No test accuracy was logged"),
        (gaps(), "values are NaN or infinite"),
        (long_run(), "No probe was given"),
    ],
    ids=["nothing", "start", "one", "at-zero", "no-test", "not-finite", "million"],
)
def test_a_run_that_lacks_something_opens_and_says_what(
    browser: Browser, tmp_path: Path, records: list[AnyRecord], expected: str
) -> None:
    with opened(browser, tmp_path, records, viewport=WIDE) as seen:
        told = " ".join(seen.page.locator(".missing").all_inner_texts())
        assert expected in told
        assert (tmp_path / "report.html").stat().st_size < 4_000_000
        seen.page.keyboard.press("ArrowLeft")
        seen.page.locator("#theme").click()
        seen.page.evaluate("new Promise(requestAnimationFrame)")
