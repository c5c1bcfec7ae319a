"""A causal rule: sparsity has risen above what it was just after memorization.

While a network replaces stored answers by a circuit, its weights become sparse in the basis that
fits the task: Fourier components of a cyclic group, or single input bits. On random labels or
without decay they do not, though loss and norms move there too. So the rule asks one question, of
one signal that is corrected for what chance would give; every constant of it is a field of `Rule`.

It refuses to guess: before memorization, too soon after it, without a sparsity signal, or while the
train loss is not finite it says why it cannot tell.
"""

import math

import msgspec

from grokwatch.monitor.errors import ConfigurationError, WireError
from grokwatch.monitor.predictors import Memorization, chance, signed
from grokwatch.monitor.predictors._concerns import Concerns
from grokwatch.monitor.predictors._rise import Rise, RiseWindow, Sample
from grokwatch.monitor.records import Assessment, Chance, Evidence, Observation, RunStarted
from grokwatch.monitor.state import Memory, pack, unpack
from grokwatch.monitor.vocabulary import Stage


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Every constant of the rule. Memorization is defined in `labels`, the horizon beside `chance`.

    The evidence x is the least part of the rise seen in the hold window: 0 at the reference, 1
    where the rule is met. Log-odds are linear in x through the two probabilities below.

    Attributes:
        cyclic: for runs over a cyclic group.
        bits: for runs over bits.
        hold_observations: the rise must have lasted this many observations, ...
        hold_fraction: ... spread over this share of the step.
        base_rate: probability at the reference: the share of calibration runs that generalised,
            controls among them.
        alarm_probability: probability where the rule is met: of n calibration runs that met it and
            k that then generalised within the horizon, (k + 1) / (n + 2), rounded down.
        most_evidence: x is cut to [-most_evidence, most_evidence].
        cleanup_excess: the stage is CLEANUP from this excess on, ...
        cleanup_norm_fall: ... where the weight norm is below its reference by this share.
        stale_fraction: a value older than this share of the step is no longer judged by.
    """

    cyclic: Rise = Rise(
        keys=tuple(
            f"inverse_participation_ratio.excess@{role}"
            for role in ("input", "embedding", "unembedding", "output")
        ),
        factor=1.5,
        offset=0.03,
        offset_per_decade=0.05,
    )
    bits: Rise = Rise(keys=("coordinate_inverse_participation_ratio.excess@input",), offset=0.01)
    hold_observations: int = 3
    hold_fraction: float = 0.05
    base_rate: float = 0.25
    alarm_probability: float = 0.9
    most_evidence: float = 3.0
    cleanup_excess: float = 0.5
    cleanup_norm_fall: float = 0.1
    stale_fraction: float = 0.25


RULE = Rule()

_NAME = "threshold@1"
_NORM = "weight_norm"
_LOSS = "train_loss"
_MOST_EXCESS = 1.001  # an excess is at most 1, give or take rounding
_NO_SIGNAL = (
    "no sparsity signal: none of {keys} was measured. Try Probe(group='cyclic:<p>') or "
    "Probe(group='bits:<n>') with what the tokens or inputs run over"
)


class ThresholdMemory(Memory):
    """What the rule remembers.

    Attributes:
        memorization: its step, or how far it is.
        step: last step judged; None before the first.
        key: the signal followed; empty until there is one.
        window: what is remembered of that signal.
        stage: the last stage given.
        concerns: whether numbers are stuck, or a collapse is near.
    """

    memorization: Memorization = msgspec.field(default_factory=Memorization)
    step: int | None = None
    key: str = ""
    window: RiseWindow = msgspec.field(default_factory=RiseWindow)
    stage: Stage = Stage.FITTING
    concerns: Concerns = msgspec.field(default_factory=Concerns)


class Threshold:
    """Judges by the rise of one sparsity signal since memorization.

    The stage is FITTING until the run has memorized, and again after a rewind to before that; then
    PLATEAU, CIRCUIT_FORMATION while the rule is met, and CLEANUP while sparsity is high and the
    weight norm has fallen too. Each observation decides anew, so that any stage can follow any:
    where sparsity falls back it is PLATEAU again, where the norm rises again CIRCUIT_FORMATION.
    Concerns are told beside the judgement, also where it cannot judge.

    An observation at or before the last step is a rewind: what was seen from that step on is
    forgotten, memorization included. Going on at a later step is not one, whatever the attempt. A
    train loss that is not finite freezes the memory until it is finite again, but not in a run that
    is never told its loss. Where the signal is missing for a while, the last judgement stands until
    it is stale.

    Args:
        run: its group selects the kind of sparsity; what it skipped is told where no signal comes.
        rule: the constants.
    """

    def __init__(self, run: RunStarted, rule: Rule = RULE) -> None:
        self._rule = rule
        kind = (run.group or "").partition(":")[0]
        rises = {"cyclic": (rule.cyclic,), "bits": (rule.bits,)}.get(kind, (rule.cyclic, rule.bits))
        self._rises = {key: rise for rise in rises for key in rise.keys}
        self._no_signal = _no_signal(run, tuple(self._rises))
        self._knows_loss = all(skipped.name != _LOSS for skipped in run.skipped)
        self._memory = ThresholdMemory()

    def update(self, observation: Observation, /) -> Assessment:
        """Take the next observation and judge, in constant time and memory."""
        if self._knows_loss and not math.isfinite(observation.train_loss):
            reason = f"diverged: train loss is {observation.train_loss} at step {observation.step}"
            return self._assessment(observation, reason=reason)
        memory = self._memory
        if memory.step is not None and observation.step <= memory.step:
            memory.window.forget_from(observation.step)
        memory.step = observation.step
        memory.concerns.update(observation, memory.stage)
        memory.memorization.update(observation)
        self._read(observation)
        train_step = memory.memorization.step
        doubt = self._reason(observation.step)
        if train_step is None or doubt is not None:
            memory.stage = Stage.FITTING if train_step is None else Stage.PLATEAU
            return self._assessment(observation, reason=doubt)
        return self._judge(observation, train_step)

    def state(self) -> bytes:
        """Everything it remembers, at most 2 KiB."""
        return pack(self._memory)

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`.

        Raises:
            WireError: the bytes are no such state, or of a run over another kind of group.
        """
        memory = unpack(state, ThresholdMemory)
        if memory.key and memory.key not in self._rises:
            msg = (
                f"Expected a state that follows one of {', '.join(self._rises)}, got one that "
                f"follows {memory.key}. Try the group that the run had when it was saved."
            )
            raise WireError(msg)
        self._memory = memory

    def _read(self, observation: Observation) -> None:
        """Follow the signal, from where memorization may have begun."""
        memory, window = self._memory, self._memory.window
        train_step = memory.memorization.step
        if train_step is None and memory.memorization.hold.points == 0:
            memory.key, memory.window = "", RiseWindow()
            return
        if window.is_empty:
            present = (key for key in self._rises if _excess(observation, key) is not None)
            memory.key = next(present, "")
        rise, excess = self._rises.get(memory.key), _excess(observation, memory.key)
        if rise is None or excess is None:
            return
        norm = observation.values.get(_NORM, math.nan)
        reading = Sample(step=observation.step, excess=excess, norm=norm)
        window.read(reading, rise, train_step)
        if window.baseline is not None:
            window.hold(
                reading.step,
                rise.part(reading, window.baseline),
                num_spans=self._rule.hold_observations,
                fraction=self._rule.hold_fraction,
            )

    def _reason(self, step: int) -> str | None:
        """Why it cannot tell, or None where it can."""
        memorization, window = self._memory.memorization, self._memory.window
        if memorization.step is None:
            return memorization.reason
        if window.newest is None:
            key = self._memory.key
            return f"no value of {key} since the rewind" if key else self._no_signal
        if step - window.newest.step > self._rule.stale_fraction * step:
            return f"no value of {self._memory.key} since step {window.newest.step}"
        if len(window.spans) < self._rule.hold_observations:
            return f"too soon after memorization at step {memorization.step}"
        return None

    def _judge(self, observation: Observation, train_step: int) -> Assessment:
        """Map the least rise of the hold window to a probability."""
        rule, memory = self._rule, self._memory
        least = min(span.part for span in memory.window.spans)
        evidence = min(max(least, -rule.most_evidence), rule.most_evidence)
        reference, alarm = _log_odds(rule.base_rate), _log_odds(rule.alarm_probability)
        log_odds = reference + (alarm - reference) * evidence
        probability = 1 / (1 + math.exp(-log_odds))
        if evidence >= 1:  # rounding must not take back an alarm
            probability = max(probability, rule.alarm_probability)
        memory.stage = self._stage(evidence)
        signals = (memory.key, _NORM) if self._rises[memory.key].norm_fall > 0 else (memory.key,)
        return self._assessment(
            observation,
            chances=chance(observation.step, train_step, probability),
            evidence=tuple(
                Evidence(signal=s, contribution=log_odds / len(signals)) for s in signals
            ),
        )

    def _stage(self, evidence: float) -> Stage:
        """Where the run stands, as of the newest reading."""
        newest, baseline = self._memory.window.newest, self._memory.window.baseline
        if evidence < 1 or newest is None or baseline is None:
            return Stage.PLATEAU
        fall = newest.norm_fall(baseline)
        is_clean = newest.excess >= self._rule.cleanup_excess and fall is not None
        if is_clean and fall is not None and fall >= self._rule.cleanup_norm_fall:
            return Stage.CLEANUP
        return Stage.CIRCUIT_FORMATION

    def _assessment(
        self,
        observation: Observation,
        *,
        chances: tuple[Chance, ...] = (),
        reason: str | None = None,
        evidence: tuple[Evidence, ...] = (),
    ) -> Assessment:
        """Sign what was judged."""
        return signed(
            observation,
            _NAME,
            self._memory.stage,
            chances=chances,
            reason=reason,
            evidence=evidence,
            concerns=self._memory.concerns.at(observation.step),
        )


