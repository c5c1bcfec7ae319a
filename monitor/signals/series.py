"""Evenly spaced series of numbers: trend, Hjorth's parameters, spectrum, falls and spikes.

Pure functions over the last axis, one sample per step; `loss_curve` applies them to the train loss.
Few samples and flat series give 0, a sample that is not finite gives NaN.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.fourier import power_spectrum

LOW_BAND = 0.1
SPIKE_DEVIATIONS = 5.0


def slope(x: Float[Tensor, "*models W"]) -> Float[Tensor, "*models"]:
    """Slope of the least-squares line through evenly spaced samples.

    sum_i (t_i - mean t) x_i / sum_i (t_i - mean t)^2 with t = 0, 1, 2, ...

    Args:
        x: samples, one per step, oldest first.

    Returns:
        Change of x per step; 0 for a single sample.

    Example:
        >>> slope(torch.tensor([1.0, 3.0, 5.0]))
        tensor(2.)

    Source:
        definition.
    """
    time = _centred_time(x)
    rest = x - x.mean(-1, keepdim=True)
    return _ratio((time * rest).sum(-1), time.square().sum())


def detrend(x: Float[Tensor, "*models W"]) -> Float[Tensor, "*models W"]:
    """Take mean and least-squares line away; what is no more than rounding becomes 0.

    Args:
        x: samples, one per step, oldest first.

    Returns:
        What is left, in the unit of x.

    Example:
        >>> detrend(torch.tensor([1.0, 3.0, 5.0]))
        tensor([0., 0., 0.])

    Source:
        definition.
    """
    rest = x - x.mean(-1, keepdim=True) - slope(x)[..., None] * _centred_time(x)
    rounding = 16 * torch.finfo(x.dtype).eps * x.abs().amax(-1, keepdim=True)
    return torch.where(rest.abs().amax(-1, keepdim=True) <= rounding, 0.0, rest)


class Hjorth(NamedTuple):
    """Hjorth's parameters of a series, each of the shape of its leading axes.

    Attributes:
        activity: variance of the series, in its unit squared, at least 0.
        mobility: standard deviation of its differences over its own; per step, at least 0.
        complexity: mobility of the differences over mobility of the series; near 1 for a sine; at
            least 0.
    """

    activity: Tensor
    mobility: Tensor
    complexity: Tensor


def hjorth(x: Float[Tensor, "*models W"]) -> Hjorth:
    """Hjorth's activity, mobility and complexity.

    Var(x); sqrt(Var(dx) / Var(x)); mobility(dx) / mobility(x), d the difference of neighbors.

    Args:
        x: samples, one per step.

    Returns:
        The three parameters; a ratio to nothing is 0, and so is all of a series of fewer than three
        samples.

    Example:
        >>> [round(float(v), 2) for v in hjorth(torch.sin(torch.arange(4096) / 10))]
        [0.5, 0.1, 1.0]

    Source:
        Hjorth 1970; Notsawo et al. 2023 (activity as a predictor of grokking).
    """
    if x.shape[-1] < 3:
        nothing = x.sum(-1) * 0
        return Hjorth(nothing, nothing, nothing)
    first, second = x.diff(dim=-1), x.diff(n=2, dim=-1)
    variances = [series.var(-1, correction=0) for series in (x, first, second)]
    mobility = _ratio(variances[1], variances[0]).sqrt()
    return Hjorth(
        variances[0], mobility, _ratio(_ratio(variances[2], variances[1]).sqrt(), mobility)
    )


def oscillation_energy(x: Float[Tensor, "*models W"]) -> Float[Tensor, "*models"]:
    """Oscillation energy: share of a series' variance at low frequencies.

    sum of |X_f|^2 over 0 < f <= 0.1 per step, over the sum for all f > 0.

    Args:
        x: samples, one per step.

    Returns:
        A share in [0, 1]; 0 for a flat series, and where fewer than ten samples resolve no low
        frequency.

    Example:
        >>> slow, fast = (torch.sin(2 * torch.pi * f * torch.arange(50)) for f in (0.04, 0.4))
        >>> round(float(oscillation_energy(slow + fast)), 4)
        0.5

    Source:
        Notsawo et al. 2023 (spectral signature of the early loss).
    """
    power = power_spectrum(x[..., None])[..., 0, :]
    num_low = math.floor(LOW_BAND * x.shape[-1] + 1e-9)
    return _ratio(power[..., :num_low].sum(-1), power.sum(-1))


def spectral_flatness(x: Float[Tensor, "*models W"]) -> Float[Tensor, "*models"]:
    """Spectral flatness: how evenly a series' variance is spread over frequencies.

    Geometric over arithmetic mean of |X_f|^2 for all f > 0.

    Args:
        x: samples, one per step.

    Returns:
        In [0, 1]: 0 for pure waves and for a flat series, exp(-0.577) = .56 for long white noise,
        1 for a single impulse.

    Example:
        >>> impulse = torch.zeros(9).index_fill(0, torch.tensor(3), 1.0)
        >>> spectral_flatness(impulse).round(decimals=4)
        tensor(1.)

    Source:
        Gray and Markel 1974; Notsawo et al. 2023.
    """
    if x.shape[-1] < 2:
        return x.sum(-1) * 0
    power = power_spectrum(x[..., None])[..., 0, :]
    return _ratio(power.log().mean(-1).exp(), power.mean(-1)).clamp_max(1)


def drawdown(x: Float[Tensor, "*models W"]) -> Float[Tensor, "*models"]:
    """Maximum drawdown: the deepest fall from an earlier high.

    max_i (max_{j <= i} x_j - x_i).

    Args:
        x: samples, one per step.

    Returns:
        At least 0, in the unit of x.

    Example:
        >>> drawdown(torch.tensor([1.0, 3.0, 2.0, 4.0, 0.0, 9.0]))
        tensor(4.)

    Source:
        Magdon-Ismail et al. 2004.
    """
    return (x.cummax(-1).values - x).amax(-1)


def spike_count(x: Float[Tensor, "*models W"]) -> Float[Tensor, "*models"]:
    """Number of samples far above the others.

    How many x_i - median(x) exceed 5 median_j |x_j - median(x)|; medians are the lower ones.

    Args:
        x: samples, one per step.

    Returns:
        A count in [0, W/2]; NaN where a sample is not finite.

    Example:
        >>> spike_count(torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 9.0, 1.0]))
        tensor(1.)

    Source:
        Thilak et al. 2022 (loss spikes of slingshots); Hampel 1974 (the deviation).
    """
    above = x - x.median(-1, keepdim=True).values
    deviation = above.abs().median(-1, keepdim=True).values
    count = (above > SPIKE_DEVIATIONS * deviation).sum(-1).to(x.dtype)
    return torch.where(x.isfinite().all(-1), count, torch.nan)


def _centred_time(x: Tensor) -> Tensor:
    """Steps of the last axis, less their mean."""
    n = x.shape[-1]
    return torch.arange(n, dtype=x.dtype, device=x.device) - (n - 1) / 2


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Divide; a ratio to 0 is 0."""
    return torch.where(below == 0, 0.0, above / below)
