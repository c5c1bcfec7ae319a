"""What went wrong at the headline rate, run by run, by name."""

from collections.abc import Iterable

import msgspec

from grokwatch.experiments.validation.thresholds import Alarm, Threshold, alarm_step
from grokwatch.experiments.validation.trace import Trace

_MISSED = "grokked, and was not alarmed before its onset"
_NO_WAY = "grokked from an onset no later than memorization: no alarm can come before it"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One run that was judged wrongly.

    Attributes:
        run_id: of the run.
        slice: where it is.
        cell: of it.
        seed: of it.
        what: happened.
    """

    run_id: str
    slice: str
    cell: str
    seed: int
    what: str


def failures(traces: Iterable[Trace], alarm: Alarm) -> list[Failure]:
    """Misses and false alarms.

    Args:
        traces: of one predictor, on judged runs.
        alarm: family -> threshold of its alarms.

    Returns:
        In the order of the runs.
    """
    found = []
    for trace in traces:
        what = _what(trace, alarm(trace.facts.family))
        if what is not None:
            facts = trace.facts
            found.append(
                Failure(
                    run_id=facts.run_id,
                    slice=facts.slice,
                    cell=facts.cell,
                    seed=facts.seed,
                    what=what,
                )
            )
    return found


def _what(trace: Trace, threshold: Threshold) -> str | None:
    """What went wrong, None where nothing did."""
    facts, step = trace.facts, alarm_step(trace, threshold)
    if facts.is_grokking and facts.risk_end <= facts.train_step:
        return _NO_WAY
    if facts.is_grokking and (step is None or step >= facts.risk_end):
        end, onset = facts.outcome.grokking_step, int(facts.risk_end)
        late = "never alarmed" if step is None else f"alarmed at {step:,}"
        return f"{_MISSED}: {late}, onset at {onset:,}, passed .95 at {end:,}"
    if step is not None and facts.is_negative(apart=threshold.apart):
        kind = "random labels" if facts.random_labels else facts.outcome.phase.value
        return f"false alarm at {step:,} in a run of {kind}, trained to {facts.steps:,}"
    return None
