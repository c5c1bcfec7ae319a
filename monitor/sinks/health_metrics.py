"""The metrics of how a run's records fare, which only the process that trains it can tell."""

from grokwatch.monitor.sinks.metric import Metric

HEALTH_METRICS: tuple[Metric, ...] = (
    Metric(
        prometheus="grokwatch_budget_ratio",
        summary="Share of training time that observations may take; absent without a budget.",
    ),
    Metric(
        prometheus="grokwatch_sink_failures_total",
        kind="counter",
        labels=("run", "task", "sink"),
        summary="Attempts to hand records to a sink that failed, by sink; hooks count as sinks.",
    ),
    Metric(
        prometheus="grokwatch_sink_lag_records",
        labels=("run", "task", "sink"),
        summary="Records in the journal that a sink has not taken yet, by sink.",
    ),
    Metric(
        prometheus="grokwatch_journal_bytes",
        summary="Size of the run's journal.",
    ),
    Metric(
        prometheus="grokwatch_journal_quota_bytes",
        summary="The most that the run's journal may have.",
    ),
    Metric(
        prometheus="grokwatch_dropped_records_total",
        kind="counter",
        labels=("run", "task", "reason"),
        summary="Records that never reached the journal, by reason: queue_full, closed, "
        "unwritable, malformed, quota.",
    ),
)
