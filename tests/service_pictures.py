"""Takes the pictures of the service that the README shows: `python -m tests.service_pictures`.

They show real runs of the demo. Their journals are pushed to a service with a store of its own,
some only up to a step, as they are seen in the middle of training. Without `--journals` the runs
are trained first, which takes minutes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser

from grokwatch.monitor import journal
from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.records import AnyRecord, RunEnded, RunStarted
from grokwatch.monitor.service.app import make_app
from grokwatch.monitor.service.pages import make_error_pages, make_pages
from grokwatch.monitor.service.service import Service
from grokwatch.monitor.service.views import RunQuery
from grokwatch.monitor.sinks.remote import RemoteSink
from tests.page_browser import browsing, watched
from tests.service_web import TOKEN, serving

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
DEMOS = (
    ("--task", "addition", "--random-labels"),
    ("--task", "parity", "--random-labels", "--seed", "1"),
    ("--task", "parity"),
    ("--task", "addition", "--seed", "3"),
    ("--task", "addition", "--seed", "2"),
)
STEPS = "6000"
CUTS = {"addition-seed-2": 2_600, "addition-seed-3": 700, "parity-random-labels-seed-1": 4_000}
"""Name of a run -> the step up to which it is pushed; others are pushed whole."""

SHOWN = "addition-seed-2"
HEIGHTS = {"service-runs": 610, "service-run": 1_372}


def train(folder: Path) -> None:
    """Run the demos, each in a folder of its own."""
    for number, options in enumerate(DEMOS):
        directory = str(folder / str(number))
        job = ["demo", *options, "--steps", STEPS, "--directory", directory]
        subprocess.run(
            [sys.executable, "-m", "grokwatch.monitor.cli", *job],
            env={**os.environ, "GROKWATCH_MONITOR_SINKS": ""},
            check=True,
        )


def read(folder: Path) -> dict[str, list[AnyRecord]]:
    """Name of a run -> its records; those that come last are seen last."""
    runs = {}
    for directory in folder.glob("**/runs/*"):
        records = list(journal.read(directory))
        start = next(record for record in records if isinstance(record, RunStarted))
        runs[start.name] = list(_until(records, CUTS.get(start.name)))
    return dict(sorted(runs.items(), key=lambda item: (item[0] in CUTS, item[0] == SHOWN)))


def _until(records: Iterable[AnyRecord], last: int | None) -> Iterable[AnyRecord]:
    for record in records:
        step = getattr(record, "step", 0)
        is_later = last is not None and (isinstance(record, RunEnded) or step > last)
        if not is_later:
            yield record


def take(browser: Browser, home: str, run_id: str, folder: Path) -> None:
    """Write every picture, light and dark."""
    paths = {"service-runs": "/", "service-run": f"/runs/{run_id}"}
    for name, path in paths.items():
        for scheme, ending in (("light", ""), ("dark", "-dark")):
            size = {"width": 1280, "height": HEIGHTS[name]}
            with watched(browser, home, viewport=size, color_scheme=scheme) as seen:
                seen.page.emulate_media(reduced_motion="reduce")
                seen.page.goto(home + path)
                if seen.page.locator("#chart").count():
                    seen.charts()
                seen.page.screenshot(path=folder / f"{name}{ending}.png")


def show(runs: dict[str, list[AnyRecord]], store: Path, folder: Path) -> None:
    """Push the runs to a service, and take its pictures."""
    section = ServiceSection(store=f"sqlite:///{store}/service.db", hooks=())
    service = Service(section, environment={})
    app = make_app(
        reader=service.reader,
        intake=service.intake,
        courier=service.couriers,
        section=section,
        token=TOKEN,
        pages=make_pages(service.reader, None, section),
        draw_error=make_error_pages(),
    )
    service.start()
    try:
        with serving(app) as (host, port), browsing() as browser:
            home = f"http://{host}:{port}"
            push(runs, home)
            (shown,) = service.reader.runs(RunQuery(text=SHOWN, limit=1)).runs
            take(browser, home, shown.run_id, folder)
    finally:
        service.close()


def push(runs: dict[str, list[AnyRecord]], home: str) -> None:
    """Push the runs as a trainer does, one after the other."""
    sink = RemoteSink(home, {"GROKWATCH_TOKEN": TOKEN})
    for records in runs.values():
        sink.write(records)
    sink.close()


def main() -> None:
    """Take the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journals", type=Path, help="folder with journals of demos")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where pictures are written")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if asked.journals is None:
            train(folder / "journals")
        runs = read(asked.journals or folder / "journals")
        show(runs, folder, asked.folder)


if __name__ == "__main__":
    main()
