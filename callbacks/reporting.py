"""The report of a run that is over: written into its directory, and shown by whoever takes files.

Training is over by then, but its program goes on: the report is made in a thread of its own, waited
for a while and then left behind, and nothing that goes wrong there is raised.
"""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from grokwatch.callbacks.guard import contain
from grokwatch.monitor import journal
from grokwatch.monitor.protocols import FileSink

REPORT_SECONDS = 30.0
FILE_NAME = "report.html"

_log = logging.getLogger(__name__)


def publish_report(
    directory: Path,
    run_id: str,
    sinks: Sequence[FileSink],
    failures: Counter[str],
    *,
    deadline_seconds: float = REPORT_SECONDS,
) -> None:
    """Write the report, and attach it to the run wherever files are taken.

    Args:
        directory: the run's directory; its journal is closed.
        run_id: the run.
        sinks: that take files.
        failures: counts of what was contained, by place.
        deadline_seconds: how long to wait at most; the rest happens meanwhile, or never.
    """
    thread = threading.Thread(
        target=_publish,
        args=(directory, run_id, sinks, failures),
        name="grokwatch reports",
        daemon=True,
    )
    thread.start()
    thread.join(deadline_seconds)
    if thread.is_alive():
        _log.warning("the report of run %s is not ready; nobody waits for it any longer", run_id)


def _publish(
    directory: Path, run_id: str, sinks: Sequence[FileSink], failures: Counter[str]
) -> None:
    try:
        from grokwatch.monitor.report import run as page  # few ask for it

        path = page.write(tuple(journal.read(directory)), directory / FILE_NAME)
    except Exception as error:  # whatever it is, it is not training's
        contain(failures, "report", error)
        return
    for sink in sinks:
        try:
            sink.attach(run_id, path)
        except Exception as error:
            contain(failures, "report.attach", error)
