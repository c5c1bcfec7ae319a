"""One run of a service, made again from what its API answers: what `grokwatch report` reads.

The service is asked for what it shows: values over steps, thinned where there are many, judgements,
and alerts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import msgspec

from grokwatch.monitor import wire
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import ConfigurationError, SourceError, WireError
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.secrets import optional_secret
from grokwatch.monitor.service.sources._service_answers import (
    TOKEN,
    AlertRow,
    Alerts,
    Detail,
    Series,
    Service,
)
from grokwatch.monitor.text import in_one_line
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity

SCHEME: Final = "service:"
MOST_POINTS: Final = 5_000

_MAIN = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
_KEYS_AT_ONCE = 40
_TRY = "Try 'http://127.0.0.1:8420/runs/RUN_ID'."
_ENDS = {status.value: status for status in RunStatus}


def is_service(name: str) -> bool:
    """Whether a name leads to a run of a service.

    Example:
        >>> is_service("http://127.0.0.1:8420/runs/a"), is_service("mlflow:http://h/a")
        (True, False)
    """
    return name.startswith((SCHEME, "http://", "https://"))


def past(target: str, *, environment: Mapping[str, str]) -> list[AnyRecord]:
    """Records of one run, as far as the service shows them.

    Args:
        target: address of the run's page, or `service:http://host:8420/RUN_ID`.
        environment: holds `GROKWATCH_TOKEN`, or `GROKWATCH_TOKEN_FILE`.

    Returns:
        The records, by kind and step, unnumbered.

    Raises:
        ConfigurationError: the target leads nowhere.
        SourceError: the service does not answer, or refuses.
    """
    base, run_id = parse(target)
    service = Service(base, optional_secret(TOKEN, environment))
    one = f"/v1/runs/{quote(run_id, safe='')}"
    try:
        detail = _checked(service.ask(one, Detail), run_id)
        judged = [_judgement(raw) for raw in service.ask(
            f"{one}/assessments", list[msgspec.Raw], limit=MOST_POINTS
        )]  # fmt: skip
        told = service.ask("/v1/alerts", Alerts, run=run_id, limit=500)
        points = _points(service, one, detail.keys)
        alerts = _in_order(told.alerts, run_id, judged)
    except ValueError as error:
        told_of = in_one_line(str(error), 120)
        msg = (
            f"Expected words and numbers that this version knows from the service, got {told_of}. "
            "Try the version of grokwatch that the service has."
        )
        raise SourceError(msg) from error
    finally:
        service.close()
    return [_start(detail), *_measured(run_id, points), *judged, *alerts, *_end(detail)]


def parse(target: str) -> tuple[str, str]:
    """Divide a target into the service's address and the run's id.

    Args:
        target: address of the run's page, or `service:http://host:8420/RUN_ID`.

    Returns:
        Both.

    Raises:
        ConfigurationError: it is neither.

    Example:
        >>> parse("service:http://127.0.0.1:8420/a"), parse("https://host/watch/runs/a%2Fb")
        (('http://127.0.0.1:8420', 'a'), ('https://host/watch', 'a/b'))
    """
    address = target.removeprefix(SCHEME)
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or "@" in parts.netloc:
        shown = in_one_line(strip_credentials(target), 120)
        msg = f"Expected the address of a run of a service, without a user, got {shown!r}. {_TRY}"
        raise ConfigurationError(msg)
    folder, _, run_id = parts.path.rstrip("/").rpartition("/")
    if not run_id:
        shown = in_one_line(target, 120)
        msg = f"Expected the id of a run at the end of the address, got {shown!r}. {_TRY}"
        raise ConfigurationError(msg)
    return f"{parts.scheme}://{parts.netloc}{folder.removesuffix('/runs')}", unquote(run_id)


def _checked(detail: Detail, run_id: str) -> Detail:
    """A run that was asked for: files are named after it, so that a server must not rename it."""
    if detail.run.run_id != run_id:
        shown = in_one_line(detail.run.run_id, 120)
        msg = f"Expected the run {run_id!r} from the service, got {shown!r}. {_TRY}"
        raise SourceError(msg)
    return detail


def _points(service: Service, one: str, keys: Sequence[str]) -> dict[int, dict[str, float]]:
    """Step -> values; asked for in parts, each with the losses and accuracies."""
    wanted = [key for key in keys if "," not in key and key not in _MAIN]
    points: dict[int, dict[str, float]] = {}
    for start in range(0, max(len(wanted), 1), _KEYS_AT_ONCE):
        asked = ",".join([*_MAIN, *wanted[start : start + _KEYS_AT_ONCE]])
        series: Series = service.ask(f"{one}/series", Series, keys=asked, limit=MOST_POINTS)
        for key, column in series.values.items():
            for step, value in zip(series.steps, column, strict=False):
                if value is not None:
                    points.setdefault(step, {})[key] = float(value)
    return dict(sorted(points.items()))


def _measured(run_id: str, points: Mapping[int, dict[str, float]]) -> Iterator[AnyRecord]:
    for step, values in points.items():
        rest = {key: value for key, value in values.items() if key not in _MAIN}
        loss, accuracy = values.get("train_loss"), values.get("train_accuracy")
        if loss is not None:
            yield Observation(
                run_id=run_id, step=step, time=0.0, train_loss=loss, train_accuracy=accuracy,
                values=rest,
            )  # fmt: skip
        if "test_loss" in values or "test_accuracy" in values:
            yield Evaluation(
                run_id=run_id, step=step, time=0.0, test_loss=values.get("test_loss"),
                test_accuracy=values.get("test_accuracy"),
            )  # fmt: skip


def _judgement(raw: msgspec.Raw) -> Assessment:
    try:
        found = wire.from_json(bytes(raw))
    except WireError as error:
        raise SourceError(str(error)) from error
    if not isinstance(found, Assessment):
        msg = f"Expected assessments from the service, got {type(found).__name__}. {_TRY}"
        raise SourceError(msg)
    return found


def _in_order(rows: Sequence[AlertRow], run_id: str, judged: Sequence[Assessment]) -> list[Alert]:
    """Alerts in the order in which they were raised; a service tells of the newest first."""
    alerts = [alert for row in reversed(rows) for alert in _alerts(row, run_id, judged)]
    return sorted(alerts, key=lambda alert: alert.step)


def _alerts(row: AlertRow, run_id: str, judged: Sequence[Assessment]) -> Iterator[Alert]:
    """An alert once for each state it was in, with the judgement of that step where it is there."""
    behind = {each.step: each for each in judged}
    for state, step in row.states:
        yield Alert(
            run_id=run_id, id=row.id, code=AlertCode(row.code), episode=row.episode,
            severity=Severity(row.severity), state=AlertState(state), step=step, time=row.time,
            message=row.message, assessment=behind.get(step), spared=row.spared,
        )  # fmt: skip


def _start(detail: Detail) -> RunStarted:
    run = detail.run
    return RunStarted(
        run_id=run.run_id, time=run.started, name=run.name, signals=detail.signals,
        skipped=detail.skipped, guesses=detail.guesses, group=run.group,
        hyper_parameters=detail.hyper_parameters, budget_steps=run.budget_steps,
        versions=detail.versions,
    )  # fmt: skip


def _end(detail: Detail) -> Iterator[RunEnded]:
    run = detail.run
    if run.status in _ENDS:
        yield RunEnded(
            run_id=run.run_id, step=run.step or 0, time=run.seen, status=_ENDS[run.status],
            message=detail.message,
        )  # fmt: skip
