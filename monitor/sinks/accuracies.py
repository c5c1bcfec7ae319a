"""Train and test accuracy as a tracker has them, and what they make of the run.

A tracker's points know no attempts. One begins wherever the step goes back as time goes on, which
is what a rewind is; so that the same label comes of records, and of points read back from the
tracker after a restart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias, final

from grokwatch.monitor.labels import label
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Evaluation,
    Observation,
    Outcome,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.sinks.points import NOT_KNOWN, is_placeable

Moment: TypeAlias = tuple[int, int]
"""Milliseconds since 1970, and step."""

_GROWTH = 1.02  # so that all labels of a run cost as much as some fifty of the whole
_TURNS = (Alert, RunEnded, RunStarted)


@final
class Accuracies:
    """What was measured of one run, whoever measured it; the same point again is one point."""

    def __init__(self) -> None:
        self._train: dict[Moment, float] = {}
        self._test: dict[Moment, float] = {}
        self._num_labelled = 0

    def recall(self, train: Mapping[Moment, float], test: Mapping[Moment, float]) -> None:
        """Take what the tracker was told before.

        Args:
            train: accuracy by moment.
            test: accuracy by moment.
        """
        self._train = dict(train) | self._train
        self._test = dict(test) | self._test

    def add(self, records: Sequence[AnyRecord]) -> None:
        """Take the accuracies of records."""
        for record in records:
            if not isinstance(record, Observation | Evaluation) or not _is_kept(record):
                continue
            if isinstance(record, Observation) and record.train_accuracy is not None:
                self._train[_moment(record)] = record.train_accuracy
            elif isinstance(record, Evaluation) and record.test_accuracy is not None:
                self._test[_moment(record)] = record.test_accuracy

    def tags_after(self, records: Sequence[AnyRecord]) -> dict[str, str]:
        """Tags of the label, where it is time to look: at turns of the run, and as it grows.

        Args:
            records: that were just taken.

        Returns:
            The tags; none where the old ones may stay a little longer.
        """
        size = len(self._train) + len(self._test)
        is_turn = any(isinstance(record, _TURNS) for record in records)
        if not is_turn and size < max(self._num_labelled * _GROWTH, self._num_labelled + 1):
            return {}
        self._num_labelled = size
        return outcome_tags(self.outcome(), is_tested=bool(self._test))

    def outcome(self) -> Outcome:
        """Label the run as far as it was measured."""
        moments = sorted(self._train.keys() | self._test.keys())
        attempts = dict(_attempts(moments))
        observations = (
            Observation(
                run_id="",
                attempt=attempts[at],
                step=at[1],
                time=at[0] / 1000,
                train_loss=0.0,
                train_accuracy=accuracy,
            )
            for at, accuracy in sorted(self._train.items())
        )
        evaluations = (
            Evaluation(
                run_id="",
                attempt=attempts[at],
                step=at[1],
                time=at[0] / 1000,
                test_accuracy=accuracy,
            )
            for at, accuracy in sorted(self._test.items())
        )
        return label(observations, evaluations)


def outcome_tags(outcome: Outcome, *, is_tested: bool) -> dict[str, str]:
    """What a label says, as tags; a dash for what was not seen.

    Args:
        outcome: of the run so far.
        is_tested: whether test accuracy was measured; nobody can name the phase without.

    Returns:
        Phase, and the steps of memorization, onset, and grokking.

    Example:
        >>> outcome_tags(Accuracies().outcome(), is_tested=False)["grokwatch.phase"]
        '-'
    """
    steps = {
        "memorized": outcome.train_step,
        "onset": outcome.onset_step,
        "grokking": outcome.grokking_step,
    }
    return {
        "grokwatch.phase": outcome.phase.value if is_tested else NOT_KNOWN,
        **{
            f"grokwatch.{name}_step": NOT_KNOWN if step is None else str(step)
            for name, step in steps.items()
        },
    }


def _moment(record: Observation | Evaluation) -> Moment:
    return round(record.time * 1000), record.step


def _is_kept(record: Observation | Evaluation) -> bool:
    """Whether the tracker has it too."""
    return is_placeable(record.step, record.time)


def _attempts(moments: Iterable[Moment]) -> Iterator[tuple[Moment, int]]:
    """Each moment with the number of its attempt."""
    attempt = 1
    first = ((-1, -1),)
    for (_, before), moment in pairwise((*first, *moments)):
        attempt += moment[1] < before
        yield moment, attempt
