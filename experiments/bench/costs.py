"""What each signal costs: its reading as a share of a training step, interleaved with steps.

Signals are read by the real tracker from real snapshots. Work that several signals share is paid by
the first of them that is read.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from grokwatch.experiments.bench.rows import Row, median_interval, spread
from grokwatch.experiments.bench.sizes import DEMO, TINY, TRANSFORMER, workload
from grokwatch.experiments.bench.watched import Watched, watch
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.workloads import Workload
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Signal

NAMES = (TINY, DEMO, TRANSFORMER)
_ROUNDS = {TINY: (8, 40), DEMO: (8, 40), TRANSFORMER: (4, 5)}


def costs(
    counting: Counting,
    *,
    rounds: int | None = None,
    names: Sequence[str] = NAMES,
    signals: Sequence[Signal] = ALL,
) -> list[Row]:
    """Measure every signal on every model.

    Args:
        counting: told of the rounds.
        rounds: readings of each signal, None for each model's own number.
        names: of the models.
        signals: what to read.

    Returns:
        A row per signal and model, and one for a whole observation.
    """
    rows = []
    for name in names:
        model, (steps, usual) = _with_loss(workload(name)), _ROUNDS[name]
        number = usual if rounds is None else rounds
        with counting(f"costs, {name}", number + 2) as done:
            found = watch(model, signals, steps=steps, rounds=number, done=done)
        rows += [_row(model.name, signal, found) for signal in signals]
        rows.append(_whole(model.name, found))
    return rows


def _with_loss(model: Workload) -> Workload:
    """The same, with its loss given: a recognized one is not used for large models."""

    def loss(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return cross_entropy(module(batch[0]), batch[1])

    return replace(model, probe=replace(model.probe or Probe(), loss=loss))


def _row(model: str, signal: Signal, found: Watched) -> Row:
    shares = found.shares(signal.name)
    note = signal.cost.value
    if not shares:
        why = found.reasons.get(signal.name, "no reading in these rounds")
        return Row(workload=model, what=signal.name, value=None, note=f"{note}; {why}")
    seconds = median(found.seconds[signal.name].values())
    value, low, high = median_interval(shares)
    note = f"{note}, {seconds * 1e6:,.0f} us"
    return Row(workload=model, what=signal.name, value=value, low=low, high=high, note=note)


def _whole(model: str, found: Watched) -> Row:
    """The observation as a whole: probe, snapshot, signals and the copy to floats."""
    step = spread(list(found.step_seconds.values()))
    shares = [each.cost_seconds / found.step_seconds[at] for at, each in found.observations.items()]
    value, low, high = median_interval(shares)
    return Row(
        workload=model,
        what="whole observation",
        value=value,
        low=low,
        high=high,
        note=f"all of the above; a step takes {step.value * 1e3:.3f} ms "
        f"({step.low * 1e3:.3f} to {step.high * 1e3:.3f})",
    )
