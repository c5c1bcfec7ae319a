"""Logits on the fixed train probe: margins, their scale, and where float numbers end learning.

Losses and margins are computed in float64. The two shares of collapse are about the training dtype
itself: where exp underflows there, an example has no gradient any more. Without weight decay that
is how learning stops for good; with it, it passes.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokwatch.monitor.signals.loss_curve import log_loss
from grokwatch.monitor.signals.weights import total_norm
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

LOW = 0.05


def margins(
    logits: Float[Tensor, "*models N C"], targets: Int[Tensor, "*_ N"]
) -> Float[Tensor, "*models N"]:
    """How far the logit of the target stands above the greatest other one.

    m_i = z_iy - max_{j != y} z_ij.

    Args:
        logits: one row per example, at least two classes.
        targets: class indices, with the model axes or without.

    Returns:
        Margins, float64, above 0 where the example is classified right; unit of the logits.

    Example:
        >>> margins(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0]))
        tensor([2.], dtype=torch.float64)

    Source:
        definition; Lyu and Li 2020.
    """
    own, others = _split(logits.double(), targets)
    return own - others.amax(-1)


def cross_entropies(
    logits: Float[Tensor, "*models N C"], targets: Int[Tensor, "*_ N"]
) -> Float[Tensor, "*models N"]:
    """Cross-entropy of each example, exact also where it is far below the rounding of 1.

    l_i = log(1 + sum_{j != y} exp(z_ij - z_iy)).

    Args:
        logits: one row per example, at least two classes.
        targets: class indices, with the model axes or without.

    Returns:
        Losses, float64, at least 0; nats.

    Example:
        >>> cross_entropies(torch.tensor([[100.0, 0.0]]), torch.tensor([0]))
        tensor([3.7201e-44], dtype=torch.float64)

    Source:
        definition.
    """
    own, others = _split(logits.double(), targets)
    above = others.logsumexp(-1) - own
    return torch.logaddexp(above, torch.zeros_like(above))


def logit_scale(logits: Float[Tensor, "*models N C"]) -> Float[Tensor, "*models"]:
    """How far the logits of an example lie from their mean.

    mean_i |z_i - mean_j z_ij|, the l2 norm over classes.

    Args:
        logits: one row per example.

    Returns:
        At least 0, float64; unit of the logits.

    Example:
        >>> logit_scale(torch.tensor([[3.0, -3.0, 0.0], [1.0, 1.0, 1.0]]))
        tensor(2.1213, dtype=torch.float64)

    Source:
        Truong et al. 2026 (arXiv:2606.13753).
    """
    wide = logits.double()
    rest = wide - wide.mean(-1, keepdim=True)
    lengths: Tensor = torch.linalg.vector_norm(rest, dim=-1)
    return lengths.mean(-1)


def softmax_collapse(logits: Float[Tensor, "*models N C"]) -> Float[Tensor, "*models"]:
    """Share of examples whose softmax is one class and nothing else, in the dtype of the logits.

    mean_i [sum_j exp(z_ij - max_k z_ik) = 1], rounded as that dtype rounds.

    Args:
        logits: one row per example, in the dtype that the model was trained in.

    Returns:
        A share in [0, 1], float64; NaN where a logit is not finite.

    Example:
        >>> softmax_collapse(torch.tensor([[20.0, 0.0], [10.0, 0.0]]))
        tensor(0.5000, dtype=torch.float64)

    Source:
        Prieto et al. 2025 (arXiv:2501.04697).
    """
    total = (logits - logits.amax(-1, keepdim=True)).exp().sum(-1)
    return _share(total == 1, total)


def zero_loss(
    logits: Float[Tensor, "*models N C"], targets: Int[Tensor, "*_ N"]
) -> Float[Tensor, "*models"]:
    """Share of examples whose loss is exactly 0 in the dtype of the logits.

    mean_i [-(z_iy - logsumexp_j z_ij) = 0], rounded as that dtype rounds.

    Args:
        logits: one row per example, in the dtype that the model was trained in.
        targets: class indices, with the model axes or without.

    Returns:
        A share in [0, 1], float64; NaN where a logit is not finite.

    Example:
        >>> zero_loss(torch.tensor([[20.0, 0.0], [20.0, 0.0]]), torch.tensor([0, 1]))
        tensor(0.5000, dtype=torch.float64)

    Source:
        Prieto et al. 2025 (arXiv:2501.04697).
    """
    losses = logits.log_softmax(-1).gather(-1, _columns(logits, targets))[..., 0]
    return _share(losses == 0, losses)


def _share(condition: Tensor, values: Tensor) -> Tensor:
    """Mean of a condition; NaN where the values it was read from are not all finite."""
    return torch.where(values.isfinite().all(-1), condition.double().mean(-1), torch.nan)


def _columns(logits: Tensor, targets: Tensor) -> Tensor:
    """Class index of each row: `(*models, N, 1)`."""
    return targets.expand(logits.shape[:-1])[..., None].long()


def _split(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logit of the target, and all logits with minus infinity in its place."""
    columns = _columns(logits, targets)
    own = logits.gather(-1, columns)[..., 0]
    return own, logits.scatter(-1, columns, -torch.inf)


