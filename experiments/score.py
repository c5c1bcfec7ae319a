"""Adds up a trial: how early, how often, how falsely; against bars that were set beforehand."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median, quantiles

import msgspec

from grokwatch.experiments.trial import CONDITIONS, Judged

SHARE_EARLY_BAR = 0.80
MEDIAN_LEAD_BAR = 0.10
RECIPE, *CONTROLS = CONDITIONS


class FalseAlarms(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of a control that were warned of, and a 95 % bound on their rate where none was."""

    alarmed: int
    runs: int

    @property
    def bound(self) -> float | None:
        """Rule of three: with none among n, the rate is below 3/n; None where there was one."""
        return min(1.0, 3 / self.runs) if self.runs and not self.alarmed else None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What a predictor is worth on a trial.

    Leads are shares of the way from memorization to onset, over all runs that generalised; a miss
    or a late warning counts as 0. Runs of the recipe that had not generalised by the budget are
    censored: neither a hit nor a false alarm, and counted apart.
    """

    predictor: str
    generalized: int
    early: int
    median_lead: float | None
    quartiles: tuple[float, float] | None
    censored: int
    censored_warned: int
    false_alarms: dict[str, FalseAlarms]

    @property
    def share_early(self) -> float | None:
        """Share of the runs that generalised which were warned of before the onset."""
        return self.early / self.generalized if self.generalized else None

    @property
    def holds(self) -> bool:
        """Whether every bar is met."""
        if self.share_early is None or self.median_lead is None:
            return False
        silent = not any(control.alarmed for control in self.false_alarms.values())
        early = self.share_early >= SHARE_EARLY_BAR
        return silent and early and self.median_lead >= MEDIAN_LEAD_BAR


def score(judged: Iterable[Judged], predictor: str) -> Score:
    """Add up what one predictor said of all runs of a trial."""
    mine = [run for run in judged if run.predictor == predictor]
    recipe = [run for run in mine if run.condition == RECIPE]
    generalized = [run for run in recipe if run.generalized]
    censored = [run for run in recipe if not run.generalized]
    leads = [max(0.0, run.lead or 0.0) for run in generalized]
    return Score(
        predictor=predictor,
        generalized=len(generalized),
        early=sum(lead > 0 for lead in leads),
        median_lead=median(leads) if leads else None,
        quartiles=_quartiles(leads),
        censored=len(censored),
        censored_warned=sum(run.warned_step is not None for run in censored),
        false_alarms={name: _false_alarms(mine, name) for name in CONTROLS},
    )


def table(scores: Sequence[Score]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and cells for a person, the judged predictor first and the dummies below it."""
    columns = (
        "predictor",
        "early / generalised",
        "median lead (quartiles)",
        "censored, warned",
        *(f"alarms, {name}" for name in CONTROLS),
        "bars",
    )
    return columns, [_row(entry) for entry in scores]


def _row(entry: Score) -> tuple[str, ...]:
    lead = "-" if entry.median_lead is None else f"{entry.median_lead:.0%}"
    spread = "" if entry.quartiles is None else " ({:.0%} to {:.0%})".format(*entry.quartiles)
    return (
        entry.predictor,
        f"{entry.early} / {entry.generalized}",
        lead + spread,
        f"{entry.censored}, {entry.censored_warned}",
        *_alarm_cells(entry.false_alarms),
        "met" if entry.holds else "missed",
    )


def _alarm_cells(controls: Mapping[str, FalseAlarms]) -> list[str]:
    cells = []
    for control in controls.values():
        bound = "" if control.bound is None else f" (< {control.bound:.0%})"
        cells.append(f"{control.alarmed} / {control.runs}{bound}")
    return cells


def _false_alarms(judged: Sequence[Judged], condition: str) -> FalseAlarms:
    runs = [run for run in judged if run.condition == condition]
    return FalseAlarms(alarmed=sum(run.warned_step is not None for run in runs), runs=len(runs))


def _quartiles(values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    low, _, high = quantiles(values, n=4)
    return low, high
