"""What became of a run, from its records."""

from collections.abc import Sequence

from grokwatch.monitor.labels import label
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    Observation,
    Outcome,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.vocabulary import RunStatus


def held_out(started: RunStarted) -> int:
    """How many examples are held out, which every sweep puts among the hyper-parameters."""
    found = started.hyper_parameters["num_test"]
    assert isinstance(found, int)
    return found


def outcome_of(records: Sequence[AnyRecord], num_test: int) -> Outcome:
    """The label of a run.

    Args:
        records: its observations and evaluations are read.
        num_test: examples held out.
    """
    return label(
        (record for record in records if isinstance(record, Observation)),
        (record for record in records if isinstance(record, Evaluation)),
        num_test_examples=num_test,
    )


def has_diverged(records: Sequence[AnyRecord]) -> bool:
    """Whether a run was left because its numbers were no longer finite."""
    ends = (record for record in records if isinstance(record, RunEnded))
    return any(end.status is RunStatus.FAILED for end in ends)
