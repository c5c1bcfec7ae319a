"""Samples of runs by metric: which metric a value belongs to is found once, then kept."""

from collections.abc import Callable
from typing import TypeAlias

from grokwatch.monitor.records import SignalInfo
from grokwatch.monitor.service.exposition.text import announce
from grokwatch.monitor.service.metric_names import PREFIX
from grokwatch.monitor.sinks.names import METRICS, prometheus_name, summary_of, unit_of

Signals: TypeAlias = tuple[SignalInfo, ...]

OWN_METRICS = {metric.prometheus: metric for metric in METRICS}
OWN_KEYS = frozenset(
    name.removeprefix("grokwatch_")
    for name, metric in OWN_METRICS.items()
    if metric.labels == ("run", "task")
)
"""Keys of values that every run has: their metric's name without `grokwatch_`."""

_LONGEST_NAME = 200
_MOST_FAMILIES = 20_000


class Family:
    """The lines of one metric: how it is announced, then its samples.

    Args:
        name: of the metric.
        head: announces it.

    Attributes:
        name: of the metric.
        lines: without their ends.
    """

    def __init__(self, name: str, head: str) -> None:
        self.name = name
        self.lines = [head]
        self.add: Callable[[str], None] = self.lines.append


class Families:
    """The metrics that runs have."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._by_key: dict[Signals, dict[str, Family | None]] = {}

    @property
    def is_full(self) -> bool:
        """Whether so much is kept that it is time to begin anew."""
        kept = sum(map(len, self._by_key.values()))
        return kept + len(self._by_key) + len(self._families) > _MOST_FAMILIES

    def of_key(self, key: str, signals: Signals) -> Family | None:
        """Find the metric of a value.

        Args:
            key: of the value.
            signals: what its run said of them.

        Returns:
            The metric; None where the name is not the run's to use.
        """
        known = self._by_key.setdefault(signals, {})
        if key not in known:
            known[key] = self._described(key, signals)
        return known[key]

    def of_metric(self, name: str, summary: str = "") -> Family:
        """Find a metric by its name; it is announced as it is first described."""
        if name not in self._families:
            metric = OWN_METRICS.get(name)
            kind, told = (metric.kind, metric.summary) if metric else ("gauge", summary)
            self._families[name] = Family(name, announce(name, kind, told).rstrip("\n"))
        return self._families[name]

    def text(self) -> str:
        """Write all samples, and forget them."""
        lines: list[str] = []
        for family in self._families.values():
            if len(family.lines) > 1:
                lines += family.lines
                del family.lines[1:]
        return "\n".join([*lines, ""])

    def _described(self, key: str, signals: Signals) -> Family | None:
        name = prometheus_name(key, unit_of(key, signals))
        is_taken = name.startswith(PREFIX) or (name in OWN_METRICS and key not in OWN_KEYS)
        if is_taken or len(name) > _LONGEST_NAME:
            return None
        return self.of_metric(name, summary_of(key, signals))
