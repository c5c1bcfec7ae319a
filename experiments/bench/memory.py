"""Peak memory of training with and without the monitor, each in a fresh process.

A few steps are trained before: libraries that are loaded at first use are not training's peak, and
are told apart from it.
"""

import gc
import json
import sys
from collections.abc import Iterator
from itertools import repeat
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from torch import Tensor

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.bench.peaks import forget_peak, from_child, peak_bytes
from grokwatch.experiments.bench.rows import Row, spread
from grokwatch.experiments.bench.sizes import DEMO, TINY, TRANSFORMER, workload
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.threads import one_thread
from grokwatch.experiments.workloads import fit

NAMES = (DEMO, TRANSFORMER)
ARMS = ("bare", "standard", "full")
MOST = 0.05
_STEPS = {TINY: 100, DEMO: 1000, TRANSFORMER: 8}
_REPEATS = 5
_FIRST_STEPS = 3


def memory(
    counting: Counting, *, repeats: int | None = None, names: tuple[str, ...] = NAMES
) -> list[Row]:
    """Measure the peak of every arm on every model.

    Args:
        counting: told of the children.
        repeats: children per arm, None for five.
        names: of the models.

    Returns:
        Rows per model: training's own peak, and what the monitor adds.
    """
    number, rows = repeats or _REPEATS, []
    for name in names:
        found: dict[str, list[Peaks]] = {arm: [] for arm in ARMS}
        with counting(f"memory, {name}", number * len(ARMS)) as done:
            for _ in range(number):
                for arm in ARMS:
                    found[arm].append(_child(name, arm, _STEPS.get(name, 1)))
                    done(arm)
        rows += _rows(workload(name).name, found)
    return rows


class Peaks(NamedTuple):
    """Bytes by which a process rose while it trained, at first and once more, and its peak then."""

    first: int
    again: int
    whole: int


def peaks(name: str, arm: str, steps: int) -> Peaks:
    """Train here, in a process that did nothing else.

    Args:
        name: of the workload.
        arm: `bare`, or a preset.
        steps: of training, the second time.

    Returns:
        Both peaks over what was there just before, and the second as it is.
    """
    with one_thread(), hushed("grokwatch"), TemporaryDirectory() as directory:
        first, again = (_rise(name, arm, count, directory) for count in (_FIRST_STEPS, steps))
    return Peaks(first, again, peak_bytes())


def _rise(name: str, arm: str, steps: int, directory: str) -> int:
    model = workload(name)
    monitor = GrokkingMonitor(
        model.probe,
        sinks=(),
        hooks=(),
        directory=directory,
        signals="cheap" if arm == ARMS[0] else arm,
    )
    gc.collect()
    before = forget_peak()
    fit(model, _Batches(model.batch, steps), [] if arm == ARMS[0] else [monitor])
    return max(0, peak_bytes() - before)


class _Batches:
    """One batch, a number of times."""

    def __init__(self, batch: tuple[Tensor, ...], steps: int) -> None:
        self._batch = batch
        self._steps = steps

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return repeat(self._batch, self._steps)


def _child(name: str, arm: str, steps: int) -> Peaks:
    return Peaks(*from_child(__name__, name, arm, str(steps)))


def _rows(model: str, found: dict[str, list[Peaks]]) -> list[Row]:
    bare = found[ARMS[0]]
    rows = [
        _bytes(model, "bare training", [each.again for each in bare]),
        _bytes(model, "the process that trains", [each.whole for each in bare]),
    ]
    for arm in ARMS[1:]:
        added = [each.again - median(rise.again for rise in bare) for each in found[arm]]
        loaded = median(each.first for each in found[arm]) - median(each.first for each in bare)
        note = f"{median(added) / 2**20:+.1f} MiB; {loaded / 2**20:+.1f} MiB in the first training"
        for whole in rows[:2]:
            shares = spread([each / max(whole.value or 0.0, 1.0) for each in added])
            row = Row(
                workload=model,
                what=f"added by preset {arm}, over {whole.what}",
                **shares._asdict(),
                target=f"at most {MOST:.0%}",
                is_met=shares.value <= MOST,
                note=note,
            )
            rows.append(row)
    return rows


def _bytes(model: str, what: str, values: list[int]) -> Row:
    figures = spread([float(each) for each in values])._asdict()
    return Row(workload=model, what=what, **figures, unit="bytes")


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(peaks(sys.argv[1], sys.argv[2], int(sys.argv[3])))}\n")
