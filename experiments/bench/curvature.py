"""Our landscape signals against Cockpit's algorithm, each every 256 steps, interleaved.

The monitor pays for everything around its signals too: hooks, probe, journal.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from torch import nn

from grokwatch.callbacks.base import Callback
from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.bench.cockpit import Again, Package, is_installed
from grokwatch.experiments.bench.rows import Interval, Row, median_interval
from grokwatch.experiments.bench.sizes import DEMO, LAYERS, workload
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.overhead import Arm, compare, measure
from grokwatch.experiments.threads import one_thread
from grokwatch.experiments.workloads import BARE, CONTROL, Workload, fit
from grokwatch.monitor.schedule import every
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Signal

CADENCE = 256
NAMES = frozenset({"sharpness", "hessian_trace"})
OURS, BUSINESS, FULL, PACKAGE = (
    "ours: " + " + ".join(sorted(NAMES, reverse=True)),
    "Cockpit's trace, re-implemented",
    "Cockpit's eigenvalue + trace + histogram, re-implemented",
    "Cockpit's eigenvalue + trace + histogram, its package",
)
_TARGET = "at most 1/30 of Cockpit's"
_BLOCKS = {DEMO: 30, LAYERS: 12}
_ALL = ("eigenvalue", "trace", "histogram")


class Reading(Callback):
    """Calls `read(module)` after every 256th update.

    Args:
        read: takes the LightningModule.
    """

    def __init__(self, read: Callable[[nn.Module], None]) -> None:
        self._read = read

    def on_train_batch_end(self, trainer: object, module: nn.Module, *_: object) -> None:
        """Read, where it is due."""
        if trainer.global_step % CADENCE == 0:  # type: ignore[attr-defined]
            self._read(module)


def landscape_signals() -> list[Signal]:
    """The signals that answer what Cockpit's curvature quantities answer."""
    return [signal for signal in ALL if signal.name in NAMES]


def curvature(counting: Counting, *, blocks: int | None = None) -> list[Row]:
    """Measure what both cost beyond bare training.

    Args:
        counting: told of the rounds.
        blocks: of each trainer, None for the usual number.

    Returns:
        Rows of the demo's model; where the package is installed, of a model that it knows, too.
    """
    rows = _measured(DEMO, (OURS, BUSINESS, FULL), blocks, counting)
    if is_installed():
        return rows + _measured(LAYERS, (OURS, FULL, PACKAGE), blocks, counting)
    why = "the package cockpit-for-pytorch is not installed"
    return [*rows, Row(workload=workload(LAYERS).name, what=PACKAGE, value=None, note=why)]


def _measured(
    name: str, others: Sequence[str], blocks: int | None, counting: Counting
) -> list[Row]:
    model, number = workload(name), blocks or _BLOCKS[name]
    names, again = (BARE, CONTROL, *others), Again(model.batch, _ALL)
    with one_thread(), hushed("grokwatch"), TemporaryDirectory() as directory:
        make = partial(_callbacks, model, again, Path(directory))
        arms = {each: Arm(each, partial(_run, model, make), model.batch, CADENCE) for each in names}
        with counting(f"curvature, {name}", number + 2) as done:
            measure(list(arms.values()), blocks=number, warm_up=2, done=done)
    return _rows(model.name, arms, others, again)


def _run(model: Workload, make: Callable[[Arm], list[Callback]], arm: Arm) -> None:
    fit(model, arm, make(arm))


def _callbacks(model: Workload, again: Again, directory: Path, arm: Arm) -> list[Callback]:
    if arm.name in {BARE, CONTROL}:
        return []
    if arm.name == BUSINESS:
        return [Reading(Again(model.batch, ("trace",)))]
    if arm.name == FULL:
        return [Reading(again)]
    if arm.name == PACKAGE:
        return [Reading(Package(model.module().model, model.batch, _ALL))]  # type: ignore[arg-type]
    monitor = GrokkingMonitor(
        model.probe,
        sinks=(),
        hooks=(),
        directory=directory,
        budget=None,
        schedule=every(CADENCE),
        signals=landscape_signals(),
    )
    return [monitor]


def _rows(model: str, arms: dict[str, Arm], others: Sequence[str], again: Again) -> list[Row]:
    rows = []
    for name in (CONTROL, *others):
        found = compare(arms[name], arms[BARE])
        note = f"over bare training of {median(arms[BARE].seconds) * 1e3:.3f} ms a step"
        if name == FULL:
            note += f"; power iteration took {median(again.products):.0f} products"
        figures = Interval(found.share, found.low, found.high)._asdict()
        rows.append(Row(workload=model, what=name, **figures, note=note))
    ours, bare = arms[OURS].seconds, arms[BARE].seconds
    for name in others:
        if name != OURS:
            both = zip(ours, arms[name].seconds, bare, strict=True)
            ratios = median_interval([(own - none) / (other - none) for own, other, none in both])
            is_judged = name != BUSINESS
            rows.append(
                Row(
                    workload=model,
                    what=f"ours over {name}",
                    **ratios._asdict(),
                    unit="ratio",
                    target=_TARGET if is_judged else "",
                    is_met=ratios.value <= 1 / 30 if is_judged else None,
                )
            )
    return rows
