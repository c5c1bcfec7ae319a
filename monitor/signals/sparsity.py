"""How concentrated energy is over components: five measures, their nulls and excesses.

The measures read shares of energy over the last axis and do not care what the components are:
`fourier` reads frequencies, `coordinates` reads inputs. Energies of zero everywhere count as spread
evenly, and so do those of a neuron that decayed until its squares are mostly rounding.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.nulls import (
    Components,
    entropy_null,
    gini_null,
    participation_null,
    top_null,
)

TOP = 5


def energy_shares(energy: Float[Tensor, "*models n"]) -> Float[Tensor, "*models n"]:
    """Share of each component in the energy of all.

    s_i = x_i / sum_j x_j; 1/n each where the sum is below the least normal number over the machine
    epsilon (1e-31 in float32): so little energy is rounded to few values, and looks concentrated.

    Args:
        energy: non-negative energies, any unit.

    Returns:
        Shares in [0, 1] that sum to 1 over the last axis.

    Example:
        >>> energy_shares(torch.tensor([3.0, 1.0, 0.0, 0.0]))
        tensor([0.7500, 0.2500, 0.0000, 0.0000])

    Source:
        definition.
    """
    total = energy.sum(-1, keepdim=True)
    dtype = torch.finfo(energy.dtype)
    empty = (total < dtype.tiny / dtype.eps).to(energy.dtype)
    return (energy + empty / energy.shape[-1]) / (total + empty)


def gini_coefficient(shares: Float[Tensor, "*models n"]) -> Float[Tensor, "*models"]:
    """Gini coefficient of shares of energy (of power, not of amplitude).

    sum_i (2i - n - 1) s_(i) / n with the shares s in ascending order.

    Args:
        shares: non-negative shares of n components, which sum to 1.

    Returns:
        0 where energy is even, 1 - 1/n where one component has it all; no unit.

    Example:
        >>> gini_coefficient(torch.tensor([0.0, 0.0, 0.0, 1.0]))
        tensor(0.7500)

    Source:
        Hurley and Rickard 2009; Nanda et al. 2023.
    """
    n = shares.shape[-1]
    ranks = torch.arange(1 - n, n, 2, dtype=shares.dtype, device=shares.device)
    return (_ascending(shares) @ ranks / n).clamp_min(0)


def inverse_participation_ratio(
    shares: Float[Tensor, "*models n"],
) -> Float[Tensor, "*models"]:
    """Inverse participation ratio (IPR) of shares of energy, exponent 2.

    sum_i s_i^2: one over the number of components that take part.

    Args:
        shares: non-negative shares of n components, which sum to 1.

    Returns:
        1/n where energy is even, 1/k for k equal spikes, 1 where one component has it all; no unit.

    Example:
        >>> inverse_participation_ratio(torch.tensor([0.5, 0.5, 0.0, 0.0]))
        tensor(0.5000)

    Source:
        Gromov 2023; Doshi et al. 2023.
    """
    return shares.square().sum(-1)


def top_share(shares: Float[Tensor, "*models n"], num_top: int = TOP) -> Float[Tensor, "*models"]:
    """Share of the greatest components in the energy of all.

    Sum of the `num_top` greatest shares.

    Args:
        shares: non-negative shares of n components, which sum to 1.
        num_top: how many components count as the top.

    Returns:
        num_top/n where energy is even, 1 where the top has it all; no unit.

    Example:
        >>> top_share(torch.tensor([0.6, 0.1, 0.1, 0.1, 0.1, 0.0]), num_top=2)
        tensor(0.7000)

    Source:
        Nanda et al. 2023 (five key frequencies carry the solution).
    """
    return shares.topk(min(num_top, shares.shape[-1]), sorted=False).values.sum(-1)


def dominant_share(shares: Float[Tensor, "*models n"]) -> Float[Tensor, "*models"]:
    """Share of the greatest component in the energy of all.

    max_i s_i.

    Args:
        shares: non-negative shares of n components, which sum to 1.

    Returns:
        1/n where energy is even, 1 where one component has it all; no unit.

    Example:
        >>> dominant_share(torch.tensor([0.6, 0.4, 0.0]))
        tensor(0.6000)

    Source:
        Sivasankar 2026 (arXiv:2606.12966), the weight of a neuron's dominant frequency.
    """
    return shares.amax(-1)


def entropy_of_shares(shares: Float[Tensor, "*models n"]) -> Float[Tensor, "*models"]:
    """Shannon entropy of the shares of energy, as a fraction of its maximum.

    -sum_i s_i log s_i / log n.

    Args:
        shares: non-negative shares of n components, which sum to 1.

    Returns:
        1 where energy is even, 0 where one component has it all (also where n = 1); no unit.

    Example:
        >>> entropy_of_shares(torch.tensor([0.5, 0.5, 0.0, 0.0]))
        tensor(0.5000)

    Source:
        Shannon 1948.
    """
    most = math.log(max(shares.shape[-1], 2))
    entropy: Tensor = torch.special.entr(shares).sum(-1) / most
    return entropy


def excess(
    value: Float[Tensor, "*models"], *, null: float, spike: float
) -> Float[Tensor, "*models"]:
    """Excess of a measure over its null, as a fraction of the most there could be.

    (x - null) / (spike - null): 0 without structure, 1 on a single spike.

    Args:
        value: readings of the measure.
        null: what the measure reads in the mean on structureless energies.
        spike: what it reads where one component has all the energy.

    Returns:
        At most 1; negative where energy is spread more evenly than chance would; 0 where null and
        spike agree.

    Example:
        >>> excess(torch.tensor([0.5, 0.75, 1.0]), null=0.5, spike=1.0)
        tensor([0.0000, 0.5000, 1.0000])

    Source:
        chance correction as in Hubert and Arabie 1985.
    """
    room = spike - null
    return value * 0 if math.isclose(room, 0, abs_tol=1e-9) else (value - null) / room


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of concentration with what it reads without structure and on a spike.

    Attributes:
        of: shares over the last axis to readings.
        null: its mean on structureless energies over given components.
        spike: its reading where one of n components has all the energy.
        bounds: least and greatest reading, excess included.
    """

    of: Callable[[Tensor], Tensor]
    null: Callable[[Components], float]
    spike: Callable[[int], float]
    bounds: tuple[float, float]

    def excess(self, value: Tensor, components: Components) -> Tensor:
        """Excess of readings over the null for these components."""
        return excess(value, null=self.null(components), spike=self.spike(components.count))


