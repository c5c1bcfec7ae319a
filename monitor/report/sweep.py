"""The report of a sweep: one page on which many runs can be compared by their hyper-parameters."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from grokwatch.monitor.report.page import render, save
from grokwatch.monitor.report.sweep_data import report_of
from grokwatch.monitor.report.sweep_run import SweepRun

SCRIPTS = ("sweep-phases.js", "sweep-diagram.js", "sweep-cell.js", "sweep-ledger.js", "sweep.js")


def html(
    name: str,
    runs: Sequence[SweepRun],
    *,
    predictor: str | None = None,
    remarks: Iterable[str] = (),
) -> str:
    """Draw the page.

    Args:
        name: of the sweep.
        runs: all of them.
        predictor: who judged those that are judged.
        remarks: what was already left out, and why.

    Returns:
        The page, which needs nothing but itself.
    """
    report = report_of(name, runs, predictor=predictor, remarks=remarks)
    return render("sweep.html", title=report.name, data=report, scripts=SCRIPTS)


def write(
    name: str,
    runs: Sequence[SweepRun],
    path: Path,
    *,
    predictor: str | None = None,
    remarks: Iterable[str] = (),
) -> Path:
    """Write the page.

    Args:
        name: of the sweep.
        runs: all of them.
        path: of the file; it is replaced.
        predictor: who judged those that are judged.
        remarks: what was already left out, and why.

    Returns:
        The path.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    page = html(name, runs, predictor=predictor, remarks=remarks)
    return save(page, path)
