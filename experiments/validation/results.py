"""What a validation gives: the rows of all its tables."""

from dataclasses import dataclass

from grokwatch.experiments.validation.bootstrap import Drawing
from grokwatch.experiments.validation.collapsing import Collapses
from grokwatch.experiments.validation.deciding import Alarmed, Decided
from grokwatch.experiments.validation.failures import Failure
from grokwatch.experiments.validation.frozen import Frozen
from grokwatch.experiments.validation.questions import Calibrated
from grokwatch.experiments.validation.ranking import Ranking
from grokwatch.experiments.validation.splits import TRAIN, Contestant
from grokwatch.experiments.validation.timing import Timing


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a validation is about.

    Attributes:
        judged: split.
        slices: of the corpus.
        contestants: the headline first, the dummies last.
        chosen_on: splits that thresholds were chosen on.
        runs: that are judged, leaving cells out.
        drawing: how groups are drawn for intervals.
    """

    judged: str
    slices: tuple[str, ...]
    contestants: tuple[Contestant, ...]
    chosen_on: tuple[str, ...]
    runs: int
    drawing: Drawing

    @property
    def is_in_sample(self) -> bool:
        """Whether runs are judged that were fitted on, or that thresholds were chosen on."""
        return self.judged in (TRAIN, *self.chosen_on)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Remaining time of one entry in one family: at first alarms, or at landmarks."""

    name: str
    family: str
    where: str
    timing: Timing


@dataclass(frozen=True, kw_only=True)
class Collapsed:
    """Warnings of collapse by one entry in one family."""

    name: str
    family: str
    source: str
    collapses: Collapses


@dataclass(frozen=True)
class Leads:
    """Lead of every grokking run of one family, as a share of the way; misses are zero.

    Attributes:
        onset: to onset, at the headline's threshold.
        apart: to onset, at the threshold that was chosen with partial runs apart.
        end: to .95, at the latter.
    """

    onset: list[float]
    apart: list[float]
    end: list[float]


@dataclass(frozen=True, kw_only=True)
class SchemeResult:
    """What another way to split gives: rankings at landmarks and coverage."""

    name: str
    rankings: list[Ranking]
    alarms: list[Alarmed]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """All rows of all tables; `apart` are alarms with partial runs set apart."""

    asked: Asked
    rankings: list[Ranking]
    real: list[Ranking]
    windows: list[Ranking]
    budgets: list[Ranking]
    calibration: list[Calibrated]
    alarms: list[Alarmed]
    apart: list[Alarmed]
    timing: list[Timed]
    collapses: list[Collapsed]
    decisions: list[Decided]
    others: list[SchemeResult]
    null: list[Ranking]
    failures: list[Failure]
    leads: dict[str, dict[str, Leads]]
    frozen: Frozen
