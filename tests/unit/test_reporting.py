import logging
import threading
from collections import Counter
from pathlib import Path

import pytest

from grokwatch.callbacks.reporting import publish_report
from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.protocols import FileSink
from grokwatch.monitor.records import Observation
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.sinks.mlflow import MlflowSink
from grokwatch.monitor.sinks.tracking_uri import Place


class Shelf:
    """Takes files, or raises; `gate` holds it up until it is opened."""

    def __init__(self, *, is_broken: bool = False, gate: threading.Event | None = None) -> None:
        self.files: list[tuple[str, str]] = []
        self._is_broken = is_broken
        self._gate = gate

    def attach(self, run_id: str, path: Path, /) -> None:
        if self._gate is not None:
            self._gate.wait(30)
        if self._is_broken:
            msg = "Expected room on the shelf, got none. Try another one."
            raise SinkError(msg)
        self.files.append((run_id, path.name))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    journal = Journal.open(tmp_path, "a")
    journal.append([Observation(run_id="a", seq=1, step=1, time=0.0, train_loss=1.0)])
    journal.close()
    return journal.directory


def test_the_report_is_written_and_given_to_all_who_take_files(directory: Path) -> None:
    shelves, failures = [Shelf(), Shelf()], Counter[str]()
    publish_report(directory, "a", shelves, failures)
    assert (directory / "report.html").read_text().startswith("<!doctype html>")
    assert [shelf.files for shelf in shelves] == [[("a", "report.html")]] * 2
    assert failures == {}


def test_one_who_does_not_take_it_keeps_it_from_nobody_and_is_heard_once(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last, failures = Shelf(), Counter[str]()
    publish_report(directory, "a", [Shelf(is_broken=True), Shelf(is_broken=True), last], failures)
    assert last.files == [("a", "report.html")]
    assert failures == {"report.attach": 2}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_report_that_cannot_be_written_is_contained(directory: Path) -> None:
    (directory / "report.html").mkdir()
    shelf, failures = Shelf(), Counter[str]()
    publish_report(directory, "a", [shelf], failures)
    assert (shelf.files, failures) == ([], {"report": 1})


def test_one_who_hangs_is_left_behind(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate, failures = threading.Event(), Counter[str]()
    shelf = Shelf(gate=gate)
    publish_report(directory, "a", [shelf], failures, deadline_seconds=0.01)
    (left,) = [thread for thread in threading.enumerate() if thread.name == "grokwatch reports"]
    assert left.daemon
    assert "the report of run a is not ready" in caplog.text
    gate.set()
    left.join(30)
    assert shelf.files == [("a", "report.html")]


def test_mlflow_takes_files_and_other_sinks_do_not() -> None:
    assert isinstance(MlflowSink(Place.parse("sqlite:///x.db")), FileSink)
    assert not isinstance(RecordingSink(), FileSink)
