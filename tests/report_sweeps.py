"""Runs of sweeps that nobody trained, for tests of their report."""

import itertools
import math
from collections.abc import Sequence

from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    HyperParameter,
    Observation,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.report.sweep_curves import Curve
from grokwatch.monitor.report.sweep_run import SweepRun
from grokwatch.monitor.vocabulary import Phase, RunStatus

GRID = (1, 10, 20, 40, 80, 100, 110, 120, 400, 800, 900, 1_000)


def course(rise: int) -> Curve:
    """Memorised at 80; generalises at a step, or never where that is beyond the end."""
    train = tuple(float(step >= 80) for step in GRID)
    return Curve(GRID, train, tuple(0.5 + 0.5 * (step >= rise) for step in GRID))


def swept(
    seed: int,
    settings: dict[str, HyperParameter],
    *,
    rise: int = 2_000,
    run_id: str | None = None,
    stopped: int | None = None,
    warned: int | None = None,
) -> SweepRun:
    """One run with a curve, judged."""
    is_late = rise <= GRID[-1]
    return SweepRun(
        run_id=run_id or f"{settings} {seed}",
        seed=seed,
        hyper_parameters=settings,
        phase=(Phase.GROKKING if is_late else Phase.MEMORIZATION).value,
        curve=course(rise),
        memorized_step=80,
        generalized_step=rise if is_late else None,
        last_step=GRID[-1],
        is_judged=True,
        warned_step=warned,
        stopped_step=stopped,
    )


def diagram(
    sizes: Sequence[int] = (100, 200, 400), decays: Sequence[float] = (0.0, 1.0), seeds: int = 9
) -> list[SweepRun]:
    """More runs generalise where there are more examples and more decay."""
    runs = []
    for size, decay, width, seed in itertools.product(sizes, decays, (8, 16), range(seeds)):
        grokked = seed < seeds * math.log2(size / 50) / 4 + decay
        runs.append(
            swept(
                seed,
                {"num_train": size, "decay": decay, "hidden": width},
                rise=400 if grokked else 2_000,
                warned=200 if grokked else None,
                stopped=None if grokked else 120,
            )
        )
    return runs


def records_of(
    run_id: str = "r", *, settings: dict[str, HyperParameter] | None = None, rise: int = 400
) -> list[AnyRecord]:
    """The records behind `course`."""
    whole = course(rise)
    told: list[AnyRecord] = [
        RunStarted(
            run_id=run_id, time=0.0, budget_steps=1_000,
            hyper_parameters={"cell": "c", "seed": 3, "num_test": 400, **(settings or {})},
        )
    ]  # fmt: skip
    for step, train, test in zip(whole.steps, whole.train, whole.test, strict=True):
        told += [
            Observation(run_id=run_id, step=step, time=0.0, train_loss=0.1, train_accuracy=train),
            Evaluation(run_id=run_id, step=step, time=0.0, test_accuracy=test),
        ]
    return [*told, RunEnded(run_id=run_id, step=1_000, time=0.0, status=RunStatus.FINISHED)]
