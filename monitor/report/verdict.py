"""Keep training, or kill it: the answer for one run, as far as it can be given.

It repeats what alerts and the predictor say, and adds nothing of its own. Where neither says
anything it says so: a chance alone is no verdict.
"""

import dataclasses
from collections.abc import Collection
from typing import Protocol

from grokwatch.monitor.report.words import percent
from grokwatch.monitor.vocabulary import AlertCode, Stage

RUNNING = "running"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """An answer.

    Attributes:
        tone: `keep`, `stop`, `alarm`, `done` or `open`; the pages color by it.
        mark: a sign that tells tones apart without color.
        word: the answer in a few words.
        detail: the rest of the sentence, for the list.
        advice: what to make of it, for the run's own page.
    """

    tone: str
    mark: str
    word: str
    detail: str
    advice: str


class Standing(Protocol):
    """A run as it stands, as far as an answer reads it; None where nothing is known yet.

    `status` is `running`, or as the newest attempt ended; `alerts` are codes that fire; `reason`
    says why the predictor cannot tell.
    """

    @property
    def status(self) -> str:
        """`running`, or how it ended."""

    @property
    def step(self) -> int | None:
        """Newest step."""

    @property
    def stage(self) -> str | None:
        """Its stage."""

    @property
    def rise_probability(self) -> float | None:
        """The chance of a rise."""

    @property
    def reason(self) -> str | None:
        """Why it cannot be told."""

    @property
    def alerts(self) -> Collection[str]:
        """Codes that fire."""


_COLLAPSE = Verdict(
    tone="alarm",
    mark="▼",
    word="collapsing",
    detail="it is losing what it had learned",
    advice="Go back to the best checkpoint. Training on as it is will rarely repair this.",
)
_GENERALIZED = Verdict(
    tone="done",
    mark="✓",
    word="generalised",
    detail="as its evaluations show",
    advice="What you waited for has happened.",
)
_STUCK = Verdict(
    tone="alarm",
    mark="!",
    word="stuck",
    detail="learning has stalled for numerical reasons",
    advice="Waiting will not help. The alert below names the remedy; apply it and resume.",
)
_KEEP = Verdict(
    tone="keep",
    mark="▲",
    word="keep",
    detail="likely to generalise",
    advice="Test accuracy is likely to leave its plateau if training goes on. "
    "That it will pass 95 % is less sure.",
)
_RESUME = Verdict(
    tone="keep",
    mark="▲",
    word="worth resuming",
    detail="it ended while likely to generalise",
    advice="Training ended while test accuracy was likely to leave its plateau.",
)
_STOP = Verdict(
    tone="stop",
    mark="■",
    word="stop is defensible",
    detail="unlikely to generalise within the budget",
    advice="This is the alarm that is wrong most dearly: on runs that nobody fitted on, "
    "stopping here gave up 6 % of those that would have generalised.",
)
_GIVEN_UP = Verdict(
    tone="stop",
    mark="■",
    word="ended",
    detail="it was unlikely to generalise within the budget",
    advice="Nobody knows what more steps would have brought.",
)
_NOTHING_SEEN = Verdict(
    tone="open",
    mark="?",
    word="no data yet",
    detail="no observation has come",
    advice="The run has begun. The first observation comes with its first monitored step.",
)


def judge(run: Standing) -> Verdict:
    """Answer whether to keep training a run.

    Args:
        run: the run as it stands.

    Returns:
        Firing alerts first, the gravest before the others; then what the predictor says.
    """
    firing = set(run.alerts)
    is_running = run.status == RUNNING
    if AlertCode.COLLAPSE.value in firing:
        return _COLLAPSE
    if run.stage == Stage.GENERALIZED.value:
        return _GENERALIZED
    if AlertCode.NUMERICALLY_STUCK.value in firing:
        return _STUCK
    if AlertCode.LIKELY_GROKKING.value in firing:
        return _KEEP if is_running else _RESUME
    if AlertCode.WILL_NOT_GROK.value in firing:
        return _STOP if is_running else _GIVEN_UP
    return _undecided(run)


def is_awaited(run: Standing) -> bool:
    """Whether generalising is still to come: not where a run ended, or has generalised."""
    return run.status == RUNNING and run.stage != Stage.GENERALIZED.value


def _undecided(run: Standing) -> Verdict:
    """What is said where no alert fires."""
    if run.step is None:
        return _NOTHING_SEEN
    if run.rise_probability is None:
        return Verdict(
            tone="open",
            mark="?",
            word="cannot tell",
            detail=run.reason or "the predictor gives no reason",
            advice="No verdict is not a bad one: it says nothing about the run's prospects.",
        )
    is_running = run.status == RUNNING
    return Verdict(
        tone="open",
        mark="…",
        word="undecided" if is_running else "ended undecided",
        detail=f"{percent(run.rise_probability)} chance of a rise, no alarm",
        advice="Neither likely nor unlikely enough for an alarm. "
        + ("Look again later." if is_running else "Nobody knows what more steps would bring."),
    )
