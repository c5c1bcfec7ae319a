"""What a report cannot show, and why: one sentence for each part that has no data."""

from collections.abc import Iterator

import msgspec

from grokwatch.monitor.report.weights import why_no_weights
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import in_one_line


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A part without data: its name on the page, and the sentence that stands in its place."""

    part: str
    sentence: str


def missing(story: Story, *, num_lost: int, has_weights: bool) -> tuple[Missing, ...]:
    """Say what is not there.

    Args:
        story: of the run.
        num_lost: values that were not finite.
        has_weights: whether enough weights were kept to show.

    Returns:
        One sentence a part.
    """
    found = [*_course(story), *_judgement(story), *_signals(story)]
    if story.started is None:
        found.append(("start", "The records hold no start: name, hyper-parameters and budget are "
                      "not known."))  # fmt: skip
    if num_lost:
        found.append(("values", f"{num_lost:,} values are NaN or infinite: they are left out of "
                      "the charts, which show gaps there."))  # fmt: skip
    if not has_weights:
        found.append(("weights", why_no_weights(story.started)))
    return tuple(Missing(part=part, sentence=sentence) for part, sentence in found)


def _course(story: Story) -> Iterator[tuple[str, str]]:
    if not story.observations and not story.evaluations:
        yield "course", "Nothing was measured: the run has no observation and no evaluation."
        return
    if len(story.observations) == 1:
        yield "course", "There is one observation only: points stand where lines would."
    if not story.observations:
        yield "train", "No train loss or accuracy was recorded: only evaluations are shown."
    elif all(each.train_accuracy is None for each in story.observations):
        yield "accuracy", ("No train accuracy was logged, so nobody can say when the run memorised "
                           "its training data. Give the monitor a train probe, or map the "
                           "metric.")  # fmt: skip
    if all(each.test_accuracy is None for each in story.evaluations):
        yield "test", ("No test accuracy was logged, so nobody can say whether the run "
                       "generalised. The predictor does not need it.")  # fmt: skip


def _judgement(story: Story) -> Iterator[tuple[str, str]]:
    if not story.assessments:
        yield "chance", "No predictor has judged this run, so there is no chance to show."
    elif not any(each.chances for each in story.assessments):
        reason = in_one_line(story.assessments[-1].reason or "it gives no reason")
        yield "chance", f"The predictor could not tell at any step: {reason}."
    if not any(each.eta_steps for each in story.assessments):
        yield "eta", "No interval was given for when test accuracy would pass 95 %."
    if not any(each.cost_seconds for each in story.observations):
        yield "cost", "What measuring cost was not recorded."


def _signals(story: Story) -> Iterator[tuple[str, str]]:
    if not any(each.values for each in story.observations):
        yield "signals", ("No signal was measured: the run was logged by something that records "
                          "losses and accuracies alone.")  # fmt: skip
    elif not any("@" in key for each in story.observations for key in each.values):
        yield "probe", ("No probe was given and no role was found, so no signal speaks of one "
                        "matrix, and structure in the weights was not measured.")  # fmt: skip
