"""Which metrics there are, for the tests of dashboards: names, labels, and example series."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import yaml

from grokwatch.monitor.commands.signals import rows
from grokwatch.monitor.service.announcing import DEAD, DELIVERED, PENDING, REPEATING, SUPERSEDED
from grokwatch.monitor.service.metric_names import SERVICE_METRICS
from grokwatch.monitor.sinks.health_metrics import HEALTH_METRICS
from grokwatch.monitor.sinks.names import METRICS, prometheus_name
from grokwatch.monitor.vocabulary import AlertCode, RunStatus, Stage

RULES = Path(__file__).parents[1] / "dashboards" / "prometheus" / "rules"

SIGNALS: Mapping[str, str] = {row.name: row.unit for row in rows()}
PROMETHEUS_OWN: Mapping[str, tuple[str, ...]] = {
    "up": ("job",),
    "scrape_duration_seconds": ("job",),
}
_EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": ("run",),
    "task": ("cyclic:67",),
    "code": tuple(code.value for code in AlertCode),
    "stage": tuple(stage.value for stage in Stage),
    "status": (
        *("running", *(each.value for each in RunStatus)),
        *(PENDING, REPEATING, DELIVERED, DEAD, SUPERSEDED),
        *("200", "304", "404", "500"),
    ),
    "which": ("newest", "oldest"),
    "hook": ("log",),
    "route": ("/v1/runs",),
    "sink": ("mlflow:http://localhost:5000",),
    "reason": ("quota",),
    "job": ("grokwatch-service",),
    "le": ("0.1", "1.0", "+Inf"),
}


def labels_by_name() -> dict[str, tuple[str, ...]]:
    """Every metric by its name in a query, and its labels; signals without a role."""
    found = {metric.prometheus: metric.labels for metric in (*METRICS, *HEALTH_METRICS)}
    for metric in SERVICE_METRICS:
        suffix, more = ("_bucket", ("le",)) if metric.kind == "histogram" else ("", ())
        found[f"{metric.prometheus}{suffix}"] = (*metric.labels, *more)
    signals = {prometheus_name(name, unit): ("run", "task") for name, unit in SIGNALS.items()}
    return {**signals, **found, **PROMETHEUS_OWN}


def recorded() -> set[str]:
    """Names of the recording rules."""
    groups = [group for file in RULES.glob("*.yml") for group in _groups(file)]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def _groups(file: Path) -> list[dict[str, list[dict[str, str]]]]:
    found: list[dict[str, list[dict[str, str]]]] = yaml.safe_load(file.read_text())["groups"]
    return found


def names_in(expression: str) -> set[str]:
    """Names of metrics in PromQL: what is neither in braces, a function, a keyword nor a label."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring) \([^)]*\)", "", plain)
    words = re.findall(r"[A-Za-z_:][\w:]*(?!\s*\(|[\w:])", plain)
    return set(words) - {"or", "and", "unless", "bool", "by"}


def example_series() -> Iterator[str]:
    """One series for each metric and each value of its labels, signals with and without a role."""
    named = labels_by_name()
    for name, unit in SIGNALS.items():
        for key in (f"{name}@embedding", f"{name}.excess@embedding"):
            named[prometheus_name(key, unit)] = ("run", "task")
    for name, labels in named.items():
        for values in product(*(_EXAMPLES[label] for label in labels)):
            pairs = ",".join(f'{k}="{v}"' for k, v in zip(labels, values, strict=True))
            yield f"{name}{{{pairs}}}" if pairs else name
