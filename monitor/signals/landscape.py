"""The loss landscape where the weights are: its height, and the curvature along the update.

The curvature along the update costs no backward pass. It sees the batches of the moment: on
mini-batches it is noisy and biased upward. All curvature falls with the loss by itself, so it is
also read relative to the loss.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot


def update_curvature(
    gradients: Mapping[str, Tensor],
    previous_gradients: Mapping[str, Tensor],
    update: Mapping[str, Tensor],
    *,
    models: tuple[int, ...] = (),
) -> Float[Tensor, "..."]:
    """Curvature of the loss along the last update, by the difference of two gradients.

    (g - g') . d / (d . d): the Hessian's Rayleigh quotient along d, averaged between the two
    points; exact on a quadratic loss. 0 where nothing moved. A parameter that the loss did not
    reach has no gradient and counts as one of 0.

    Args:
        gradients: g by parameter name, with leading model axes, on the newer weights.
        previous_gradients: g' on the older weights.
        update: d, newer minus older weights.
        models: the leading model axes.

    Returns:
        Curvature, shape `models`, any sign; unit of loss per squared weight.

    Example:
        >>> old, new = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 2.0])  # gradient 6 w
        >>> update_curvature({"w": 6 * new}, {"w": 6 * old}, {"w": new - old})
        tensor(6.)

    Source:
        Barzilai and Borwein 1988 (the reciprocal of their first step size).
    """
    pairs = []
    for name, moved in update.items():
        newer, older = (
            _flat(tensors[name] if name in tensors else torch.zeros_like(moved), models)
            for tensors in (gradients, previous_gradients)
        )
        pairs.append((newer - older, _flat(moved, models)))
    change = torch.stack([torch.linalg.vecdot(y, d) for y, d in pairs]).sum(0)
    length = torch.stack([torch.linalg.vecdot(d, d) for _, d in pairs]).sum(0)
    return torch.where(length == 0, 0.0, change / length)


def per_loss(
    value: Float[Tensor, "*models"], loss: Float[Tensor, "*models"]
) -> Float[Tensor, "*models"]:
    """A curvature relative to the loss that it is the curvature of.

    value / L; under cross-entropy, both fall to 0 together as the margins grow.

    Args:
        value: a curvature.
        loss: L on the same examples.

    Returns:
        The ratio, any sign, per squared weight; 0 where the loss is 0.

    Example:
        >>> per_loss(torch.tensor([6.0, 0.0]), torch.tensor([0.5, 0.0]))
        tensor([12.,  0.])

    Source:
        definition.
    """
    return torch.where(loss == 0, value * 0, value / loss)


def train_loss(snapshot: Snapshot) -> Float[Tensor, "..."]:
    """The loss on the landscape's examples, once per snapshot.

    Args:
        snapshot: one that has a landscape.

    Returns:
        Shape `models`, float64.

    Example:
        >>> train_loss(Snapshot(step=1))
        tensor(nan, dtype=torch.float64)

    Source:
        definition.
    """
    landscape = snapshot.landscape
    if landscape is None:
        return torch.full(snapshot.models, torch.nan, dtype=torch.float64)
    return snapshot.once("landscape.loss", lambda: landscape.loss().double())


def _flat(x: Tensor, models: tuple[int, ...]) -> Tensor:
    """One vector per model, at least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32)).reshape(*models, -1)


def _update_curvature(snapshot: Snapshot) -> Tensor:
    """Curvature along the last update, once per snapshot."""
    gradients, previous = snapshot.gradients or {}, snapshot.previous_gradients or {}
    update = snapshot.update or {}
    return snapshot.once(
        "landscape.update_curvature",
        lambda: update_curvature(gradients, previous, update, models=snapshot.models),
    )


def _read_update_curvature(snapshot: Snapshot) -> Readings:
    """Read the curvature along the last update."""
    return {"update_curvature": _update_curvature(snapshot)}


def _read_relative_update_curvature(snapshot: Snapshot) -> Readings:
    """Read the same over the loss of the batch."""
    assert snapshot.losses is not None  # its need
    value = per_loss(_update_curvature(snapshot).double(), snapshot.losses[..., -1])
    return {"relative_update_curvature": value}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="update_curvature",
        read=_read_update_curvature,
        needs=frozenset({Need.UPDATE}),
        bounds=(-math.inf, math.inf),
        summary="Curvature of the train loss along the update; biased upward on mini-batches.",
        source="Barzilai and Borwein 1988",
    ),
    Signal(
        name="relative_update_curvature",
        read=_read_relative_update_curvature,
        needs=frozenset({Need.UPDATE, Need.LOSSES}),
        bounds=(-math.inf, math.inf),
        cost=Cost.MODERATE,
        summary="Curvature along the update per loss of the batch; does not fall with the loss.",
        source="Barzilai and Borwein 1988, over the loss",
    ),
)
