"""Gradient noise scale: how many examples a gradient needs before noise no longer drowns it.

Of the fixed examples of the landscape, which one pass over their parts shows: what parts disagree
on is noise, what they have in common is the gradient. The parts must be a random partition, which
they are where the examples came in random order. Where no two examples' gradients have anything in
common, the scale is the number of examples less one.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.snapshot import Cost, Need, Part, Readings, Signal, Snapshot

NUM_PARTS = 8
KEPT = 0.5


class GradientNoise(NamedTuple):
    """Noise and signal in the gradients of single examples.

    Attributes:
        variance: `(*models,)` float64, mean squared distance of an example's gradient from the mean
            of all; right on average over partitions.
        error: `(*models,)` float64 standard error of the variance.
        squared_mean: `(*models,)` float64, squared length of the mean of all; exact.
    """

    variance: Tensor
    error: Tensor
    squared_mean: Tensor


def gradient_noise(
    gradient: Callable[[Part], Tensor], num_examples: int, num_parts: int = NUM_PARTS
) -> GradientNoise:
    """Variance of per-example gradients from the mean gradients of a few parts of the examples.

    S = (N - 1) / N mean_k a b / (a + b) |g_k - G_k|^2, where g_k is the gradient of part k of b
    examples and G_k that of the a examples in the parts before it. Each term is right on average
    for parts drawn without replacement, and all of them are independent for Gaussian gradients. For
    equal parts the same number as b (N - 1) / (N - b) (mean_k |g_k|^2 - |G|^2), without that
    difference of near equals.

    Args:
        gradient: the mean gradient `(*models, P)` of a part.
        num_examples: N, at least 3.
        num_parts: how many parts, at most N of which are used.

    Returns:
        The estimate. Keeps three vectors while it runs.

    Raises:
        SignalError: fewer than 3 examples.

    Example:
        >>> slopes = torch.tensor([[1.0], [3.0], [1.0], [3.0]])
        >>> gradient_noise(lambda part: slopes[part[0] :: part[1]].mean(0), 4).variance.round()
        tensor(1., dtype=torch.float64)

    Source:
        McCandlish et al. 2018 (appendix A.1), with finite-population correction.
    """
    count = min(num_parts, num_examples)
    if count < 3:
        msg = (
            "Expected at least 3 examples and parts for a noise scale, "
            f"got {num_examples} and {num_parts}. Try a larger train batch."
        )
        raise SignalError(msg)
    mean, seen, terms = gradient((0, count)), len(range(0, num_examples, count)), []
    for index in range(1, count):
        size = len(range(index, num_examples, count))
        change = gradient((index, count)) - mean
        terms.append(_squared(change) * (seen * size / (seen + size)))
        seen += size
        mean = mean + change * (size / seen)
    contrasts = torch.stack(terms, -1) * ((num_examples - 1) / num_examples)
    error = contrasts.std(-1) / math.sqrt(len(terms))
    return GradientNoise(contrasts.mean(-1), error, _squared(mean))


def noise_scale(
    variance: Float[Tensor, "*models"], squared_mean: Float[Tensor, "*models"]
) -> Float[Tensor, "*models"]:
    """Simple noise scale.

    S / |G|^2: the batch size at which noise and gradient are of the same length.

    Args:
        variance: S of one example's gradient.
        squared_mean: |G|^2.

    Returns:
        Examples, at least 0; infinite where only noise is left, 0 where there is no noise.

    Example:
        >>> noise_scale(torch.tensor([8.0, 0.0]), torch.tensor([2.0, 0.0]))
        tensor([4., 0.])

    Source:
        McCandlish et al. 2018, equation 2.9.
    """
    return torch.where(variance == 0, variance, variance / squared_mean)


def _squared(x: Tensor) -> Tensor:
    """Squared length, added up in float64."""
    return (x * x).sum(-1, dtype=torch.float64)


def _smooth(snapshot: Snapshot, now: Tensor) -> Tensor:
    """Average the squared mean with those of earlier observations, each per its own variance.

    Gradients shorten by decades: averaged in their own unit, the longest would count for ever.
    """
    last = snapshot.memory.get("gradient_noise_scale")
    if last is None or last.shape != now.shape:
        last = torch.zeros_like(now)
    last = last.to(now)
    variance, squared = now.unbind(-1)
    earlier = last[..., 1] / last[..., 0] * variance
    usable = (last[..., 0] > 0) & earlier.isfinite()
    earlier = torch.where(usable, earlier, squared)
    mixed = torch.stack([variance, earlier * KEPT + squared * (1 - KEPT)], -1)
    finite = now.isfinite().all(-1, keepdim=True)
    snapshot.memory["gradient_noise_scale"] = torch.where(finite, mixed, last)
    return torch.where(finite, mixed, torch.nan)


def _read(snapshot: Snapshot) -> Readings:
    """Read the smoothed noise scale, and the error that this observation alone has."""
    landscape = snapshot.landscape
    assert landscape is not None  # its need
    noise = gradient_noise(lambda part: landscape.gradient(part=part), landscape.num_examples)
    now = torch.stack([noise.variance, noise.squared_mean], -1)
    value = noise_scale(*_smooth(snapshot, now).unbind(-1))
    relative = torch.where(noise.variance == 0, 0.0, noise.error / noise.variance)
    return {"gradient_noise_scale": value, "gradient_noise_scale.error": value * relative}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="gradient_noise_scale",
        read=_read,
        needs=frozenset({Need.LANDSCAPE}),
        bounds=(0.0, math.inf),
        unit="examples",
        cost=Cost.DEAR,
        summary="Batch size at which gradient noise equals the gradient; high, dips at cleanup.",
        source="McCandlish et al. 2018, equation 2.9; finite-population correction",
    ),
)
