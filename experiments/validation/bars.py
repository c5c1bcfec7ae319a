"""What was promised beforehand (section 10 of the protocol) beside what was reached.

Beside each bar on coverage and lead stands a companion, in which an alarm means what GRK001 says
live: that test accuracy will rise, so that a run that rose and stayed below .95 is no false alarm.
It has no verdict; the bar counts such runs.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from grokwatch.experiments.validation import splits
from grokwatch.experiments.validation.bootstrap import Estimate
from grokwatch.experiments.validation.deciding import MIXED_CELLS, Alarmed
from grokwatch.experiments.validation.decision import MOST_LOST
from grokwatch.experiments.validation.entries import EVERY_FAMILY
from grokwatch.experiments.validation.ranking import Ranking
from grokwatch.experiments.validation.results import Validation
from grokwatch.experiments.validation.thresholds import HEADLINE_RATE
from grokwatch.experiments.validation.timetable import AT_ALARM

ARITHMETIC, PARITY = "cyclic", "parity"
BESIDE = " partial runs apart:"
COMPANION = (
    "The bars on coverage and lead are about alarms of passing .95: partial runs, which rose and "
    "did not hold .95, are negatives. A row with partial runs apart is about alarms of rising, "
    "which is what GRK001 says live; it is a companion and no bar. Remaining time and random "
    "labels are about alarms of rising."
)
_FEWEST = 5
_FEWEST_PAIRS = 20


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """One bar and what was reached.

    Attributes:
        what: is measured, and where.
        bar: that was set.
        moonshot: that was hoped for.
        reached: figure with its interval, a dash where it could not be measured.
        is_met: whether the bar is; None where it could not be measured.
        is_beyond: whether the moonshot is.
        is_companion: whether it only stands beside a bar, and is neither met nor missed.
    """

    what: str
    bar: str
    moonshot: str
    reached: str
    is_met: bool | None
    is_beyond: bool = False
    is_companion: bool = False

    @property
    def verdict(self) -> str:
        """What came of it, in a word or two."""
        if self.is_companion:
            return "companion"
        if self.is_beyond:
            return "moonshot"
        return {None: "not measured", True: "met", False: "missed"}[self.is_met]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many bars are met, moonshots among them, missed, and could not be measured."""

    met: int
    missed: int
    not_measured: int

    @property
    def text(self) -> str:
        """As a sentence."""
        return f"{self.met} met, {self.missed} missed, {self.not_measured} could not be measured."


def tally(found: Iterable[Promise]) -> Tally:
    """Count bars; companions are none."""
    ends = [each.is_met for each in found if not each.is_companion]
    return Tally(met=ends.count(True), missed=ends.count(False), not_measured=ends.count(None))


def promises(found: Validation) -> list[Promise]:
    """All bars for the headline predictor.

    Args:
        found: what a validation gave.
    """
    name = found.asked.contestants[0].name
    own = [row for row in found.rankings if row.name == name]
    return [
        *(_gain(row) for row in own if _is_enough(row)),
        *_concordance(found, own),
        *_left_out(found, name),
        *_alarms(_headline(found.alarms, name), _headline(found.apart, name)),
        *_probabilities(found, name),
        *_time(found, name),
        *_saving(found, name),
    ]


def _is_enough(row: Ranking) -> bool:
    """Whether there are runs of both kinds to speak of."""
    return min(row.positives, row.total - row.positives) >= _FEWEST


def _gain(row: Ranking) -> Promise:
    return _promise(
        f"gain in AUROC over hyper-parameters, {row.family}, at {row.at} T_mem, lower bound",
        (0.03, 0.08),
        row.gain,
        tested=row.gain.low,
        form="+.3f",
        strict=True,
    )


def _concordance(found: Validation, own: Sequence[Ranking]) -> Iterable[Promise]:
    """At the landmark where half of the grokking runs are at risk, by the train split."""
    for row in own:
        if row.at == found.frozen.half_landmarks.get(row.family):
            what = f"same-cell concordance, {row.family}, at {row.at} T_mem, {row.pairs} pairs"
            is_known = row.pairs >= _FEWEST_PAIRS
            yield _promise(what, (0.75, 0.90), row.concordance if is_known else Estimate(None))


def _left_out(found: Validation, name: str) -> Iterable[Promise]:
    claimed = (splits.FAMILY, splits.ARCHITECTURE)
    for scheme in found.others:
        if scheme.name.startswith(claimed):
            rows = [row for row in scheme.rankings if row.name == name and _is_enough(row)]
            for row in rows:
                what = f"AUROC, {scheme.name}, {row.family}, at {row.at} T_mem"
                yield _promise(what, (0.80, 0.92), row.auroc)
            if not rows:
                what = f"AUROC, {scheme.name}: not fitted for it, or too few runs"
                yield _promise(what, (0.80, 0.92), Estimate(None))


