"""Takes the pictures of MLflow that docs/mlflow.md shows: `python -m tests.mlflow_pictures`.

They show a real run of the demo in a real MLflow, with its report among the artifacts. Without
`--journals` the run is trained first, which takes a minute.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page

from grokwatch.monitor import journal
from grokwatch.monitor.records import AnyRecord, RunStarted
from grokwatch.monitor.report import run as report
from grokwatch.monitor.sinks.mlflow import MlflowSink
from grokwatch.monitor.sinks.tracking_uri import Place
from tests.mlflow_screen import Screen
from tests.mlflow_server import Server
from tests.page_browser import browsing

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
SHOWN = "addition-seed-2"
SIZE = {"width": 1440, "height": 1200}
EXPERIMENT = "grokwatch"
COLORS = 256
SETTLED_MILLISECONDS = 5_000


def train(folder: Path) -> None:
    """Run the demo that is shown."""
    job = ["demo", "--seed", "2", "--steps", "6000", "--directory", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "grokwatch.monitor.cli", *job],
        env={**os.environ, "GROKWATCH_MONITOR_SINKS": ""},
        check=True,
    )


def read(folder: Path) -> list[AnyRecord]:
    """Records of the run that is shown."""
    for directory in sorted(folder.glob("**/runs/*")):
        records = list(journal.read(directory))
        if any(isinstance(r, RunStarted) and r.name == SHOWN for r in records):
            return records
    msg = f"Expected a run named {SHOWN!r} below {folder}, got none. Try `--seed 2`."
    raise SystemExit(msg)


def send(records: list[AnyRecord], uri: str, folder: Path) -> tuple[str, str]:
    """Feed the run and its report to MLflow; ids of experiment and run."""
    sink = MlflowSink(Place.parse(f"{uri}/{EXPERIMENT}"), page="http://grokwatch:8000")
    sink.write(records)
    sink.attach(records[0].run_id, report.write(records, folder / "report.html"))
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return experiment.experiment_id, run.info.run_id


def keep(page: Page, path: Path) -> None:
    """Take a picture of few colors once nothing moves any more."""
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def show(home: str, experiment: str, run: str, folder: Path) -> None:
    """Take every picture."""
    with browsing() as browser:
        screen = Screen(browser.new_page(viewport=SIZE), home, experiment, run)  # type: ignore[arg-type]
        screen.overview()
        keep(screen.page, folder / "mlflow-overview.png")
        screen.charts()
        keep(screen.page, folder / "mlflow-charts.png")
        screen.artifact("grokwatch/report.html")
        keep(screen.page, folder / "mlflow-report.png")


def main() -> None:
    """Take the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journals", type=Path, help="folder with the journal of the demo")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where pictures are written")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if asked.journals is None:
            train(folder)
        records = read(asked.journals or folder)
        server = Server(folder)
        server.start()
        try:
            show(server.uri, *send(records, server.uri, folder), asked.folder)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
