"""Cheap and Fourier signals against two loggers, each at the same steps of one training.

Their answers differ: histograms show how every weight and gradient is spread, WeightWatcher fits
power laws to spectra, and ours are single numbers on grokking.
"""

import importlib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from importlib.util import find_spec
from io import StringIO
from typing import TypeAlias

import torch
from torch import Tensor, nn

from grokwatch.callbacks.base import Callback
from grokwatch.experiments.bench.rows import Row, median_interval
from grokwatch.experiments.bench.sizes import DEMO, TINY, TRANSFORMER, workload
from grokwatch.experiments.bench.watched import Every, Stopwatch, Watched, watch
from grokwatch.experiments.counting import Counting
from grokwatch.monitor.signals import ALL, fourier
from grokwatch.monitor.snapshot import Cost, Signal

BINS = 64
HISTOGRAMS = "histograms as of wandb.watch"
SPECTRA = "WeightWatcher's analyze()"
SIGNALS = "cheap + Fourier signals"
OBSERVATION = "whole observation of those"
_STEPS = 4
_ROUNDS = {TINY: 40, DEMO: 40, TRANSFORMER: 6}
_MOST = {TINY: 5, DEMO: 5, TRANSFORMER: 20}
_MOST_OF_SPECTRA = 50
_NOTES = {
    HISTOGRAMS: "64 bins of every weight and gradient tensor, in lines of our own",
    SPECTRA: "every layer's spectrum and its power law: other information than ours",
    OBSERVATION: "with the probe's forward pass for train accuracy, which no other here makes",
}


_Actions: TypeAlias = dict[str, Callable[[nn.Module], object]]


def histograms(module: nn.Module) -> list[tuple[list[float], list[float]]]:
    """Counts and edges of each weight and each gradient.

    Args:
        module: after a backward pass.

    Returns:
        A pair of lists per tensor.
    """
    pairs = ((parameter.detach(), parameter.grad) for parameter in module.parameters())
    return [_histogram(tensor) for pair in pairs for tensor in pair if tensor is not None]


def _histogram(tensor: Tensor) -> tuple[list[float], list[float]]:
    flat = tensor.reshape(-1)
    flat = flat[torch.isfinite(flat)]
    low, high = float(flat.min()), float(flat.max())
    counts = flat.histc(BINS, low, high)
    return counts.cpu().tolist(), torch.linspace(low, high, BINS + 1).tolist()


def cheap_and_fourier() -> list[Signal]:
    """The signals that answer for us here."""
    names = {signal.name for signal in fourier.SIGNALS}
    return [signal for signal in ALL if signal.cost is Cost.CHEAP or signal.name in names]


def loggers(
    counting: Counting,
    *,
    rounds: int | None = None,
    names: tuple[str, ...] = (TINY, DEMO, TRANSFORMER),
) -> list[Row]:
    """Measure all of them on every model.

    Args:
        counting: told of the rounds.
        rounds: readings of each, None for each model's own number.
        names: of the models.

    Returns:
        Rows per model: what each reading costs in steps, and ours over theirs.
    """
    rows = []
    for name in names:
        model, number = workload(name), rounds or _ROUNDS[name]
        others: _Actions = {HISTOGRAMS: histograms}
        if name == TRANSFORMER and find_spec("weightwatcher") is not None:
            others[SPECTRA] = _analyze
        with counting(f"loggers, {name}", number + 2) as done:
            found = watch(
                model,
                cheap_and_fourier(),
                steps=_STEPS,
                rounds=number,
                done=done,
                others=partial(_callbacks, others),
            )
        rows += _rows(name, model.name, found, others)
        if name == TRANSFORMER and SPECTRA not in others:
            why = "the package weightwatcher is not installed"
            rows.append(Row(workload=model.name, what=SPECTRA, value=None, note=why))
    return rows


def _callbacks(others: _Actions, stopwatch: Stopwatch) -> list[Callback]:
    return [Every(name, action, _STEPS, stopwatch) for name, action in others.items()]


def _analyze(module: nn.Module) -> object:
    """Fit power laws to all layers, in silence."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        weightwatcher = importlib.import_module("weightwatcher")
        return weightwatcher.WeightWatcher(model=module.model).analyze(plot=False)


def _rows(name: str, model: str, found: Watched, others: _Actions) -> list[Row]:
    signals = {
        step: sum(times.get(step, 0.0) for key, times in found.seconds.items() if key not in others)
        for step in found.observations
    }
    whole = {step: each.cost_seconds for step, each in found.observations.items()}
    ours = {SIGNALS: signals, OBSERVATION: whole}
    every = ours | {other: dict(found.seconds[other]) for other in others}
    rows = []
    for what, seconds in every.items():
        shares = [seconds[step] / found.step_seconds[step] for step in seconds]
        figures, note = median_interval(shares)._asdict(), _NOTES.get(what, "")
        rows.append(Row(workload=model, what=what, **figures, note=note))
    for other in others:
        most = _MOST_OF_SPECTRA if other == SPECTRA else _MOST[name]
        for what, seconds in ours.items():
            ratios = [seconds[step] / found.seconds[other][step] for step in seconds]
            rows.append(_ratio(model, what, other, ratios, most if what == SIGNALS else None))
    return rows


def _ratio(model: str, what: str, other: str, ratios: list[float], most: int | None) -> Row:
    found = median_interval(ratios)
    return Row(
        workload=model,
        what=f"{what} over {other}",
        **found._asdict(),
        unit="ratio",
        target="" if most is None else f"at most 1/{most}",
        is_met=None if most is None else found.value <= 1 / most,
    )
