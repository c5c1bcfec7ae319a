"""P4, collapse after grokking: who said so, when, and who cried wolf."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from grokwatch.experiments.validation.metrics import rule_of_three
from grokwatch.experiments.validation.trace import Trace
from grokwatch.monitor.labels import COLLAPSE, Hold
from grokwatch.monitor.vocabulary import AlertCode


@dataclass(frozen=True, kw_only=True)
class Collapses:
    """Warnings of collapse among runs that generalized.

    Attributes:
        collapsed: runs that did.
        warned: of them, at any time after T_grok.
        early: of them, before the fall had been held.
        delay: median steps from where the fall began to the warning, over those warned.
        stable: runs that generalized and stayed.
        false_alarms: of them.
        bound: 3/n where there was none.
    """

    collapsed: int
    warned: int
    early: int
    delay: float | None
    stable: int
    false_alarms: int
    bound: float | None


def collapses(traces: Iterable[Trace], *, train_side: bool) -> Collapses:
    """Judge warnings of collapse.

    Args:
        traces: of one predictor.
        train_side: judge what the predictor itself saw, held for three looks; else the policy's
            alert, which evaluations may raise.
    """
    runs = [trace for trace in traces if trace.facts.generalized]
    fallen = [trace for trace in runs if trace.facts.outcome.collapse]
    stable = [trace for trace in runs if not trace.facts.outcome.collapse]
    steps = [(fall_of(trace), _warning(trace, train_side=train_side)) for trace in fallen]
    delays = [
        warning - fall[0] for fall, warning in steps if warning is not None and fall is not None
    ]
    early = sum(
        warning < fall[1] for fall, warning in steps if warning is not None and fall is not None
    )
    false = sum(_warning(trace, train_side=train_side) is not None for trace in stable)
    return Collapses(
        collapsed=len(fallen),
        warned=sum(warning is not None for _, warning in steps),
        early=early,
        delay=float(np.median(delays)) if delays else None,
        stable=len(stable),
        false_alarms=false,
        bound=rule_of_three(false, len(stable)),
    )


def fall_of(trace: Trace) -> tuple[int, int] | None:
    """Where test accuracy fell by .2 from its best after T_grok, and where that had been held.

    Args:
        trace: of a run that generalized; its curve is read, as the label does.

    Returns:
        None where it did not.
    """
    best, hold = 0.0, Hold()
    end = trace.facts.outcome.grokking_step or 0
    for step, accuracy in zip(trace.step, trace.curve.test_accuracy, strict=True):
        if step < end or np.isnan(accuracy):
            continue
        best = max(best, float(accuracy))
        if hold.update(int(step), passes=bool(accuracy <= best - COLLAPSE)):
            return hold.since, int(step)
    return None


def _warning(trace: Trace, *, train_side: bool) -> int | None:
    """The first warning, if it came after T_grok."""
    told: Mapping[AlertCode, int] = trace.concerned if train_side else trace.fired
    step = told.get(AlertCode.COLLAPSE)
    return step if step is not None and step >= (trace.facts.outcome.grokking_step or 0) else None
