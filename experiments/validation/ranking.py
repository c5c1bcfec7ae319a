"""How well entries answer one question: areas, pairs of one cell, gains over hyper-parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from grokwatch.experiments.validation.baselines import HYPER_PARAMETERS
from grokwatch.experiments.validation.bootstrap import (
    Drawing,
    Estimate,
    auroc_statistic,
    between,
    concordance_statistic,
    counts,
    estimate,
    skill_statistic,
)
from grokwatch.experiments.validation.entries import Entry
from grokwatch.experiments.validation.fitting import base_rate
from grokwatch.experiments.validation.metrics import (
    auprc,
    auroc,
    brier,
    brier_skill,
    concordance,
)
from grokwatch.experiments.validation.problems import Examples
from grokwatch.experiments.validation.trace import Floats, Trace

ALL, REAL = "all runs", "real labels"

Ask = Callable[[Sequence[Trace]], Examples]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How well one entry answers one question, in one family.

    Attributes:
        name: of the entry.
        access: of the entry.
        family: of the runs.
        pool: all runs, or those of real labels.
        at: landmark, or multiple of a window.
        total: questions.
        positives: of them, those whose answer is yes.
        abstained: of them, those that it could not tell; they score the train base rate.
        auroc: over all.
        auprc: over all, beside the base rate.
        concordance: share of same-cell pairs in the right order.
        pairs: of them.
        brier: over all.
        gains: baseline -> gain in area over it.
        skills: baseline -> Brier skill over it.
    """

    name: str
    access: str
    family: str
    pool: str
    at: int
    total: int
    positives: int
    abstained: int
    auroc: Estimate
    auprc: float | None
    concordance: Estimate
    pairs: int
    brier: float | None
    gains: Mapping[str, Estimate] = field(default_factory=dict)
    skills: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def gain(self) -> Estimate:
        """Over the hyper-parameter baseline that is harder to beat."""
        return least(self.gains)

    @property
    def skill(self) -> Estimate:
        """Over the hyper-parameter baseline that is harder to beat."""
        return least(self.skills)


@dataclass(frozen=True)
class Answers:
    """What one entry says to one question, with its area on each draw."""

    entry: Entry
    examples: Examples
    scores: Floats
    areas: Floats
    squares: Floats


def rankings(
    rows: Sequence[Entry], family: str, ask: Ask, at: int, drawing: Drawing, pool: str
) -> list[Ranking]:
    """One question to all entries, who answer it in one order.

    Args:
        rows: the entries.
        family: of the runs.
        ask: makes questions of traces.
        at: what the rows are to be told apart by.
        drawing: how groups are drawn for intervals.
        pool: all runs, or those of real labels.
    """
    kept = [entry if pool == ALL else entry.of_real_labels() for entry in rows]
    kept = [entry.of_family(family) for entry in kept]
    fill = base_rate(ask(kept[0].fitted).labels) if kept else 0.5
    found = [answers(entry, ask(entry.judged), fill, drawing) for entry in kept]
    references = [each for each in found if each.entry.name in HYPER_PARAMETERS]
    return [_ranking(each, references, family, pool, at, drawing) for each in found]


def answers(entry: Entry, examples: Examples, fill: float, drawing: Drawing) -> Answers:
    """What one entry says, with its area on each draw.

    Args:
        entry: who is asked.
        examples: questions and scores.
        fill: score of what it cannot tell.
        drawing: how groups are drawn; no draws where no interval of the area is asked for.
    """
    scores, labels = examples.filled(fill), examples.labels
    areas = np.full(drawing.draws, np.nan)
    if examples.num_groups > 1 and drawing.draws and labels.any() and not labels.all():
        statistic = auroc_statistic(scores, labels, examples.groups, examples.num_groups)
        areas = statistic(counts(examples.num_groups, drawing))
    return Answers(entry, examples, scores, areas, (scores - labels) ** 2)


def _ranking(
    own: Answers,
    references: Sequence[Answers],
    family: str,
    pool: str,
    at: int,
    drawing: Drawing,
) -> Ranking:
    examples, scores, labels = own.examples, own.scores, own.examples.labels
    order = concordance(scores, labels, examples.cells)
    pairs = concordance_statistic(
        scores, labels, examples.cells, examples.groups, examples.num_groups
    )
    others = [each for each in references if each.entry.name != own.entry.name]
    return Ranking(
        name=own.entry.name,
        access=own.entry.access,
        family=family,
        pool=pool,
        at=at,
        total=len(labels),
        positives=int(labels.sum()),
        abstained=examples.abstained,
        auroc=between(auroc(scores, labels), own.areas),
        auprc=auprc(scores, labels),
        concordance=estimate(
            order.share, pairs, examples.num_groups if order.cells > 1 else 1, drawing
        ),
        pairs=order.pairs,
        brier=brier(scores, labels),
        gains={each.entry.name: _gain(own, each) for each in others},
        skills={each.entry.name: skill_of(own, each, drawing) for each in others},
    )


def _gain(own: Answers, other: Answers) -> Estimate:
    """Area of one less that of another, on the same draws."""
    assert own.examples.keys == other.examples.keys
    labels = own.examples.labels
    area, reference = auroc(own.scores, labels), auroc(other.scores, labels)
    value = None if area is None or reference is None else area - reference
    return between(value, own.areas - other.areas)


def skill_of(own: Answers, other: Answers, drawing: Drawing) -> Estimate:
    """Brier skill of one over another, on the same draws.

    Args:
        own: answers of one.
        other: answers of the other to the same questions.
        drawing: how groups are drawn.
    """
    examples = own.examples
    assert examples.keys == other.examples.keys
    statistic = skill_statistic(own.squares, other.squares, examples.groups, examples.num_groups)
    value = brier_skill(own.scores, other.scores, examples.labels)
    return estimate(value, statistic, examples.num_groups, drawing)


def least(found: Mapping[str, Estimate]) -> Estimate:
    """The estimate with the lowest value."""
    known = [(each.value, each) for each in found.values() if each.value is not None]
    return min(known, key=lambda pair: pair[0])[1] if known else Estimate(None)
