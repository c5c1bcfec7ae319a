"""MLflow: metrics, parameters and tags of a run, sent in large batches through `MlflowClient`.

Target: `mlflow:http://host:5000/experiment`, `mlflow:sqlite:///mlflow.db`, or any tracking URI with
`#experiment`. A run joins the MLflow run whose id it has (that of an attached `MLFlowLogger`), else
the one tagged with its id, else a new one. The fluent API and its active run are never touched, and
a joined run gets our metrics and tags only: its parameters and its end belong to who opened it, and
so does a description that somebody wrote. What a restarted process needs to go on is read back from
the run: tags, description, and accuracies.

The client is imported and connected at the first `write`, on the thread that feeds the sink. A
server that is down or silent is noticed within five seconds; one that falls silent in the middle of
a request is waited for as long as the user's own `MLFLOW_HTTP_REQUEST_TIMEOUT` and `_MAX_RETRIES`
say. They count for the whole process, so we do not touch them; nothing but this sink waits.
MLflow reports its use to its makers unless `MLFLOW_DISABLE_TELEMETRY=true` is set.
"""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import final

from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.records import Alert, AnyRecord, RunEnded, RunStarted
from grokwatch.monitor.sinks.mlflow_note import NOTE_TAG, REPORT_PATH, is_ours, note
from grokwatch.monitor.sinks.mlflow_server import (
    METRICS_PER_REQUEST,
    Server,
    TrackedRun,
    in_one_sentence,
)
from grokwatch.monitor.sinks.points import Batch, chunks, last_status
from grokwatch.monitor.sinks.tracking_uri import Place
from grokwatch.monitor.vocabulary import RunStatus

PAGE_VARIABLE = "GROKWATCH_SERVICE_PUBLIC_URL"
"""Where people reach the service, for the link in a run's description."""

_STATUSES = {
    None: "RUNNING",
    RunStatus.FINISHED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.INTERRUPTED: "KILLED",
}


def connect(argument: str) -> "MlflowSink":
    """Make the sink for a tracking URI, without contacting it.

    Args:
        argument: what follows `mlflow:` in a target.

    Returns:
        The sink.

    Example:
        >>> connect("http://127.0.0.1:5000/parity").live
        False
    """
    return MlflowSink(Place.parse(argument), page=os.environ.get(PAGE_VARIABLE, ""))


@final
class MlflowSink:
    """Sends the records of any number of runs to one experiment.

    Args:
        place: tracking URI and experiment.
        page: address of the service that shows the runs too; "" where there is none.

    Attributes:
        live: False: it is fed from the journal and catches up after an outage.
        num_non_finite: values left out so far because they were NaN or infinite.
    """

    live = False

    def __init__(self, place: Place, *, page: str = "") -> None:
        self.num_non_finite = 0
        self._place = place
        self._page = page
        self._server: Server | None = None
        self._runs: dict[str, TrackedRun] = {}

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Send records; sent again, they are the same points.

        Raises:
            SinkError: MLflow did not take them all, in one sentence.
        """
        with in_one_sentence(self._place, "take records"):
            for run_id, group in groupby(records, key=lambda record: record.run_id):
                self._write_run(run_id, list(group))

    def attach(self, run_id: str, path: Path, /) -> None:
        """Put a file among the artifacts of a run that was sent already.

        It has a connection of its own: another thread may be writing meanwhile.

        Raises:
            SinkError: MLflow did not take it, or does not know the run, in one sentence.
        """
        with in_one_sentence(self._place, "take a file"):
            self._place.reach()
            server = Server(self._place)
            run, _ = server.find_run(run_id)
            if run is None:
                msg = (
                    f"Expected run {run_id} in MLflow before a file of it, got none. "
                    "Try `grokwatch sync` first."
                )
                raise SinkError(msg)
            server.log_file(run.info.run_id, path, REPORT_PATH)

    def close(self) -> None:
        """Forget the connection; MLflow keeps its own pools."""
        self._server = None
        self._runs.clear()

    def _write_run(self, run_id: str, records: list[AnyRecord]) -> None:
        server = self._connected()
        run = self._runs.get(run_id)
        if run is None:
            run = server.open_run(run_id, records)
        batch = Batch()
        for record in records:
            batch.add(record)
        for points in chunks(batch.points, METRICS_PER_REQUEST):
            server.log_points(run.id, points)
        run.accuracies.add(records)
        changed = server.log_parameters(run, batch.parameters)
        server.log_tags(run, batch.tags | changed | run.accuracies.tags_after(records))
        self._describe(server, run, records)
        status = last_status(records)
        if run.is_ours and status is not None:
            server.set_status(run.id, _STATUSES[status[0]], status[1])
        self.num_non_finite += batch.num_non_finite
        self._runs[run_id] = run
        if isinstance(records[-1], RunEnded):
            del self._runs[run_id]

    def _describe(self, server: Server, run: TrackedRun, records: Sequence[AnyRecord]) -> None:
        """Write the run's description at its turns, unless a person wrote one."""
        if not any(isinstance(record, RunStarted | Alert | RunEnded) for record in records):
            return
        before = server.tag_now(run, NOTE_TAG)
        if is_ours(before):
            starts = [record for record in records if isinstance(record, RunStarted)]
            started = starts[-1] if starts else None
            after = note(run.tags, started=started, before=before, page=self._page)
            if after != before:
                server.set_tag(run, NOTE_TAG, after)

    def _connected(self) -> Server:
        self._place.reach()
        if self._server is None:
            self._server = Server(self._place)
        return self._server
