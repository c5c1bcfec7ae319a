"""Rows of the tables of rankings and probabilities: problems P1, P2, P5, and calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grokwatch.experiments.validation.baselines import HYPER_PARAMETERS
from grokwatch.experiments.validation.bootstrap import Drawing, Estimate
from grokwatch.experiments.validation.calibration import Calibration, calibration
from grokwatch.experiments.validation.entries import Entry
from grokwatch.experiments.validation.fitting import base_rate
from grokwatch.experiments.validation.metrics import Bin, calibration_error, reliability
from grokwatch.experiments.validation.problems import (
    LANDMARKS,
    WINDOWS,
    Examples,
    Labels,
    budgets,
    landmarks,
    windows,
)
from grokwatch.experiments.validation.ranking import (
    ALL,
    Answers,
    Ranking,
    answers,
    least,
    rankings,
    skill_of,
)
from grokwatch.experiments.validation.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Whether the probabilities of one entry mean what they say, over all landmarks.

    Attributes:
        name: of the entry.
        family: of the runs.
        total: questions it could tell.
        fit: slope and intercept.
        error: expected calibration error, which is no bar.
        skill: Brier skill over the hyper-parameter baseline that is harder to beat.
        bins: of the reliability diagram.
    """

    name: str
    family: str
    total: int
    fit: Calibration
    error: float | None
    skill: Estimate
    bins: Sequence[Bin]


def at_landmarks(
    rows: Sequence[Entry],
    family: str,
    drawing: Drawing,
    *,
    pool: str = ALL,
    labels: Labels | None = None,
) -> list[Ranking]:
    """P2, of each entry at each landmark.

    Args:
        rows: the entries.
        family: of the runs.
        drawing: how groups are drawn for intervals.
        pool: all runs, or those of real labels.
        labels: run id -> outcome, in place of the truth.
    """
    found = []
    for landmark in LANDMARKS:

        def ask(traces: Sequence[Trace], at: int = landmark) -> Examples:
            return landmarks(traces, at, labels=labels)

        found += rankings(rows, family, ask, landmark, drawing, pool)
    return found


def in_windows(rows: Sequence[Entry], family: str, drawing: Drawing) -> list[Ranking]:
    """P1, of each entry for each window."""
    found = []
    for multiple in WINDOWS:

        def ask(traces: Sequence[Trace], at: int = multiple) -> Examples:
            return windows(traces, at)

        found += rankings(rows, family, ask, multiple, drawing, ALL)
    return found


def by_budgets(rows: Sequence[Entry], family: str, drawing: Drawing) -> list[Ranking]:
    """P5, of each entry at each landmark."""
    found = []
    for landmark in LANDMARKS:

        def ask(traces: Sequence[Trace], at: int = landmark) -> Examples:
            return budgets(traces, at, seed=drawing.seed)

        found += rankings(rows, family, ask, landmark, drawing, ALL)
    return found


def calibrated(rows: Sequence[Entry], family: str, drawing: Drawing) -> list[Calibrated]:
    """Calibration of each entry, over all landmarks of a family or of all."""
    kept = [entry.of_family(family) for entry in rows]
    fill = base_rate(landmarks(kept[0].fitted, *LANDMARKS).labels) if kept else 0.5
    none = Drawing(0, drawing.seed)
    found = [answers(e, landmarks(e.judged, *LANDMARKS), fill, none) for e in kept]
    references = [each for each in found if each.entry.name in HYPER_PARAMETERS]
    return [_calibrated(each, references, family, drawing) for each in found]


def _calibrated(
    own: Answers, references: Sequence[Answers], family: str, drawing: Drawing
) -> Calibrated:
    examples = own.examples
    told = ~np.isnan(examples.scores)
    scores, labels = examples.scores[told], examples.labels[told]
    others = [each for each in references if each.entry.name != own.entry.name]
    return Calibrated(
        name=own.entry.name,
        family=family,
        total=int(told.sum()),
        fit=calibration(scores, labels, examples.groups[told], drawing),
        error=calibration_error(scores, labels),
        skill=least({each.entry.name: skill_of(own, each, drawing) for each in others}),
        bins=reliability(scores, labels),
    )
