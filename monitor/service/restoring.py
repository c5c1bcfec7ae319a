"""Making a run's judge from the store: from its state and what came after, or from all of it."""

import bisect
import logging
from collections.abc import Mapping, Sequence

from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.service.archive import Archive
from grokwatch.monitor.service.judges import Judge
from grokwatch.monitor.service.line import NOWHERE, Line, Place

_log = logging.getLogger(__name__)


def restored(archive: Archive, predictor: str, front: Place) -> Judge:
    """The judge as it was after the record at `front`, which was judged last.

    The state that was committed is taken up, and the suffix after it is judged again, silently. A
    state that this predictor cannot read, or none, is made up for by judging everything again.

    Args:
        archive: of the run.
        predictor: target of the predictor.
        front: place of the record that was judged last, `NOWHERE` where none was.

    Returns:
        The judge, its line without the records that are not judged yet.
    """
    if front == NOWHERE:
        return Judge(predictor, Line())
    saved = archive.saved()
    if saved is not None and saved.predictor == predictor:
        judge = Judge(predictor, Line(front))
        try:
            judge.restore(saved)
        except Exception as error:  # a damaged state may be anything to any predictor
            _log.warning("a state was not taken up (%r); its run is judged again", error)
        else:
            for record in archive.judged(after=saved.place, through=front):
                judge.judge(record)
            return judge
    return rejudged(archive, predictor, front)


def rejudged(
    archive: Archive, predictor: str, front: Place, *, rewound: Observation | None = None
) -> Judge:
    """A judge made afresh, who was shown all that was not undone and knows what was announced.

    Args:
        archive: of the run.
        predictor: target of the predictor.
        front: place of the record that was judged last.
        rewound: the first observation of an attempt that went back; it is not judged here.

    Returns:
        The judge.
    """
    first_steps = archive.first_steps()
    if rewound is not None:
        first_steps[rewound.attempt] = rewound.step
    undone_from = _undone_from(first_steps)
    judge = Judge(predictor, Line(front))
    for record in archive.judged(through=front):
        if not _is_undone(record, undone_from):
            judge.judge(record)
    for alert in archive.announced():
        judge.remember(alert)
    return judge


def _undone_from(first_steps: Mapping[int, int]) -> list[tuple[int, int]]:
    """Attempts, ascending, each with the lowest first step of itself and those after it."""
    found: list[tuple[int, int]] = []
    for attempt in sorted(first_steps, reverse=True):
        lowest = found[-1][1] if found else first_steps[attempt]
        found.append((attempt, min(lowest, first_steps[attempt])))
    return found[::-1]


def _is_undone(record: AnyRecord, undone_from: Sequence[tuple[int, int]]) -> bool:
    """Whether a later attempt measured again from that step, or from one before."""
    if not isinstance(record, Observation | Evaluation):
        return False
    later = bisect.bisect_left(undone_from, (record.attempt + 1,))
    return later < len(undone_from) and record.step >= undone_from[later][1]
