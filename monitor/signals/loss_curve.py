"""The train-loss curve: its level, its slope, and how it oscillates.

All measures read the losses of the last 64 updates in float64, every update's, not those of sparse
observations. Shape measures read log10 of the loss with its linear trend taken away; what is left
of a straight line is rounding and counts as 0. A loss that is not finite makes every measure of its
window NaN. Runs that never grok oscillate too, on random labels more than others: none of these is
evidence by itself.
"""

import math
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.series import (
    detrend,
    drawdown,
    hjorth,
    oscillation_energy,
    slope,
    spectral_flatness,
    spike_count,
)
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

WINDOW = 64


def log_loss(losses: Float[Tensor, "*models W"]) -> Float[Tensor, "*models W"]:
    """Natural logarithm of losses in float64.

    log(max(L, 2.2e-308)): a loss of 0 or less counts as the least float64.

    Args:
        losses: train losses, any scale.

    Returns:
        Logarithms, at least -708.4, float64.

    Example:
        >>> log_loss(torch.tensor([1.0, 0.0]))
        tensor([   0.0000, -708.3964], dtype=torch.float64)

    Source:
        definition.
    """
    return losses.double().clamp_min(torch.finfo(torch.float64).tiny).log()


def _window(snapshot: Snapshot) -> Tensor:
    """Natural log of the losses of the window, once per snapshot."""
    losses = snapshot.losses
    if losses is None or losses.shape[-1] == 0:
        msg = (
            "Expected the train loss of at least one update, got none. Try after the first update."
        )
        raise SignalError(msg)
    return snapshot.once("loss_curve.log", lambda: log_loss(losses[..., -WINDOW:]))


def _shape(snapshot: Snapshot) -> Tensor:
    """Detrended log10 of the losses of the window, once per snapshot."""
    return snapshot.once("loss_curve.shape", lambda: detrend(_window(snapshot)) / math.log(10))


def _read_hjorth(snapshot: Snapshot, *, name: str, index: int) -> Readings:
    """Read one of Hjorth's three parameters, all computed once per snapshot."""
    stacked = snapshot.once("loss_curve.hjorth", lambda: torch.stack(hjorth(_shape(snapshot))))
    return {name: stacked[index]}


def _hjorth_signal(name: str, index: int, summary: str) -> Signal:
    """Describe one of Hjorth's three parameters."""
    return Signal(
        name=name,
        read=partial(_read_hjorth, name=name, index=index),
        cost=Cost.MODERATE,
        needs=frozenset({Need.LOSSES}),
        bounds=(0.0, math.inf),
        summary=summary,
        source="Hjorth 1970; Notsawo et al. 2023",
    )


def _read_train_loss(snapshot: Snapshot) -> Readings:
    """Read the level and the slope of the log loss."""
    logs = _window(snapshot)
    return {"train_loss.log": logs[..., -1], "train_loss.slope": slope(logs)}


def _read_oscillation_energy(snapshot: Snapshot) -> Readings:
    """Read the share of slow waves."""
    return {"oscillation_energy": oscillation_energy(_shape(snapshot))}


def _read_flatness(snapshot: Snapshot) -> Readings:
    """Read how evenly the window's variance is spread over frequencies."""
    return {"loss_flatness": spectral_flatness(_shape(snapshot))}


def _read_drawdown(snapshot: Snapshot) -> Readings:
    """Read the deepest fall of the window."""
    return {"loss_drawdown": drawdown(_shape(snapshot))}


def _read_loss_spikes(snapshot: Snapshot) -> Readings:
    """Count the spikes of the window."""
    return {"loss_spikes": spike_count(_shape(snapshot))}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="train_loss",
        read=_read_train_loss,
        needs=frozenset({Need.LOSSES}),
        bounds=(-math.inf, math.inf),
        summary="Natural log of the train loss, and its slope per step; falls after memorization.",
        source="definition",
    ),
    _hjorth_signal(
        "loss_activity", 0, "Variance of detrended log10 train loss; high where it oscillates."
    ),
    _hjorth_signal(
        "loss_mobility", 1, "Mean frequency of detrended log10 train loss; low for slow waves."
    ),
    _hjorth_signal(
        "loss_complexity", 2, "Bandwidth of detrended log10 train loss; near 1 for one pure wave."
    ),
    Signal(
        name="oscillation_energy",
        cost=Cost.MODERATE,
        read=_read_oscillation_energy,
        needs=frozenset({Need.LOSSES}),
        bounds=(0.0, 1.0),
        summary="Share of low frequencies in detrended log10 train loss; high for slow waves.",
        source="Notsawo et al. 2023",
    ),
    Signal(
        name="loss_spikes",
        cost=Cost.MODERATE,
        read=_read_loss_spikes,
        needs=frozenset({Need.LOSSES}),
        bounds=(0.0, WINDOW / 2),
        summary="Number of recent updates whose loss stands far above the rest; slingshots spike.",
        source="Thilak et al. 2022",
    ),
    Signal(
        name="loss_drawdown",
        cost=Cost.MODERATE,
        read=_read_drawdown,
        needs=frozenset({Need.LOSSES}),
        bounds=(0.0, math.inf),
        summary="Deepest fall of detrended log10 train loss, in decades; large after a spike.",
        source="Magdon-Ismail et al. 2004 (the measure)",
    ),
    Signal(
        name="loss_flatness",
        cost=Cost.MODERATE,
        read=_read_flatness,
        needs=frozenset({Need.LOSSES}),
        bounds=(0.0, 1.0),
        summary="Spectral flatness of detrended log10 train loss; 0 for pure waves, .56 for noise.",
        source="Gray and Markel 1974; Notsawo et al. 2023",
    ),
)
