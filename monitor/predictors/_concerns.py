"""What a predictor watches beside its chances: numbers that have stopped moving, and collapse.

Private to the predictors. Both detectors take one observation at a time, in constant time and
memory, and would rather say nothing: no constant here was fitted to runs. Where their signals are
not measured for a while, what they said last stands until it is stale; a rewind starts them over.
"""

import math
from collections.abc import Mapping

import msgspec

from grokwatch.monitor.labels import Hold
from grokwatch.monitor.records import Concern, Observation
from grokwatch.monitor.vocabulary import AlertCode, Stage

_ALL = 0.99  # share that counts as all
_STALE = 0.25  # a reading older than this share of the step is no longer judged by

_STUCK = (
    "nearly every training example has a loss that rounds to 0, and updates change nothing; "
    "try StableMax or a float64 loss, or weight decay (Prieto et al. 2025, arXiv:2501.04697)"
)
_SOURCES = "(arXiv:2506.04434, 2602.02859)"

_EXPONENT = "power_law_exponent@"
_TAIL = "power_law_exponent.tail@"
_TRAPS = "correlation_traps.excess@"
_HEAVY = 2.0
_LEAST_TAIL = 20  # eigenvalues; fits to fewer are chance
_LEAST_FALL = 0.25
_LEAST_RISE = 0.5
_MOST_READING = 1e6
_LEAST_READINGS = 5
_SETTLING = 2.0  # reference window, in steps at which cleanup was first seen


class Stuck(msgspec.Struct, forbid_unknown_fields=True, array_like=True):
    """Numerically stuck: examples have no loss left in the training dtype, and nothing moves.

    `softmax_collapse` or `zero_loss` is at least .99, and so is `frozen_update_fraction`, or
    `gradient_norm` is exactly 0; held as everywhere. With weight decay updates do not freeze, and
    this stays silent.

    Attributes:
        hold: of that.
        is_on: whether it has held, as of the newest reading.

    Source:
        Prieto et al. 2025 (arXiv:2501.04697).
    """

    hold: Hold = msgspec.field(default_factory=Hold)
    is_on: bool = False

    def update(self, observation: Observation) -> None:
        """Take the next observation; one that lacks the signals changes nothing."""
        values = observation.values
        lost = [_finite(values, key) for key in ("softmax_collapse", "zero_loss")]
        frozen, gradient = (
            _finite(values, key) for key in ("frozen_update_fraction", "gradient_norm")
        )
        if lost == [None, None] or (frozen is None and gradient is None):
            return
        is_lost = any(share is not None and share >= _ALL for share in lost)
        is_still = gradient == 0 or (frozen is not None and frozen >= _ALL)
        self.is_on = self.hold.update(observation.step, passes=is_lost and is_still)

    def concern(self, step: int) -> Concern | None:
        """What there is to say at a step."""
        if not self.is_on or _is_stale(self.hold, step):
            return None
        return Concern(code=AlertCode.NUMERICALLY_STUCK, reason=_STUCK)


