"""All that is said to an MLflow server or database: blocks, and raises whatever MLflow raises.

MLflow is imported when the first connection is made, on the thread that makes it.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.records import AnyRecord, RunStarted
from grokwatch.monitor.sinks.accuracies import Accuracies, Moment
from grokwatch.monitor.sinks.points import Point, chunks, clip, milliseconds
from grokwatch.monitor.sinks.tracking_uri import Place

if TYPE_CHECKING:
    from mlflow.entities import Run

METRICS_PER_REQUEST = 1000
"""MLflow's limit; with keys of at most 250 characters such a request stays under its 1 MB."""

_TEXTS_PER_REQUEST = 100
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRAIN, _TEST = "grokwatch/train_accuracy", "grokwatch/test_accuracy"


@dataclass
class TrackedRun:
    """An MLflow run that records go to.

    Attributes:
        id: MLflow's id of it.
        is_ours: whether we opened it, rather than joined it.
        parameters: those it has already; MLflow lets none change.
        tags: those it has.
        accuracies: those it was told.
    """

    id: str
    is_ours: bool
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    accuracies: Accuracies = field(default_factory=Accuracies)


@contextmanager
def in_one_sentence(place: Place, what: str) -> Iterator[None]:
    """Turn whatever MLflow raises into one sentence without credentials.

    Args:
        place: that is spoken to.
        what: it was to do.

    Yields:
        Nothing.

    Raises:
        SinkError: MLflow did not do it.
    """
    try:
        yield
    except SinkError:
        raise
    except Exception as error:
        reason = strip_credentials(str(error)).partition("\n")[0] or type(error).__name__
        where = strip_credentials(place.uri)
        msg = f"Expected MLflow at {where} to {what}, got {reason[:300]}. Try again later."
        raise SinkError(msg) from error


@final
class Server:
    """One connection, to one experiment."""

    def __init__(self, place: Place) -> None:
        with _quiet():
            from mlflow import MlflowClient

            self._client: MlflowClient = MlflowClient(tracking_uri=place.uri)
            self._experiment_id = self._experiment(place.experiment)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def open_run(self, run_id: str, records: Sequence[AnyRecord]) -> TrackedRun:
        """Find the MLflow run of a run with all that it was told, or create it."""
        run, is_ours = self.find_run(run_id)
        if run is None:
            run = self._created(run_id, records)
        tracked = TrackedRun(run.info.run_id, is_ours=is_ours, tags=dict(run.data.tags))
        if is_ours:
            tracked.parameters = dict(run.data.params)
        told = [self._history(run, key) for key in (_TRAIN, _TEST)]
        tracked.accuracies.recall(*told)
        return tracked

    def find_run(self, run_id: str) -> "tuple[Run | None, bool]":
        """Find the MLflow run of a run; and whether it is one that we opened, or would."""
        if not _RUN_ID.fullmatch(run_id):
            msg = f"Expected a run id of letters, digits and '._-', got {run_id!r}. Rename the run."
            raise SinkError(msg)
        joined = self._joined(run_id)
        if joined is not None:
            return joined, False
        found = self._client.search_runs(
            [self._experiment_id], f"tags.`grokwatch.run_id` = '{run_id}'", max_results=1
        )
        return (found[0] if found else None), True

    def _history(self, run: "Run", key: str) -> Mapping[Moment, float]:
        if key not in run.data.metrics:
            return {}
        points = self._client.get_metric_history(run.info.run_id, key)
        return {(point.timestamp, point.step): point.value for point in points}

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
            start_time=milliseconds(started.time) if started else None,
            tags={"grokwatch.run_id": run_id},
            run_name=clip((started.name if started else "") or run_id),
        )

    def log_points(self, mlflow_id: str, points: Sequence[Point]) -> None:
        """Send at most `METRICS_PER_REQUEST` points."""
        from mlflow.entities import Metric

        metrics = [Metric(p.key, p.value, round(p.time * 1000), p.step) for p in points]
        self._client.log_batch(mlflow_id, metrics=metrics, synchronous=True)

    def log_parameters(self, run: TrackedRun, given: Mapping[str, str]) -> dict[str, str]:
        """Send parameters that a run of ours does not have; return tags for those that changed."""
        from mlflow.entities import Param

        if not run.is_ours:
            return {}
        new = {key: value for key, value in given.items() if key not in run.parameters}
        for part in chunks([Param(*pair) for pair in new.items()], _TEXTS_PER_REQUEST):
            self._client.log_batch(run.id, params=part, synchronous=True)
        run.parameters |= new
        changed = {key for key, value in given.items() if run.parameters[key] != value}
        return {f"grokwatch.changed.{key}": given[key] for key in sorted(changed)}

    def log_tags(self, run: TrackedRun, tags: Mapping[str, str]) -> None:
        """Send tags that the run does not have."""
        from mlflow.entities import RunTag

        sent = {key[:250]: clip(text) for key, text in tags.items()}
        new = [RunTag(key, text) for key, text in sent.items() if run.tags.get(key) != text]
        for part in chunks(new, _TEXTS_PER_REQUEST):
            self._client.log_batch(run.id, tags=part, synchronous=True)
        run.tags |= sent

    def tag_now(self, run: TrackedRun, name: str) -> str:
        """A tag as it is now, whoever wrote it; "" where there is none."""
        return str(self._client.get_run(run.id).data.tags.get(name, ""))

    def set_tag(self, run: TrackedRun, name: str, text: str) -> None:
        """Send one tag, whole."""
        self._client.set_tag(run.id, name, text, synchronous=True)

    def log_file(self, mlflow_id: str, path: Path, folder: str) -> None:
        """Send a file; one that is there already is replaced."""
        self._client.log_artifact(mlflow_id, str(path), folder)

    def set_status(self, mlflow_id: str, status: str, end: float | None) -> None:
        """Reopen or end a run that we opened."""
        # `set_terminated` would print an address, and stop the asynchronous logging of everybody
        # else in this process who uses the same tracking URI; `update_run` takes no end time.
        from mlflow.entities import RunStatus as MlflowStatus

        end_time = None if end is None else milliseconds(end)
        self._client._tracking_client.store.update_run_info(
            mlflow_id, MlflowStatus.from_string(status), end_time, None
        )


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
