"""`/metrics` with ten thousand series, beside the client library that writes the same ones."""

import time
from collections.abc import Sequence
from typing import cast

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from grokwatch.experiments.bench.rows import Row, median_interval
from grokwatch.experiments.bench.service_load import KEYS
from grokwatch.experiments.counting import Counting
from grokwatch.monitor.records import SignalInfo
from grokwatch.monitor.service.exposition.runs import RunSeries
from grokwatch.monitor.service.ports import Reader
from grokwatch.monitor.service.views import RunDetail, RunRow

_NUM_RUNS = 300
_LEAST_TIMES, _MOST_MILLISECONDS = 8.0, 10.0
_WORKLOAD = "the service, values in memory"


class Runs:
    """Answers with made-up runs, so that what is measured is the writing."""

    def __init__(self) -> None:
        self._rows = tuple(_row(f"run-{number}") for number in range(_NUM_RUNS))
        self.values = {
            row.run_id: {key: number + 0.1 * place for place, key in enumerate(KEYS)}
            for number, row in enumerate(self._rows)
        }

    def top(self, limit: int) -> tuple[RunRow, ...]:
        """All of them."""
        return self._rows[:limit]

    def newest(self, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
        """Twenty values of each."""
        return {run_id: self.values[run_id] for run_id in run_ids}

    def run(self, run_id: str) -> RunDetail:
        """A run whose values are signals."""
        return RunDetail(
            run=_row(run_id),
            hyper_parameters={},
            signals=tuple(SignalInfo(name=key, unit="", summary=key) for key in KEYS),
            skipped=(),
            guesses=(),
            versions={},
            keys=KEYS,
        )


def exposition(counting: Counting, *, rounds: int) -> list[Row]:
    """Write all series by our exposition and by `generate_latest`, in turns.

    Args:
        counting: shows progress.
        rounds: of both.

    Returns:
        Milliseconds of ours, and how many times longer the library takes.
    """
    series = RunSeries(cast("Reader", Runs()), top=_NUM_RUNS)
    text = series.text(0.0)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    registry = _registry(lines)
    ours, ratios = [], []
    with counting("metrics", rounds) as done:
        for number in range(rounds):
            began = time.process_time()
            series.text(float(number))
            between = time.process_time()
            generate_latest(registry)
            ours.append((between - began) * 1e3)
            ratios.append((time.process_time() - between) * 1e3 / ours[-1])
            done(f"round {number + 1}")
    took, times = median_interval(ours), median_interval(ratios)
    shared = {"workload": _WORKLOAD, "note": f"{len(lines):,} series"}
    return [
        Row(
            **shared,
            what="/metrics written",
            value=took.value,
            low=took.low,
            high=took.high,
            unit="milliseconds",
            target=f"at most {_MOST_MILLISECONDS:.0f} ms",
            is_met=took.value <= _MOST_MILLISECONDS,
        ),
        Row(
            **shared,
            what="generate_latest over ours",
            value=times.value,
            low=times.low,
            high=times.high,
            unit="ratio",
            target=f"at least {_LEAST_TIMES:.0f} times",
            is_met=times.value >= _LEAST_TIMES,
        ),
    ]


def _registry(lines: Sequence[str]) -> CollectorRegistry:
    """The same series in the client library."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for line in lines:
        name, _, rest = line.partition("{")
        names = [pair.partition("=") for pair in rest.rpartition("}")[0].split(",")]
        labels = {key: value.strip('"') for key, _, value in names}
        if name not in gauges:
            gauges[name] = Gauge(name, name, tuple(labels), registry=registry)
        gauges[name].labels(**labels).set(float(rest.rpartition(" ")[2]))
    return registry


def _row(run_id: str) -> RunRow:
    return RunRow(
        run_id=run_id,
        name=run_id,
        source="push",
        group="cyclic:67",
        attempt=1,
        status="running",
        stage="plateau",
        probability=0.5,
        rise_probability=0.6,
        eta_low=100,
        eta_high=900,
        reason=None,
        step=1_000,
        train_loss=0.1,
        train_accuracy=1.0,
        test_accuracy=0.1,
        budget_steps=None,
        started=0.0,
        seen=0.0,
        num_observations=10,
        num_late=0,
        revision=1,
    )
