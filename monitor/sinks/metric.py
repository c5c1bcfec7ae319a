"""What a metric is: its names, its kind, and what it says."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that every run has, whatever its signals.

    Attributes:
        prometheus: its name in Prometheus; counters end in `_total`.
        mlflow: its key in MLflow; "" where MLflow has none.
        kind: gauge, counter, or histogram.
        labels: label names in Prometheus.
        summary: one sentence on what it says.
    """

    prometheus: str
    mlflow: str = ""
    kind: Literal["gauge", "counter", "histogram"] = "gauge"
    labels: tuple[str, ...] = ("run", "task")
    summary: str
