"""Models of the corpus: the one that is shipped, and those that validation judges beside it.

Each other way to split leaves a part of the train split out; a predictor that is judged by it has
to be fitted without that part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from grokwatch.experiments.corpus import StoredRun, known_manifest, read_slice
from grokwatch.experiments.corpus.manifest import FILE
from grokwatch.experiments.corpus.writing import sha256
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.fitting.examples import Examples, examples
from grokwatch.experiments.fitting.fitting import trained
from grokwatch.experiments.fitting.honesty import Held, honest
from grokwatch.experiments.fitting.network import RECIPE, Recipe
from grokwatch.experiments.validation import splits
from grokwatch.experiments.validation.bootstrap import numbered
from grokwatch.experiments.validation.splits import CALIBRATION, TRAIN, Scheme
from grokwatch.experiments.validation.trace import Facts, facts_of
from grokwatch.monitor.predictors._model import HazardModel

VERSION = "hazard@2"
SHIPPED = "hazard"
SEEN_AS = ("full", "cheap")
"""Presets under which levels of the shipped model hold; the others are judged on what is full."""


def model_name(scheme: str) -> str:
    """File name of the model that was fitted for a way to split.

    Example:
        >>> model_name("leave-cell-out"), model_name("leave-family-out: parity")
        ('hazard', 'without-parity')
    """
    kind, _, part = scheme.partition(": ")
    if part:
        return f"without-{part}"
    return {splits.CELL: SHIPPED, splits.SEED: "some-seeds"}[kind]


def fit_corpus(
    corpus: Path,
    count: Counting,
    *,
    slices: Sequence[str] | None = None,
    recipe: Recipe = RECIPE,
    seed: int = 0,
) -> Iterator[tuple[str, HazardModel]]:
    """Fit on the train split, for every way to split, and be honest on the calibration split.

    Args:
        corpus: its folder; no run of the test split is made into records.
        count: shows progress.
        slices: names; None for all of the corpus.
        recipe: how networks are trained.
        seed: of thinning and networks.

    Yields:
        Name and model, the shipped one first.

    Raises:
        ConfigurationError: there is no corpus, or nothing in it that can be fitted on.
        WireError: a file is broken.
    """
    manifest = known_manifest(corpus)
    names = sorted(manifest.slices if slices is None else slices)
    runs, facts = runs_to_fit(corpus, names, count)
    with count("looking at runs", 2) as done:
        own = _part(runs, facts, TRAIN, seed)
        done(TRAIN)
        aside = _part(runs, facts, CALIBRATION, seed)
        done(CALIBRATION)
    cells, _ = numbered([each.cell for each in aside.facts])
    held, schemes = Held(aside.runs, aside.data, cells), splits.schemes(TRAIN, facts)
    with count("fitting", len(schemes)) as done:
        for scheme in schemes:
            data = own.data.of(np.array([scheme.fits(each) for each in own.facts]))
            kept = held.of(np.array([_fits(scheme, each) for each in aside.facts]))
            name = model_name(scheme.name)
            model = trained(data, name=VERSION, recipe=recipe, seed=seed)
            model = honest(model, kept, seen_as=SEEN_AS if name == SHIPPED else SEEN_AS[:1])
            yield (
                name,
                msgspec.structs.replace(
                    model,
                    corpus_sha256=sha256(corpus / FILE),
                    splits_sha256=manifest.splits_sha256,
                ),
            )
            done(name)


@dataclass(frozen=True)
class _Part:
    """Runs of one split, and looks at them."""

    runs: list[StoredRun]
    facts: list[Facts]
    data: Examples


def _part(runs: Sequence[StoredRun], facts: Sequence[Facts], split: str, seed: int) -> _Part:
    places = [place for place, each in enumerate(facts) if each.split == split]
    own = [runs[place] for place in places]
    return _Part(own, [facts[place] for place in places], examples(own, seed=seed))


def _fits(scheme: Scheme, facts: Facts) -> bool:
    """What a scheme leaves out of train runs, it leaves out of calibration runs too."""
    return scheme.fits(msgspec.structs.replace(facts, split=TRAIN))


def runs_to_fit(
    corpus: Path, names: Sequence[str], count: Counting
) -> tuple[list[StoredRun], list[Facts]]:
    """All runs that may be fitted or calibrated on.

    Args:
        corpus: its folder.
        names: of slices.
        count: shows progress.
    """
    runs, facts = [], []
    with count("reading", len(names)) as done:
        for name in names:
            found = read_slice(corpus, name)
            for place, row in enumerate(found.rows):
                if row.split in {TRAIN, CALIBRATION}:
                    runs.append(found.run(place))
                    facts.append(facts_of(row, name))
            done(name)
    return runs, facts
