"""What a person sees of a run in MLflow's own pages."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from msgspec.structs import replace
from playwright.sync_api import Browser, Dialog, expect

from grokwatch.callbacks.reporting import publish_report
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.records import Alert, AnyRecord, Observation, RunStarted, SkippedSignal
from grokwatch.monitor.sinks.mlflow import MlflowSink
from grokwatch.monitor.sinks.tracking_uri import Place
from tests.mlflow_runs import learned, only_run
from tests.mlflow_screen import Screen
from tests.mlflow_server import Server
from tests.page_browser import CHROMIUM, browsing

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

HOSTILE = "<img src=x onerror=alert(1)> [a](javascript:alert(2)) **b** www.evil.test"
VALUES = {"weight_norm": 3.0, "sharpness": 1.0, "of_my_own": 2.0}


def hostile(record: AnyRecord) -> AnyRecord:
    """A record that measures something, and whose texts are an attack."""
    match record:
        case Observation():
            return replace(record, values=VALUES)
        case Alert():
            return replace(record, message=f"message {HOSTILE}")
        case RunStarted():
            skipped = (SkippedSignal(name="margin", reason=f"reason {HOSTILE}", remedy=HOSTILE),)
            return replace(record, skipped=skipped, guesses=(f"guess {HOSTILE}",))
    return record


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shown(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Ids of the experiment and of the run that is looked at."""
    journal = Journal.open(tmp_path_factory.mktemp("journal"), "a")
    records = [hostile(record) for record in learned("a")]
    journal.append(records)
    journal.close()
    sink = MlflowSink(Place.parse(f"{server.uri}/pages"))
    sink.write(records)
    failures = Counter[str]()
    publish_report(journal.directory, "a", [sink], failures)
    assert failures == {}
    run = only_run(MlflowClient(tracking_uri=server.uri), "pages")
    return run.info.experiment_id, run.info.run_id


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@pytest.fixture
def screen(browser: Browser, server: Server, shown: tuple[str, str]) -> Iterator[Screen]:
    page = browser.new_page(viewport={"width": 1440, "height": 1200})
    yield Screen(page, server.uri, *shown)
    page.close()


def test_charts_are_in_sections_with_the_verdict_first(screen: Screen) -> None:
    sections = screen.charts()
    ours = {name: count for name, count in sections.items() if name.startswith("grokwatch")}
    assert [*ours.items()] == [
        ("grokwatch", 6),
        ("grokwatch cost", 1),
        ("grokwatch landscape", 1),
        ("grokwatch signals", 1),
        ("grokwatch weights", 1),
    ]


def test_the_overview_describes_the_run_and_text_of_others_does_nothing(screen: Screen) -> None:
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    screen.page.on("dialog", dismiss)
    description = screen.overview()
    expect(description).to_contain_text("test accuracy passed 95 % at step 200. Training is over.")
    for about in ("message", "reason", "guess"):
        expect(description).to_contain_text(f"{about} {HOSTILE}")
    assert description.locator("a, img").count() == 0
    expect(screen.page.get_by_text("grokwatch.phase")).to_be_visible()
    assert dialogs == []


def test_the_report_opens_inside_and_can_be_downloaded(
    screen: Screen, server: Server, shown: tuple[str, str], tmp_path: Path
) -> None:
    page = screen.artifact("grokwatch/report.html")
    expect(page.locator("h1").first).to_be_visible(timeout=60_000)
    client = MlflowClient(tracking_uri=server.uri)
    copy = client.download_artifacts(shown[1], "grokwatch/report.html", str(tmp_path))
    assert Path(copy).read_text().lower().startswith("<!doctype html>")
