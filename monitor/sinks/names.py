"""What a signal is called in Prometheus, and the metrics that every run has.

Pure text, no client library: the sinks name metrics by it, and the metric page and the dashboards'
tests are generated from it.
"""

import re
from collections.abc import Sequence

from grokwatch.monitor.records import SignalInfo, signal_of
from grokwatch.monitor.sinks.health_metrics import HEALTH_METRICS
from grokwatch.monitor.sinks.metric import Metric
from grokwatch.monitor.text import inert, is_plain

__all__ = [
    "METRICS",
    "Metric",
    "label_value",
    "prometheus_name",
    "summary_of",
    "unit_of",
]
_NOT_PROMETHEUS = re.compile(r"[^A-Za-z0-9]+")
_RESERVED_ENDINGS = ("_total", "_count", "_sum", "_bucket", "_info", "_created")


METRICS: tuple[Metric, ...] = (
    Metric(
        prometheus="grokwatch_step",
        summary="Optimiser updates made at the last observation.",
    ),
    Metric(
        prometheus="grokwatch_train_loss",
        mlflow="grokwatch/train_loss",
        summary="Train loss at the last observation.",
    ),
    Metric(
        prometheus="grokwatch_train_accuracy",
        mlflow="grokwatch/train_accuracy",
        summary="Train accuracy in eval mode on the fixed train probe, 0 to 1.",
    ),
    Metric(
        prometheus="grokwatch_test_loss",
        mlflow="grokwatch/test_loss",
        summary="Test loss at the last evaluation.",
    ),
    Metric(
        prometheus="grokwatch_test_accuracy",
        mlflow="grokwatch/test_accuracy",
        summary="Test accuracy at the last evaluation, 0 to 1.",
    ),
    Metric(
        prometheus="grokwatch_probability",
        mlflow="grokwatch/probability",
        summary="Probability of grokking within ten times the steps since memorization, 0 to 1; "
        "absent where the predictor cannot tell.",
    ),
    Metric(
        prometheus="grokwatch_rise_probability",
        mlflow="grokwatch/rise_probability",
        summary="Probability that test accuracy leaves its plateau within ten times the steps "
        "since memorization, 0 to 1, which GRK001 is raised on; absent where the predictor cannot "
        "tell.",
    ),
    Metric(
        prometheus="grokwatch_eta_low_steps",
        mlflow="grokwatch/eta_low_steps",
        summary="Steps to grokking, lower end of the predicted interval.",
    ),
    Metric(
        prometheus="grokwatch_eta_high_steps",
        mlflow="grokwatch/eta_high_steps",
        summary="Steps to grokking, upper end of the predicted interval.",
    ),
    Metric(
        prometheus="grokwatch_stage",
        mlflow="grokwatch/stage",
        summary="Stage of the run: 0 fitting, 1 plateau, 2 circuit formation, 3 cleanup, "
        "4 generalized.",
    ),
    Metric(
        prometheus="grokwatch_observation_cost_seconds",
        mlflow="grokwatch cost/observation_cost_seconds",
        summary="Seconds that the last observation took from training.",
    ),
    Metric(
        prometheus="grokwatch_overhead_ratio",
        mlflow="grokwatch cost/overhead_ratio",
        summary="Share of the time since the run started that observations took from training.",
    ),
    Metric(
        prometheus="grokwatch_last_observation_age_seconds",
        summary="Seconds since the last observation, by this process's monotonic clock.",
    ),
    Metric(
        prometheus="grokwatch_alert_firing",
        labels=("run", "task", "code"),
        summary="1 while the run's newest alert of this code is firing or confirmed, else 0.",
    ),
    Metric(
        prometheus="grokwatch_alerts_total",
        kind="counter",
        labels=("run", "task", "code"),
        summary="Alerts raised, by code.",
    ),
    Metric(
        prometheus="grokwatch_observations_total",
        kind="counter",
        summary="Observations made.",
    ),
    Metric(
        prometheus="grokwatch_signal_errors_total",
        mlflow="grokwatch cost/signal_errors",
        kind="counter",
        summary="Signals that had no value at an observation; in MLflow those of one observation.",
    ),
    Metric(
        prometheus="grokwatch_non_finite_values_total",
        mlflow="grokwatch cost/non_finite_values",
        kind="counter",
        summary="Values that were NaN or infinite; in MLflow, which takes none of them, those of "
        "one record.",
    ),
    *HEALTH_METRICS,
    Metric(
        prometheus="grokwatch_active_runs",
        labels=(),
        summary="Runs whose series this process exports.",
    ),
    Metric(
        prometheus="grokwatch_series_truncated_total",
        kind="counter",
        labels=(),
        summary="Values left out because of the caps on runs and series.",
    ),
)


def prometheus_name(key: str, unit: str = "") -> str:
    """Name a signal's gauge in Prometheus: `grokwatch_<parts joined by _>[_<unit>]`.

    Args:
        key: `name[.part][@role]`.
        unit: "" for a ratio or a count.

    Returns:
        Letters of ASCII, digits and `_` only; never an ending that Prometheus reserves.

    Example:
        >>> prometheus_name("fourier_entropy.excess@embedding")
        'grokwatch_fourier_entropy_excess_embedding'
        >>> prometheus_name("gap", "steps")
        'grokwatch_gap_steps'
    """
    name = "_".join(filter(None, ("grokwatch", _word(key))))
    suffix = _word(unit)
    if suffix and not name.endswith(f"_{suffix}"):
        name = f"{name}_{suffix}"
    return f"{name}_value" if name.endswith(_RESERVED_ENDINGS) else name


def _word(text: str) -> str:
    return _NOT_PROMETHEUS.sub("_", text).strip("_").lower()


def unit_of(key: str, signals: Sequence[SignalInfo]) -> str:
    """Unit of a signal's value, from what the run said about its signals.

    A part such as `.excess` is a ratio unless it is listed under its own name; a role changes no
    unit.

    Args:
        key: `name[.part][@role]`.
        signals: the run's `RunStarted.signals`.

    Returns:
        The unit, "" where there is none or the key is not listed.
    """
    units = {signal.name: signal.unit for signal in signals}
    return units.get(key, units.get(key.partition("@")[0], ""))


def summary_of(key: str, signals: Sequence[SignalInfo]) -> str:
    """One sentence on a signal's value, on one line; the bare name where the run gave none.

    Args:
        key: `name[.part][@role]`.
        signals: the run's `RunStarted.signals`.

    Returns:
        The sentence, without control characters.
    """
    name = key.partition("@")[0]
    summaries = {signal.name: signal.summary for signal in signals}
    for candidate in (key, name, signal_of(key)):
        if summaries.get(candidate):
            return "".join(c if is_plain(c) else " " for c in summaries[candidate])
    return f"Signal {_word(key)}."


def label_value(text: str) -> str:
    """Make any text safe as a label value, for Prometheus and for pages that show it raw.

    Args:
        text: any text, such as a run's name.

    Returns:
        The text, or its nearest safe form, at most 128 bytes of UTF-8 (`text.inert`).

    Example:
        >>> label_value("seed 3 <b>")
        'seed 3 _b_'
    """
    return inert(text)
