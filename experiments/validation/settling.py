"""How entries decide: as it was settled before, or as it is settled now, on runs not judged."""

from collections.abc import Mapping, Sequence

import msgspec

from grokwatch.experiments.validation import splits
from grokwatch.experiments.validation.deciding import settle, settle_patiences
from grokwatch.experiments.validation.entries import Entry, families
from grokwatch.experiments.validation.frozen import Frozen, Rule, rules_of, signatures_of
from grokwatch.experiments.validation.problems import half_landmark
from grokwatch.experiments.validation.results import Asked
from grokwatch.experiments.validation.splits import Scheme
from grokwatch.experiments.validation.trace import Trace


def rules_for(
    scheme: Scheme,
    rows: Sequence[Entry],
    asked: Asked,
    traces: Mapping[str, Sequence[Trace]],
    settled: Frozen | None,
) -> dict[str, Rule]:
    """How the entries of a scheme decide.

    Baselines choose on the runs they were fitted on, by models that did not see a run's fold.

    Args:
        scheme: how runs are split.
        rows: its entries.
        asked: which splits contestants' thresholds are chosen on.
        traces: target -> traces.
        settled: what was settled before; None settles it now.

    Returns:
        Entry -> rule.

    Raises:
        ConfigurationError: an entry was not settled before.
    """
    if settled is not None:
        return dict(rules_of(settled, scheme.name, [entry.name for entry in rows]))
    targets = {each.name: each.target(scheme.name) for each in asked.contestants}
    found = {}
    for entry in rows:
        target = targets.get(entry.name)
        runs = entry.fitted
        if target is not None and asked.chosen_on != (splits.TRAIN,):
            runs = _chosen_on(asked, scheme, traces[target])
        found[entry.name] = settle(runs)
    return found


def _chosen_on(asked: Asked, scheme: Scheme, traces: Sequence[Trace]) -> list[Trace]:
    """Runs that thresholds are chosen on: of the splits asked for, as the scheme allows.

    What a scheme leaves out of train runs, it leaves out of calibration runs too.
    """
    return [
        trace
        for trace in traces
        if trace.facts.split in asked.chosen_on
        and scheme.fits(msgspec.structs.replace(trace.facts, split=splits.TRAIN))
    ]


def settled_now(
    asked: Asked, rules: dict[str, dict[str, Rule]], rows: Sequence[Entry], splits_sha256: str
) -> Frozen:
    """All that was settled here, to be written down.

    Args:
        asked: what the validation is about.
        rules: scheme -> entry -> rule.
        rows: entries of the frozen split.
        splits_sha256: of the corpus's file of splits.
    """
    fitted = rows[0].fitted
    return Frozen(
        splits=asked.chosen_on,
        splits_sha256=splits_sha256,
        contestants=asked.contestants,
        signatures=signatures_of(asked.contestants),
        rules=rules,
        patiences=settle_patiences(fitted),
        half_landmarks={
            family: half_landmark(trace.facts for trace in fitted if trace.facts.family == family)
            for family in families(fitted)
        },
    )
