"""What reports cost: how long they take to write, and how large they are.

What they are of is made here: a run as long as the demo's, with as many signals and looks at its
weights; a run of a million steps; a sweep.
"""

import itertools
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from grokwatch.experiments.bench.rows import Row, spread
from grokwatch.experiments.counting import Counting
from grokwatch.monitor.records import (
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Observation,
    RunStarted,
    WeightFrame,
)
from grokwatch.monitor.report import sweep
from grokwatch.monitor.report.run import write
from grokwatch.monitor.report.sweep_curves import Curve
from grokwatch.monitor.report.sweep_run import SweepRun
from grokwatch.monitor.vocabulary import Phase, Stage

ROUNDS = 5
MOST_SECONDS = 10.0
MOST_BYTES = 4_000_000
DEMO = "a run as the demo's"
SIZES = {DEMO: (650, 27, 61), "10^6 steps, 10^5 observations": (100_000, 8, 0)}
"""Observations, signals and looks at the weights of each run."""

SWEEP_RUNS = 288
SWEEP = f"a sweep of {SWEEP_RUNS} runs"

_RUN = "bench"
_STEPS_APART = 10
_TOKENS, _NEURONS = 67, 24
_POINTS = 100


def report(
    count: Counting,
    *,
    rounds: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
    sizes: Mapping[str, tuple[int, int, int]] = SIZES,
    sweep_runs: int = SWEEP_RUNS,
) -> list[Row]:
    """Write reports, and measure them.

    Args:
        count: says how far it is.
        rounds: how often each is written.
        clock: seconds.
        sizes: observations, signals and looks of each run.
        sweep_runs: in the sweep.

    Returns:
        Seconds and bytes of each.
    """
    writers: dict[str, Callable[[Path], Path]] = {
        workload: partial(write, made(*size)) for workload, size in sizes.items()
    }
    writers[SWEEP] = partial(sweep.write, "made", made_sweep(sweep_runs))
    rows = []
    num_rounds = rounds or ROUNDS
    with (
        tempfile.TemporaryDirectory() as folder,
        count("reports", len(writers) * num_rounds) as done,
    ):
        for workload, writer in writers.items():
            seconds = []
            for _ in range(num_rounds):
                began = clock()
                path = writer(Path(folder) / "report.html")
                seconds.append(clock() - began)
                done(workload)
            rows += _rows(workload, seconds, path.stat().st_size)
    return rows


def made(num_observations: int, num_signals: int, num_looks: int = 0) -> list[AnyRecord]:
    """A run that is observed, evaluated and judged at every step of a grid.

    Args:
        num_observations: how often.
        num_signals: values of each observation.
        num_looks: at the two weight matrices of a network that adds numbers modulo p.

    Returns:
        Its records.
    """
    records: list[AnyRecord] = [
        RunStarted(run_id=_RUN, time=0.0, name="made for the benchmark", group=f"cyclic:{_TOKENS}"),
        *_looks(num_looks),
    ]
    for at in range(1, num_observations + 1):
        share, step, when = at / num_observations, at * _STEPS_APART, float(at)
        values = {f"signal_{n}@input": math.sin(n + 40 * share) for n in range(num_signals)}
        accuracy = 1.0 if share > 0.8 else 0.02
        chances = tuple(Chance(horizon_steps=h * step, probability=share / h) for h in (1, 3, 10))
        records += [
            Observation(
                run_id=_RUN, step=step, time=when, train_loss=1 / at, train_accuracy=1.0,
                values=values, cost_seconds=0.001,
            ),
            Evaluation(run_id=_RUN, step=step, time=when, test_accuracy=accuracy),
            Assessment(
                run_id=_RUN, step=step, time=when, predictor="made@1", stage=Stage.PLATEAU,
                chances=chances,
            ),
        ]  # fmt: skip
    return records


def made_sweep(num_runs: int) -> list[SweepRun]:
    """A sweep over two hyper-parameters whose curves rise at different steps.

    Args:
        num_runs: how many; nine of them to a cell.

    Returns:
        Its runs.
    """
    steps = tuple(range(_STEPS_APART, _STEPS_APART * (_POINTS + 1), _STEPS_APART))
    runs = []
    for number in range(num_runs):
        cell, seed = divmod(number, 9)
        train, test = (
            tuple(1 / (1 + math.exp(-(step - rise) / 20)) for step in steps)
            for rise in (100.0, 300.0 + 11 * (number % 97))
        )
        runs.append(
            SweepRun(
                run_id=str(number),
                seed=seed,
                hyper_parameters={"width": 8 * (1 + cell % 8), "decay": 0.1 * (cell // 8)},
                phase=Phase.GROKKING.value,
                curve=Curve(steps, train, test),
                last_step=steps[-1],
            )
        )
    return runs


def _looks(count: int) -> Iterator[WeightFrame]:
    """Frames of noise, which no packing makes smaller."""
    noise = np.random.default_rng(0)
    for look, role in itertools.product(range(count), ("input", "output")):
        data = noise.normal(size=(_TOKENS, _NEURONS)).astype("<f4").tobytes()
        yield WeightFrame(
            run_id=_RUN, step=1 + 100 * look, role=role, shape=(_TOKENS, _NEURONS), data=data
        )


def _rows(workload: str, seconds: list[float], num_bytes: int) -> list[Row]:
    took, has_target = spread(seconds), workload in {DEMO, SWEEP}
    return [
        Row(
            workload=workload,
            what="to write its report",
            value=took.value,
            low=took.low,
            high=took.high,
            unit="seconds",
            target=f"at most {MOST_SECONDS:.0f} s" if has_target else "",
            is_met=took.value <= MOST_SECONDS if has_target else None,
        ),
        Row(
            workload=workload,
            what="the file, which holds all that it needs",
            value=float(num_bytes),
            unit="bytes",
            target="under 4 MB",
            is_met=num_bytes < MOST_BYTES,
        ),
    ]
