"""The present of one run, as a value: what a live display shows of it.

A `RunView` is folded from records, `view.after(record, now)`, and never changes: a scrape reads one
while the next is being made, without a lock.
"""

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from grokwatch.monitor.generalization import Generalization
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
)
from grokwatch.monitor.sinks.names import METRICS, Metric, prometheus_name, summary_of, unit_of
from grokwatch.monitor.sinks.points import stage_number
from grokwatch.monitor.vocabulary import AlertState, Stage

_METRICS: Mapping[str, Metric] = {metric.prometheus: metric for metric in METRICS}


class Sample(NamedTuple):
    """One value of one metric; `detail` is its label beside run and task, "" where it has none."""

    metric: Metric
    value: float
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class RunView:
    """What is known of a run now; times are monotonic seconds unless they come from records.

    Attributes:
        run_id: the run.
        name: its name, "" until it said one.
        task: its task or group, "" where it said none.
        last_seq: newest record taken; older ones coming again change nothing.
        observed_at: when the last observation came.
        ended_at: when the run ended, None while it goes on.
    """

    run_id: str
    name: str = ""
    task: str = ""
    last_seq: int = 0
    observed_at: float | None = None
    ended_at: float | None = None
    _signals: tuple[SignalInfo, ...] = ()
    _gauges: Mapping[str, Metric] = field(default_factory=dict)
    _started: float | None = None
    _cost_seconds: float = 0.0
    _totals: Mapping[str, int] = field(default_factory=dict)
    _observation: Observation | None = None
    _evaluation: Evaluation | None = None
    _assessment: Assessment | None = None
    _generalization: Generalization = field(default_factory=Generalization)
    _alerts: Mapping[str, Alert] = field(default_factory=dict)

    def after(self, record: AnyRecord, now: float) -> "RunView":
        """The view once a record came; itself for one it has taken already.

        Args:
            record: of this run.
            now: monotonic seconds.

        Returns:
            The next view.
        """
        if 0 < record.seq <= self.last_seq:
            return self
        view = replace(self, last_seq=max(record.seq, self.last_seq))
        match record:
            case RunStarted():
                return view._begun(record)
            case Observation():
                return view._observed(record, now)
            case Evaluation():
                return view._evaluated(record)
            case Assessment():
                return replace(view, _assessment=record)
            case Alert():
                return replace(view, _alerts={**view._alerts, record.code.value: record})
            case RunEnded():
                return replace(view, ended_at=now)
        return view

    def _begun(self, record: RunStarted) -> "RunView":
        task = record.hyper_parameters.get("task") or record.group or ""
        return replace(
            self,
            name=record.name,
            task=str(task),
            ended_at=None,
            _signals=record.signals,
            _gauges={},
            _started=record.time,
            _cost_seconds=0.0,
        )

    def _observed(self, record: Observation, now: float) -> "RunView":
        new = {key: self._describe(key) for key in record.values if key not in self._gauges}
        values = (record.train_loss, *record.values.values())
        counts = {
            "grokwatch_observations_total": 1,
            "grokwatch_signal_errors_total": len(record.errors),
            "grokwatch_non_finite_values_total": sum(not math.isfinite(v) for v in values),
        }
        return replace(
            self,
            observed_at=now,
            _observation=record,
            _gauges={**self._gauges, **new} if new else self._gauges,
            _started=record.time if self._started is None else self._started,
            _cost_seconds=self._cost_seconds + record.cost_seconds,
            _totals={name: self._totals.get(name, 0) + n for name, n in counts.items()},
        )

    def _evaluated(self, record: Evaluation) -> "RunView":
        generalization = deepcopy(self._generalization)
        if self._evaluation is not None and record.step <= self._evaluation.step:
            generalization.undo_from(record.step)  # a rewind
        if record.test_accuracy is not None:
            generalization.update(record.step, record.test_accuracy)
        return replace(self, _evaluation=record, _generalization=generalization)

    def _describe(self, key: str) -> Metric:
        name = prometheus_name(key, unit_of(key, self._signals))
        known = _METRICS.get(name)
        return known or Metric(prometheus=name, summary=summary_of(key, self._signals))

    def samples(self, now: float) -> Iterator[Sample]:
        """Every value to show, each metric and code once.

        Args:
            now: monotonic seconds.

        Yields:
            Samples; of two keys that come to the same name the first is shown.
        """
        seen = set()
        for sample in (*self._own_samples(now), *self._signal_samples()):
            key = (sample.metric.prometheus, sample.detail)
            if key not in seen:
                seen.add(key)
                yield sample

    def _signal_samples(self) -> Iterator[Sample]:
        if self._observation is not None:
            for key, value in self._observation.values.items():
                yield Sample(self._gauges[key], value)

    def _own_samples(self, now: float) -> Iterator[Sample]:
        numbers = {**self._observed_numbers(now), **self._judged_numbers(), **self._totals}
        for name, value in numbers.items():
            if value is not None:
                yield Sample(_METRICS[name], value)
        for code, alert in self._alerts.items():
            is_up = alert.state in {AlertState.FIRING, AlertState.CONFIRMED}
            yield Sample(_METRICS["grokwatch_alert_firing"], float(is_up), code)
            yield Sample(_METRICS["grokwatch_alerts_total"], float(alert.episode), code)

    def _observed_numbers(self, now: float) -> dict[str, float | None]:
        seen = self._observation
        if seen is None or self.observed_at is None:
            return {}
        return {
            "grokwatch_step": float(seen.step),
            "grokwatch_train_loss": seen.train_loss,
            "grokwatch_train_accuracy": seen.train_accuracy,
            "grokwatch_observation_cost_seconds": seen.cost_seconds,
            "grokwatch_overhead_ratio": self._overhead(seen),
            "grokwatch_last_observation_age_seconds": max(0.0, now - self.observed_at),
        }

    def _overhead(self, seen: Observation) -> float | None:
        # A share that the budget controller measured is better than ours from the outside.
        is_given = any(m.prometheus == "grokwatch_overhead_ratio" for m in self._gauges.values())
        elapsed = seen.time - (self._started or seen.time)
        return None if is_given or elapsed <= 0 else self._cost_seconds / elapsed

    def _stage_number(self) -> float | None:
        """As a watcher says it: evaluations decide whether a run has generalized."""
        if self._generalization.is_generalized:
            return float(stage_number(Stage.GENERALIZED))
        return float(stage_number(self._assessment.stage)) if self._assessment else None

    def _judged_numbers(self) -> dict[str, float | None]:
        judged, tested = self._assessment, self._evaluation
        eta = judged.eta_steps if judged else None
        return {
            "grokwatch_stage": self._stage_number(),
            "grokwatch_probability": judged.probability if judged else None,
            "grokwatch_rise_probability": judged.rise_probability if judged else None,
            "grokwatch_eta_low_steps": eta.low if eta else None,
            "grokwatch_eta_high_steps": eta.high if eta else None,
            "grokwatch_test_loss": tested.test_loss if tested else None,
            "grokwatch_test_accuracy": tested.test_accuracy if tested else None,
        }
