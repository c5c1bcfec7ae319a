"""What the published rules share: memory, assessment, options, and the way from score to chance.

A rule follows one group of signals and gives a score at each observation: 1 where the published
threshold is just met, more beyond it. The chance of grokking within the standard horizon is

    p = 1 / (1 + 9^(1 - 2 s)),    s the least score of the hold window, cut to [-8, 8],

so 1/2 at s = 1/2 and 9/10 at the threshold. That map orders runs and is not calibrated: another
threshold on the score is another one on p, and a benchmark may choose it on its training folds.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from grokwatch.monitor.errors import ConfigurationError, WireError
from grokwatch.monitor.predictors import Memorization, chance, signed
from grokwatch.monitor.predictors._course import Course, Rule, Score
from grokwatch.monitor.predictors._rise import RiseWindow
from grokwatch.monitor.records import (
    Assessment,
    Chance,
    Evidence,
    Interval,
    Observation,
    RunStarted,
    signal_of,
)
from grokwatch.monitor.state import Memory, pack, unpack
from grokwatch.monitor.vocabulary import Stage

ALARM = 0.9
MOST_SCORE = 8.0
_STALE = 0.25
_HOLD_LOOKS, _HOLD_FRACTION = 3, 0.05


class RuleMemory(Memory):
    """What a published rule remembers.

    Attributes:
        memorization: its step, or how far it is.
        step: last step judged; None before the first.
        course: of the signals followed.
        held: its hold window alone is used, for the score.
        stage: the last stage given.
    """

    memorization: Memorization = msgspec.field(default_factory=Memorization)
    step: int | None = None
    course: Course = msgspec.field(default_factory=Course)
    held: RiseWindow = msgspec.field(default_factory=RiseWindow)
    stage: Stage = Stage.FITTING


class Published:
    """Judges by one published rule, from memorization on.

    An observation at or before the last step is a rewind, a train loss that is not finite freezes
    the memory, and a value that stays away stands until it is stale, all as in `threshold`. The
    score must have lasted three observations and 5 % of the step, as there.

    Args:
        run: what it skipped is told where no signal comes.
        rule: the rule.
    """

    def __init__(self, run: RunStarted, rule: Rule) -> None:
        self._rule = rule
        self._lacks = _lacks(run, rule)
        self._knows_loss = all(skipped.name != "train_loss" for skipped in run.skipped)
        self._memory = RuleMemory()

    def update(self, observation: Observation, /) -> Assessment:
        """Take the next observation and judge, in constant time and memory."""
        if self._knows_loss and not math.isfinite(observation.train_loss):
            reason = f"diverged: train loss is {observation.train_loss} at step {observation.step}"
            return self._assessment(observation, reason=reason)
        memory = self._memory
        if memory.step is not None and observation.step <= memory.step:
            memory.course.forget(end=observation.step)
            memory.held.forget_from(observation.step)
        memory.step = observation.step
        memory.memorization.update(observation)
        self._follow(observation)
        train_step = memory.memorization.step
        score = self._held(observation.step, train_step)
        if train_step is None or isinstance(score, str):
            memory.stage = Stage.FITTING if train_step is None else Stage.PLATEAU
            return self._assessment(observation, reason=str(score))
        return self._judge(observation, train_step, score)

    def state(self) -> bytes:
        """Everything it remembers, at most 2 KiB."""
        return pack(self._memory)

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`.

        Raises:
            WireError: the bytes are no such state, or one of another rule or kind of group.
        """
        memory = unpack(state, RuleMemory)
        followed = memory.course.keys
        if followed and followed not in self._rule.groups:
            msg = (
                f"Expected a state of {self._rule.name}, got one that follows "
                f"{', '.join(followed)}. Try the rule and the group that it was saved with."
            )
            raise WireError(msg)
        self._memory = memory

    def _follow(self, observation: Observation) -> None:
        """Follow the signals, from the start or from where memorization may have begun."""
        memory, memorization = self._memory, self._memory.memorization
        if not self._rule.from_start:
            if memorization.step is None and memorization.hold.points == 0:
                memory.course = Course()
                return
            if memorization.step is None:
                memory.course.forget(start=memorization.hold.since)
        memory.course.take(observation, self._rule)

    def _held(self, step: int, train_step: int | None) -> Score:
        """The least score of the hold window, or why there is none."""
        memory, course = self._memory, self._memory.course
        if train_step is None:
            return memory.memorization.reason
        if course.newest is None:
            return f"no value of {course.keys[0]} since the rewind" if course.keys else self._lacks
        if step - course.newest.step > _STALE * step:
            return f"no value of {course.keys[0]} since step {course.newest.step}"
        score = self._rule.score(course, train_step, step)
        if isinstance(score, str):
            return score
        if math.isnan(score):
            return f"no number follows from the course of {course.keys[0]}"
        score = min(max(score, -MOST_SCORE), MOST_SCORE)
        memory.held.hold(step, score, num_spans=_HOLD_LOOKS, fraction=_HOLD_FRACTION)
        if len(memory.held.spans) < _HOLD_LOOKS:
            return f"too soon after memorization at step {train_step}"
        return min(span.part for span in memory.held.spans)

    def _judge(self, observation: Observation, train_step: int, score: float) -> Assessment:
        """Say the chance that belongs to a score."""
        course, step = self._memory.course, observation.step
        self._memory.stage = Stage.CIRCUIT_FORMATION if score >= 1 else Stage.PLATEAU
        log_odds = (2 * score - 1) * math.log(9)
        keys = course.keys
        return self._assessment(
            observation,
            chances=chance(step, train_step, probability(score)),
            eta=self._rule.eta(course, step),
            evidence=tuple(Evidence(signal=k, contribution=log_odds / len(keys)) for k in keys),
        )

    def _assessment(
        self,
        observation: Observation,
        *,
        chances: tuple[Chance, ...] = (),
        reason: str | None = None,
        eta: Interval | None = None,
        evidence: tuple[Evidence, ...] = (),
    ) -> Assessment:
        """Sign what was judged."""
        return signed(
            observation,
            f"{self._rule.name}@1",
            self._memory.stage,
            chances=chances,
            reason=reason,
            eta=eta,
            evidence=evidence,
        )


