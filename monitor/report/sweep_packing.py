"""The curves of all runs of a sweep in three packed arrays, so small that one page holds them."""

from collections.abc import Sequence

import msgspec

from grokwatch.monitor.report.packing import Packed, pack
from grokwatch.monitor.report.sweep_curves import MISSING, MOST_POINTS, Curve, thin
from grokwatch.monitor.report.sweep_run import SweepRun, relabelled

MOST_BYTES = 1_000_000
"""What all curves may take before they are written as text; the page has other things to hold."""

_POINT_BYTES = 6
_MOST_STEPS = 32_767


class PackedCurves(msgspec.Struct, frozen=True, kw_only=True):
    """Curves, one after the other.

    Attributes:
        grid: all steps that occur, ascending; None where `at` holds steps itself.
        starts: where the curve of each run begins, and where the last one ends.
        at: place in `grid` of each point, or its step.
        train: train accuracy, -1 where it was not measured, -0.5 where it was no number.
        test: test accuracy, likewise.
        points: how many points a curve has at most.
        apart: runs whose curve alone gives another phase than all their points.
    """

    grid: tuple[int, ...] | None
    starts: tuple[int, ...]
    at: Packed
    train: Packed
    test: Packed
    points: int
    apart: int


def points_for(num_runs: int) -> int:
    """How many points a curve can have.

    Example:
        >>> points_for(100), points_for(10_000)
        (120, 16)
    """
    return min(MOST_POINTS, MOST_BYTES // (_POINT_BYTES * max(num_runs, 1)))


def pack_curves(runs: Sequence[SweepRun]) -> PackedCurves:
    """Pack the curves of runs; a run without one has no points.

    Args:
        runs: in the order of the page.

    Returns:
        The curves, each with fewer points where there are many.
    """
    most = points_for(len(runs))
    curves = [thin(run.curve, most) if run.curve else Curve((), (), ()) for run in runs]
    starts = [0]
    for curve in curves:
        starts.append(starts[-1] + len(curve.steps))
    steps = [step for curve in curves for step in curve.steps]
    grid = tuple(sorted(set(steps)))
    is_short = len(grid) <= _MOST_STEPS
    places = {step: at for at, step in enumerate(grid)}
    return PackedCurves(
        grid=grid if is_short else None,
        starts=tuple(starts),
        # One more than the last place, so that the scale is one and places stay whole.
        at=pack([*(places[s] for s in steps), _MOST_STEPS], "i2") if is_short else pack(steps),
        train=pack([*(value for c in curves for value in c.train), MISSING], "i2"),
        test=pack([*(value for c in curves for value in c.test), MISSING], "i2"),
        points=most,
        apart=sum(map(_is_apart, runs, curves)),
    )


def _is_apart(run: SweepRun, curve: Curve) -> bool:
    """Whether the label of a thinned curve is not that of the run."""
    return run.curve is not None and relabelled(curve, run.num_test).phase.value != run.phase
