"""Losses of a stack: one number for each model.

The sum over the stack gives each model the gradient of its own loss, because no other depends on
its weights. They are computed in the type of the logits; where rounding must not stop learning
(softmax collapse), hand in logits in float64.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

StackedLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over examples of -log softmax(z)_y.

    Args:
        logits: z, `(*models, N, C)`.
        targets: y in [0, C), `(N,)` for all models or `(*models, N)`.

    Returns:
        `(*models,)`, >= 0, nats.

    Raises:
        ValueError: shapes do not fit.

    Example:
        >>> cross_entropy(torch.zeros(3, 5, 2), torch.tensor([0, 1, 1, 0, 1]))
        tensor([0.6931, 0.6931, 0.6931])
    """
    logits, targets = _matched(logits, targets)
    losses = functional.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return losses.view(targets.shape).mean(-1)


def scaled_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy averaged over classes too, CE / C: the article's scale.

    Adam's epsilon sees the difference, and so does any decay through the gradient.

    Args:
        logits: `(*models, N, C)`.
        targets: `(N,)` or `(*models, N)`.

    Returns:
        `(*models,)`, >= 0, nats per class.

    Source:
        Pearce et al. 2023 (Do machine learning models memorize or generalize?).
    """
    return cross_entropy(logits, targets) / logits.shape[-1]


def logistic(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over examples of log(1 + exp(-m)), with the margin m = z_y - z_other of two classes.

    Cross-entropy in exact arithmetic. In float32 its gradient does not end where the softmax of the
    right class is rounded to 1.

    Args:
        logits: z, `(*models, N, 2)`.
        targets: y in {0, 1}, `(N,)` or `(*models, N)`.

    Returns:
        `(*models,)`, >= 0, nats.

    Raises:
        ValueError: shapes do not fit, or there are other than two classes.

    Example:
        >>> logistic(torch.tensor([[0.0, 20.0]]), torch.tensor([1]))
        tensor(2.0612e-09)
    """
    logits, targets = _matched(logits, targets)
    if logits.shape[-1] != 2:
        msg = f"Expected logits of two classes, got {logits.shape[-1]}. Try loss='cross_entropy'."
        raise ValueError(msg)
    margins = (logits[..., 0] - logits[..., 1]) * (1 - 2 * targets)
    return -functional.logsigmoid(margins).mean(-1)


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over examples and classes of (z - onehot(y))^2.

    Args:
        logits: z, `(*models, N, C)`.
        targets: y, `(N,)` or `(*models, N)`.

    Returns:
        `(*models,)`, >= 0.

    Example:
        >>> squared_error(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
        tensor(0.5000)
    """
    logits, targets = _matched(logits, targets)
    one_hot = functional.one_hot(targets, logits.shape[-1])
    return (logits - one_hot).square().mean((-1, -2))


def hinge(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over examples of sum_{c != y} max(0, 1 - z_y + z_c) / C.

    Args:
        logits: z, `(*models, N, C)`.
        targets: y, `(N,)` or `(*models, N)`.

    Returns:
        `(*models,)`, >= 0; 0 where all margins are at least 1.

    Example:
        >>> hinge(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        tensor(0.2500)

    Source:
        Weston & Watkins 1999, divided by the number of classes.
    """
    logits, targets = _matched(logits, targets)
    right = logits.gather(-1, targets.unsqueeze(-1))
    missing = (1 - right + logits).clamp(min=0)
    wrong: Tensor = missing.scatter(-1, targets.unsqueeze(-1), 0.0)
    return wrong.mean((-1, -2))


def stablemax_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over examples of -log(s(z_y) / sum_c s(z_c)), with s(z) = z + 1, below 0 1 / (1 - z).

    It grows like a logarithm where softmax grows like an exponential, so float32 does not round the
    loss of a fitted example to 0.

    Args:
        logits: z, `(*models, N, C)`.
        targets: y, `(N,)` or `(*models, N)`.

    Returns:
        `(*models,)`, >= 0, nats.

    Example:
        >>> stablemax_cross_entropy(torch.tensor([[2.0, -1.0]]), torch.tensor([0]))
        tensor(0.1542)

    Source:
        Prieto et al. 2025 (arXiv:2501.04697).
    """
    logits, targets = _matched(logits, targets)
    # One clamp passes its gradient at 0 and the other does not: together the slope there is 1.
    scores = logits.clamp(min=0) + 1 / (1 + torch.relu(-logits))
    right = scores.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (scores.sum(-1).log() - right.log()).mean(-1)


def _matched(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logits as they are, and targets for each model, `(*models, N)`."""
    if logits.ndim < 2 or targets.shape not in {logits.shape[:-1], logits.shape[-2:-1]}:
        msg = (
            f"Expected logits (*models, N, C) and targets (N,) or (*models, N), got "
            f"{tuple(logits.shape)} and {tuple(targets.shape)}. Try targets without a class axis."
        )
        raise ValueError(msg)
    return logits, targets.expand(logits.shape[:-1])


LOSSES: dict[str, StackedLoss] = {
    "cross_entropy": cross_entropy,
    "scaled_cross_entropy": scaled_cross_entropy,
    "logistic": logistic,
    "squared_error": squared_error,
    "hinge": hinge,
    "stablemax": stablemax_cross_entropy,
}
