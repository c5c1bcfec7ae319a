"""The weights in the report of a run, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunStarted, WeightFrame
from grokwatch.monitor.report.run import write
from tests.page_browser import CHROMIUM, Watched, browsing, watched

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")

P = 13
STEPS = (1, 30, 300, 3_000)
FREQUENCIES = np.array([5, 2, 5, 2, 5, 2, 5])
PHASES = 2 * np.pi * np.arange(7) / 7


def frame(step: int, matrix: np.ndarray[Any, Any], role: str = "input") -> WeightFrame:
    data = np.ascontiguousarray(matrix, dtype="<f4").tobytes()
    return WeightFrame(run_id="r", step=step, role=role, shape=tuple(matrix.shape), data=data)


def course() -> Iterator[AnyRecord]:
    for step in range(0, 3_001, 10):
        yield Observation(
            run_id="r", step=step or 1, time=0.0, train_loss=1 / (step + 1), train_accuracy=1.0
        )
        yield Evaluation(run_id="r", step=step or 1, time=0.0, test_accuracy=step / 3_000)


def addition() -> list[AnyRecord]:
    """A run that becomes the circular solution."""
    tokens, noise = np.arange(P)[:, None], np.random.default_rng(0)
    angles = 2 * np.pi * FREQUENCIES * tokens / P
    records: list[AnyRecord] = [RunStarted(run_id="r", time=0.0, group=f"cyclic:{P}"), *course()]
    for step in STEPS:
        share = step / STEPS[-1]
        for role, turns in (("input", 1), ("output", 2)):
            wave = np.cos(angles + turns * PHASES)
            other = noise.normal(size=wave.shape)
            records.append(frame(step, share * wave + (1 - share) * other, role))
    return records


def parity() -> list[AnyRecord]:
    """A run whose bits fade but for the first two."""
    started = RunStarted(
        run_id="r", time=0.0, group="bits:9",
        hyper_parameters={"task.num_relevant": 2, "task.relevant": "first"},
    )  # fmt: skip
    records: list[AnyRecord] = [started, *course()]
    for step in STEPS:
        fading = np.where(np.arange(9) < 2, 1.0, 1 - step / STEPS[-1])
        records.append(frame(step, fading[:, None] * np.ones((9, 5))))
    return records


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Watched]:
    with watched(browser, tmp_path.as_uri(), viewport={"width": 1440, "height": 2400}) as page:
        yield page
        assert page.complaints == []
        assert page.violations() == []


def show(page: Watched, records: list[AnyRecord], folder: Path) -> None:
    """Open the report, and wait until all of it is drawn."""
    page.page.goto(write(records, folder / "report.html").as_uri())
    page.until("document.body.dataset.drawn === 'all'")


def look(page: Watched, view: str, step: int) -> Any:
    """Move the cursor, and wait until a view shows that look; its traces."""
    page.page.evaluate(f"grokwatch.cursor.set({step})")
    page.page.locator(f"#{view}").scroll_into_view_if_needed()
    page.until(f"document.getElementById('{view}').dataset.look === '{step}'")
    return traces(page, view)


def traces(page: Watched, view: str) -> Any:
    page.page.locator(f"#{view}").scroll_into_view_if_needed()
    page.until(f"document.getElementById('{view}').dataset.look !== undefined")
    keys = "({x: t.x, y: t.y, z: t.z, name: t.name, line: t.line, customdata: t.customdata})"
    script = f"document.getElementById('{view}').data.map((t) => {keys})"
    return page.page.evaluate(script)


def choose(page: Watched, words: str) -> None:
    page.page.get_by_role("button", name=words).click()


def test_the_heatmap_shows_the_last_look_before_the_cursor(page: Watched, tmp_path: Path) -> None:
    show(page, addition(), tmp_path)
    (noise,), (waves,) = (look(page, "weights-heatmap", step) for step in (30, 3_000))
    assert np.shape(noise["z"]) == np.shape(waves["z"]) == (7, P)
    assert not np.allclose(noise["z"], waves["z"], atol=0.1)
    assert waves["customdata"][0][0].endswith(", frequency 2")
    angles = 2 * np.pi * 5 * np.arange(P) / P
    assert np.abs(np.fft.rfft(waves["z"][-1])).argmax() == 5
    assert np.abs(np.asarray(waves["z"][-1]) @ np.exp(1j * angles)) == pytest.approx(P / 2, 0.01)
    page.page.keyboard.press("ArrowLeft")
    page.until("document.getElementById('weights-heatmap').dataset.look === '300'")
    page.page.evaluate("grokwatch.cursor.set(3_000)")
    page.until("document.getElementById('weights-heatmap').dataset.look === '3000'")
    page.page.evaluate("grokwatch.cursor.set(31)")
    page.until("document.getElementById('weights-heatmap').dataset.look === '30'")


def test_tokens_end_on_a_circle_and_rays_out_at_twice_their_angle(
    page: Watched, tmp_path: Path
) -> None:
    show(page, addition(), tmp_path)
    (ring,) = look(page, "weights-circle", 3_000)
    np.testing.assert_allclose(np.hypot(ring["x"], ring["y"]), 1, atol=0.25)
    angles = {}
    for view in ("weights-stars-in", "weights-stars-out"):
        found = look(page, view, 3_000)
        angles[view] = np.concatenate([np.arctan2(t["y"][1::3], t["x"][1::3]) for t in found])
    turned = np.exp(1j * (2 * angles["weights-stars-in"] - angles["weights-stars-out"]))
    np.testing.assert_allclose(turned, 1, atol=0.01)


def test_logits_of_a_chosen_pair_are_those_of_the_formula(page: Watched, tmp_path: Path) -> None:
    records = addition()
    show(page, records, tmp_path)
    look(page, "weights-logits", 3_000)
    inward, outward = (
        np.frombuffer(r.data, "<f4").reshape(r.shape)
        for r in records[-2:]
        if isinstance(r, WeightFrame)
    )
    states = np.maximum(inward[:, None] + inward[None, :], 0)
    answers = (states @ outward.T).argmax(axis=-1)
    right = (answers - np.arange(P)[:, None] - np.arange(P)) % P == 0
    for (a, b), verdict in (
        (np.argwhere(right)[-1], ": right."),
        (np.argwhere(~right)[0], ": wrong."),
    ):
        page.page.fill("#weights-a", str(a))
        page.page.fill("#weights-b", str(b))
        start = f"The largest logit is that of {answers[a, b]}"
        said = "document.getElementById('weights-said').textContent"
        page.until(f"{said}.startsWith('{start}') && {said}.endsWith('{verdict}')")
        bars, *lines = traces(page, "weights-logits")
        np.testing.assert_allclose(bars["y"], states[a, b] @ outward.T, atol=1e-3)
        for line in lines:
            own = int(line["name"].removeprefix("k=")) == FREQUENCIES
            np.testing.assert_allclose(line["y"], states[a, b][own] @ outward.T[own], atol=1e-3)


def test_a_frequency_that_is_chosen_leaves_its_neurons_alone(page: Watched, tmp_path: Path) -> None:
    show(page, addition(), tmp_path)
    look(page, "weights-heatmap", 3_000)
    choose(page, "k=2 (3)")
    page.until("document.getElementById('weights-heatmap').data[0].z.length === 3")
    assert len(look(page, "weights-waves", 3_000)) == 3
    page.page.check("#weights-along")
    page.until("document.getElementById('weights-waves').data[0].text[1] === 'token 7'")
    choose(page, "All frequencies")
    page.until("document.getElementById('weights-heatmap').data[0].z.length === 7")


def test_a_click_on_a_line_of_the_power_chooses_its_frequency(
    page: Watched, tmp_path: Path
) -> None:
    show(page, addition(), tmp_path)
    traces(page, "weights-power")
    place = page.page.evaluate(
        """() => {
          const chart = document.getElementById("weights-power");
          const line = chart.data.find((trace) => trace.name === "k=5");
          const [x, y] = [chart._fullLayout.xaxis, chart._fullLayout.yaxis];
          const box = chart.getBoundingClientRect();
          return [box.left + x._offset + x.d2p(line.x[2]), box.top + y._offset + y.d2p(line.y[2])];
        }"""
    )
    page.page.mouse.move(*place)
    page.page.mouse.click(*place)
    page.until("document.getElementById('weights-heatmap').data[0].z.length === 4")


def test_steps_of_weights_are_drawn_as_those_of_the_course(page: Watched, tmp_path: Path) -> None:
    kind = "document.getElementById('weights-power')._fullLayout.xaxis.type"
    show(page, addition(), tmp_path)
    traces(page, "weights-power")
    assert page.page.evaluate(kind) == "log"
    page.page.click("#log-steps")
    page.until(f"{kind} === 'linear'")


def test_the_cursor_stops_at_each_look_even_where_nothing_was_observed(
    page: Watched, tmp_path: Path
) -> None:
    show(page, [*addition(), frame(2_995, np.ones((P, 7)))], tmp_path)
    look(page, "weights-heatmap", 2_995)
    assert page.page.evaluate("grokwatch.cursor.step") == 2_995


def test_on_paper_all_weights_are_drawn_those_below_too(page: Watched, tmp_path: Path) -> None:
    page.page.set_viewport_size({"width": 1440, "height": 300})
    show(page, addition(), tmp_path)
    assert page.page.locator("#weights-logits svg.main-svg").count() == 0
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.until("document.querySelectorAll('#weights .plot[data-look]').length === 8")


def test_a_parity_run_shows_which_bits_stay(page: Watched, tmp_path: Path) -> None:
    show(page, parity(), tmp_path)
    lines = {line["name"]: line for line in traces(page, "weights-parity")}
    assert len(lines) == 9
    for bit in range(9):
        is_relevant = bit < 2
        assert (lines[f"bit {bit}"]["y"][-1] > 2) == is_relevant
        assert (lines[f"bit {bit}"]["line"]["width"] > 2) == is_relevant
    assert lines["bit 0"]["x"] == list(STEPS)
    (cells,) = look(page, "weights-heatmap", 3_000)
    assert np.shape(cells["z"]) == (5, 9)
    assert page.page.locator("#weights-logits, #weights-circle").count() == 0


def test_on_a_telephone_nothing_is_wider_than_the_page(browser: Browser, tmp_path: Path) -> None:
    size = {"width": 390, "height": 1_600}
    with watched(browser, tmp_path.as_uri(), viewport=size, color_scheme="dark") as page:
        show(page, addition(), tmp_path)
        for view in ("weights-heatmap", "weights-logits"):
            look(page, view, 300)
        assert page.page.evaluate("document.documentElement.scrollWidth") == 390
        page.page.click("#theme")
        page.until("document.documentElement.dataset.theme === 'light'")
        look(page, "weights-heatmap", 3_000)
        assert page.complaints == []
        assert page.violations() == []
