"""What is asked of a predictor: questions about runs at risk, with the answer that came.

P1, windows: will it grok within 1, 3, 10 times the time since memorization? P2, landmarks: at 2, 5,
10, 20, 40 times the memorization step, will it grok by T_max? P5, budgets: will it *not* grok by B,
for a B drawn log-uniformly? Only runs at risk are asked about: after memorization, before onset.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grokwatch.experiments.validation.bootstrap import numbered
from grokwatch.experiments.validation.outlook import within, within_each
from grokwatch.experiments.validation.trace import Facts, Floats, Mask, Trace, Whole

LANDMARKS = (2, 5, 10, 20, 40)
WINDOWS = (1, 3, 10)

Labels = Mapping[str, bool]
"""Run id -> whether it generalized, in place of the truth: for the permutation null."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Questions and their answers.

    Attributes:
        keys: run id and step of each; the same for all predictors.
        scores: `(N,)` probability of the answer yes, NaN where the predictor cannot tell.
        labels: `(N,)` the answer.
        groups: `(N,)` number of the fold, which intervals draw.
        num_groups: G.
        cells: `(N,)` number of the cell.
    """

    keys: tuple[tuple[str, int], ...]
    scores: Floats
    labels: Mask
    groups: Whole
    num_groups: int
    cells: Whole

    @property
    def abstained(self) -> int:
        """How often the predictor could not tell."""
        return int(np.isnan(self.scores).sum())

    def filled(self, score: float) -> Floats:
        """Scores, with one in place of what it could not tell: it neither helps nor hides."""
        return np.where(np.isnan(self.scores), score, self.scores)


@dataclass(frozen=True)
class _Asked:
    """One question."""

    facts: Facts
    step: int
    score: float
    label: bool


def landmark_look(trace: Trace, landmark: int) -> int | None:
    """The look at which a run at risk is judged at a landmark.

    Args:
        trace: of any predictor; the answer is the same for all.
        landmark: in memorization steps.

    Returns:
        The last look by then; None where the run is not at risk there, or is over.
    """
    facts = trace.facts
    step = landmark * facts.train_step
    if not step < min(facts.steps, facts.risk_end):
        return None
    look = trace.look_at(step)
    return look if look is not None and trace.step[look] > facts.train_step else None


def landmarks(traces: Sequence[Trace], *at: int, labels: Labels | None = None) -> Examples:
    """P2: will it grok by T_max?

    Args:
        traces: of one predictor.
        at: landmarks, in memorization steps; one for rankings, several for calibration alone.
        labels: in place of the truth.

    Returns:
        A question for each run at risk, landmark by landmark.
    """
    asked = []
    for landmark in at:
        for trace in traces:
            look = landmark_look(trace, landmark)
            if look is not None:
                left = trace.facts.steps - int(trace.step[look])
                asked.append(_ask(trace, look, within(trace, look, left), _answer(trace, labels)))
    return _gathered(asked)


def windows(traces: Iterable[Trace], multiple: int) -> Examples:
    """P1: will it grok within so many times the time since memorization?

    Args:
        traces: of one predictor.
        multiple: h over the time since memorization.

    Returns:
        A question for each look at a run at risk whose window ends by T_max.
    """
    asked = []
    for trace in traces:
        facts, end = trace.facts, trace.facts.outcome.grokking_step
        ends = trace.step + multiple * trace.since
        scores = within_each(trace, ends - trace.step)
        for look in np.flatnonzero((trace.since > 0) & (trace.step < facts.risk_end)):
            if ends[look] <= facts.steps:
                label = end is not None and end <= ends[look]
                asked.append(_ask(trace, int(look), float(scores[look]), bool(label)))
    return _gathered(asked)


def budgets(traces: Iterable[Trace], landmark: int, *, seed: int = 0) -> Examples:
    """P5: will it *not* grok by B?

    B is drawn log-uniformly from now to half of T_max, the same for every predictor: what came
    after B was seen for as long again.

    Args:
        traces: of one predictor.
        landmark: where it is asked, in memorization steps.
        seed: of the draws.

    Returns:
        A question for each run at risk that is not past half of T_max.
    """
    asked = []
    for trace in traces:
        look, last = landmark_look(trace, landmark), trace.facts.steps // 2
        if look is None or trace.step[look] >= last:
            continue
        step = int(trace.step[look])
        budget = drawn_budget(trace.facts.run_id, landmark, step, last, seed)
        end = trace.facts.outcome.grokking_step
        asked.append(
            _ask(trace, look, 1 - within(trace, look, budget - step), end is None or end > budget)
        )
    return _gathered(asked)


def drawn_budget(run_id: str, landmark: int, step: int, last: int, seed: int) -> int:
    """A budget after `step` and up to `last`, log-uniform, by hash: no order of runs matters.

    Example:
        >>> 100 < drawn_budget("a", 2, 100, 1000, 0) <= 1000
        True
    """
    word = hashlib.sha256(f"{seed}:{run_id}:{landmark}".encode()).digest()[:8]
    share = int.from_bytes(word, "big") / 2**64
    return max(step + 1, round(math.exp(math.log(step) + share * math.log(last / step))))


def half_landmark(facts: Iterable[Facts]) -> int:
    """The landmark at which about half of the grokking runs are still at risk.

    Args:
        facts: of runs that may be looked at: those of the train split.

    Returns:
        The one whose share at risk is nearest to one half, the earlier one of two.
    """
    grokking = [each for each in facts if each.is_grokking]

    def distance(landmark: int) -> float:
        at_risk = sum(landmark * each.train_step < each.risk_end for each in grokking)
        return abs(at_risk / max(len(grokking), 1) - 0.5)

    return min(LANDMARKS, key=distance)


def chosen(traces: Sequence[Trace], test: Callable[[Facts], bool]) -> list[Trace]:
    """Traces of runs that pass a test."""
    return [trace for trace in traces if test(trace.facts)]


def _answer(trace: Trace, labels: Labels | None) -> bool:
    return trace.facts.generalized if labels is None else labels[trace.facts.run_id]


def _ask(trace: Trace, look: int, score: float, label: bool) -> _Asked:
    return _Asked(trace.facts, int(trace.step[look]), score, label)


def _gathered(asked: Sequence[_Asked]) -> Examples:
    groups, num_groups = numbered([each.facts.fold for each in asked])
    cells, _ = numbered([each.facts.cell for each in asked])
    return Examples(
        keys=tuple((each.facts.run_id, each.step) for each in asked),
        scores=np.array([each.score for each in asked], dtype=np.float64),
        labels=np.array([each.label for each in asked], dtype=np.bool_),
        groups=groups,
        num_groups=num_groups,
        cells=cells,
    )
