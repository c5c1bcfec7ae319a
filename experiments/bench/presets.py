"""What the whole monitor costs with each preset, the budget on, against an empty callback."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from grokwatch.callbacks.base import Callback
from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.bench.rows import Row
from grokwatch.experiments.bench.sizes import DEMO, LAYERS, TRANSFORMER, workload
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.overhead import Arm, Comparison, Empty, compare, holds, measure
from grokwatch.experiments.threads import one_thread
from grokwatch.experiments.workloads import BARE, CONTROL, EMPTY, Workload, fit
from grokwatch.monitor.presets import PRESETS

NAMES = (DEMO, LAYERS, TRANSFORMER)
MAX_CONTROL = 0.01
_CHEAP = "cheap"
_CHEAP_SHARES = {LAYERS: 0.005, TRANSFORMER: 0.003}


def presets(
    counting: Counting, *, blocks: int | None = None, names: Sequence[str] = NAMES
) -> list[Row]:
    """Measure every preset on every model.

    Args:
        counting: told of the rounds.
        blocks: of each trainer, None for each model's own number.
        names: of the models.

    Returns:
        Rows per model: the control, and each preset.
    """
    rows = []
    for name in names:
        model = workload(name)
        number = model.blocks if blocks is None else blocks
        with one_thread(), hushed("grokwatch"), TemporaryDirectory() as directory:
            arms = _arms(model, Path(directory))
            with counting(f"presets, {name}", model.warm_up + number) as done:
                measure(list(arms.values()), blocks=number, warm_up=model.warm_up, done=done)
        rows += _rows(name, model.name, arms)
    return rows


def _arms(model: Workload, directory: Path) -> dict[str, Arm]:
    run = partial(_run, model, directory)
    names = (BARE, CONTROL, EMPTY, *PRESETS)
    return {name: Arm(name, run, model.batch, model.block) for name in names}


def _run(model: Workload, directory: Path, arm: Arm) -> None:
    others: dict[str, list[Callback]] = {BARE: [], CONTROL: [], EMPTY: [Empty()]}
    callbacks = others[arm.name] if arm.name in others else [_monitor(model, directory, arm)]
    fit(model, arm, callbacks)


def _monitor(model: Workload, directory: Path, arm: Arm) -> Callback:
    return GrokkingMonitor(
        model.probe,
        sinks=(),
        hooks=(),
        directory=directory / arm.name,
        signals=arm.name,
        clock=arm.clock,
    )


def _rows(name: str, model: str, arms: dict[str, Arm]) -> list[Row]:
    control = compare(arms[CONTROL], arms[BARE])
    is_still = abs(control.share) <= MAX_CONTROL
    step = f"over a bare step of {control.step_seconds * 1e3:.3f} ms"
    if not is_still:
        step += "; two equal trainers differ by more than 1 %: trust none of these"
    rows = [_row(model, CONTROL, control, note=step)]
    for preset in PRESETS:
        found = compare(arms[preset], arms[EMPTY])
        note = f"over an empty callback, {found.extra_seconds * 1e6:+.0f} us a step"
        what = f"preset {preset}, budget on"
        target = "at most 1 % or 20 us a step"
        rows.append(_row(model, what, found, target=target, is_met=holds(found), note=note))
    most, found = _CHEAP_SHARES.get(name), compare(arms[_CHEAP], arms[BARE])
    what = f"preset {_CHEAP}, over bare training"
    if most is None:
        return [*rows, _row(model, what, found, note="no target: a step under 3 ms")]
    met = found.share <= most
    return [*rows, _row(model, what, found, target=f"at most {most:.1%}", is_met=met)]


def _row(
    model: str,
    what: str,
    found: Comparison,
    *,
    target: str = "",
    is_met: bool | None = None,
    note: str = "",
) -> Row:
    return Row(
        workload=model,
        what=what,
        value=found.share,
        low=found.low,
        high=found.high,
        target=target,
        is_met=is_met,
        note=note,
    )
