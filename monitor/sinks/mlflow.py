"""MLflow: metrics, parameters and tags of a run, sent in large batches through `MlflowClient`.

Target: `mlflow:http://host:5000/experiment`, `mlflow:sqlite:///mlflow.db`, or any tracking URI with
`#experiment`. A run joins the MLflow run whose id it has (that of an attached `MLFlowLogger`), else
the one tagged with its id, else a new one. The fluent API and its active run are never touched, and
a joined run gets our metrics and tags only: its parameters and its end belong to who opened it.

The client is imported and connected at the first `write`, on the thread that feeds the sink. A
server that is down or silent is noticed within five seconds; one that falls silent in the middle of
a request is waited for as long as the user's own `MLFLOW_HTTP_REQUEST_TIMEOUT` and `_MAX_RETRIES`
say. They count for the whole process, so we do not touch them; nothing but this sink waits.
MLflow reports its use to its makers unless `MLFLOW_DISABLE_TELEMETRY=true` is set.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.records import AnyRecord, RunEnded, RunStarted
from grokwatch.monitor.sinks.points import Batch, Point, chunks, clip, last_status
from grokwatch.monitor.sinks.tracking_uri import Place
from grokwatch.monitor.vocabulary import RunStatus

if TYPE_CHECKING:
    from mlflow.entities import Run

METRICS_PER_REQUEST = 1000
"""MLflow's limit; with keys of at most 250 characters such a request stays under its 1 MB."""

_TEXTS_PER_REQUEST = 100
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
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
    return MlflowSink(Place.parse(argument))


@dataclass
class _TrackedRun:
    """An MLflow run that records go to.

    Attributes:
        id: MLflow's id of it.
        is_ours: whether we opened it, rather than joined it.
        parameters: those it has already; MLflow lets none change.
        tags: those already sent.
    """

    id: str
    is_ours: bool
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class MlflowSink:
    """Sends the records of any number of runs to one experiment.

    Args:
        place: tracking URI and experiment.

    Attributes:
        live: False: it is fed from the journal and catches up after an outage.
        num_non_finite: values left out so far because they were NaN or infinite.
    """

    live = False

    def __init__(self, place: Place) -> None:
        self.num_non_finite = 0
        self._place = place
        self._server: _Server | None = None
        self._runs: dict[str, _TrackedRun] = {}

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Send records; sent again, they are the same points.

        Raises:
            SinkError: MLflow did not take them all, in one sentence.
        """
        try:
            for run_id, group in groupby(records, key=lambda record: record.run_id):
                self._write_run(run_id, list(group))
        except SinkError:
            raise
        except Exception as error:
            reason = strip_credentials(str(error)).partition("\n")[0] or type(error).__name__
            where = strip_credentials(self._place.uri)
            msg = (
                f"Expected MLflow at {where} to take records, got {reason[:300]}. Try again later."
            )
            raise SinkError(msg) from error

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
        server.log_texts(run, batch)
        status = last_status(records)
        if run.is_ours and status is not None:
            server.set_status(run.id, _STATUSES[status[0]], status[1])
        self.num_non_finite += batch.num_non_finite
        self._runs[run_id] = run
        if isinstance(records[-1], RunEnded):
            del self._runs[run_id]

    def _connected(self) -> "_Server":
        self._place.reach()
        if self._server is None:
            self._server = _Server(self._place)
        return self._server


class _Server:
    """All that is said to MLflow; blocks, and raises whatever MLflow raises."""

    def __init__(self, place: Place) -> None:
        with _quiet():
            from mlflow import MlflowClient

            self._client: MlflowClient = MlflowClient(tracking_uri=place.uri)
            self._experiment_id = self._experiment(place.experiment)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def open_run(self, run_id: str, records: Sequence[AnyRecord]) -> _TrackedRun:
        """Find the MLflow run of a run, or create it."""
        if not _RUN_ID.fullmatch(run_id):
            msg = f"Expected a run id of letters, digits and '._-', got {run_id!r}. Rename the run."
            raise SinkError(msg)
        joined = self._joined(run_id)
        if joined is not None:
            return _TrackedRun(joined.info.run_id, is_ours=False)
        found = self._client.search_runs(
            [self._experiment_id], f"tags.`grokwatch.run_id` = '{run_id}'", max_results=1
        )
        run = found[0] if found else self._created(run_id, records)
        return _TrackedRun(run.info.run_id, is_ours=True, parameters=dict(run.data.params))

    def _joined(self, run_id: str) -> "Run | None":
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise

    def _created(self, run_id: str, records: Sequence[AnyRecord]) -> "Run":
        started = next((record for record in records if isinstance(record, RunStarted)), None)
        return self._client.create_run(
            self._experiment_id,
            start_time=_milliseconds(started.time) if started else None,
            tags={"grokwatch.run_id": run_id},
            run_name=clip((started.name if started else "") or run_id),
        )

    def log_points(self, mlflow_id: str, points: Sequence[Point]) -> None:
        """Send at most `METRICS_PER_REQUEST` points."""
        from mlflow.entities import Metric

        metrics = [Metric(p.key, p.value, _milliseconds(p.time), p.step) for p in points]
        self._client.log_batch(mlflow_id, metrics=metrics, synchronous=True)

    def log_texts(self, run: _TrackedRun, batch: Batch) -> None:
        """Send parameters the run does not have, and tags; a changed parameter becomes a tag."""
        from mlflow.entities import Param, RunTag

        given = batch.parameters if run.is_ours else {}
        new = {key: value for key, value in given.items() if key not in run.parameters}
        tags = batch.tags | {
            f"grokwatch.changed.{key}": value
            for key, value in given.items()
            if run.parameters.get(key, value) != value
        }
        for param_part in chunks([Param(*pair) for pair in new.items()], _TEXTS_PER_REQUEST):
            self._client.log_batch(run.id, params=param_part, synchronous=True)
        run.parameters |= new
        texts = [
            RunTag(key[:250], clip(text)) for key, text in tags.items() if run.tags.get(key) != text
        ]
        for text_part in chunks(texts, _TEXTS_PER_REQUEST):
            self._client.log_batch(run.id, tags=text_part, synchronous=True)
        run.tags |= tags

    def set_status(self, mlflow_id: str, status: str, end: float | None) -> None:
        """Reopen or end a run that we opened."""
        # `set_terminated` would print an address, and stop the asynchronous logging of everybody
        # else in this process who uses the same tracking URI; `update_run` takes no end time.
        from mlflow.entities import RunStatus as MlflowStatus

        end_time = None if end is None else _milliseconds(end)
        self._client._tracking_client.store.update_run_info(
            mlflow_id, MlflowStatus.from_string(status), end_time, None
        )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow from announcing the tables it makes in a new SQLite file."""
    logger = logging.getLogger("mlflow.store.db.utils")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
