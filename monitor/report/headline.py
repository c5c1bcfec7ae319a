"""A run in one sentence, and the reasons below it: no more than its records say."""

from grokwatch.monitor.records import Assessment, Evaluation, Evidence, Observation
from grokwatch.monitor.report.words import percent
from grokwatch.monitor.story import Story, tell
from grokwatch.monitor.text import in_one_line
from grokwatch.monitor.vocabulary import AlertCode, AlertState

_EVENTS = 4
_STRONGEST = 3


def headline(story: Story) -> str:
    """What happened, in one sentence.

    Args:
        story: of the run.

    Returns:
        The sentence, such as "Memorised at 300; warned at 2,700 with p = 0.91; generalised at
        7,600."
    """
    if not story.observations and not story.evaluations:
        return "Nothing was measured yet."
    parts = [_memorized(story), _warned(story), _ruled_out(story), _generalized(story)]
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence[0].upper()}{sentence[1:]}."


def reasons(story: Story) -> tuple[str, ...]:
    """Why: leads, what the warning was worth, and what was weighed.

    Args:
        story: of the run.

    Returns:
        Sentences.
    """
    told = tell(story)[_EVENTS:] if story.observations or story.evaluations else []
    weighed = weighing(story)
    ends = [story.outcome.phase.sentence] if _is_known(story) else []
    lines = [*told, *ends, *([] if weighed is None else [_weighed(weighed)])]
    return tuple(f"{line[0].upper()}{line[1:]}." for line in lines)


def weighing(story: Story) -> Assessment | None:
    """The judgement to show: the warning's, else the last one that weighed anything."""
    warning = story.warning
    if warning is not None and warning.assessment is not None and warning.assessment.evidence:
        return warning.assessment
    weighed = [assessment for assessment in story.assessments if assessment.evidence]
    return weighed[-1] if weighed else None


def _memorized(story: Story) -> str:
    step = story.outcome.train_step
    if step is not None:
        return f"memorised at {step:,}"
    known = [o for o in story.observations if o.train_accuracy is not None]
    if not known:
        return "no train accuracy, so nobody knows when it memorised"
    return f"not memorised by {story.last_step:,}, at {_plain(known[-1])} on training data"


def _warned(story: Story) -> str:
    warning = story.warning
    if warning is None:
        could_tell = any(assessment.chances for assessment in story.assessments)
        return "no warning" if could_tell else "the predictor could not tell"
    sure = None if warning.assessment is None else warning.assessment.rise_probability
    line = f"warned at {warning.step:,}"
    line += f" with p {_sure(sure)}" if sure is not None else ""
    over = story.cleared
    if over is None:
        return line
    verb = "taken back" if over.state is AlertState.CLEARED else "expired"
    return f"{line}, {verb} at {over.step:,}"


def _ruled_out(story: Story) -> str:
    fired = (AlertCode.WILL_NOT_GROK, AlertState.FIRING)
    steps = [alert.step for alert in story.alerts if (alert.code, alert.state) == fired]
    return f"called unlikely within its budget at {steps[0]:,}" if steps else ""


def _generalized(story: Story) -> str:
    outcome, known = story.outcome, _tested(story)
    if not known:
        return "no test accuracy, so nobody knows whether it generalised"
    if outcome.grokking_step is not None:
        after = ", then came back" if outcome.relapse else ""
        fell = f", collapsed{after}" if outcome.collapse else ""
        return f"generalised at {outcome.grokking_step:,}{fell}"
    stood = f"at {_plain(known[-1])} on test data by {known[-1].step:,}"
    if outcome.onset_step is not None:
        return f"test accuracy rising since {outcome.onset_step:,}, {stood}"
    return f"not generalised, {stood}"


def _weighed(assessment: Assessment) -> str:
    """What spoke loudest in a judgement, on either side."""
    strongest = sorted(assessment.evidence, key=lambda each: -abs(each.contribution))
    sides = {
        "for": [each for each in strongest if each.contribution > 0][:_STRONGEST],
        "against": [each for each in strongest if each.contribution < 0][:_STRONGEST],
    }
    told = [f"{side} it {_listed(found)}" for side, found in sides.items() if found]
    spoke = ", ".join(told) or "nothing spoke either way"
    return f"at step {assessment.step:,} there spoke {spoke}"


def _listed(found: list[Evidence]) -> str:
    names = [f"{in_one_line(each.signal, 80)} ({each.contribution:+.2f})" for each in found]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _plain(point: Observation | Evaluation) -> str:
    accuracy = point.train_accuracy if isinstance(point, Observation) else point.test_accuracy
    return percent(accuracy)


def _sure(probability: float) -> str:
    """A probability to two digits; what is nearly sure is not called sure."""
    return "> 0.99" if 0.995 <= probability < 1 else f"= {probability:.2f}"


def _tested(story: Story) -> list[Evaluation]:
    return [each for each in story.evaluations if each.test_accuracy is not None]


def _is_known(story: Story) -> bool:
    return bool(_tested(story)) and any(o.train_accuracy is not None for o in story.observations)
