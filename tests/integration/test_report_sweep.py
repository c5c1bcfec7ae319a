"""The report of a sweep in a real browser: of runs that were trained here, and of tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from grokwatch.experiments.counting import counting
from grokwatch.experiments.sweep import read_grid, sweep
from grokwatch.monitor import labels
from grokwatch.monitor.commands.report_sweep import report_sweep
from grokwatch.monitor.report.sweep import write
from grokwatch.monitor.report.sweep_curves import Curve
from grokwatch.monitor.report.sweep_data import PHASES
from grokwatch.monitor.report.sweep_run import SweepRun, relabelled
from tests.page_browser import CHROMIUM, Watched, browsing, watched
from tests.page_payloads import PAYLOADS
from tests.report_sweeps import diagram, swept

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

GRIDS = Path(__file__).parents[2] / "experiments" / "grids"
DATA = GRIDS.parent / "data"
DRAWN = "Number(document.getElementById('diagram').dataset.drawn ?? 0) > {}"
TEXT = "document.getElementById('{}').textContent"
MOVE = """
([id, value]) => {
  const input = document.getElementById(id);
  input.value = value;
  input.dispatchEvent(new Event("input"));
}
"""
PLACE_OF_CELL = """
([column, row]) => {
  const element = document.getElementById("diagram");
  const { xaxis, yaxis } = element._fullLayout;
  const box = element.getBoundingClientRect();
  return [
    box.left + xaxis._offset + xaxis.d2p(column), box.top + yaxis._offset + yaxis.d2p(row),
  ];
}
"""
JUDGE = """
(cases) => cases.map(([train, test, numTest, thresholds]) => {
  const points = (values) => values.map(([step, value]) => [step, value === null ? NaN : value]);
  const curve = { train: points(train), test: points(test) };
  return window.grokwatch.sweep.judge(curve, numTest, thresholds);
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Watched]:
    with watched(browser, "file://") as opened:
        yield opened


def look(page: Watched, path: Path) -> None:
    page.page.goto(path.as_uri())
    page.until(DRAWN.format(0))


def said(page: Watched, name: str) -> str:
    return str(page.page.evaluate(TEXT.format(name)))


def drawn(page: Watched) -> int:
    return int(page.page.evaluate("Number(document.getElementById('diagram').dataset.drawn)"))


def dots(page: Watched) -> dict[str, int]:
    """Phase -> dots in the diagram."""
    found: dict[str, int] = page.page.evaluate(
        "Object.fromEntries(document.getElementById('diagram').data.slice(1)"
        ".map((trace) => [trace.name.split(' ')[0], trace.x.length]))"
    )
    return found


def choose(page: Watched, selector: str, label: str) -> None:
    before = drawn(page)
    page.page.select_option(selector, label=label)
    page.until(DRAWN.format(before))


def move(page: Watched, name: str, value: float) -> None:
    before = drawn(page)
    page.page.evaluate(MOVE, [name, value])
    page.until(DRAWN.format(before))


def hover(page: Watched, column: int, row: int) -> None:
    page.page.evaluate("document.getElementById('diagram').scrollIntoView({ block: 'center' })")
    x, y = page.page.evaluate(PLACE_OF_CELL, [column, row])
    page.page.mouse.move(x - 8, y)
    page.page.mouse.move(x, y, steps=3)


def test_a_trained_sweep_is_explored_and_nothing_is_complained_of(
    page: Watched, tmp_path: Path
) -> None:
    list(sweep(read_grid(GRIDS / "tiny.toml"), tmp_path, counting(print, progress=False), print))
    path = tmp_path / "tiny.html"
    report_sweep(
        Path("tiny"), tmp_path, path, predictor="baseline:always", show=print, progress=False
    )
    look(page, path)
    assert said(page, "state") == "8 runs shown, 8 of them generalised."
    assert sum(dots(page).values()) == 8
    hover(page, 1, 0)
    page.until(f"{TEXT.format('cell-title')} === 'task.num_train = 120, optimizer.decay = 0'")
    assert page.page.evaluate("document.getElementById('course').data[0].x.length") > 40
    choose(page, "#axis-x", "optimizer.decay")
    assert page.page.evaluate(
        "['axis-x', 'axis-y'].map((id) => document.getElementById(id).selectedOptions[0].text)"
    ) == ["optimizer.decay", "task.num_train"]
    move(page, "steps", 0)
    assert said(page, "state") == "8 runs shown, 0 of them generalised."
    assert dots(page) == {"confusion": 8}
    page.page.click("#usual")
    page.until(f"{TEXT.format('state')}.endsWith('8 of them generalised.')")
    assert "8 runs shown above were judged, 2,400 steps in all" in said(page, "savings-caption")
    assert (page.complaints, page.violations()) == ([], [])


def test_thresholds_and_filters_change_what_cells_show(page: Watched, tmp_path: Path) -> None:
    look(page, write("made up", diagram(), tmp_path / "page.html", predictor="hazard:"))
    assert dots(page) == {"grokking": 66, "memorization": 42}
    choose(page, "#choices [data-axis] select", "8")
    assert dots(page) == {"grokking": 33, "memorization": 21}
    assert said(page, "state") == "54 of 108 runs shown, 33 of them generalised."
    move(page, "generalized", 0.5)
    assert dots(page) == {"comprehension": 54}
    assert "54 comprehension" in said(page, "counts").replace("9 ", "54 ", 1)
    page.page.click("#usual")
    page.until(f"{TEXT.format('state')}.endsWith('33 of them generalised.')")
    assert dots(page) == {"grokking": 33, "memorization": 21}


def test_what_rules_save_and_lose_is_added_up(page: Watched, tmp_path: Path) -> None:
    runs = [
        swept(0, {"a": 1}, rise=400, stopped=120),
        swept(1, {"a": 1}, rise=800, warned=200),
        swept(2, {"a": 2}, stopped=400),
        swept(3, {"a": 2}),
    ]
    look(page, write("four", runs, tmp_path / "page.html", predictor="hazard:"))
    rows = page.page.evaluate(
        "[...document.querySelectorAll('#ledger tbody tr')].map((row) => "
        "[...row.children].slice(1).map((cell) => cell.textContent))"
    )
    assert said(page, "stop-value") == "400"
    assert rows == [
        ["0", "0", "0 %", "0 of 2"],
        ["4", "1,200", "30 %", "1 of 2"],
        ["3", "1,200", "30 %", "0 of 2"],
        ["2", "600", "15 %", "1 of 2"],
        ["2", "1,840", "46 %", "0 of 2"],
    ]


def test_cells_are_reached_by_keyboard_and_a_click_stays(page: Watched, tmp_path: Path) -> None:
    look(page, write("made up", diagram(), tmp_path / "page.html"))
    page.page.focus("#diagram")
    page.page.keyboard.press("ArrowRight")
    for _ in range(4):
        page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("ArrowUp")
    assert said(page, "cell-title") == "num_train = 100, decay = 1"
    hover(page, 2, 0)
    page.until(f"{TEXT.format('cell-title')} === 'num_train = 400, decay = 0'")
    page.page.mouse.down()
    page.page.mouse.up()
    page.page.mouse.move(2, 2)
    page.until(f"{TEXT.format('cell-title')} === 'num_train = 400, decay = 0'")
    assert said(page, "cell-counts") == "18 runs: 14 grokking, 4 memorization"


def test_a_table_of_losses_is_explored_by_losses(page: Watched, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    report_sweep(
        DATA / "parity_sweep.csv", tmp_path, path, predictor=None, show=print, progress=False
    )
    look(page, path)
    assert dots(page) == {"memorization": 273, "confusion": 98, "generalized": 754}
    move(page, "generalized", -1.5)
    assert dots(page)["generalized"] < 754
    choose(page, "#choices [data-axis] select", "0.1")
    assert sum(dots(page).values()) == 225
    assert page.page.evaluate("document.getElementById('ledger')") is None
    assert (page.complaints, page.violations()) == ([], [])


@pytest.mark.parametrize(
    "runs",
    [
        [swept(0, {})],
        [swept(0, {"a": None}), swept(1, {"a": "adamw"})],
        [SweepRun(run_id="r")],
        [SweepRun(run_id="r", phase="confusion", curve=Curve((), (), ()))],
        [swept(seed, {"a": 1}, rise=400) for seed in range(120)],
    ],
    ids=["one run", "words and nothing", "no outcome", "no points", "more runs than dots"],
)
def test_a_poor_sweep_is_shown_too(page: Watched, tmp_path: Path, runs: list[SweepRun]) -> None:
    look(page, write("poor", runs, tmp_path / "page.html", predictor="hazard:"))
    assert said(page, "state").startswith(f"{len(runs)} runs shown")
    assert sum(dots(page).values()) <= 49
    assert (page.complaints, page.violations()) == ([], [])


def test_names_full_of_markup_stay_words(page: Watched, tmp_path: Path) -> None:
    runs = [
        swept(seed, {"one": text, "two": text[::-1], "three": seed % 2, text: seed % 3})
        for seed, text in enumerate(PAYLOADS)
    ]
    look(page, write(PAYLOADS[0], runs, tmp_path / "page.html", remarks=PAYLOADS))
    for name in page.page.eval_on_selector_all(
        "#axis-y option", "(all) => all.map((each) => each.text)"
    )[:4]:
        choose(page, "#axis-y", name)
    hover(page, 3, 1)
    assert (
        page.page.evaluate("document.querySelectorAll('main script, main img, main a').length") == 0
    )
    assert (page.complaints, page.violations()) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_sideways_scrolling(browser: Browser, tmp_path: Path, scheme: str) -> None:
    path = write("made up", diagram(), tmp_path / "page.html", predictor="hazard:")
    size = {"width": 390, "height": 844}
    with watched(browser, "file://", viewport=size, color_scheme=scheme) as page:
        look(page, path)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
        before = drawn(page)
        page.page.click("#theme")
        page.until(DRAWN.format(before))
        assert (page.complaints, page.violations()) == ([], [])


def test_the_browser_tells_phases_as_labels_do(
    page: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(page, write("one", [swept(0, {})], tmp_path / "page.html"))
    rng = np.random.default_rng(0)
    for memorized, generalized in ((0.99, 0.95), (0.8, 0.7), (0.6, 0.99)):
        monkeypatch.setattr(labels, "MEMORIZED", memorized)
        monkeypatch.setattr(labels, "GENERALIZED", generalized)
        cases, expected = [], []
        for number in range(120):
            curve = _drawn_curve(rng)
            limit, num_test = int(rng.choice([200, 5_000])), [None, 100][number % 2]
            expected.append(_labelled(curve, num_test, limit))
            thresholds = {"memorized": memorized, "generalized": generalized, "steps": limit}
            cases.append([*_points(curve), num_test, thresholds])
        found: list[dict[str, Any]] = page.page.evaluate(JUDGE, json.loads(json.dumps(cases)))
        told = [(PHASES[each["phase"]][0], each["fitted"], each["solved"]) for each in found]
        assert told == expected
        assert len({phase for phase, _, _ in told}) >= 4


def _drawn_curve(rng: np.random.Generator) -> Curve:
    """Two noisy rises at any time, with points that are missing and points that are no number."""
    steps = np.unique(rng.integers(1, 2_000, 40))
    rises = rng.choice([20, 100, 600, 5_000], 2)
    values = [1 / (1 + np.exp(-(steps - rise) / (0.2 * rise))) for rise in rises]
    noisy = [np.clip(each + rng.normal(0, 0.02, len(steps)), 0, 1).round(3) for each in values]
    for each in noisy:
        each[rng.random(len(steps)) < 0.03] = -0.5
        each[rng.random(len(steps)) < 0.05] = -1
    top = rng.choice([0.6, 0.8, 1.0])
    test = np.where(noisy[1] > 0, noisy[1] * top, noisy[1])
    return Curve(*(tuple(each.tolist()) for each in (steps, noisy[0], test)))


def _points(curve: Curve) -> tuple[list[Any], list[Any]]:
    """As the page unpacks them; JSON has no NaN, so nothing stands for it."""
    train, test = (
        [
            [step, None if value == -0.5 else value]
            for step, value in zip(curve.steps, values, strict=True)
            if value > -1
        ]
        for values in (curve.train, curve.test)
    )
    return train, test


def _labelled(curve: Curve, num_test: int | None, limit: int) -> tuple[str, int | None, int | None]:
    kept = sum(step <= limit for step in curve.steps)
    seen = Curve(curve.steps[:kept], curve.train[:kept], curve.test[:kept])
    outcome = relabelled(seen, num_test)
    return outcome.phase.value, outcome.train_step, outcome.grokking_step