class Settled(msgspec.Struct, forbid_unknown_fields=True, array_like=True):
    """Mean and spread of a quantity over its reference window.

    Attributes:
        count: of readings.
        mean: of them.
        squares: sum of squared deviations from it.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def take(self, value: float | None) -> None:
        """Take a reading, if there is one."""
        if value is None:
            return
        self.count += 1
        difference = value - self.mean
        self.mean += difference / self.count
        self.squares += difference * (value - self.mean)

    def change(self, value: float | None, least: float) -> float | None:
        """How far a reading is from the mean, where that is beyond three deviations and `least`."""
        if value is None or self.count < _LEAST_READINGS:
            return None
        deviation = math.sqrt(max(self.squares, 0.0) / (self.count - 1))
        difference = value - self.mean
        return difference if abs(difference) > max(least, 3 * deviation) else None


class SpectralCollapse(msgspec.Struct, forbid_unknown_fields=True, array_like=True):
    """Collapse after grokking, as spectra of the weights foretell it; needs a run that cleaned up.

    The reference is the run's own: readings from the first CLEANUP to twice its step. From then on
    a matrix whose power-law exponent lies below 2 by two standard errors (alpha - 1) / sqrt(tail),
    and below the reference, is a sign; so is a shuffled matrix whose greatest eigenvalue moved away
    from the random bulk. Both held. It was seen on networks trained far beyond grokking; small
    matrices read chance, and are passed over.

    Attributes:
        since: first step in CLEANUP with a reading.
        until: where the reference window was over.
        exponent: least upper end of an exponent over all matrices.
        traps: greatest excess over all matrices.
        hold: of a sign.
        sign: what the newest sign is, as text; empty where none has held.

    Source:
        arXiv:2506.04434, arXiv:2602.02859.
    """

    since: int | None = None
    until: int | None = None
    exponent: Settled = msgspec.field(default_factory=Settled)
    traps: Settled = msgspec.field(default_factory=Settled)
    hold: Hold = msgspec.field(default_factory=Hold)
    sign: str = ""

    def update(self, observation: Observation, stage: Stage) -> None:
        """Take the next observation, and the stage that the predictor sees the run in."""
        if self.since is None and stage is not Stage.CLEANUP:
            return
        step, values = observation.step, observation.values
        exponent, traps = _least_exponent(values), _greatest_excess(values)
        if exponent is None and traps is None:
            return
        self.since = step if self.since is None else self.since
        count = max(self.exponent.count, self.traps.count)
        if self.until is None and (step <= _SETTLING * self.since or count < _LEAST_READINGS):
            self.exponent.take(exponent)
            self.traps.take(traps)
            return
        self.until = step if self.until is None else self.until
        sign = self._sign(exponent, traps)
        self.sign = sign if self.hold.update(step, passes=bool(sign)) else ""

    def forget_from(self, step: int) -> None:
        """Start over, but for a reference window that was over before `step`."""
        if self.until is None or self.until >= step:
            self.since, self.until = None, None
            self.exponent, self.traps = Settled(), Settled()
        self.hold, self.sign = Hold(), ""

    def concern(self, step: int) -> Concern | None:
        """What there is to say at a step."""
        if not self.sign or _is_stale(self.hold, step):
            return None
        return Concern(code=AlertCode.COLLAPSE, reason=f"{self.sign} {_SOURCES}")

    def _sign(self, exponent: float | None, traps: float | None) -> str:
        """What speaks for a collapse, or nothing."""
        fall = self.exponent.change(exponent, _LEAST_FALL)
        if exponent is not None and exponent < _HEAVY and fall is not None and fall < 0:
            return f"a spectrum's power law fell below 2 (at most {exponent:.2f}, by {-fall:.2f})"
        rise = self.traps.change(traps, _LEAST_RISE)
        if rise is not None and rise > 0:
            return f"a few weights outgrew the rest (correlation traps, excess up by {rise:.2f})"
        return ""


class Concerns(msgspec.Struct, forbid_unknown_fields=True, array_like=True):
    """Both detectors, kept in step.

    Attributes:
        step: last step seen.
        stuck: see there.
        collapse: see there.

    Example:
        >>> watched, values = Concerns(), {"zero_loss": 1.0, "gradient_norm": 0.0}
        >>> for step in (100, 200, 300):
        ...     watched.update(
        ...         Observation(run_id="a", step=step, time=0.0, train_loss=0.0, values=values),
        ...         Stage.PLATEAU,
        ...     )
        >>> [concern.code.value for concern in watched.at(300)]
        ['GRK004']
    """

    step: int | None = None
    stuck: Stuck = msgspec.field(default_factory=Stuck)
    collapse: SpectralCollapse = msgspec.field(default_factory=SpectralCollapse)

    def update(self, observation: Observation, stage: Stage) -> None:
        """Take the next observation; one at or before the last step is a rewind.

        Args:
            observation: of finite train loss.
            stage: where the predictor sees the run, as of the last observation or this one.
        """
        if self.step is not None and observation.step <= self.step:
            self.stuck = Stuck()
            self.collapse.forget_from(observation.step)
        self.step = observation.step
        self.stuck.update(observation)
        self.collapse.update(observation, stage)

    def at(self, step: int) -> tuple[Concern, ...]:
        """What there is to say at a step, for `Assessment.concerns`."""
        found = (self.stuck.concern(step), self.collapse.concern(step))
        return tuple(concern for concern in found if concern is not None)


def _is_stale(hold: Hold, step: int) -> bool:
    """Whether the newest reading is too old, or of later than now."""
    return not 0 <= step - hold.last <= _STALE * step


def _finite(values: Mapping[str, float], key: str) -> float | None:
    """A value that can be true, or None."""
    value = values.get(key, math.nan)
    return value if abs(value) <= _MOST_READING else None


def _least_exponent(values: Mapping[str, float]) -> float | None:
    """Upper end of the exponent, two standard errors up, of the matrix where that is least."""
    ends = []
    for key in values:
        if key.startswith(_EXPONENT):
            alpha, tail = _finite(values, key), _finite(values, _TAIL + key.removeprefix(_EXPONENT))
            if alpha is not None and alpha > 1 and tail is not None and tail >= _LEAST_TAIL:
                ends.append(alpha + 2 * (alpha - 1) / math.sqrt(tail))
    return min(ends, default=None)


def _greatest_excess(values: Mapping[str, float]) -> float | None:
    """Excess of correlation traps of the matrix where it is greatest."""
    excesses = (_finite(values, key) for key in values if key.startswith(_TRAPS))
    return max((excess for excess in excesses if excess is not None), default=None)
