"""Irreducible representations (irreps): how few of them weights over permutations use.

A function on the group S_n is a sum of one part for each irrep, as a function on a circle is a sum
of waves; an irrep of degree d has d^2 dimensions. Parts and their energies stay where they are when
permutations are multiplied from the left or the right by a fixed one. The trivial irrep is the
mean over the group and is left out, as the constant is from a power spectrum. Degrees differ, so
energy is judged against the dimensions it could have used: S3, S4 and S5 are known.
"""

import functools
import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.nulls import density_gini_null, greatest_null
from grokwatch.monitor.signals.sparsity import energy_shares, excess
from grokwatch.monitor.signals.symmetric_group import character, partitions, projectors
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

_SIZES = {math.factorial(n): n for n in (3, 4, 5)}


def isotypic_power(W: Float[Tensor, "*models P D"]) -> Float[Tensor, "*models D F"]:
    """Power of each neuron in each dimension of functions on S_n without the constant.

    (q_i . W_d)^2 with orthonormal q_i, each inside the part of one irrep.

    Args:
        W: weights, the P = n! permutations in lexicographic order on axis -2, neurons on axis -1.

    Returns:
        Non-negative power, neurons on axis -2, the F = n! - 1 dimensions irrep by irrep on axis -1;
        unit of W squared. A neuron's powers add up to the squared deviation from its mean.

    Raises:
        SignalError: P is not 6, 24 or 120.

    Example:
        >>> sign = torch.tensor([1.0, -1, -1, 1, 1, -1])
        >>> isotypic_power(sign[:, None]).round(decimals=4).abs()
        tensor([[0., 0., 0., 0., 6.]])

    Source:
        Serre 1977, section 2.6; Chughtai et al. 2023 (irreps in networks that learn S_n).
    """
    n = _size(W.shape[-2])
    rows = W.to(torch.promote_types(W.dtype, torch.float32)).mT
    power: Tensor = (rows @ _isotypic_basis(n, rows.dtype, rows.device)).square_()
    return power


def irrep_shares(power: Float[Tensor, "*models F"]) -> Float[Tensor, "*models R"]:
    """Share of each irrep of S_n but the trivial one in the power of all.

    |Pi_rho W|^2 / (|W|^2 - |Pi_1 W|^2).

    Args:
        power: in the n! - 1 dimensions, irrep by irrep.

    Returns:
        Shares in the order of `partitions` without the first, which sum to 1; as the dimensions,
        d^2 / (n! - 1), where there is no power.

    Raises:
        SignalError: the dimensions are not those of S3, S4 or S5.

    Example:
        >>> irrep_shares(torch.tensor([1.0, 1.0, 0.0, 0.0, 6.0]))
        tensor([0.2500, 0.7500])

    Source:
        Serre 1977, section 2.6.
    """
    dimensions = _dimensions(_size(power.shape[-1] + 1))
    parts = torch.split(energy_shares(power), list(dimensions), dim=-1)
    return torch.stack([part.sum(-1) for part in parts], -1)


def density_gini(
    shares: Float[Tensor, "*models R"], dimensions: tuple[int, ...]
) -> Float[Tensor, "*models"]:
    """Gini coefficient of shares of energy over parts of several dimensions.

    (1/2) sum_ij |w_j s_i - w_i s_j| with w_i part i's fraction of all dimensions: the coefficient
    over dimensions, with a part's energy spread evenly over its own.

    Args:
        shares: non-negative shares of the R parts, which sum to 1.
        dimensions: of each part.

    Returns:
        0 where shares are as the dimensions, 1 - w_i where part i has it all; no unit.

    Example:
        >>> density_gini(torch.tensor([1.0, 0.0]), (1, 3))
        tensor(0.7500)

    Source:
        Gini 1912, for grouped data.
    """
    weights = shares.new_tensor(dimensions) / sum(dimensions)
    products = shares[..., :, None] * weights
    gini: Tensor = (products - products.mT).abs().sum((-1, -2)) / 2
    return gini


