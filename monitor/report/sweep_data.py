"""What the report of a sweep holds: its runs in columns, as JSON that a page can read."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from grokwatch.monitor.labels import GENERALIZED, MEMORIZED
from grokwatch.monitor.records import HyperParameter
from grokwatch.monitor.report.sweep_axes import MOST_SHOWN, Axis, axes_of, cut, text_of
from grokwatch.monitor.report.sweep_notes import headline, notes
from grokwatch.monitor.report.sweep_packing import PackedCurves, pack_curves
from grokwatch.monitor.report.sweep_run import SweepRun
from grokwatch.monitor.vocabulary import Phase

LOSS = 0.05
"""Below this least loss, in nats, a run of a table counts as fitted, or as generalised."""

UNTIMED = "generalized"
"""Phase of a run that generalised, nobody knows when."""


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Runs, a list of each thing known of them; see `SweepRun`.

    `places` holds, for each axis, which of its values each run has.
    """

    ids: list[str]
    seeds: list[int | None]
    places: list[list[int]]
    phases: list[int]
    nums_test: list[int | None]
    memorized: list[int | None]
    generalized: list[int | None]
    last_steps: list[int]
    warned: list[int | None]
    stopped: list[int | None]
    judged: list[int]
    train_losses: list[float | None] | None = None
    test_losses: list[float | None] | None = None


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What phases are told by, until the reader moves it: accuracies, or least losses."""

    memorized: float
    generalized: float
    steps: int


class SweepReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page knows.

    Attributes:
        name: of the sweep.
        headline: in one sentence.
        kind: what phases are told by: `accuracy`, `loss`, or `none` where they can only be shown.
        phases: name and sentence of each phase, in the order of their numbers.
        axes: what differs, that with most values first.
        fixed: what is the same in all runs.
        thresholds: at the start.
        runs: in columns.
        curves: accuracies, or None.
        predictor: who judged the runs, or None.
        missing: what is not there, and why, in sentences.
    """

    name: str
    headline: str
    kind: str
    phases: tuple[tuple[str, str], ...]
    axes: tuple[Axis, ...]
    fixed: dict[str, str]
    thresholds: Thresholds
    runs: Columns
    curves: PackedCurves | None
    predictor: str | None
    missing: tuple[str, ...]


PHASES = (
    *((phase.value, phase.sentence) for phase in Phase),
    (UNTIMED, "generalised; when, the table does not say"),
)
_NUMBERS = {name: number for number, (name, _) in enumerate(PHASES)}


def report_of(
    name: str,
    runs: Sequence[SweepRun],
    *,
    predictor: str | None = None,
    remarks: Iterable[str] = (),
) -> SweepReport:
    """Put runs into columns.

    Args:
        name: of the sweep.
        runs: all of them, in any order.
        predictor: who judged those that are judged.
        remarks: what was already left out, and why.

    Returns:
        The report.
    """
    kind = kind_of(runs)
    curves = pack_curves(runs) if kind == "accuracy" else None
    axes, fixed, followers = axes_of(runs)
    shown = [phase_of(run) for run in runs]
    cells = len({tuple(repr(run.hyper_parameters.get(a)) for a in axes) for run in runs})
    return SweepReport(
        name=name[:MOST_SHOWN],
        headline=headline(Counter(phase for phase in shown if phase), len(runs), cells),
        kind=kind,
        phases=PHASES,
        axes=tuple(Axis(name=cut(key), values=tuple(map(text_of, axes[key]))) for key in axes),
        fixed={cut(key): text_of(value) for key, value in fixed.items()},
        thresholds=_thresholds(kind, runs),
        runs=_columns(runs, axes, shown),
        curves=curves,
        predictor=predictor if any(run.is_judged for run in runs) else None,
        missing=(*remarks, *notes(runs, kind, axes.keys(), followers, curves)),
    )


def kind_of(runs: Sequence[SweepRun]) -> str:
    """What the phases of runs can be told by."""
    if any(run.curve is not None and run.curve.steps for run in runs):
        return "accuracy"
    return "loss" if any(run.min_test_loss is not None for run in runs) else "none"


def phase_of(run: SweepRun) -> str | None:
    """The phase of a run, from its least losses where it has no label; None where unknown."""
    if run.phase is not None:
        return run.phase
    if run.min_test_loss is None:
        return None
    if run.min_test_loss < LOSS:
        return UNTIMED
    fitted = run.min_train_loss is not None and run.min_train_loss < LOSS
    return str((Phase.MEMORIZATION if fitted else Phase.CONFUSION).value)


def _thresholds(kind: str, runs: Sequence[SweepRun]) -> Thresholds:
    """The usual ones, and the steps of the longest run."""
    steps = max((run.last_step for run in runs), default=0)
    memorized, generalized = (LOSS, LOSS) if kind == "loss" else (MEMORIZED, GENERALIZED)
    return Thresholds(memorized=memorized, generalized=generalized, steps=steps)


def _columns(
    runs: Sequence[SweepRun], axes: dict[str, list[HyperParameter]], phases: Sequence[str | None]
) -> Columns:
    """One list for each thing known."""
    places = {key: {repr(v): at for at, v in enumerate(values)} for key, values in axes.items()}
    has_losses = any(run.min_test_loss is not None for run in runs)
    return Columns(
        ids=[run.run_id[:MOST_SHOWN] for run in runs],
        seeds=[run.seed for run in runs],
        places=[
            [known[repr(run.hyper_parameters.get(key))] for run in runs]
            for key, known in places.items()
        ],
        phases=[-1 if phase is None else _NUMBERS[phase] for phase in phases],
        nums_test=[run.num_test for run in runs],
        memorized=[run.memorized_step for run in runs],
        generalized=[run.generalized_step for run in runs],
        last_steps=[run.last_step for run in runs],
        warned=[run.warned_step for run in runs],
        stopped=[run.stopped_step for run in runs],
        judged=[int(run.is_judged) for run in runs],
        train_losses=[run.min_train_loss for run in runs] if has_losses else None,
        test_losses=[run.min_test_loss for run in runs] if has_losses else None,
    )
