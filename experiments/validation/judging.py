"""The benchmark: the corpus through a list of predictors, judged as the protocol says.

Replaying reads and writes files; all that follows is pure functions of traces. The test split is
judged only by what was frozen before: without it, none of its runs is even read.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from grokwatch.experiments.corpus import known_manifest
from grokwatch.experiments.counting import Counting, Done
from grokwatch.experiments.validation import splits
from grokwatch.experiments.validation.bootstrap import DRAWING, Drawing
from grokwatch.experiments.validation.deciding import (
    alarmed,
    decided,
)
from grokwatch.experiments.validation.entries import EVERY_FAMILY, entries, families
from grokwatch.experiments.validation.failures import failures
from grokwatch.experiments.validation.frozen import (
    Frozen,
    Rule,
    check,
    read_frozen,
    write_frozen,
)
from grokwatch.experiments.validation.permutation import permuted
from grokwatch.experiments.validation.questions import (
    at_landmarks,
    by_budgets,
    calibrated,
    in_windows,
)
from grokwatch.experiments.validation.ranking import REAL
from grokwatch.experiments.validation.replaying import Site, traces_of
from grokwatch.experiments.validation.results import Asked, SchemeResult, Validation
from grokwatch.experiments.validation.settling import rules_for, settled_now
from grokwatch.experiments.validation.splits import Contestant, Scheme, contestant
from grokwatch.experiments.validation.thresholds import HEADLINE_RATE
from grokwatch.experiments.validation.timetable import collapsed, leads, timed
from grokwatch.experiments.validation.trace import Trace
from grokwatch.monitor.errors import ConfigurationError

Row = TypeVar("Row")

_TABLES = 10
"""That take a while."""

DUMMIES = ("baseline:never", "baseline:always", "baseline:after_memorization")
SPLITS = (splits.TRAIN, splits.CALIBRATION, splits.TEST)


def validate(
    corpus: Path,
    targets: Sequence[str | Contestant],
    *,
    judged: str,
    kept: Path,
    count: Counting,
    slices: Sequence[str] | None = None,
    frozen: Path | None = None,
    freeze_to: Path | None = None,
    choose_on: Sequence[str] = (splits.TRAIN,),
    workers: int = 1,
    drawing: Drawing = DRAWING,
) -> Validation:
    """Judge predictors on one split of the corpus.

    Args:
        corpus: its folder.
        targets: of predictors, the headline first; a fitted one as a `Contestant` with a target for
            each scheme. The dummies are always judged beside them.
        judged: train, calibration or test.
        kept: folder of what was replayed before.
        count: shows progress.
        slices: names; None for all of the corpus.
        frozen: file of thresholds that were settled before; the test split is not judged without.
        freeze_to: where to write what was settled here.
        choose_on: splits whose runs thresholds are chosen on, without `frozen`; never the test
            split.
        workers: processes that replay.
        drawing: how cells are drawn for intervals; its seed is that of budgets and the
            permutation too.

    Returns:
        All tables' rows.

    Raises:
        ConfigurationError: no such split or predictor, the test split without what was frozen, or
            something changed since.
        WireError: a file is broken.
        JournalError: a folder cannot be written.
    """
    _check_splits(judged, choose_on)
    manifest = known_manifest(corpus)
    contestants = _with_dummies(targets)
    settled = None if frozen is None else read_frozen(frozen)
    check(judged, settled, contestants, manifest.splits_sha256)
    site = Site(corpus=corpus, kept=kept, count=count, workers=workers)
    every_target = sorted({target for each in contestants for target in each.all_targets})
    wanted = {splits.TRAIN, judged, *choose_on}
    traces = traces_of(site, every_target, slices=slices, splits=wanted)
    asked = Asked(
        judged=judged,
        slices=tuple(sorted(manifest.slices if slices is None else slices)),
        contestants=contestants,
        chosen_on=tuple(choose_on) if settled is None else settled.splits,
        runs=sum(t.facts.split == judged for t in traces[every_target[0]]),
        drawing=drawing,
    )
    schemes = splits.schemes(judged, [trace.facts for trace in traces[every_target[0]]])
    with count("judging", len(schemes) + _TABLES) as done:
        result = _judged(asked, traces, schemes, settled, manifest.splits_sha256, done)
    if freeze_to is not None:
        write_frozen(freeze_to, result.frozen)
    return result


def _judged(
    asked: Asked,
    traces: Mapping[str, Sequence[Trace]],
    schemes: Sequence[Scheme],
    settled: Frozen | None,
    splits_sha256: str,
    done: Done,
) -> Validation:
    """Everything that is pure."""
    facts = [trace.facts for trace in next(iter(traces.values()))]
    main, *others = schemes
    rows, drawing = entries(main, asked.contestants, traces), asked.drawing
    rules = {main.name: rules_for(main, rows, asked, traces, settled)}
    own, headline = rules[main.name], rows[0]
    done(main.name)
    results = _others(others, rules, asked, traces, settled, done)
    labels = permuted(facts, seed=drawing.seed)
    dealt = entries(main, asked.contestants, traces, labels=labels)
    named = families(headline.judged)
    each = partial(_each, done, named)
    frozen = settled or settled_now(asked, rules, rows, splits_sha256)
    return Validation(
        asked=asked,
        rankings=each(lambda f: at_landmarks(rows, f, drawing)),
        real=each(lambda f: at_landmarks(rows, f, drawing, pool=REAL)),
        windows=each(lambda f: in_windows(rows, f, drawing)),
        budgets=each(lambda f: by_budgets(rows, f, drawing)),
        calibration=_each(done, [*named, EVERY_FAMILY], lambda f: calibrated(rows, f, drawing)),
        alarms=each(lambda f: alarmed(rows, own, f, drawing)),
        apart=each(lambda f: alarmed(rows, own, f, drawing, rates=(HEADLINE_RATE,), apart=True)),
        timing=each(lambda f: timed(rows, own, f, drawing)),
        collapses=each(lambda f: collapsed(rows, f)),
        decisions=decided(rows, own, frozen.patiences, drawing),
        others=results,
        null=each(lambda f: at_landmarks(dealt, f, drawing, labels=labels)),
        failures=failures(headline.judged, own[headline.name].alarm_of),
        leads=leads(rows, own),
        frozen=frozen,
    )


def _each(done: Done, names: Sequence[str], rows: Callable[[str], list[Row]]) -> list[Row]:
    """One table, counted."""
    found = _rows(names, rows)
    done("tables")
    return found


def _rows(names: Sequence[str], rows: Callable[[str], list[Row]]) -> list[Row]:
    """Rows of one family after another."""
    return [row for name in names for row in rows(name)]


def _others(
    schemes: Sequence[Scheme],
    rules: dict[str, dict[str, Rule]],
    asked: Asked,
    traces: Mapping[str, Sequence[Trace]],
    settled: Frozen | None,
    done: Done,
) -> list[SchemeResult]:
    """What the other ways to split give; `rules` gathers what was settled for them."""
    found = []
    for scheme in schemes:
        done(scheme.name)
        rows = entries(scheme, asked.contestants, traces)
        if rows[0].judged and rows[0].fitted:
            own = rules_for(scheme, rows, asked, traces, settled)
            rules[scheme.name] = own
            named, drawing = families(rows[0].judged), asked.drawing
            found.append(
                SchemeResult(
                    name=scheme.name,
                    rankings=_rows(named, partial(at_landmarks, rows, drawing=drawing)),
                    alarms=_rows(
                        named,
                        partial(alarmed, rows, own, drawing=drawing, rates=(HEADLINE_RATE,)),
                    ),
                )
            )
    return found


def _with_dummies(targets: Sequence[str | Contestant]) -> tuple[Contestant, ...]:
    """All contestants, each once, the dummies at the end."""
    found = [each if isinstance(each, Contestant) else contestant(each) for each in targets]
    names = {each.name for each in found}
    return (*found, *(contestant(dummy) for dummy in DUMMIES if dummy not in names))


def _check_splits(judged: str, choose_on: Sequence[str]) -> None:
    """Refuse a split that is not there, and thresholds from the test split."""
    if judged not in SPLITS:
        msg = f"Expected a split among {', '.join(SPLITS)}, got {judged!r}. Try 'calibration'."
        raise ConfigurationError(msg)
    if splits.TEST in choose_on or not set(choose_on) <= set(SPLITS) or not choose_on:
        raise ConfigurationError(
            f"Expected thresholds chosen on train or calibration runs, got {list(choose_on)}. "
            "Try choose_on=('train',)."
        )
