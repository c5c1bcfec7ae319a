"""What the service says of itself in `/metrics`."""

from collections.abc import Mapping, Sequence

from grokwatch.monitor.service.exposition.text import family, histogram
from grokwatch.monitor.service.metric_names import PREFIX, SERVICE_METRICS
from grokwatch.monitor.service.ports import HookHealth, IntakeHealth
from grokwatch.monitor.service.summary import RUNNING
from grokwatch.monitor.service.views import DELIVERY_STATUSES, Totals
from grokwatch.monitor.sinks.names import Metric
from grokwatch.monitor.vocabulary import AlertCode, RunStatus, Stage

Samples = Mapping[tuple[str, ...], float]

_METRICS: Mapping[str, Metric] = {
    metric.prometheus.removeprefix(PREFIX): metric for metric in SERVICE_METRICS
}

# What never happened is shown as none, so that its first time is a change that alerts can see.
_RUNS = dict.fromkeys((RUNNING, *(status.value for status in RunStatus)), 0)
_STAGES = dict.fromkeys((stage.value for stage in Stage), 0)
_CODES = dict.fromkeys((code.value for code in AlertCode), 0)
_DELIVERIES = dict.fromkeys(DELIVERY_STATUSES, 0)


def totals_text(totals: Totals) -> str:
    """Write what the store holds.

    Args:
        totals: of the store.

    Returns:
        Lines.
    """
    return _families(
        {
            "runs": _by_label(_RUNS | totals.runs),
            "running_runs": _by_label(_STAGES | totals.stages),
            "firing_alerts": _by_label(_CODES | totals.firing),
            "deliveries": _by_label(_DELIVERIES | totals.deliveries),
            "observations": {(): totals.num_observations},
        }
    )


def intake_text(health: IntakeHealth) -> str:
    """Write how the intake fares.

    Args:
        health: of the intake.

    Returns:
        Lines.
    """
    numbers = {
        "stored_records_total": health.stored,
        "duplicate_records_total": health.duplicates,
        "late_records_total": health.late,
        "queue_depth": health.queue_depth,
        "intake_lag_seconds": health.lag_seconds,
        "store_failures_total": health.failures,
        "writable": int(health.is_writable),
    }
    commits = histogram(
        _METRICS["commit_seconds"],
        health.commit_seconds,
        health.commit_seconds_sum,
        health.commits,
    )
    return _families({name: {(): value} for name, value in numbers.items()}) + commits


def hooks_text(hooks: Sequence[HookHealth]) -> str:
    """Write how hooks fare.

    Args:
        hooks: one each.

    Returns:
        Lines.
    """
    return _families(
        {
            "hook_deliveries_total": {(each.hook,): each.delivered for each in hooks},
            "hook_failures_total": {(each.hook,): each.failures for each in hooks},
            "hook_waiting": {(each.hook,): each.waiting for each in hooks},
            "hook_gone": {(each.hook,): int(each.is_gone) for each in hooks},
        }
    )


def web_text(
    requests: Mapping[tuple[str, int], int], ages: Mapping[str, float], num_truncated: int
) -> str:
    """Write what the web side knows.

    Args:
        requests: answered, by (route, status).
        ages: seconds since the newest and the oldest running run was heard of.
        num_truncated: values left out so far.

    Returns:
        Lines.
    """
    return _families(
        {
            "last_observation_age_seconds": _by_label(ages),
            "requests_total": {
                (route, str(status)): count for (route, status), count in sorted(requests.items())
            },
            "series_truncated_total": {(): num_truncated},
        }
    )


def _families(samples: Mapping[str, Samples]) -> str:
    return "".join(family(_METRICS[name], each) for name, each in samples.items())


def _by_label(values: Mapping[str, float]) -> Samples:
    return {(label,): value for label, value in values.items()}
