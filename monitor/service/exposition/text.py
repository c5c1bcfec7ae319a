"""Prometheus's text format: what a metric is announced with, and its samples."""

import math
from collections.abc import Mapping

from grokwatch.monitor.sinks.names import Metric, label_value

_NON_FINITE = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def announce(name: str, kind: str, summary: str) -> str:
    """Write the lines that a metric's samples follow.

    Args:
        name: of the metric.
        kind: its type.
        summary: what it says, on one line.

    Returns:
        Two lines.
    """
    told = summary.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {name} {told}\n# TYPE {name} {kind}\n"


def labelled(name: str, labels: Mapping[str, str]) -> str:
    """Write what stands before a sample's value.

    Args:
        name: of the metric.
        labels: name -> any text; it is made safe.

    Returns:
        Name, labels, and a space.

    Example:
        >>> labelled("up", {"run": 'a"b'}), labelled("up", {})
        ('up{run="a_b"} ', 'up ')
    """
    pairs = ",".join(f'{key}="{label_value(text)}"' for key, text in labels.items())
    return f"{name}{{{pairs}}} " if pairs else f"{name} "


def written(value: float) -> str:
    """Write a value, so that it reads back the same.

    Example:
        >>> written(0.1), written(3), written(float("-inf"))
        ('0.1', '3', '-Inf')
    """
    text = repr(value)
    return text if math.isfinite(value) else _NON_FINITE[text]


def family(metric: Metric, samples: Mapping[tuple[str, ...], float]) -> str:
    """Write a gauge or counter.

    Args:
        metric: what it is.
        samples: values of its labels, in order -> its value.

    Returns:
        Its lines; "" where it has no sample.
    """
    if not samples:
        return ""
    name = metric.prometheus
    lines = [
        f"{labelled(name, dict(zip(metric.labels, labels, strict=True)))}{written(value)}\n"
        for labels, value in samples.items()
    ]
    return announce(name, metric.kind, metric.summary) + "".join(lines)


def histogram(metric: Metric, buckets: Mapping[float, int], total: float, count: int) -> str:
    """Write a histogram.

    Args:
        metric: what it is.
        buckets: upper bound -> how many were at most that.
        total: sum of all.
        count: how many there were.

    Returns:
        Its lines.
    """
    name = metric.prometheus
    bounds = sorted(bound for bound in buckets if math.isfinite(bound))
    rows = [(written(bound), buckets[bound]) for bound in bounds]
    lines = [f'{name}_bucket{{le="{bound}"}} {most}\n' for bound, most in [*rows, ("+Inf", count)]]
    head = announce(name, metric.kind, metric.summary)
    return f"{head}{''.join(lines)}{name}_sum {written(total)}\n{name}_count {count}\n"
