"""Made-up traces whose answers are known."""

from collections.abc import Mapping

import numpy as np

from grokwatch.experiments.validation.thresholds import Threshold
from grokwatch.experiments.validation.trace import Curve, Facts, Floats, Trace
from grokwatch.monitor.records import HyperParameter, Outcome
from grokwatch.monitor.vocabulary import Phase

STEPS = 10_000
LOOKS = np.unique(np.geomspace(10, STEPS, 61).round()).astype(np.int64)


def facts(
    name: str,
    *,
    memorized: int | None = 100,
    onset: int | None = None,
    grokked: int | None = None,
    cell: str = "cell",
    fold: str = "",
    split: str = "train",
    family: str = "cyclic",
    architecture: str = "mlp",
    seed: int = 0,
    random_labels: bool = False,
    collapse: bool = False,
    phase: Phase | None = None,
    steps: int = STEPS,
    hyper_parameters: Mapping[str, HyperParameter] | None = None,
) -> Facts:
    late = Phase.MEMORIZATION if memorized else Phase.CONFUSION
    return Facts(
        run_id=name,
        slice="made-up",
        cell=cell,
        fold=fold or cell,
        split=split,
        family=family,
        architecture=architecture,
        seed=seed,
        random_labels=random_labels,
        diverged=False,
        steps=steps,
        hyper_parameters=dict(hyper_parameters or {}),
        outcome=Outcome(
            train_step=memorized,
            onset_step=onset,
            midpoint_step=None,
            grokking_step=grokked,
            phase=phase or (Phase.GROKKING if grokked else late),
            collapse=collapse,
            relapse=False,
            censored_at=steps,
        ),
    )


def threshold(value: float, *, apart: bool = False) -> Threshold:
    """An alarm from a probability on, wherever that was chosen."""
    return Threshold(rate=0.05, value=value, apart=apart, alarmed=0, negatives=0)


def trace(
    run: Facts,
    said: Floats | float = 0.5,
    *,
    horizon: int | None = None,
    eta: tuple[float, float] = (np.nan, np.nan),
    accuracy: Floats | float = 0.1,
    loss: Floats | float = 1.0,
    train_loss: Floats | float = 1.0,
) -> Trace:
    """A trace that says `said` of the time up to T_max, or of so many steps, once memorized."""
    full = np.ones(len(LOOKS))
    told = np.where(run.train_step < LOOKS, said * full, np.nan)
    left = np.maximum(run.steps - LOOKS, 1) if horizon is None else full.astype(np.int64) * horizon
    return Trace(
        facts=run,
        predictor="made-up",
        step=LOOKS,
        curve=Curve(
            train_loss=train_loss * full, test_loss=loss * full, test_accuracy=accuracy * full
        ),
        probability=told,
        rising=told,
        horizons=left[:, None],
        chances=told[:, None],
        eta=np.tile(np.array(eta), (len(LOOKS), 1)),
        stage=np.zeros(len(LOOKS), dtype=np.int64),
    )
