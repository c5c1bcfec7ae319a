"""`grokwatch replay`: judge a past run again, from its journal, a file, or an MLflow server."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from grokwatch.monitor import journal, watcher
from grokwatch.monitor.commands import Report, number
from grokwatch.monitor.commands.journals import choose, newest
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Alert, AnyRecord, Assessment, Outcome
from grokwatch.monitor.service.sources import files
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
        name: id of the run, or the beginning of it; a file that ends in one of `files.FORMATS`; or
            `mlflow:http://host:5000/RUN_ID`.
        predictor: target of the predictor, such as `threshold:`.
        names: what the metrics of a file or of MLflow mean, their name -> ours; else guessed.

    Returns:
        The first warning and the outcome, one line per event; `holds` is always True.

    Raises:
        ConfigurationError: no such run, or no such predictor.
    """
    is_ours = not name.startswith("mlflow:") and Path(name).suffix.lower() not in files.FORMATS
    if is_ours and names:
        msg = (
            f"Expected --map with a file or an MLflow run, got it with the journal {name!r}. "
            "Try it without: what a journal holds has our names."
        )
        raise ConfigurationError(msg)
    kept = _journal(root, name) if is_ours else _foreign(name, names or {})
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


def _journal(root: Path, name: str) -> list[AnyRecord]:
    return newest(journal.read(journal.run_directory(root, choose(root, name))))


def _foreign(name: str, names: Mapping[str, str]) -> list[AnyRecord]:
    """Records of a run of others."""
    if not name.startswith("mlflow:"):
        return files.past(Path(name), names=names)
    from grokwatch.monitor.service.sources import mlflow_run

    records = mlflow_run.past(name, names=names, environment=os.environ)
    if not records:
        msg = (
            "Expected metrics that mean something in the MLflow run, got none of them. "
            "Try --map THEIRS=train_loss."
        )
        raise ConfigurationError(msg)
    return records


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
