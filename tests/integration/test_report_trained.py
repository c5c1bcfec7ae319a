"""Reports of runs that were trained here, in a real browser: addition, parity, random labels."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from grokwatch.experiments.demo import Watching, demo
from grokwatch.monitor import journal
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.report.run import write
from tests.page_browser import CHROMIUM, Watched, browsing, watched

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

WIDE = {"width": 1440, "height": 900}
STEP = "document.getElementById('cursor-step').textContent"
HEATMAP = "document.getElementById('weights-heatmap')"
RECIPES = (("addition", False), ("parity", False), ("addition", True))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@pytest.fixture(scope="module", params=RECIPES, ids=lambda each: f"{each[0]}{'-random' * each[1]}")
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[AnyRecord]:
    """Records of a short run of a demo, as its journal holds them."""
    task, random_labels = request.param
    root = tmp_path_factory.mktemp("trained")
    watching = Watching(directory=root, sinks=())
    demo(
        task=task,
        random_labels=random_labels,
        steps=300,
        watching=watching,
        show=lambda _: None,
        progress=False,
    )
    (run,) = (root / journal.RUNS).iterdir()
    return list(journal.read(run))


@pytest.fixture
def seen(browser: Browser, tmp_path: Path, trained: list[AnyRecord]) -> Iterator[Watched]:
    """The report from disk; nothing may be complained of, and nothing but the file asked for."""
    address = write(trained, tmp_path / "report.html").as_uri()
    with watched(browser, address, viewport=WIDE) as page:
        page.page.goto(address)
        page.until("document.body.dataset.drawn === 'all'")
        yield page
        assert page.complaints == []
        assert page.violations() == []


def heatmap_at(seen: Watched, step: int) -> list[list[float]]:
    """Move the cursor; what the heatmap of the weights shows then."""
    seen.page.evaluate(f"grokwatch.cursor.set({step})")
    seen.until(f"{HEATMAP}.dataset.look === '{step}'")
    shown: list[list[float]] = seen.page.evaluate(f"{HEATMAP}.data[0].z")
    return shown


def test_the_heatmap_changes_with_the_cursor(seen: Watched) -> None:
    seen.page.locator("#weights-heatmap").scroll_into_view_if_needed()
    steps = seen.page.evaluate("grokwatch.data.weights.steps")
    first, last = heatmap_at(seen, steps[0]), heatmap_at(seen, steps[-1])
    assert len(steps) > 10
    assert len(first) == len(last)
    assert first != last
    assert heatmap_at(seen, steps[0]) == first


def test_the_course_and_the_signals_are_shown(seen: Watched) -> None:
    page = seen.page
    assert "at" in page.locator("#headline").inner_text()
    assert page.locator(".small .plot svg.main-svg").count() > 10
    before = page.evaluate(STEP)
    page.keyboard.press("ArrowLeft")
    seen.until(f"{STEP} !== '{before}'")
    assert page.evaluate("grokwatch.data.families.length") > 3