@functools.lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def _isotypic_basis(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Orthonormal columns, irrep by irrep without the trivial one."""
    each = projectors(n)
    places = torch.arange(len(each), dtype=torch.float64, device="cpu")
    vectors = torch.linalg.eigh((each * places[:, None, None]).sum(0)).eigenvectors
    basis: Tensor = vectors[:, 1:].to(device, dtype)
    return basis


@functools.lru_cache
def _dimensions(n: int) -> tuple[int, ...]:
    """Squares of the degrees of all irreps of S_n but the trivial one."""
    identity = (1,) * n
    return tuple(character(irrep, identity) ** 2 for irrep in partitions(n)[1:])


def _size(order: int) -> int:
    """The n of S_n from the number of its permutations."""
    if order not in _SIZES:
        msg = (
            f"Expected an axis of 6, 24 or 120 permutations (S3, S4, S5), got {order}. "
            "Try a role whose axis runs over one of these groups."
        )
        raise SignalError(msg)
    return _SIZES[order]


def _shares(snapshot: Snapshot, role: str) -> tuple[Tensor, Tensor]:
    """Shares of energy over irreps, of each neuron and of all added up, once per snapshot."""

    def power() -> Tensor:
        W = snapshot.permutations[role]
        return snapshot.once(f"permutations.power@{role}", lambda: isotypic_power(W))

    each = snapshot.once(f"permutations.each@{role}", lambda: irrep_shares(power()))
    added = snapshot.once(f"permutations.added@{role}", lambda: irrep_shares(power().sum(-2)))
    return each, added


def _greatest(shares: Tensor, dimensions: tuple[int, ...]) -> Tensor:
    """Share of the strongest irrep."""
    return shares.amax(-1)


def _most_unequal(dimensions: tuple[int, ...]) -> float:
    """The density's Gini coefficient where all energy lies in one dimension."""
    return 1 - min(dimensions) / sum(dimensions)


def _all(dimensions: tuple[int, ...]) -> float:
    return 1.0


def _read(
    snapshot: Snapshot,
    *,
    keys: tuple[str, str, str, str],
    measure: Callable[[Tensor, tuple[int, ...]], Tensor],
    null: Callable[[tuple[float, ...]], float],
    spike: Callable[[tuple[int, ...]], float],
) -> Readings:
    """Read one measure as mean over neurons and of their aggregate, each with its excess."""
    readings: dict[str, Tensor] = {}
    for role, W in snapshot.permutations.items():
        dimensions = _dimensions(_size(W.shape[-2]))
        each, added = _shares(snapshot, role)
        values = measure(each, dimensions).mean(-1), measure(added, dimensions)
        for value, copies, pair in zip(values, (1, W.shape[-1]), (keys[:2], keys[2:]), strict=True):
            chance = null(tuple(copies * number / 2 for number in dimensions))
            readings[f"{pair[0]}@{role}"] = value
            readings[f"{pair[1]}@{role}"] = excess(value, null=chance, spike=spike(dimensions))
    return readings


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="irrep_gini_coefficient",
        read=partial(
            _read,
            keys=(
                "irrep_gini_coefficient",
                "irrep_gini_coefficient.excess",
                "irrep_gini_coefficient.aggregate",
                "irrep_gini_coefficient.aggregate_excess",
            ),
            measure=density_gini,
            null=density_gini_null,
            spike=_most_unequal,
        ),
        needs=frozenset({Need.PERMUTATIONS}),
        bounds=(-3.0, 1.0),
        cost=Cost.MODERATE,
        summary="Inequality of energy over dimensions of irreps, mean over neurons; rises.",
        source="Gini 1912; Chughtai et al. 2023 (irreps in networks that learn S_n)",
    ),
    Signal(
        name="irrep_share",
        read=partial(
            _read,
            keys=(
                "irrep_share.top",
                "irrep_share.top_excess",
                "irrep_share.aggregate",
                "irrep_share.aggregate_excess",
            ),
            measure=_greatest,
            null=greatest_null,
            spike=_all,
        ),
        needs=frozenset({Need.PERMUTATIONS}),
        bounds=(-3.0, 1.0),
        cost=Cost.MODERATE,
        summary="Share of the strongest irrep in weight energy, mean over neurons; rises to 1.",
        source="Chughtai et al. 2023 (irreps in networks that learn S_n)",
    ),
)
