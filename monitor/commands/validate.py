"""`grokwatch validate`: judge predictors on the corpus, and hold the headline against the bars."""

import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grokwatch.experiments.corpus import known_manifest
from grokwatch.experiments.counting import counting
from grokwatch.experiments.validation import Contestant
from grokwatch.experiments.validation import validate as judge
from grokwatch.experiments.validation.bars import COMPANION, Promise, promises, tally
from grokwatch.experiments.validation.bootstrap import DRAWING, Drawing
from grokwatch.experiments.validation.contestants import STANDING
from grokwatch.experiments.validation.report import write_report
from grokwatch.experiments.validation.results import Validation
from grokwatch.experiments.validation.splits import TEST, TRAIN
from grokwatch.monitor.commands import Report, number, table
from grokwatch.monitor.commands.corpus import FOLDER
from grokwatch.monitor.errors import ConfigurationError

FROZEN = FOLDER.parent / "frozen.json"
QUICK_PREDICTORS = ("threshold:", "weight_norm:")
QUICK_SLICES = ("add-23", "parity-20-wide")
QUICK_DRAWING = Drawing(100)

_QUICK = (
    "Quick: runs of two slices that were fitted on, and a hundred draws. Nothing that it prints "
    "says what a predictor is worth."
)
_IN_SAMPLE = (
    "In sample: these runs were fitted on, or calibration and thresholds were chosen on them. "
    "Nothing below says what a predictor is worth on runs it never saw."
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        on: split whose runs are judged; None for the test split, with `quick` for train.
        quick: under a minute, and figures that mean nothing.
        predictors: targets of who is judged, the headline first; none for the standing list.
        corpus: its folder.
        frozen: file of what was settled before; None for `FROZEN` where test runs are judged, and
            for settling it on the judged runs elsewhere.
        freeze_to: file to write what was settled to.
        page: file to write every table to, with its pictures beside it.
        workers: processes at a time; None for one per core.
    """

    on: str | None = None
    quick: bool = False
    predictors: Sequence[str] = ()
    corpus: Path = FOLDER
    frozen: Path | None = None
    freeze_to: Path | None = None
    page: Path | None = None
    workers: int | None = None

    @property
    def judged(self) -> str:
        """The split whose runs are judged."""
        return self.on or (TRAIN if self.quick else TEST)

    @property
    def settled(self) -> Path | None:
        """The file of what was settled before, if anything is to be read."""
        return self.frozen or (FROZEN if self.judged == TEST else None)

    @property
    def contestants(self) -> Sequence[str | Contestant]:
        """Who is judged."""
        return self.predictors or (QUICK_PREDICTORS if self.quick else STANDING)


def validate(
    root: Path,
    asked: Request,
    *,
    show: Callable[[str], None],
    progress: bool,
    width: int = 80,
) -> Report:
    """Replay the corpus through predictors, judge them, and hold the headline against the bars.

    Args:
        root: where traces are kept; what was replayed before is not replayed again.
        asked: what is judged, and what is written.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.
        width: characters in a line, for a person.

    Returns:
        A row for each bar; `holds` where none is missed.

    Raises:
        ConfigurationError: no such split, predictor or corpus, what was frozen is not there or not
            what is judged, or a quick validation was asked to freeze or to judge other runs.
        WireError: a file is broken.
        JournalError: a file cannot be written.
    """
    _check(asked)
    found = judge(
        asked.corpus,
        asked.contestants,
        judged=asked.judged,
        kept=root,
        count=counting(show, progress=progress),
        slices=_quick_slices(asked.corpus) if asked.quick else None,
        frozen=asked.settled,
        freeze_to=asked.freeze_to,
        choose_on=(TRAIN,) if asked.judged == TEST else (asked.judged,),
        workers=asked.workers or os.cpu_count() or 1,
        drawing=QUICK_DRAWING if asked.quick else DRAWING,
    )
    if asked.page is not None:
        write_report(found, asked.page, asked.page.parent / "pictures" / asked.page.stem)
    reached = promises(found)
    return Report(
        data={**_facts(found, reached), "quick": asked.quick},
        lines=_lines(found, reached, _QUICK if asked.quick else _IN_SAMPLE, width),
        holds=not tally(reached).missed,
    )


def _check(asked: Request) -> None:
    """Refuse what a quick validation cannot do, and what was frozen nowhere."""
    if asked.quick and (asked.judged != TRAIN or asked.frozen or asked.freeze_to):
        raise ConfigurationError(
            "Expected --quick by itself, got another split, or a file of what is frozen, beside "
            "it. Try without --quick."
        )
    if asked.settled is not None and not asked.settled.is_file():
        raise ConfigurationError(
            f"Expected what was frozen in {asked.settled}, got no such file. "
            f"Try first: grokwatch validate --on calibration --freeze {asked.settled}"
        )


def _quick_slices(corpus: Path) -> list[str] | None:
    """Two small slices of different families; all of a corpus that has neither."""
    return [name for name in QUICK_SLICES if name in known_manifest(corpus).slices] or None


def _facts(found: Validation, reached: Sequence[Promise]) -> dict[str, object]:
    """What was judged, by what, and every promise."""
    asked = found.asked
    return {
        "judged": asked.judged,
        "runs": asked.runs,
        "slices": asked.slices,
        "chosen_on": asked.chosen_on,
        "in_sample": asked.is_in_sample,
        "predictors": [each.name for each in asked.contestants],
        **msgspec.structs.asdict(tally(reached)),
        "promises": [{**msgspec.structs.asdict(p), "verdict": p.verdict} for p in reached],
    }


def _lines(
    found: Validation, reached: Sequence[Promise], warning: str, width: int
) -> tuple[str, ...]:
    """What was judged, the table of promises, and how many were kept."""
    asked = found.asked
    judged = (
        f"{asked.contestants[0].name} on {number(asked.runs)} runs of the {asked.judged} split, "
        f"thresholds chosen on {' and '.join(asked.chosen_on)} runs."
    )
    rows = [(p.verdict, p.bar, p.moonshot, p.reached, p.what) for p in reached]
    return (
        *textwrap.wrap(judged, width),
        *(textwrap.wrap(warning, width) if asked.is_in_sample else ()),
        "",
        *table(("", "bar", "moonshot", "reached", "what"), rows),
        "",
        tally(reached).text,
        *textwrap.wrap(COMPANION, width),
    )