def _ascending(x: Tensor) -> Tensor:
    """Sort the last axis, least first."""
    # numpy sorts many short rows ten times as fast as torch does on a CPU
    if x.device.type == "cpu":
        return torch.from_numpy(np.sort(x.detach().numpy(), axis=-1))
    return x.sort(dim=-1).values


# named, because a trainer that spawns processes pickles the callback and its signals
def _gini_spike(n: int) -> float:
    return 1 - 1 / n


def _all(n: int) -> float:
    return 1.0


def _none(n: int) -> float:
    return 0.0


GINI = Measure(of=gini_coefficient, null=gini_null, spike=_gini_spike, bounds=(-2.0, 1.0))
PARTICIPATION = Measure(
    of=inverse_participation_ratio,
    null=participation_null,
    spike=_all,
    bounds=(-1.0, 1.0),
)
TOP_SHARE = Measure(
    of=top_share, null=partial(top_null, num_top=TOP), spike=_all, bounds=(-math.inf, 1.0)
)
DOMINANT_SHARE = Measure(
    of=dominant_share, null=partial(top_null, num_top=1), spike=_all, bounds=(-2.0, 1.0)
)
ENTROPY = Measure(of=entropy_of_shares, null=entropy_null, spike=_none, bounds=(-1.0, 1.0))
