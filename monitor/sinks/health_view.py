"""How the records of one run fare, as samples: what a dispatcher says of itself, and its budget."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from grokwatch.monitor.health import DROP_REASONS, Health
from grokwatch.monitor.sinks.health_metrics import HEALTH_METRICS
from grokwatch.monitor.sinks.names import label_value
from grokwatch.monitor.sinks.run_view import Sample

_METRICS = {metric.prometheus.removeprefix("grokwatch_"): metric for metric in HEALTH_METRICS}


@dataclass(frozen=True)
class HealthView:
    """Asks after a run's health whenever somebody looks.

    Args:
        health: says how its records fare.
        budget: the share of training time that watching may take, None for no limit.
    """

    health: Callable[[], Health]
    budget: float | None = None

    def samples(self) -> Iterator[Sample]:
        """Every value to show, each metric and label once.

        Yields:
            Samples; counters begin at 0, so that the first failure is a rise.
        """
        health = self.health()
        if self.budget is not None:
            yield Sample(_METRICS["budget_ratio"], self.budget)
        yield Sample(_METRICS["journal_bytes"], float(health.journal_bytes))
        yield Sample(_METRICS["journal_quota_bytes"], float(health.journal_quota_bytes))
        for name, counts in (
            ("sink_failures_total", _by_label(health.sink_failures)),
            ("sink_lag_records", _by_label(health.sink_lag)),
            ("dropped_records_total", dict.fromkeys(DROP_REASONS, 0) | health.dropped),
        ):
            for label, count in counts.items():
                yield Sample(_METRICS[name], float(count), label)


def _by_label(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Counts by label value; targets that are cut to the same text count together."""
    found = Counter[str]()
    for target, count in counts.items():
        found[label_value(target)] += count
    return found