def _headline(rows: Iterable[Alarmed], name: str) -> list[Alarmed]:
    """Rows of one entry at the headline rate."""
    rate = HEADLINE_RATE
    return [row for row in rows if row.name == name and row.coverage.threshold.rate == rate]


def _alarms(headline: Sequence[Alarmed], apart: Sequence[Alarmed]) -> Iterable[Promise]:
    leads = {ARITHMETIC: (0.30, 0.50), PARITY: (0.10, 0.30)}
    for row in headline:
        yield _coverage(row, "")
        for other in apart:
            if other.family == row.family:
                yield _companion(_coverage(other, BESIDE))
    for row, kind in [*((row, "") for row in headline), *((row, BESIDE) for row in apart)]:
        if row.family in leads:
            what = f"median lead to onset, {row.family},{kind} misses zero"
            found = _promise(what, leads[row.family], row.coverage.onset.share)
            yield _companion(found) if kind else found
    random = sum(row.coverage.random for row in apart)
    if random:
        alarmed = sum(row.coverage.random_alarmed for row in apart)
        share = alarmed / random
        yield Promise(
            what=f"random-label runs alarmed, of {random} (at least 300 in test)",
            bar="<= 5%",
            moonshot="0",
            reached=f"{alarmed} ({share:.1%})",
            is_met=share <= HEADLINE_RATE,
            is_beyond=alarmed == 0,
        )


def _companion(found: Promise) -> Promise:
    return replace(found, is_met=None, is_beyond=False, is_companion=True)


def _coverage(row: Alarmed, kind: str) -> Promise:
    """The bar on coverage, or what it would be of another kind of negatives."""
    rate = row.coverage.achieved.value
    within = rate is not None and rate <= HEADLINE_RATE
    what = f"coverage, {row.family},{kind} false alarms {_percent(rate)} of at most 5 %"
    return _promise(what, (0.70, 0.90), row.coverage.onset.covered, allowed=within)


def _probabilities(found: Validation, name: str) -> Iterable[Promise]:
    for row in found.calibration:
        if row.name == name and row.family == EVERY_FAMILY:
            slope = row.fit.slope
            yield _promise("Brier skill over hyper-parameters", (0.20, 0.40), row.skill)
            known = slope.low is not None and slope.high is not None
            holds = known and (slope.low or 0) <= 1 <= (slope.high or 0)
            yield Promise(
                what="calibration slope's interval contains 1",
                bar="yes",
                moonshot="yes",
                reached=slope.text(),
                is_met=holds if known else None,
            )


def _time(found: Validation, name: str) -> Iterable[Promise]:
    for row in found.timing:
        if row.name == name and row.where == AT_ALARM:
            what = f"remaining time at first alarm, median |log2 ratio|, {row.family}"
            yield _promise(what, (0.7, 0.35), row.timing.error, at_most=True)


def _saving(found: Validation, name: str) -> Iterable[Promise]:
    for row in found.decisions:
        if row.name == name and row.pool == MIXED_CELLS:
            lost = row.ledger.lost_share
            what = (
                f"GRK002: share of the oracle's saving beyond hyper-parameters, mixed cells, "
                f"{_percent(lost)} of groks lost, at most 2 %"
            )
            yield _promise(what, (0.30, 0.60), row.ledger.gain, allowed=lost <= MOST_LOST)


def _promise(
    what: str,
    levels: tuple[float, float],
    reached: Estimate,
    *,
    tested: float | None = None,
    form: str = ".3f",
    strict: bool = False,
    at_most: bool = False,
    allowed: bool = True,
) -> Promise:
    """Compare a figure, or `tested` in its place, with bar and moonshot."""
    value = tested if strict else reached.value

    def passes(level: float) -> bool | None:
        if value is None:
            return None
        return allowed and (value <= level if at_most else _above(strict)(value, level))

    sign = "<=" if at_most else ">" if strict else ">="
    return Promise(
        what=what,
        bar=f"{sign} {levels[0]:g}",
        moonshot=f"{sign} {levels[1]:g}",
        reached=reached.text(form),
        is_met=passes(levels[0]),
        is_beyond=bool(passes(levels[1])),
    )


def _above(strict: bool) -> Callable[[float, float], bool]:
    return (lambda value, level: value > level) if strict else (lambda value, level: value >= level)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
