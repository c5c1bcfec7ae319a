"""How much there is to know: forests on all that a look at a run gives, in place of the hazard.

Where the hazard misses a bar, either it learned too little or there is no more to learn from the
train side. Forests on the same readings, on every value that was measured, and on hyper-parameters
beside them tell the two apart; one that was fitted on another family tells what carries over.
All of it stays within the train split.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier  # type: ignore[import-untyped]

from grokwatch.experiments.corpus import StoredRun, known_manifest
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.fitting.corpus import runs_to_fit
from grokwatch.experiments.fitting.examples import train_side
from grokwatch.experiments.validation.bootstrap import numbered
from grokwatch.experiments.validation.fitting import parts_of
from grokwatch.experiments.validation.metrics import auroc, concordance
from grokwatch.experiments.validation.settings import Settings
from grokwatch.experiments.validation.splits import TRAIN
from grokwatch.experiments.validation.trace import Facts, Floats, Mask, Whole, facts_of
from grokwatch.monitor.predictors._features import REFERENCE_FROM, Course
from grokwatch.monitor.predictors._readings import NAMES

LANDMARKS = (2, 5, 10)
"""In memorization steps: later ones have too few runs that grok."""

READINGS = "what the hazard reads"
EVERYTHING = "every value measured"
SETTINGS_TOO = "that, and hyper-parameters"
SETTINGS_ALONE = "hyper-parameters alone"
CARRIED = "what it reads, fitted on the other families"

_FEWEST = 5
_TREES = 300
_LEAF = 4
_SHARE = 0.3
_RARE = 0.02
_MISSING = -9.0
_SMALL = 1e3


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """How well one forest tells who will grok, at one landmark, in one family.

    Attributes:
        what: it saw.
        family: of the runs.
        at: landmark, in memorization steps.
        groks: runs at risk there that grok.
        asked: runs at risk there.
        auroc: of runs of folds that the forest did not see; None where one kind is missing.
        apart: the same, without runs that rise and stay below .95.
        concordance: share of pairs of one cell in the right order; None without pairs.
        pairs: of one cell with different outcomes.
    """

    what: str
    family: str
    at: int
    groks: int
    asked: int
    auroc: float | None
    apart: float | None
    concordance: float | None
    pairs: int


@dataclass(frozen=True)
class _Look:
    """One run at one landmark."""

    facts: Facts
    at: int
    features: Floats
    values: Mapping[str, float]


def ceilings(
    corpus: Path, count: Counting, *, slices: Sequence[str] | None = None
) -> list[Ceiling]:
    """Fit forests and judge them on folds left out.

    Args:
        corpus: its folder.
        count: shows progress.
        slices: names; None for all of the corpus.

    Returns:
        A row for each family, landmark and kind of forest.

    Raises:
        ConfigurationError: there is no corpus.
        WireError: a file is broken.
    """
    names = sorted(known_manifest(corpus).slices if slices is None else slices)
    runs, facts = runs_to_fit(corpus, names, count)
    own = [run for run, each in zip(runs, facts, strict=True) if each.split == TRAIN]
    with count("looking at runs", len(own)) as done:
        looks: list[_Look] = []
        for run in own:
            looks += _looks(run)
            done(run.row.run_id)
    said = {}
    columns = _columns(looks)
    with count("growing forests", len(columns) + 1) as done:
        for what, each in columns.items():
            said[what] = _left_out(each, looks)
            done(what)
        said[CARRIED] = _carried(columns[READINGS], looks)
        done(CARRIED)
    rows = [row for what, scores in said.items() for row in _rows(what, scores, looks)]
    return sorted(rows, key=lambda row: (row.family, row.at))


def _looks(run: StoredRun) -> Iterator[_Look]:
    """Where a run at risk stands at each landmark."""
    facts, train_step = facts_of(run.row, ""), run.row.outcome.train_step
    if train_step is None:
        return
    course, early, now = Course(), dict[str, float](), dict[str, float]()
    due = [at for at in LANDMARKS if at * train_step < min(facts.steps, facts.risk_end)]
    following = [*(each.step for each in run.observations[1:]), facts.steps + 1]
    for seen, coming in zip(train_side(run), following, strict=True):
        course.read(seen, train_step)
        now.update({key: _scaled(x) for key, x in seen.values.items()})
        if seen.step >= REFERENCE_FROM * train_step:
            early = {**now, **early}
        while due and coming > due[0] * train_step and seen.step > train_step:
            change = {f"{key} since": x - early.get(key, x) for key, x in now.items()}
            features = course.features(seen.step, train_step)
            yield _Look(facts, due.pop(0), features, {**now, **change})


def _scaled(x: float) -> float:
    """Of any size and sign, to a few units."""
    return math.copysign(math.log1p(abs(x) * _SMALL), x) if math.isfinite(x) else math.nan


def _columns(looks: Sequence[_Look]) -> dict[str, Floats]:
    """What each kind of forest sees, `(N, ...)`."""
    features = np.array([look.features for look in looks])
    clock = features[:, [NAMES.index("clock")]]
    at = np.array([[float(look.at)] for look in looks])
    keys = sorted({key for look in looks for key in look.values})
    values = np.array([[look.values.get(key, np.nan) for key in keys] for look in looks])
    values = values[:, (~np.isnan(values)).mean(axis=0) > _RARE]
    facts = [look.facts for look in looks]
    settings = Settings(facts).columns(facts)
    found = {
        READINGS: features,
        EVERYTHING: np.hstack((clock, values)),
        SETTINGS_TOO: np.hstack((clock, values, settings)),
        SETTINGS_ALONE: np.hstack((at, settings)),
    }
    return {what: np.where(np.isnan(each), _MISSING, each) for what, each in found.items()}


def _left_out(columns: Floats, looks: Sequence[_Look]) -> Floats:
    """What forests say that did not see a run's fold."""
    folds, _ = numbered([look.facts.fold for look in looks])
    return _by_parts(columns, looks, parts_of(folds))


