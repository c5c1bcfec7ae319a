"""PromQL that is written often.

A run's series may be scraped twice, from its own exporter and from the service. So every expression
that names runs takes the largest of them by `run` and `task`.
"""

from collections.abc import Sequence

EVERY_TASK = 'task=~"$task"'
ONE_TASK = 'task="$task"'
ONE_RUN = 'run="$run", task=~"$task"'

PARTS = ("aggregate", "error", "excess", "log", "neuron", "normalized", "per_loss", "residual")
"""Parts of signals that are read beside the value itself."""


def of_runs(metric: str, chosen: str, *more: str, by: Sequence[str] = ("run", "task")) -> str:
    """Write the newest value of each run.

    Args:
        metric: its name.
        chosen: matchers of labels.
        *more: further matchers.
        by: labels that are kept.

    Returns:
        An expression.

    Example:
        >>> of_runs("grokwatch_step", ONE_TASK)
        'max by (run, task) (grokwatch_step{task="$task"})'
    """
    return f"max by ({', '.join(by)}) ({metric}{{{', '.join((chosen, *more))}}})"


def heard_of(chosen: str) -> str:
    """Write the seconds since each run was heard of, by whoever heard of it last."""
    return f"min by (run, task) (grokwatch_last_observation_age_seconds{{{chosen}}})"


def number_of(runs: str) -> str:
    """Write how many runs an expression has; 0 where it has none.

    Example:
        >>> number_of("up == 1")
        'count(up == 1) or vector(0)'
    """
    return f"count({runs}) or vector(0)"


def rate_of(counter: str, chosen: str, *, by: Sequence[str] = ("run", "task")) -> str:
    """Write how fast a counter of runs grows, by the second."""
    return f"max by ({', '.join(by)}) (rate({counter}{{{chosen}}}[$__rate_interval]))"


def of_signals(signals: Sequence[str], chosen: str, *, part: str = "") -> str:
    """Write all values of some signals, whichever roles they were read of.

    Args:
        signals: their names.
        chosen: matchers of labels.
        part: such as `excess`; without it, values that have no part.

    Returns:
        An expression whose label `signal` is the metric's name without `grokwatch_`.
    """
    name = f"grokwatch_({'|'.join(signals)})"
    if part:
        names = f'__name__=~"{name}_{part}(_.*)?"'
    else:
        names = f'__name__=~"{name}(_.*)?", __name__!~".*_({"|".join(PARTS)})(_.*)?"'
    largest = f"max by (__name__, run, task) ({{{names}, {chosen}}})"
    return f'label_replace({largest}, "signal", "$1", "__name__", "grokwatch_(.*)")'
