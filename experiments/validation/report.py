"""The page: every table of a validation, in the order in which it is asked."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from grokwatch.experiments.corpus.writing import replace_text
from grokwatch.experiments.validation import tables
from grokwatch.experiments.validation.bars import COMPANION, Promise, promises, tally
from grokwatch.experiments.validation.figures import draw_all
from grokwatch.experiments.validation.ranking import Ranking
from grokwatch.experiments.validation.results import Validation
from grokwatch.experiments.validation.splits import TRAIN
from grokwatch.experiments.validation.tables import Table


class _OfFamily(Protocol):
    """A row of one family."""

    @property
    def family(self) -> str: ...


Row = TypeVar("Row", bound=_OfFamily)

_INTERVALS = (
    "Intervals are 95 %, by drawing whole cells again, each with all its seeds and its twins of "
    "random labels. What a predictor cannot tell scores the train split's base rate. Rows marked "
    "held-out read test labels: upper bounds for cheap monitoring."
)
_IN_SAMPLE = (
    "**In sample.** Predictors were fitted on these runs: nothing on this page says what one is "
    "worth on runs it never saw."
)
_SET_ASIDE = (
    "**Not the test split.** Networks were not trained on these runs, but calibrated on them, and "
    "thresholds were chosen on them."
)


def page(found: Validation, *, pictures: Sequence[str] = ()) -> str:
    """The whole page as Markdown.

    Args:
        found: what a validation gave.
        pictures: lines that show pictures, in their places.
    """
    parts = [
        _head(found),
        _bars(promises(found)),
    ]
    parts += pictures
    parts += [
        *_by_family("P2: will it grok by T_max? At landmarks", found.rankings, _at("T_mem")),
        *_by_family("The same without random labels", found.real, _at("T_mem"), folded=True),
        *_by_family(
            "P1: within so many times the time since T_mem?",
            found.windows,
            _at("times"),
            folded=True,
        ),
        *_by_family("P5: will it not grok by B?", found.budgets, _at("T_mem"), folded=True),
        _section("Calibration", "", tables.calibration_table(found.calibration)),
        *_by_family("Alarms and leads", found.alarms, tables.alarms_table),
        *_by_family(
            "Alarms and leads, partial runs apart",
            found.apart,
            partial(tables.alarms_table, apart=True),
        ),
        *_by_family("P3: remaining time", found.timing, tables.timing_table),
        _section("P4: collapse after grokking", "", tables.collapses_table(found.collapses)),
        _section("What stopping is worth", _DECISION, tables.decisions_table(found.decisions)),
    ]
    for scheme in found.others:
        parts += _by_family(f"{scheme.name}: landmarks", scheme.rankings, _at("T_mem"), folded=True)
        parts += _by_family(
            f"{scheme.name}: alarms", scheme.alarms, tables.alarms_table, folded=True
        )
    parts += [
        _section("Null: outcomes dealt anew", _NULL, tables.null_table(found.null)),
        _section("Failures, by name", _failed(found), tables.failures_table(found.failures)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_report(found: Validation, path: Path, pictures: Path) -> None:
    """Write the page and its pictures.

    Args:
        found: what a validation gave.
        path: of the page.
        pictures: folder of its pictures, beside the page or below it.

    Raises:
        JournalError: the folder cannot be written.
    """
    drawn = draw_all(found, pictures)
    lines = [_shown(pictures.relative_to(path.parent) / name, what) for name, what in drawn.items()]
    replace_text(path, page(found, pictures=lines))


_DECISION = (
    "Every run is planned for T_max steps. The oracle stops runs that will not generalize when "
    "they have memorized. A run that was alarmed (GRK001) is trained on. Levels and patience were "
    "chosen for at most 2 % of groks lost, on runs that thresholds were chosen on."
)
_NULL = (
    "Outcomes were dealt anew within each split, baselines fitted again, landmarks judged again. "
    "Models that were fitted elsewhere are not fitted again."
)


def _head(found: Validation) -> str:
    """What was judged, on what, by what."""
    asked = found.asked
    lines = [
        "# Validation",
        f"{asked.runs:,} runs of the {asked.judged} split, leaving cells out; {len(asked.slices)} "
        f"slices. Thresholds were chosen on {' and '.join(asked.chosen_on)} runs.",
        _INTERVALS,
    ]
    if asked.is_in_sample:
        lines.append(_IN_SAMPLE if asked.judged == TRAIN else _SET_ASIDE)
    return "\n\n".join(lines)


def _bars(found: Sequence[Promise]) -> str:
    """Every bar, how many are met, and which rows are none."""
    return _section("Bars", f"{tally(found).text} {COMPANION}", tables.promises_table(found))


def _failed(found: Validation) -> str:
    headline, count = found.asked.contestants[0].name, len(found.failures)
    return f"{count} runs that `{headline}` judged wrongly at 5 % of false alarms, as asked for."


def _at(what: str) -> Callable[[Iterable[Ranking]], Table]:
    return partial(tables.rankings_table, at=what)


def _by_family(
    title: str, rows: Sequence[Row], make: Callable[[Iterable[Row]], Table], *, folded: bool = False
) -> list[str]:
    """A section with a table for each family, folded away where it is for those who ask."""
    found = [f"## {title}"] if rows else []
    for family in dict.fromkeys(row.family for row in rows):
        table = make([row for row in rows if row.family == family]).markdown
        if folded:
            found.append(f"<details><summary>{family}</summary>\n\n{table}\n\n</details>")
        else:
            found.append(f"### {family}\n\n{table}")
    return found


def _section(title: str, text: str, table: Table) -> str:
    """A heading, a paragraph and a table; nothing where there are no rows."""
    if not table.rows:
        return ""
    return "\n\n".join(part for part in (f"## {title}", text, table.markdown) if part)


def _shown(path: Path, what: str) -> str:
    """A picture for light pages and for dark ones."""
    light = path.as_posix()
    dark = light.replace(".png", "-dark.png")
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="{what}" src="{light}"></picture>'
    )