class Option(NamedTuple):
    """A number that a rule takes: its default and the open interval that it lies in."""

    default: float
    low: float
    high: float


def probability(score: float) -> float:
    """Map a score to a probability: 1 / (1 + 9^(1 - 2 s)).

    Args:
        score: s, in [-8, 8].

    Returns:
        A probability that grows with s, .9 at 1, and no less from there on whatever the rounding.

    Example:
        >>> [round(probability(score), 3) for score in (0.0, 0.5, 1.0)]
        [0.1, 0.5, 0.9]
    """
    found = 1 / (1 + 9 ** (1 - 2 * score))
    return max(found, ALARM) if score >= 1 else found


def numbers(rule: str, given: Mapping[str, str], **takes: Option) -> list[float]:
    """Read the options of a rule.

    Args:
        rule: its name.
        given: options as text.
        takes: the options there are.

    Returns:
        Their numbers, in the order of `takes`.

    Raises:
        ConfigurationError: an option that the rule does not take, or that is no number of its
            interval.
    """
    for name, text in given.items():
        option = takes.get(name)
        if option is None or not option.low < _number(text) < option.high:
            known = (f"{key} between {o.low:g} and {o.high:g}" for key, o in takes.items())
            example = ",".join(f"{key}={o.default:g}" for key, o in takes.items())
            msg = (
                f"Expected options of {rule} among {', '.join(known)}, got {name}={text}. "
                f"Try '{rule}:{example}'."
            )
            raise ConfigurationError(msg)
    return [_number(given[key]) if key in given else o.default for key, o in takes.items()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _lacks(run: RunStarted, rule: Rule) -> str:
    """Why there are no values: what the run said of it, or else what would bring them."""
    names = [signal_of(key) for group in rule.groups for key in group]
    for skipped in run.skipped:
        if skipped.name in names:
            return f"no value of {skipped.name}: {skipped.reason}. Try {skipped.remedy}"
    return f"no value of {names[0]} since memorization. Try signals='standard, {names[0]}'"