def _carried(columns: Floats, looks: Sequence[_Look]) -> Floats:
    """What forests say that did not see a run's family."""
    families, _ = numbered([look.facts.family for look in looks])
    return _by_parts(columns, looks, families)


def _by_parts(columns: Floats, looks: Sequence[_Look], parts: Whole) -> Floats:
    """What a forest of all other parts says of each part, every run counting the same."""
    labels = np.array([look.facts.generalized for look in looks])
    runs, _ = numbered([look.facts.run_id for look in looks])
    weights = 1.0 / np.bincount(runs)[runs]
    found = np.full(len(looks), labels.mean())
    for part in np.unique(parts):
        rest = parts != part
        if 0 < labels[rest].sum() < rest.sum():
            forest = ExtraTreesClassifier(
                _TREES, min_samples_leaf=_LEAF, max_features=_SHARE, random_state=0, n_jobs=1
            ).fit(columns[rest], labels[rest], weights[rest])
            found[~rest] = forest.predict_proba(columns[~rest])[:, 1]
    return found


def _rows(what: str, scores: Floats, looks: Sequence[_Look]) -> Iterator[Ceiling]:
    """One row for each family and landmark that has enough runs of both kinds."""
    families = [look.facts.family for look in looks]
    at = np.array([look.at for look in looks])
    partial = np.array([look.facts.is_partial for look in looks])
    for family in sorted({*families}):
        own = np.array([each == family for each in families])
        for landmark in LANDMARKS:
            asked = own & (at == landmark)
            row = _row(what, family, landmark, scores, looks, asked, asked & ~partial)
            if min(row.groks, row.asked - row.groks) >= _FEWEST:
                yield row


def _row(
    what: str,
    family: str,
    landmark: int,
    scores: Floats,
    looks: Sequence[_Look],
    asked: Mask,
    apart: Mask,
) -> Ceiling:
    labels = np.array([look.facts.generalized for look in looks])
    cells, _ = numbered([look.facts.cell for look in looks])
    ordered = concordance(scores[asked], labels[asked], cells[asked])
    return Ceiling(
        what=what,
        family=family,
        at=landmark,
        groks=int(labels[asked].sum()),
        asked=int(asked.sum()),
        auroc=auroc(scores[asked], labels[asked]),
        apart=auroc(scores[apart], labels[apart]),
        concordance=ordered.share,
        pairs=ordered.pairs,
    )
