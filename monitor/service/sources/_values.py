"""What was logged as numbers or text, as we keep it: fractions, budgets, hyper-parameters."""

import math
from collections.abc import Iterable, Mapping

from grokwatch.monitor.records import HyperParameter
from grokwatch.monitor.service.sources._memory import MetricCursor
from grokwatch.monitor.service.sources.names import ACCURACIES, plain, shown

_ROUNDING = 1e-3
_BUDGETS = (
    "maxsteps", "totalsteps", "numsteps", "trainingsteps", "trainsteps", "numtrainingsteps",
    "maxiters", "maxiterations", "numiterations", "budgetsteps", "nsteps", "steps",
)  # fmt: skip
_LONGEST_BUDGET = 2**62


def is_percent(values: Iterable[float]) -> bool:
    """Whether values of an accuracy are percent: no fraction is above 1.

    Example:
        >>> is_percent([0.01, 1.0]), is_percent([1.03, 55.0])
        (False, True)
    """
    return any(1 + _ROUNDING < value <= 100 + _ROUNDING for value in values)


def find_percents(
    cursors: Mapping[str, MetricCursor], values: Mapping[str, Iterable[float]]
) -> None:
    """Note whether accuracies are percent: all of a run, where one of them is above 1.

    Test accuracy may stay below 1 % for most of a run; train accuracy does not.

    Args:
        cursors: of the run's metrics, changed.
        values: their name -> some values.
    """
    accuracies = {name: each for name, each in cursors.items() if each.ours in ACCURACIES}
    if any(is_percent(values.get(name, ())) for name in accuracies):
        for cursor in accuracies.values():
            cursor.is_percent = True


def fraction(ours: str, value: float, *, percent: bool) -> float | None:
    """A value as we keep it; None for an accuracy that is none.

    Example:
        >>> fraction("test_accuracy", 50.0, percent=True)
        0.5
    """
    if ours not in ACCURACIES:
        return value
    share = value / 100 if percent else value
    return share if math.isnan(share) or -_ROUNDING <= share <= 1 + _ROUNDING else None


def budget_of(hyper_parameters: Mapping[str, HyperParameter]) -> tuple[str, int | None]:
    """The budget that a hyper-parameter names, and the sentence that says so."""
    named: dict[str, tuple[str, int]] = {}
    for name, value in hyper_parameters.items():
        if type(value) is int and 0 < value < _LONGEST_BUDGET:
            named.setdefault(plain(name.rpartition(".")[2]), (name, value))
            named.setdefault(plain(name), (name, value))
    for wanted in _BUDGETS:
        if wanted in named:
            name, steps = named[wanted]
            return f"{shown(name)} is taken for the budget in steps", steps
    return "", None


def hyper_parameter(text: str) -> HyperParameter:
    """A hyper-parameter that was logged as text: a truth, a number, nothing, or the text.

    Example:
        >>> hyper_parameter("True"), hyper_parameter("97"), hyper_parameter("1e-3")
        (True, 97, 0.001)
    """
    words: dict[str, HyperParameter] = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    if len(text) > 30:
        return text
    try:
        number = float(text)
        whole = int(text) if text.lstrip("+-").isdecimal() else None
    except ValueError:
        return text
    if whole is not None:
        return whole if abs(whole) < 2**63 else text
    return number if math.isfinite(number) else text
