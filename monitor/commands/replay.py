"""`grokwatch replay`: judge a past run again, from its journal alone."""

from pathlib import Path

import msgspec

from grokwatch.experiments.story import Story, read_story, tell
from grokwatch.monitor import journal, watcher
from grokwatch.monitor.commands import Report, number
from grokwatch.monitor.commands.journals import choose, newest
from grokwatch.monitor.records import Alert, Assessment, Outcome


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """When a predictor would have warned, beside what became of the run."""

    run_id: str
    predictor: str
    num_observations: int
    warned_step: int | None
    probability: float | None
    outcome: Outcome


def replay(root: Path, name: str, *, predictor: str) -> Report:
    """Judge one run again.

    Args:
        root: the directory that holds the journals.
        name: id of the run, or the beginning of it.
        predictor: target of the predictor, such as `threshold:`.

    Returns:
        The first warning and the outcome, one line per event; `holds` is always True.

    Raises:
        ConfigurationError: no such run, or no such predictor.
    """
    run_id = choose(root, name)
    kept = newest(journal.read(journal.run_directory(root, run_id)))
    told = [record for record in kept if not isinstance(record, Assessment | Alert)]
    judged = watcher.replay(told, predictor=predictor)
    verdicts = [record for record in judged if isinstance(record, Assessment | Alert)]
    story = read_story([*told, *verdicts])
    seen = number(len(story.observations))
    lines = (f"run {run_id}, judged again by {predictor} on {seen} observations", *tell(story))
    return Report(data=_summary(run_id, predictor, story), lines=lines)


def _summary(run_id: str, predictor: str, story: Story) -> Replayed:
    warning = story.warning
    judged = warning.assessment if warning else None
    return Replayed(
        run_id=run_id,
        predictor=predictor,
        num_observations=len(story.observations),
        warned_step=warning.step if warning else None,
        probability=judged.rise_probability if judged else None,
        outcome=story.outcome,
    )
