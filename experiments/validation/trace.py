"""What a predictor said of one run, look by look, beside what the run was and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.monitor.records import HyperParameter, Outcome
from grokwatch.monitor.vocabulary import AlertCode, Phase

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

HELD_OUT = "held-out"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was and what became of it; no predictor sees any of it.

    Attributes:
        run_id: its name for ever.
        slice: of the corpus.
        cell: the same for all seeds.
        fold: the same for a cell and its twins of random labels; intervals draw these.
        split: train, calibration or test.
        family: of its task.
        architecture: of its model.
        seed: of data and weights.
        random_labels: whether there is nothing to learn.
        diverged: whether its numbers were no longer finite.
        steps: T_max, the last step that was planned.
        hyper_parameters: all options.
        outcome: the label.
    """

    run_id: str
    slice: str
    cell: str
    fold: str
    split: str
    family: str
    architecture: str
    seed: int
    random_labels: bool
    diverged: bool
    steps: int
    hyper_parameters: dict[str, HyperParameter]
    outcome: Outcome

    @property
    def train_step(self) -> float:
        """T_mem, NaN where it never memorized."""
        found = self.outcome.train_step
        return float("nan") if found is None else float(found)

    @property
    def generalized(self) -> bool:
        """Whether test accuracy reached .95, held, by T_max."""
        return self.outcome.grokking_step is not None

    @property
    def is_partial(self) -> bool:
        """Whether test accuracy rose and did not hold .95 by T_max, with something to learn.

        Some runs of random labels rise by chance: they are negatives like any other.
        """
        return self.outcome.phase is Phase.PARTIAL and not self.random_labels

    def is_negative(self, *, apart: bool = False) -> bool:
        """Whether an alarm would be false: it did not generalize.

        Args:
            apart: whether partial runs are set apart, and are no negatives.
        """
        return not self.generalized and not (apart and self.is_partial)

    @property
    def is_grokking(self) -> bool:
        """Whether it generalized long after it memorized: what a warning is for."""
        return self.outcome.phase is Phase.GROKKING

    @property
    def risk_end(self) -> float:
        """T_on of a run that generalized, from which on it is no longer at risk; else infinite.

        A run that rose and never reached .95 stays at risk to its end: there a warning is false.
        """
        if self.outcome.grokking_step is None:
            return float("inf")
        onset = self.outcome.onset_step
        return float(self.outcome.grokking_step if onset is None else onset)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What held-out baselines and labels read, at the looks of a run: `(T,)` each, NaN if absent.

    Attributes:
        train_loss: of the train probe.
        test_loss: held out.
        test_accuracy: held out.
    """

    train_loss: Floats
    test_loss: Floats
    test_accuracy: Floats


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One predictor on one run.

    Attributes:
        facts: of the run.
        predictor: its target, or the name of a baseline.
        step: `(T,)` of each look.
        curve: for held-out baselines and labels only.
        probability: `(T,)` of grokking within the standard horizon; NaN where it cannot tell.
        rising: `(T,)` that test accuracy leaves its plateau within it, where the predictor tells
            that apart, else the same.
        horizons: `(T, H)` in steps from each look, ascending; 0 where it cannot tell.
        chances: `(T, H)` of grokking within them, NaN where it cannot tell.
        eta: `(T, 2)` ends of the interval of remaining steps; NaN where there is none, infinite
            where it has no upper end.
        stage: `(T,)` place of the stage in `Stage`.
        fired: code -> step of the policy's first alert.
        concerned: code -> step at which a concern had first been held for 3 looks.
        access: `train`, or `held-out` for upper bounds.
    """

    facts: Facts
    predictor: str
    step: Whole
    curve: Curve
    probability: Floats
    rising: Floats
    horizons: Whole
    chances: Floats
    eta: Floats
    stage: Whole
    fired: Mapping[AlertCode, int] = field(default_factory=dict)
    concerned: Mapping[AlertCode, int] = field(default_factory=dict)
    access: str = "train"

    @property
    def since(self) -> Floats:
        """`(T,)` steps since memorization, by the label; NaN in a run that never memorized."""
        found: Floats = self.step - np.float64(self.facts.train_step)
        return found

    def alarming(self, *, apart: bool) -> Floats:
        """`(T,)` what alarms are raised on.

        Args:
            apart: whether a run that rises and does not reach .95 is no false alarm.
        """
        return self.rising if apart else self.probability

    def look_at(self, step: float) -> int | None:
        """The last look at or before a step, None where there is none."""
        found = int(np.searchsorted(self.step, step, side="right")) - 1
        return found if found >= 0 else None


def facts_of(row: RunRow, slice_name: str) -> Facts:
    """What is kept of a run's row.

    Args:
        row: of the run.
        slice_name: where it is.
    """
    names = set(Facts.__struct_fields__) - {"slice", "hyper_parameters"}
    return Facts(
        slice=slice_name,
        hyper_parameters=row.hyper_parameters,
        **{name: getattr(row, name) for name in names},
    )
