"""What the report of a sweep says in sentences: its headline, and what it does not show."""

from collections.abc import Collection, Mapping, Sequence

from grokwatch.monitor.report.sweep_curves import MOST_POINTS
from grokwatch.monitor.report.sweep_packing import PackedCurves
from grokwatch.monitor.report.sweep_run import SweepRun

_MOST_NAMED = 12
_WORDS = {
    "comprehension": "generalised at once",
    "grokking": "grokked",
    "generalized": "generalised",
    "memorization": "memorised only",
    "partial": "generalised in part",
    "confusion": "did not even memorise",
}


def headline(phases: Mapping[str, int], num_runs: int, num_cells: int) -> str:
    """Count runs by what became of them.

    Args:
        phases: how many runs are of each.
        num_runs: of the sweep.
        num_cells: combinations of hyper-parameters.

    Returns:
        One sentence.

    Example:
        >>> headline({"grokking": 3, "memorization": 1}, 4, 2)
        '4 runs in 2 cells: 3 grokked, 1 memorised only.'
    """
    parts = [f"{phases[name]:,} {words}" for name, words in _WORDS.items() if phases.get(name)]
    counted = f"{_count(num_runs, 'run')} in {_count(num_cells, 'cell')}"
    return f"{counted}: {', '.join(parts)}." if parts else f"{counted}."


def notes(
    runs: Sequence[SweepRun],
    kind: str,
    axes: Collection[str],
    followers: Mapping[str, str],
    curves: PackedCurves | None,
) -> list[str]:
    """Say what the page leaves out or cannot know.

    Args:
        runs: of the sweep.
        kind: what phases are told by.
        axes: what differs between runs.
        followers: what differs just as one of the axes does.
        curves: as the page holds them.
    """
    return [
        *_on_axes(axes, followers),
        *_on_source(kind),
        *_on_curves(runs, curves),
        *_on_runs(runs, kind),
    ]


def _on_axes(axes: Collection[str], followers: Mapping[str, str]) -> list[str]:
    said = []
    if not axes:
        said.append(
            "All runs have the same hyper-parameters, so the diagram has one cell. "
            "They differ in their seeds alone."
        )
    if len(axes) == 1:
        said.append("One hyper-parameter differs, so the diagram has one row.")
    pairs = [f"{key} (as {other})" for key, other in list(followers.items())[:_MOST_NAMED]]
    if pairs:
        said.append(f"No axis of their own, as they change together: {', '.join(pairs)}.")
    return said


def _on_source(kind: str) -> list[str]:
    if kind == "loss":
        return [
            "The table keeps the least losses of each run and no curves: phases are told by these "
            "losses, and nobody can tell from them whether a run generalised at once or late."
        ]
    if kind == "none":
        return ["The table keeps the phase of each run alone: thresholds cannot be moved."]
    return []


def _on_curves(runs: Sequence[SweepRun], curves: PackedCurves | None) -> list[str]:
    if curves is None:
        return []
    said = []
    if curves.points < MOST_POINTS:
        said.append(
            f"So that {len(runs):,} runs fit one page, curves have {curves.points} points at "
            f"most instead of {MOST_POINTS}."
        )
    said.append(
        "Where thresholds are moved, phases are told from thinned curves by the rule of the "
        f"labels. At the usual thresholds they give {curves.apart:,} of {len(runs):,} runs another "
        "phase than all points do; there the page shows the phase of all points."
    )
    return said


def _on_runs(runs: Sequence[SweepRun], kind: str) -> list[str]:
    said = []
    diverged = sum(run.has_diverged for run in runs)
    if diverged:
        said.append(f"{_count(diverged, 'run')} diverged: the numbers were no longer finite.")
    collapsed = sum(run.has_collapsed for run in runs)
    if collapsed:
        said.append(f"{_count(collapsed, 'run')} lost accuracy again after generalising.")
    untested = sum(not _is_tested(run) for run in runs) if kind == "accuracy" else 0
    if untested:
        said.append(
            f"{_count(untested, 'run')} without a test accuracy: "
            "whether they generalised is not known."
        )
    if kind == "accuracy" and not all(run.is_judged for run in runs):
        count = sum(not run.is_judged for run in runs)
        said.append(f"{_count(count, 'run')} not judged by a predictor.")
    if kind != "accuracy":
        said.append("Without observations no predictor can judge: what it saves is not shown.")
    return said


def _is_tested(run: SweepRun) -> bool:
    return run.curve is not None and any(value >= 0 for value in run.curve.test)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
