"""Rows as tables for a page: counts, intervals and achieved rates beside every figure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grokwatch.experiments.validation.bars import Promise
from grokwatch.experiments.validation.bootstrap import Estimate
from grokwatch.experiments.validation.deciding import Alarmed, Decided
from grokwatch.experiments.validation.failures import Failure
from grokwatch.experiments.validation.questions import Calibrated
from grokwatch.experiments.validation.ranking import Ranking
from grokwatch.experiments.validation.results import Collapsed, Timed
from grokwatch.experiments.validation.trace import HELD_OUT

_NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        columns: headings.
        rows: cells, as many as headings.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    @property
    def markdown(self) -> str:
        """As a page shows it.

        Example:
            >>> print(Table(("a", "b"), [("1", "2")]).markdown)
            | a | b |
            |---|---|
            | 1 | 2 |
        """
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        written = [f"| {' | '.join(line)} |" for line in lines]
        written[1] = written[1].replace(" ", "")
        return "\n".join(written)


def promises_table(found: Iterable[Promise]) -> Table:
    """Section 10: bar, moonshot, figure, and whether it was reached."""
    bold = {"missed": "**missed**"}
    rows = [(p.what, p.bar, p.moonshot, p.reached, bold.get(p.verdict, p.verdict)) for p in found]
    return Table(("what", "bar", "moonshot", "reached", ""), rows)


def rankings_table(found: Iterable[Ranking], *, at: str) -> Table:
    """P1, P2 and P5: one line for each question and entry."""
    columns = (
        at,
        "predictor",
        "yes / asked",
        "cannot tell",
        "AUROC",
        "AUPRC",
        "over hyper-parameters",
        "same cell (pairs)",
        "Brier",
    )
    rows = [
        (
            str(row.at),
            _named(row.name, row.access),
            f"{row.positives} / {row.total}",
            str(row.abstained),
            row.auroc.text(),
            _number(row.auprc),
            row.gain.text("+.3f"),
            f"{row.concordance.text('.2f')} ({row.pairs})",
            _number(row.brier),
        )
        for row in sorted(found, key=lambda row: row.at)
    ]
    return Table(columns, rows)


def calibration_table(found: Iterable[Calibrated]) -> Table:
    """Slope, intercept, skill and error."""
    columns = ("family", "predictor", "told", "slope", "intercept", "Brier skill", "ECE")
    rows = [
        (
            row.family,
            row.name,
            str(row.total),
            row.fit.slope.text(".2f"),
            row.fit.intercept.text(".2f"),
            row.skill.text("+.2f"),
            _number(row.error),
        )
        for row in found
    ]
    return Table(columns, rows)


def alarms_table(found: Iterable[Alarmed], *, apart: bool = False) -> Table:
    """Coverage and leads at each rate of false alarms, partial runs among these or apart."""
    columns = (
        "rate asked",
        "predictor",
        "false alarms, achieved",
        "partial, apart" if apart else "of them partial",
        "random labels",
        "warned before onset",
        "median lead to onset",
        "steps",
        "warned before .95",
        "median lead to .95",
        "comprehension, alarmed",
    )
    ordered = sorted(found, key=lambda row: row.coverage.threshold.rate)
    return Table(columns, [_alarm_cells(row) for row in ordered])


def timing_table(found: Iterable[Timed]) -> Table:
    """P3."""
    columns = (
        "at",
        "predictor",
        "told / asked",
        "grokked",
        "median abs log2 ratio",
        "with censored runs",
        "interval covers",
        "width, log2",
        "ended before T_max without grokking",
    )
    rows = [
        (
            row.where,
            row.name,
            f"{row.timing.told} / {row.timing.asked}",
            str(row.timing.grokked),
            row.timing.error.text(".2f"),
            _number(row.timing.censored_error, ".2f"),
            _share(row.timing.covered),
            _number(row.timing.width, ".2f"),
            _share(row.timing.refuted),
        )
        for row in sorted(found, key=lambda row: row.where)
    ]
    return Table(columns, rows)


def collapses_table(found: Iterable[Collapsed]) -> Table:
    """P4."""
    columns = (
        "family",
        "predictor",
        "source",
        "warned / collapsed",
        "before it had held",
        "median delay, steps",
        "false alarms / stable",
        "bound",
    )
    rows = [
        (
            row.family,
            row.name,
            row.source,
            f"{row.collapses.warned} / {row.collapses.collapsed}",
            str(row.collapses.early),
            _number(row.collapses.delay, ",.0f"),
            f"{row.collapses.false_alarms} / {row.collapses.stable}",
            _share(row.collapses.bound),
        )
        for row in found
    ]
    return Table(columns, rows)


def decisions_table(found: Iterable[Decided]) -> Table:
    """What stopping saves and loses."""
    columns = (
        "runs",
        "rule",
        "stops at",
        "hopeless / memorized",
        "groks lost",
        "share of the oracle's saving",
        "beyond hyper-parameters",
    )
    rows = [
        (
            row.pool,
            _named(row.name, row.access),
            row.setting,
            f"{row.ledger.hopeless} / {row.ledger.runs}",
            f"{row.ledger.lost} of {row.ledger.grokking} ({row.ledger.lost_share:.1%})",
            row.ledger.share.text(".2f"),
            row.ledger.gain.text("+.2f"),
        )
        for row in found
    ]
    return Table(columns, rows)


def null_table(found: Iterable[Ranking]) -> Table:
    """How often an interval of the label-permutation null contains .5."""
    counted: dict[str, list[Estimate]] = {}
    for row in found:
        if row.auroc.low is not None:
            counted.setdefault(row.name, []).append(row.auroc)
    rows = []
    for name, areas in counted.items():
        inside = sum((e.low or 0.0) <= 0.5 <= (e.high or 0.0) for e in areas)
        mean = sum(e.value or 0.0 for e in areas) / len(areas)
        rows.append((name, f"{mean:.3f}", f"{inside} of {len(areas)}"))
    return Table(("predictor", "mean AUROC", "intervals that contain .5"), rows)


def failures_table(found: Sequence[Failure], *, most: int = 60) -> Table:
    """Runs that were judged wrongly, by name; the first ones where there are many."""
    rows = [(f.run_id, f.slice, f.cell, str(f.seed), f.what) for f in found[:most]]
    return Table(("run", "slice", "cell", "seed", "what happened"), rows)


def _alarm_cells(row: Alarmed) -> tuple[str, ...]:
    found = row.coverage
    bound = "" if found.random_bound is None else f" (< {found.random_bound:.1%})"
    return (
        f"{found.threshold.rate:.0%}",
        _named(row.name, row.access),
        f"{found.false_alarms} / {found.negatives}: {found.achieved.text('.3f')}",
        f"{found.partial_alarmed} / {found.partial}",
        f"{found.random_alarmed} / {found.random}{bound}",
        f"{found.onset.covered.text('.2f')} of {found.grokking}",
        found.onset.share.text(".2f"),
        _number(found.onset.steps, ",.0f"),
        found.grok.covered.text(".2f"),
        found.grok.share.text(".2f"),
        f"{found.comprehension_alarmed} / {found.comprehension}",
    )


def _named(name: str, access: str) -> str:
    """A name, with a mark where test labels are read."""
    return f"{name} (held-out)" if access == HELD_OUT else name


def _number(value: float | None, form: str = ".3f") -> str:
    return _NOTHING if value is None else format(value, form)


def _share(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1%}"
