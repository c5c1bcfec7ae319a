"""`grokwatch replay`: judge a past run again, from its journal, a file, or an MLflow server."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from grokwatch.monitor import watcher
from grokwatch.monitor.commands import Report, number
from grokwatch.monitor.commands.opening import open_run
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Alert, Assessment, Outcome
from grokwatch.monitor.story import Story, read_story, tell


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """When a predictor would have warned, beside what became of the run.

    `guesses` say what a run of others was taken to have logged; `reason` is why the predictor could
    not tell at the end, where it never could.
    """

    run_id: str
    predictor: str
    num_observations: int
    warned_step: int | None
    probability: float | None
    outcome: Outcome
    guesses: tuple[str, ...] = ()
    reason: str | None = None


def replay(
    root: Path, name: str, *, predictor: str, names: Mapping[str, str] | None = None
) -> Report:
    """Judge one run again.

    Args:
        root: the directory that holds the journals.
        name: of the run, see `open_run`.
        predictor: target of the predictor, such as `threshold:`.
        names: what the metrics of a file or of MLflow mean, their name -> ours; else guessed.

    Returns:
        The first warning and the outcome, one line per event; `holds` is always True.

    Raises:
        ConfigurationError: no such run, or no such predictor.
    """
    kept = open_run(root, name, names=names or {}).records
    told = [record for record in kept if not isinstance(record, Assessment | Alert)]
    judged = watcher.replay(told, predictor=predictor)
    verdicts = [record for record in judged if isinstance(record, Assessment | Alert)]
    story = read_story([*told, *verdicts])
    summary = _summary(told[0].run_id, predictor, story)
    return Report(data=summary, lines=_lines(summary, story))


def mapped(pairs: Sequence[str]) -> dict[str, str]:
    """Read `theirs=ours` pairs.

    Args:
        pairs: as they were given; the last `=` divides.

    Returns:
        Their name -> ours.

    Raises:
        ConfigurationError: a pair is none.

    Example:
        >>> mapped(["nll=train_loss", "lr="])
        {'nll': 'train_loss', 'lr': ''}
    """
    for pair in pairs:
        if not pair.rpartition("=")[0]:
            msg = f"Expected THEIRS=OURS for --map, got {pair!r}. Try --map nll=train_loss."
            raise ConfigurationError(msg)
    return {theirs: ours for theirs, _, ours in (pair.rpartition("=") for pair in pairs)}


def _lines(summary: Replayed, story: Story) -> tuple[str, ...]:
    seen = number(summary.num_observations)
    reason = f"it could not tell: {summary.reason}"
    return (
        *summary.guesses,
        f"run {summary.run_id}, judged again by {summary.predictor} on {seen} observations",
        *tell(story),
        *([] if summary.reason is None else [reason]),
    )


def _summary(run_id: str, predictor: str, story: Story) -> Replayed:
    warning, judgements = story.warning, story.assessments
    judged = warning.assessment if warning else None
    could_tell = any(assessment.chances for assessment in judgements)
    return Replayed(
        run_id=run_id,
        predictor=predictor,
        num_observations=len(story.observations),
        warned_step=warning.step if warning else None,
        probability=judged.rise_probability if judged else None,
        outcome=story.outcome,
        guesses=story.started.guesses if story.started else (),
        reason=None if could_tell or not judgements else judgements[-1].reason,
    )
