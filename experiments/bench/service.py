"""What the service sustains: records taken and judged, runs watched, time to a webhook."""

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from grokwatch.experiments.bench.rows import Row, spread
from grokwatch.experiments.bench.service_latency import latencies
from grokwatch.experiments.bench.service_load import Load, resident_bytes, running
from grokwatch.experiments.bench.service_metrics import exposition
from grokwatch.experiments.bench.service_start import start_seconds
from grokwatch.experiments.counting import Counting

PREDICTORS = ("baseline:after_memorization", "threshold:", "hazard:")
WORKLOAD = "the service, SQLite, batches as a trainer sends them"

_ROUNDS = 8
_RUNS = 20
_BATCHES = 5
_BATCH = 100
_SINGLE_RUNS = 400
_MEMORY_RUNS = 1_500
_LEAST_BATCHED, _LEAST_SINGLE = 50_000.0, 10_000.0
_MOST_BYTES = 4_096.0
_MOST_MEDIAN, _MOST_TAIL, _MOST_START = 0.05, 0.25, 1.0


def service(counting: Counting, *, rounds: int | None = None) -> list[Row]:
    """Measure all of it; predictors are interleaved.

    Args:
        counting: shows progress.
        rounds: rounds of each, None for the usual number.

    Returns:
        Observations per second of processor time, batched and one by one, by predictor; memory of
        a run; seconds to a webhook at half load, to `/healthz`, and for `/metrics`.
    """
    rounds = rounds or _ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return [
            *_throughput(counting, root, rounds),
            _memory(root),
            *_latency(counting, root, rounds),
            *exposition(counting, rounds=rounds),
            *_start(counting, root, rounds),
        ]


def _throughput(counting: Counting, root: Path, rounds: int) -> Iterator[Row]:
    batched: dict[str, list[float]] = {target: [] for target in PREDICTORS}
    single: dict[str, list[float]] = {target: [] for target in PREDICTORS}
    with ExitStack() as stack, counting("throughput", rounds) as done:
        loads = {
            target: Load(stack.enter_context(running(root / str(place), target)))
            for place, target in enumerate(PREDICTORS)
        }
        for number in range(rounds):
            for target, load in loads.items():
                batched[target].append(load.push(runs=_RUNS, batches=_BATCHES, size=_BATCH))
                single[target].append(load.push(runs=_SINGLE_RUNS, batches=1, size=1))
            done(f"round {number + 1}")
    for target in PREDICTORS:
        what = f"{target} observations taken and judged"
        yield _rate(f"{what}, batches of {_BATCH}", batched[target], _LEAST_BATCHED)
        yield _rate(f"{what}, one by one", single[target], _LEAST_SINGLE)


def _memory(root: Path) -> Row:
    """Growth of the process with every run more."""
    with running(root / "memory", "hazard:") as service:
        Load(service, "first").push(runs=100, batches=1, size=2)
        before = resident_bytes()
        Load(service, "then").push(runs=_MEMORY_RUNS, batches=1, size=2)
        grown = (resident_bytes() - before) / _MEMORY_RUNS
    return Row(
        workload=WORKLOAD,
        what="hazard: memory of a run that is watched",
        value=grown,
        unit="bytes",
        target=f"at most {_MOST_BYTES:,.0f} bytes",
        is_met=grown <= _MOST_BYTES,
    )


def _latency(counting: Counting, root: Path, rounds: int) -> Iterator[Row]:
    with counting("webhook", rounds) as done:
        found = latencies(root / "latency", rounds, done)
    ordered = sorted(found)
    tail = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    note = f"{len(found)} alerts"
    yield _seconds("observation to webhook, median", statistics.median(found), _MOST_MEDIAN, note)
    yield _seconds("observation to webhook, 99th percentile", tail, _MOST_TAIL, note)


def _start(counting: Counting, root: Path, rounds: int) -> Iterator[Row]:
    with counting("start", 2 * rounds) as done:
        for what, history in (("empty", 0), ("of 100,000 observations", 100_000)):
            times = start_seconds(root / f"start-{history}", history, rounds, done)
            yield _seconds(f"start to healthy, store {what}", statistics.median(times), _MOST_START)


def _rate(what: str, values: list[float], least: float) -> Row:
    found = spread(values)
    return Row(
        workload=WORKLOAD,
        what=what,
        value=found.value,
        low=found.low,
        high=found.high,
        unit="rate",
        target=f"at least {least:,.0f} a second of a core",
        is_met=found.value >= least,
    )


def _seconds(what: str, value: float, most: float, note: str = "") -> Row:
    return Row(
        workload=WORKLOAD,
        what=what,
        value=value * 1e3,
        unit="milliseconds",
        target=f"at most {most * 1e3:,.0f} ms",
        is_met=value <= most,
        note=note,
    )
