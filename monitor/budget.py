"""What watching may cost: a share of training time, with a floor per step for tiny models.

The account measures, it does not guess: each item pays what its own readings took, and an item that
has spent its part waits until training has earned the next reading. Cheap signals and the train
probe are read together and own up to three quarters of the allowance. What they leave is shared by
the dearer signals as water fills a basin: those that want little get it, at every observation, and
all others get the same, so that none can starve another.

The first reading of an item is apart from the account where it is short: it pays once for thread
pools and plans that the next ones reuse. Where it is long it must be earned like any other, and
waits until training has run twenty times as long as all first readings. All of it is part of
`overhead_ratio`.
"""

import math
import time
from collections.abc import Callable, Iterable

from grokwatch.monitor.errors import ConfigurationError

OBSERVATION = "observation"

_CREDIT_STEPS = 1_000
_WARM_STEPS = 100
_SEEN = 0.45  # of what training loses; caches and the interpreter lock hide the rest from us
_PATIENCE = 0.3
_PART = 0.75
_MARGIN = 1.5
_FIRST_SECONDS = 0.2
_FIRST_SHARE = 0.05
_LONG_SECONDS = 0.05
_SET_UP = 4.0
_ASIDE = 0.25


class _Item:
    """What one item has spent and what its next reading is expected to take, in seconds."""

    __slots__ = ("expected", "num_readings", "spent")

    def __init__(self) -> None:
        self.spent = 0.0
        self.expected = 0.0
        self.num_readings = 0


