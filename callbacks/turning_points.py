"""What turns in a run, each the first time: memorization, a stage, an alarm, held-out accuracy."""

from collections.abc import Iterator, Sequence
from typing import final

from grokwatch.monitor.records import Alert, AnyRecord, Assessment, Observation
from grokwatch.monitor.vocabulary import AlertCode, AlertState

_MEMORIZED = 0.99
_RISE = 0.1
_LATER = 1.02
_LEVELS = (0.5, 0.95)


@final
class TurningPoints:
    """Says at which observations something turned, and at the first well after each.

    What is so already at the first observation did not turn there: a resumed training does not see
    its past again.
    """

    def __init__(self) -> None:
        self._seen: set[str] | None = None
        self._test_accuracy: float | None = None
        self._plateau: float | None = None
        self._after: float | None = None

    def evaluate(self, test_accuracy: float | None) -> None:
        """Take note of an evaluation.

        Args:
            test_accuracy: a fraction in [0, 1], or None.
        """
        if test_accuracy is not None:
            self._test_accuracy = test_accuracy

    def observe(self, observation: Observation, judged: Sequence[AnyRecord]) -> bool:
        """Whether something turned at this observation, or not long ago.

        Args:
            observation: the next one.
            judged: what was made of it.
        """
        reached = {*self._train_side(observation), *_judged(judged), *self._test_side()}
        is_first = self._seen is None
        seen = self._seen or set()
        is_new = not is_first and not reached <= seen
        self._seen = seen | reached
        is_after = self._after is not None and observation.step >= self._after
        if is_new:
            self._after = _LATER * observation.step
        elif is_after:
            self._after = None
        return is_new or is_after

    def _train_side(self, observation: Observation) -> Iterator[str]:
        """Memorization, and the test accuracy that it came with."""
        accuracy = observation.train_accuracy
        if accuracy is not None and accuracy >= _MEMORIZED:
            yield "memorized"
            if self._plateau is None:
                self._plateau = self._test_accuracy

    def _test_side(self) -> Iterator[str]:
        """Levels of held-out accuracy, and its rise."""
        accuracy = self._test_accuracy
        if accuracy is None:
            return
        yield from (f"test accuracy {level}" for level in _LEVELS if accuracy >= level)
        if self._plateau is not None and accuracy >= self._plateau + _RISE:
            yield "rising"


def _judged(records: Sequence[AnyRecord]) -> Iterator[str]:
    """Stages, and the warning."""
    for record in records:
        if isinstance(record, Assessment):
            yield record.stage.value
        elif isinstance(record, Alert) and _is_warning(record):
            yield record.code.value


def _is_warning(alert: Alert) -> bool:
    """Whether an alert calls the run likely to grok."""
    return (alert.code, alert.state) == (AlertCode.LIKELY_GROKKING, AlertState.FIRING)
