import contextlib
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from tests.page_application import page_app
from tests.page_browser import CHROMIUM, Watched, browsing, watched
from tests.page_payloads import PAYLOADS, harassed, hostile, renamed
from tests.page_reader import StandInReader
from tests.page_runs import life_like
from tests.page_stories import Story, story
from tests.service_stand_in import StandIn
from tests.service_web import serving

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

PHONE = {"width": 390, "height": 844}
COMPARED = urlencode([("run", "addition-seed-2"), ("run", "division-seed-0")])
PATHS = ("/", "/runs/addition-seed-2", f"/compare?{COMPARED}", "/alerts")
BRIGHTNESS = """
(selector) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" && element.parentElement
      ? behind(element.parentElement) : color;
  };
  return [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility()).map((each) => {
    const [one, other] = [light(getComputedStyle(each).color), light(behind(each))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return [ratio, each.outerHTML.slice(0, 120)];
  });
}
"""

TITLE_ENDS = """
() => [...document.querySelectorAll("#chart .annotation-text")]
  .map((each) => each.getBoundingClientRect().right)
"""

PICK = """
(keys) => {
  const inputs = [...document.querySelectorAll("#signals input[name=signal]")];
  for (const input of inputs) input.checked = keys.includes(input.value);
  document.getElementById("signals").dispatchEvent(new Event("change"));
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@pytest.fixture
def reader() -> StandInReader:
    return StandInReader(life_like())


@pytest.fixture
def store() -> StandIn:
    return StandIn()


@pytest.fixture
def home(reader: StandInReader, store: StandIn) -> Iterator[str]:
    with at_home(reader, store) as address:
        yield address


@pytest.fixture
def seen(browser: Browser, home: str) -> Iterator[Watched]:
    with watched(browser, home) as page:
        yield page
        assert not page.complaints


@contextlib.contextmanager
def at_home(reader: StandInReader, store: StandIn | None = None) -> Iterator[str]:
    """Serve the pages; gives their address."""
    with serving(page_app(reader, store)) as (host, port):
        yield f"http://{host}:{port}"


def _names(seen: Watched) -> list[str]:
    return seen.page.locator(".runs tbody .name").all_inner_texts()


def _grown(told: Story, **changes: object) -> Story:
    """The same run, a little later."""
    row = msgspec.structs.replace(told.row, **changes)
    return msgspec.structs.replace(told, detail=msgspec.structs.replace(told.detail, run=row))


def test_the_list_is_read_filtered_and_sorted_by_keyboard_alone(seen: Watched, home: str) -> None:
    page = seen.page
    page.goto(home)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    while page.locator(":focus").get_attribute("name") != "text":
        page.keyboard.press("Tab")
    page.keyboard.type("division")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=division**")
    assert sorted(_names(seen)) == ["division-lr-0.03", "division-seed-0"]
    page.locator('a[data-sort="step"]').focus()
    outline = page.locator(":focus").evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=step**")
    assert _names(seen) == ["division-lr-0.03", "division-seed-0"]
    expect(page.locator('th[aria-sort="descending"]')).to_have_text(re.compile("Step"))


def test_a_change_appears_in_the_list_without_a_reload_and_keeps_the_place(
    seen: Watched, home: str, reader: StandInReader
) -> None:
    page = seen.page
    page.goto(home)
    page.evaluate("window.isSamePage = true")
    page.get_by_role("checkbox", name="Compare s5-float16").check()
    page.get_by_role("link", name="addition-no-decay").focus()
    page.evaluate("window.scrollTo(0, 120)")
    before = page.evaluate("window.scrollY")
    reader.tell(_grown(reader.stories["addition-no-decay"], step=9_999, alerts=("GRK001",)))
    row = page.locator('tr[data-key="addition-no-decay"]')
    expect(row).to_contain_text("9,999")
    expect(row.locator(".tone")).to_contain_text("keep")
    assert page.locator(":focus").inner_text() == "addition-no-decay"
    assert page.get_by_role("checkbox", name="Compare s5-float16").is_checked()
    assert page.evaluate("[window.isSamePage, window.scrollY]") == [True, before]


def test_the_first_run_appears_by_itself(browser: Browser) -> None:
    reader = StandInReader(())
    with at_home(reader) as home, watched(browser, home) as seen:
        seen.page.goto(home)
        expect(seen.page.get_by_role("heading", name="No runs yet")).to_be_visible()
        with seen.page.expect_response("**/v1/events"):
            seen.page.reload()
        reader.tell(story("the-first", last=300))
        expect(seen.page.locator(".runs tbody .name")).to_have_text("the-first")
        assert not seen.complaints


def test_chosen_runs_are_compared(seen: Watched, home: str) -> None:
    page = seen.page
    page.goto(home)
    expect(page.get_by_role("button", name="Compare the chosen runs")).to_be_disabled()
    for name in ("addition-seed-2", "division-seed-0", "random-labels-control"):
        page.get_by_role("checkbox", name=f"Compare {name}").check()
    expect(page.locator("#chosen")).to_have_text("3 chosen")
    page.get_by_role("button", name="Compare the chosen runs").click()
    assert seen.charts() == 3
    page.locator("select[name=key]").select_option("weight_norm")
    page.wait_for_url("**key=weight_norm**")
    assert seen.charts() == 3
    assert page.locator(".compared tbody tr").count() == 3


def test_a_run_draws_its_charts_and_they_can_be_hovered_and_zoomed(
    seen: Watched, home: str
) -> None:
    page = seen.page
    page.goto(f"{home}/runs/addition-seed-2")
    assert seen.charts() == 10
    box = page.locator("#chart .nsewdrag").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.6, middle)
    expect(page.locator("#chart .hoverlayer .hovertext").first).to_be_visible()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=5)
    page.mouse.up()
    zoomed = "document.getElementById('chart').layout.xaxis.autorange === false"
    seen.until(zoomed)
    page.get_by_role("button", name="Whole run").click()
    seen.until(f"!({zoomed})")
    page.get_by_role("button", name="Log steps").click()
    seen.until("document.getElementById('chart').layout.xaxis.type === 'linear'")
    expect(page.get_by_role("button", name="Log steps")).to_have_attribute("aria-pressed", "false")


def test_alerts_stand_in_the_charts_at_their_steps(seen: Watched, home: str) -> None:
    for run, steps in (("addition-seed-2", [1_660]), ("division-seed-0", [1_400, 4_200])):
        seen.page.goto(f"{home}/runs/{run}")
        seen.charts()
        drawn = "document.getElementById('chart').layout.shapes.map((shape) => shape.x0)"
        assert seen.page.evaluate(drawn) == steps


def test_signals_are_picked_into_charts_of_their_own(seen: Watched, home: str) -> None:
    page = seen.page
    page.goto(f"{home}/runs/addition-seed-2")
    lines = seen.charts()
    page.locator("#picker summary").click()
    page.locator("#find-signal").fill("margin")
    expect(page.locator("#signals li:visible")).to_have_count(2)
    page.get_by_role("checkbox", name="margin.mean").check()
    seen.until(f"document.getElementById('chart').data.length === {lines + 1}")
    assert "signal=margin.mean" in page.url
    page.keyboard.press("Escape")
    expect(page.locator("#signals")).to_be_hidden()


def test_a_change_extends_the_charts_and_keeps_the_zoom(
    seen: Watched, home: str, reader: StandInReader
) -> None:
    page = seen.page
    page.goto(f"{home}/runs/addition-seed-2")
    seen.charts()
    page.evaluate(
        "Plotly.relayout('chart', {'xaxis.range[0]': 2, 'xaxis.range[1]': 3.5})"
        ".then(() => { window.isSamePage = true; })"
    )
    seen.until("window.isSamePage")
    later = story("addition-seed-2", last=4_000, rises=4_000, chance=0.99)
    reader.tell(later)
    last = "document.getElementById('chart').data[0].x.at(-1)"
    seen.until(f"{last} === {later.steps[-1]}")
    expect(page.locator("#facts")).to_contain_text(f"{later.steps[-1]:,}")
    kept = page.evaluate("[isSamePage, document.getElementById('chart').layout.xaxis.range]")
    assert kept == [True, [2, 3.5]]


def test_a_run_that_was_just_begun_shows_its_first_numbers_by_itself(
    seen: Watched, home: str, reader: StandInReader
) -> None:
    page = seen.page
    page.goto(f"{home}/runs/queued-seed-3")
    seen.charts()
    expect(page.locator("#verdict")).to_contain_text("no data yet")
    reader.tell(story("queued-seed-3", last=300))
    expect(page.locator("#facts")).to_contain_text("302")
    seen.until("document.getElementById('chart').data.length === 10")


def test_an_alert_is_sent_again_by_a_button(seen: Watched, home: str, store: StandIn) -> None:
    page = seen.page
    page.goto(f"{home}/alerts")
    article = page.locator("article.alert", has_text="given up")
    article.get_by_role("button", name="Send again").click()
    expect(article.locator("[data-resent]")).to_contain_text("Queued again")
    assert store.sent == [f"{9:032x}"]


def test_a_refused_resend_says_so(browser: Browser) -> None:
    class Gone(StandIn):
        def resend(self, alert_id: str, *, hook: str | None = None) -> int:
            raise KeyError(alert_id)

    reader = StandInReader(life_like())
    with at_home(reader, Gone()) as home, watched(browser, home) as seen:
        seen.page.goto(f"{home}/alerts")
        seen.page.get_by_role("button", name="Send again").first.click()
        place = seen.page.locator("[data-resent]").first
        expect(place).to_have_text("The service refused it (500).")


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desk"])
def test_no_page_scrolls_sideways(
    browser: Browser, viewport: dict[str, int], home: str, reader: StandInReader
) -> None:
    for number, each in enumerate(hostile(PAYLOADS[-6:])):
        reader.tell(renamed(each, f"hostile-{number}"))
    assert reader.stories["hostile-5"].row.name == PAYLOADS[-1]
    gone = f"/runs/{'a' * 400}"
    paths = [*PATHS, "/runs/hostile-5", "/runs/gone", gone, "/compare?run=hostile-5"]
    with watched(browser, home, viewport=viewport) as seen:
        for path in paths:
            seen.page.goto(home + path)
            if seen.page.locator("#chart").count():
                seen.charts()
            width = seen.page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"], path


def test_titles_of_charts_fit_a_phone(browser: Browser, home: str, reader: StandInReader) -> None:
    reader.tell(renamed(hostile(PAYLOADS[-1:])[0], "long"))
    with watched(browser, home, viewport=PHONE) as seen:
        for run in ("addition-seed-2", "image-classifier", "long"):
            seen.page.goto(f"{home}/runs/{run}")
            seen.charts()
            ends = seen.page.evaluate(TITLE_ENDS)
            assert len(ends) >= 4
            assert max(ends) <= PHONE["width"], run


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Browser, home: str, scheme: str) -> None:
    words = "h1, h2, h3, p, a, td, th, dt, dd, li, label, button, summary, .faint, .badge, strong"
    with watched(browser, home, color_scheme=scheme) as seen:
        for path in (*PATHS, "/runs/parity-40-3-small-decay", "/runs/division-lr-0.03", "/nowhere"):
            seen.page.goto(home + path)
            pairs = seen.page.evaluate(BRIGHTNESS, words)
            assert len(pairs) > 5
            assert not [pair for pair in pairs if pair[0] < 4.5], path
        assert seen.page.evaluate("getComputedStyle(document.body).colorScheme") == "light dark"


def test_a_chart_follows_from_light_to_dark(seen: Watched, home: str) -> None:
    page = seen.page
    page.goto(f"{home}/runs/addition-seed-2")
    seen.charts()
    page.emulate_media(color_scheme="dark")
    seen.until("document.getElementById('chart').layout.paper_bgcolor === '#0d1117'")


def test_without_scripts_the_words_and_tables_are_there(browser: Browser, home: str) -> None:
    with watched(browser, home, java_script_enabled=False) as seen:
        page = seen.page
        page.goto(f"{home}/runs/addition-seed-2")
        assert "The charts need JavaScript" in page.content()
        expect(page.locator(".evidence tbody tr")).to_have_count(4)
        page.goto(f"{home}/?text=parity")
        assert _names(seen) == ["parity-40-3-small-decay"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_keeps_its_own_policy_and_asks_no_other_host(
    seen: Watched, home: str, path: str
) -> None:
    seen.page.goto(home + path)
    if seen.page.locator("#chart").count():
        assert seen.charts() > 1
        seen.page.locator("#chart .nsewdrag").first.hover()
    assert not seen.violations()


def test_hostile_names_do_nothing_in_lists(browser: Browser) -> None:
    with at_home(StandInReader(hostile())) as home, watched(browser, home) as seen:
        for path in ("/", "/?page=2", "/alerts", "/alerts?page=2"):
            seen.page.goto(home + path)
            expect(seen.page.locator("h1")).to_have_count(1)
            assert not seen.violations()
        assert not seen.complaints


@pytest.mark.slow
def test_hostile_names_do_nothing_on_a_page_that_has_them_all(browser: Browser) -> None:
    with at_home(StandInReader([harassed()])) as home, watched(browser, home) as seen:
        seen.page.goto(f"{home}/runs/harassed")
        seen.charts()
        for start in range(0, len(PAYLOADS), 4):
            drawn = int(seen.page.locator("#chart").get_attribute("data-drawn") or 0)
            seen.page.evaluate(PICK, PAYLOADS[start : start + 4])
            seen.until(f"Number(document.getElementById('chart').dataset.drawn) > {drawn}")
            foreign = seen.page.locator("#chart a, #chart img, #chart script, #chart foreignObject")
            assert foreign.count() == 0
        assert not seen.violations()
        assert not seen.complaints


def test_hostile_names_do_nothing_in_a_comparison(browser: Browser) -> None:
    told = [renamed(each, f"run-{number}") for number, each in enumerate(hostile())]
    chosen = [told[number] for number in (0, 11, 12, 17, 30, 52, 54, 55)]
    with at_home(StandInReader(told)) as home, watched(browser, home) as seen:
        asked = urlencode([("run", each.row.run_id) for each in chosen])
        seen.page.goto(f"{home}/compare?{asked}")
        assert seen.charts() == len(chosen)
        seen.page.locator("#chart .nsewdrag").first.hover()
        expect(seen.page.locator("#chart .hoverlayer .hovertext").first).to_be_visible()
        assert seen.page.locator("#chart a, #chart img, #chart script").count() == 0
        assert not seen.violations()
        assert not seen.complaints
