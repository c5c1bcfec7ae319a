"""The report of one run: its records in, one HTML text or file out."""

from collections.abc import Sequence
from pathlib import Path

from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.report.page import render, save
from grokwatch.monitor.report.run_data import run_report
from grokwatch.monitor.report.weights import weights_report

_SCRIPTS = ("run-charts.js", "run.js", "weights-looks.js", "weights-charts.js", "weights.js")


def html(records: Sequence[AnyRecord], *, remarks: Sequence[str] = ()) -> str:
    """Draw the report of a run.

    Args:
        records: of one run, in order.
        remarks: sentences on the records, such as what of a journal is torn.

    Returns:
        One page that needs nothing else.
    """
    data = run_report(records, remarks=remarks, weights=weights_report(records))
    return render("run.html", title=data.name, data=data, scripts=_SCRIPTS)


def write(records: Sequence[AnyRecord], path: Path, *, remarks: Sequence[str] = ()) -> Path:
    """Write the report of a run.

    Args:
        records: of one run, in order.
        path: of the file; it is replaced.
        remarks: sentences on the records.

    Returns:
        The path.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    page = html(records, remarks=remarks)
    return save(page, path)