class Budget:
    """Keeps monitoring under `share` of training time.

    Early steps are the ones worth seeing, before training has earned much: so a small credit is
    lent on a logarithmic scale of the first 1,000 steps and paid back with a quarter of what is
    earned.

    Args:
        share: largest share of training time, in (0, 1]; None lets everything pass and still
            measures.
        num_steps: optimizer updates expected, or None; the credit stays under half of what they
            will earn.
        floor_seconds: what each step earns at least.
        credit_seconds: largest loan.
        clock: seconds, never running backwards.

    Raises:
        ConfigurationError: `share` is not in (0, 1].

    Example:
        >>> now = iter([0.0, 1.0, 1.0])
        >>> budget = Budget(0.01, credit_seconds=0.0, clock=lambda: next(now))
        >>> budget.resume()
        >>> for cost in (0.5, 0.012): budget.spend(OBSERVATION, cost)
        >>> budget.affords(OBSERVATION, step=100)  # one second of training earned 0.01
        False
    """

    def __init__(
        self,
        share: float | None = 0.01,
        *,
        num_steps: int | None = None,
        floor_seconds: float = 20e-6,
        credit_seconds: float = 0.1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if share is not None and not 0 < share <= 1:
            msg = (
                f"Expected a budget in (0, 1] as a share of training time, got {share!r}. "
                "Try 0.01, or None for a fixed cadence."
            )
            raise ConfigurationError(msg)
        self.clock = clock
        self._share = share
        self._num_steps = num_steps
        self._floor_seconds = floor_seconds
        self._credit_seconds = credit_seconds
        self._items = {OBSERVATION: _Item()}
        self._first_seconds = 0.0
        self._hook_seconds = 0.0
        self._total_seconds = 0.0
        self._elapsed_seconds = 0.0
        self._resumed_at: float | None = None
        self._first_step: int | None = None

    def enroll(self, names: Iterable[str]) -> None:
        """Open an account of its own for each of these dearer items."""
        for name in names:
            self._items.setdefault(name, _Item())

    def withdraw(self, name: str) -> None:
        """Close an item's account; the others share what it had."""
        self._items.pop(name, None)

    def resume(self) -> None:
        """Training goes on: its clock runs."""
        if self._resumed_at is None:
            self._resumed_at = self.clock()

    def pause(self) -> None:
        """Training waits, as in a validation: its clock stands."""
        if self._resumed_at is not None:
            self._elapsed_seconds += self.clock() - self._resumed_at
            self._resumed_at = None

    def affords(self, name: str, step: int) -> bool:
        """Whether item `name` may be read at update number `step`."""
        if self._first_step is None:
            self._first_step = step
        item = self._items.get(name)
        if self._share is None or item is None:
            return True
        if item.num_readings == 0:
            earned = _FIRST_SECONDS + _FIRST_SHARE * self.training_seconds
            return name == OBSERVATION or self._first_seconds <= earned
        # The first reading misleads by a factor of ten: where it was short, look again at once.
        is_second = name == OBSERVATION and item.num_readings == 1
        if is_second and item.expected < max(self._credit_seconds, self.training_seconds / 10):
            return True
        allowance = self._allowance(step)
        limit = self._for_all(allowance) if name == OBSERVATION else self._for_each(allowance)
        return item.spent + item.expected <= limit

    def allows(self, seconds: float, step: int) -> bool:
        """Whether work of now and then, paid as hooks are, may have taken so long by `step`.

        Args:
            seconds: all that it took, and what it will take next.
            step: optimizer updates made.
        """
        return self._share is None or seconds <= _ASIDE * self._allowance(step)

    def spend(self, name: str, seconds: float) -> None:
        """Note what one reading of `name` took."""
        self._total_seconds += seconds
        item = self._items.get(name)
        if item is None:
            return
        item.num_readings += 1
        if item.num_readings == 1:
            item.expected = seconds
            if name != OBSERVATION:
                self._note_first(item, seconds)
            return
        weight = 1.0 if item.num_readings == 2 else _PATIENCE
        item.expected += weight * (seconds - item.expected)
        item.spent += seconds

    def spend_on_hooks(self, seconds: float) -> None:
        """Note what a step took that was not observed; observations pay for it."""
        self._hook_seconds += seconds
        self._total_seconds += seconds

    def spend_on_start(self, seconds: float) -> None:
        """Note what was taken once, before anything was observed; nobody waits for it."""
        self._total_seconds += seconds

    @property
    def training_seconds(self) -> float:
        """Seconds of training so far, without pauses and without monitoring."""
        running = 0.0 if self._resumed_at is None else self.clock() - self._resumed_at
        return max(0.0, self._elapsed_seconds + running - self._total_seconds)

    @property
    def overhead_ratio(self) -> float:
        """Monitoring time over training time so far, at least 0; 0 before any training."""
        training = self.training_seconds
        return self._total_seconds / training if training > 0 else 0.0

    def _note_first(self, item: _Item, seconds: float) -> None:
        """Tell a long first reading, which is to be earned, from one that was mostly set-up."""
        self._first_seconds += seconds
        if seconds > _LONG_SECONDS:
            item.spent = seconds
        else:
            item.expected = seconds / _SET_UP

    def _dearer(self) -> list[_Item]:
        """All items but the observation."""
        return [item for name, item in self._items.items() if name != OBSERVATION]

    def _for_all(self, allowance: float) -> float:
        """What observations may have spent: their part, or half of it where others overspent."""
        others = self._dearer()
        part = (_PART if others else 1.0) * allowance
        limit = min(part, max(part / 2, allowance - sum(item.spent for item in others)))
        # Where hooks alone cost too much, seeing nothing would not make them cheaper.
        return limit - min(self._hook_seconds, limit / 2)

    def _for_each(self, allowance: float) -> float:
        """What a dearer item may have spent: the level at which all their wishes fill the basin."""
        cheap = self._items[OBSERVATION]
        basin = allowance - min(_PART * allowance, _MARGIN * (cheap.spent + self._hook_seconds))
        wishes = sorted(item.expected * (cheap.num_readings + 1) for item in self._dearer())
        for number, wish in enumerate(wishes):
            level = basin / (len(wishes) - number)
            if wish > level:
                return level
            basin -= wish
        return math.inf

    def _allowance(self, step: int) -> float:
        """Seconds that may have been spent by `step`."""
        steps = max(1, step - (self._first_step or 0))
        training = self.training_seconds
        earned = self._earned(training, steps)
        credit = self._credit_seconds
        if self._num_steps is not None:
            scale = max(1.0, self._num_steps / steps)
            # The first steps of a training are slow, and tell nothing of the others.
            known = training if steps >= _WARM_STEPS else 0.0
            credit = min(credit, self._earned(known * scale, steps * scale) / 2)
        credit *= min(1.0, math.log1p(steps) / math.log1p(_CREDIT_STEPS)) ** 2
        return earned + max(0.0, credit - earned / 4)

    def _earned(self, training_seconds: float, steps: float) -> float:
        """Seconds, as measured from inside, that so much training pays for."""
        earned = max((self._share or 0.0) * training_seconds, self._floor_seconds * steps)
        return _SEEN * earned