def _pair(snapshot: Snapshot) -> tuple[Tensor, Tensor]:
    """Logits and targets of the probe."""
    assert snapshot.logits is not None  # its need
    assert snapshot.targets is not None
    return snapshot.logits, snapshot.targets


def _read_margin(snapshot: Snapshot) -> Readings:
    """Read the mean, the least and the 5 % quantile of the margins."""
    found = margins(*_pair(snapshot))
    return {
        "margin": found.mean(-1),
        "margin.least": found.amin(-1),
        "margin.low": torch.quantile(found, LOW, dim=-1),
    }


def _read_scale(snapshot: Snapshot) -> Readings:
    """Read the scale of the logits, and that over what weights of this norm could give.

    s / (|theta| / sqrt(L))^L with L trained matrices; one used twice counts once.
    """
    scale, axes = logit_scale(_pair(snapshot)[0]), len(snapshot.models)
    depth = max(sum(weight.ndim - axes >= 2 for weight in snapshot.weights.values()), 1)
    each = total_norm(snapshot).double() / math.sqrt(depth)
    efficiency = torch.where(each == 0, 0.0, scale / each**depth)
    return {"logit_scale": scale, "logit_scale.efficiency": efficiency}


def _read_collapse(snapshot: Snapshot) -> Readings:
    """Read the share of examples without a gradient."""
    return {"softmax_collapse": softmax_collapse(_pair(snapshot)[0])}


def _read_zero_loss(snapshot: Snapshot) -> Readings:
    """Read the share of examples without a loss."""
    return {"zero_loss": zero_loss(*_pair(snapshot))}


def _read_loss(snapshot: Snapshot) -> Readings:
    """Read the mean loss and its natural logarithm."""
    loss = cross_entropies(*_pair(snapshot)).mean(-1)
    return {"probe_loss": loss, "probe_loss.log": log_loss(loss[..., None])[..., 0]}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="margin",
        read=_read_margin,
        needs=frozenset({Need.LOGITS}),
        bounds=(-math.inf, math.inf),
        cost=Cost.MODERATE,
        summary="Target's logit less the next greatest: mean, least, 5 % quantile; rises.",
        source="definition; Lyu and Li 2020",
    ),
    Signal(
        name="logit_scale",
        read=_read_scale,
        needs=frozenset({Need.LOGITS}),
        bounds=(0.0, math.inf),
        cost=Cost.MODERATE,
        summary="Length of centered logits; rises, and its efficiency per weight norm at cleanup.",
        source="Truong et al. 2026 (arXiv:2606.13753); Varma et al. 2023 (efficiency)",
    ),
    Signal(
        name="softmax_collapse",
        read=_read_collapse,
        needs=frozenset({Need.LOGITS}),
        bounds=(0.0, 1.0),
        cost=Cost.MODERATE,
        summary="Share of examples whose softmax rounds to one class; near 1 learning has ended.",
        source="Prieto et al. 2025 (arXiv:2501.04697)",
    ),
    Signal(
        name="zero_loss",
        read=_read_zero_loss,
        needs=frozenset({Need.LOGITS}),
        bounds=(0.0, 1.0),
        cost=Cost.MODERATE,
        summary="Share of examples whose loss rounds to 0; near 1 learning has ended.",
        source="Prieto et al. 2025 (arXiv:2501.04697)",
    ),
    Signal(
        name="probe_loss",
        read=_read_loss,
        needs=frozenset({Need.LOGITS}),
        bounds=(-math.inf, math.inf),
        unit="nats",
        cost=Cost.MODERATE,
        summary="Mean cross-entropy on the train probe in float64, and its log; falls for long.",
        source="definition",
    ),
)
