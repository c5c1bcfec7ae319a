"""What watching costs: bare, empty callback and watched trainers, interleaved in one run.

Every arm is a real Trainer in a thread of its own, and only the thread that holds the baton runs.
Time is taken inside the data loader, between the moment a block's first batch is handed out and the
moment the batch after its last is asked for, so that measuring adds no callback to any arm. Blocks
alternate in ABBA order; the second bare arm is the control that shows what the machine itself makes
of two equal arms.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import msgspec
import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from grokwatch.experiments.counting import Done

BAR_SHARE = 0.01
BAR_SECONDS = 20e-6
_DRAWS = 2000


class Arm:
    """One trainer that runs a block of steps whenever it is given the baton.

    Args:
        name: what it is called in the result.
        start: calls `Trainer.fit` with the loader it is given, and returns when the loader is
            exhausted.
        batch: handed out at every step.
        block: steps of one block.
    """

    def __init__(
        self, name: str, start: Callable[["Arm"], None], batch: Sequence[Tensor], block: int
    ) -> None:
        self.name = name
        self.seconds: list[float] = []
        self._batch = tuple(batch)
        self._block = block
        self._mine = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._stop = False
        self._earlier_seconds = 0.0
        self._begin: float | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, args=(start,), name=f"overhead of {name}", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        while True:
            self._mine.acquire()
            if self._stop:
                return
            self._begin = time.perf_counter()
            for _ in range(self._block):
                yield self._batch
            elapsed_seconds, self._begin = time.perf_counter() - self._begin, None
            self._earlier_seconds += elapsed_seconds
            self.seconds.append(elapsed_seconds / self._block)
            self._back.release()

    def clock(self) -> float:
        """Seconds for which this arm had the baton: what a monitor in it must take for time."""
        now = 0.0 if self._begin is None else time.perf_counter() - self._begin
        return self._earlier_seconds + now

    def run_block(self) -> None:
        """Run one block of steps and wait for its end.

        Raises:
            RuntimeError: training ended before the block did; what went wrong in it is raised as it
                is.
        """
        num_before = len(self.seconds)
        self._mine.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error
        if len(self.seconds) == num_before:
            msg = f"Expected {self.name} to train on, got the end of it. Try fewer blocks."
            raise RuntimeError(msg)

    def close(self) -> None:
        """Let the trainer end."""
        self._stop = True
        self._mine.release()
        self._thread.join()

    def _run(self, start: Callable[["Arm"], None]) -> None:
        try:
            start(self)
        except BaseException as error:
            self._error = error
        finally:
            self._back.release()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Step times of one arm against another, block by block, in seconds a step.

    `share` is the median over blocks of (arm - reference) / reference; `low` and `high` bound it by
    a bootstrap over blocks at 95 %; `extra_seconds` is the same difference in seconds.
    """

    arm: str
    reference: str
    step_seconds: float
    share: float
    low: float
    high: float
    extra_seconds: float


def measure(arms: Sequence[Arm], *, blocks: int, warm_up: int, done: Done) -> None:
    """Run the arms in blocks, each round in the order opposite to the last; forget the warm-up.

    Args:
        arms: the trainers, which are closed in the end.
        blocks: of each arm that count.
        warm_up: blocks of each arm before them.
        done: told of each round.
    """
    try:
        for number in range(warm_up + blocks):
            for arm in arms if number % 2 == 0 else reversed(arms):
                arm.run_block()
            done("warming up" if number < warm_up else "measuring")
    finally:
        for arm in arms:
            arm.close()
    for arm in arms:
        del arm.seconds[:warm_up]


def compare(arm: Arm, reference: Arm) -> Comparison:
    """Compare step times block by block."""
    own, other = np.array(arm.seconds), np.array(reference.seconds)
    shares = own / other - 1
    draws = np.random.default_rng(0).integers(0, len(shares), (_DRAWS, len(shares)))
    low, high = np.quantile(np.median(shares[draws], axis=1), (0.025, 0.975))
    return Comparison(
        arm=arm.name,
        reference=reference.name,
        step_seconds=median(arm.seconds),
        share=float(np.median(shares)),
        low=float(low),
        high=float(high),
        extra_seconds=float(np.median(own - other)),
    )


def holds(comparison: Comparison) -> bool:
    """Whether the extra cost is within the larger of 1 % of a step and 20 us."""
    reference = comparison.step_seconds - comparison.extra_seconds
    return comparison.extra_seconds <= max(BAR_SHARE * reference, BAR_SECONDS)


class Empty(pl.Callback):
    """Does nothing at every hook that the monitor uses: the floor of any callback."""

    def on_before_optimizer_step(self, *_: object) -> None:
        """Do nothing."""

    def on_before_zero_grad(self, *_: object) -> None:
        """Do nothing."""

    def on_train_batch_start(self, *_: object) -> None:
        """Do nothing."""

    def on_train_batch_end(self, *_: object, **__: object) -> None:
        """Do nothing."""