def make(run: RunStarted, **options: str) -> Threshold:
    """Make the rule with its shipped constants.

    Args:
        run: what the rule may know before the first observation.
        options: none are taken; the constants were fitted together.

    Returns:
        The rule.

    Raises:
        ConfigurationError: an option was given.
    """
    if options:
        msg = f"Expected no options after 'threshold:', got {sorted(options)}. Try 'threshold:'."
        raise ConfigurationError(msg)
    return Threshold(run)


def _log_odds(probability: float) -> float:
    """Logarithm of p / (1 - p), for p strictly between 0 and 1."""
    return math.log(probability / (1 - probability))


def _excess(observation: Observation, key: str) -> float | None:
    """The value of an excess, or None where there is none that can be true."""
    value = observation.values.get(key)
    return value if value is not None and abs(value) <= _MOST_EXCESS else None


def _no_signal(run: RunStarted, keys: tuple[str, ...]) -> str:
    """Why there is no sparsity signal: what the run said of it, or else what would bring one."""
    names = {key.partition(".")[0] for key in keys}
    for skipped in run.skipped:
        if skipped.name in names:
            return f"no sparsity signal: {skipped.name}: {skipped.reason}. Try {skipped.remedy}"
    return _NO_SIGNAL.format(keys=", ".join(keys))
