"""The metrics that the service has of itself; those of runs are `monitor/sinks/names.py`'s."""

from grokwatch.monitor.sinks.names import Metric

PREFIX = "grokwatch_service_"

SERVICE_METRICS: tuple[Metric, ...] = (
    Metric(
        prometheus=f"{PREFIX}runs",
        labels=("status",),
        summary="Runs in the store, by status.",
    ),
    Metric(
        prometheus=f"{PREFIX}running_runs",
        labels=("stage",),
        summary="Runs that are running, by stage.",
    ),
    Metric(
        prometheus=f"{PREFIX}firing_alerts",
        labels=("code",),
        summary="Alerts that are firing, by code.",
    ),
    Metric(
        prometheus=f"{PREFIX}deliveries",
        labels=("status",),
        summary="Messages to hooks, by how it stands with them.",
    ),
    Metric(
        prometheus=f"{PREFIX}observations",
        summary="Observations in the store.",
        labels=(),
    ),
    Metric(
        prometheus=f"{PREFIX}stored_records_total",
        kind="counter",
        labels=(),
        summary="Records stored since the start.",
    ),
    Metric(
        prometheus=f"{PREFIX}duplicate_records_total",
        kind="counter",
        labels=(),
        summary="Records that came again since the start.",
    ),
    Metric(
        prometheus=f"{PREFIX}late_records_total",
        kind="counter",
        labels=(),
        summary="Records stored too late to be judged, since the start.",
    ),
    Metric(
        prometheus=f"{PREFIX}queue_depth",
        labels=(),
        summary="Batches that wait to be stored.",
    ),
    Metric(
        prometheus=f"{PREFIX}intake_lag_seconds",
        labels=(),
        summary="Seconds that the batch which waits longest has waited.",
    ),
    Metric(
        prometheus=f"{PREFIX}commit_seconds",
        kind="histogram",
        labels=(),
        summary="Seconds that transactions of the intake took.",
    ),
    Metric(
        prometheus=f"{PREFIX}store_failures_total",
        kind="counter",
        labels=(),
        summary="Transactions of the intake that failed.",
    ),
    Metric(
        prometheus=f"{PREFIX}writable",
        labels=(),
        summary="1 while the store takes records, else 0.",
    ),
    Metric(
        prometheus=f"{PREFIX}hook_deliveries_total",
        kind="counter",
        labels=("hook",),
        summary="Messages delivered since the start, by hook.",
    ),
    Metric(
        prometheus=f"{PREFIX}hook_failures_total",
        kind="counter",
        labels=("hook",),
        summary="Attempts to deliver that failed since the start, by hook.",
    ),
    Metric(
        prometheus=f"{PREFIX}hook_waiting",
        labels=("hook",),
        summary="Messages that wait to be delivered, by hook.",
    ),
    Metric(
        prometheus=f"{PREFIX}hook_gone",
        labels=("hook",),
        summary="1 where a receiver said that it is gone for good, until the start; by hook.",
    ),
    Metric(
        prometheus=f"{PREFIX}last_observation_age_seconds",
        labels=("which",),
        summary="Seconds since a running run was last heard of: the newest, and the oldest.",
    ),
    Metric(
        prometheus=f"{PREFIX}requests_total",
        kind="counter",
        labels=("route", "status"),
        summary="Requests answered since the start, by route and status.",
    ),
    Metric(
        prometheus=f"{PREFIX}series_truncated_total",
        kind="counter",
        labels=(),
        summary="Values of runs left out of scrapes because of the cap on series.",
    ),
)
