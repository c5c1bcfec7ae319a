"""Commutator defect: by how much the order of two gradient steps matters.

Two small steps on different examples end elsewhere when taken in the other order. To second order
the difference is made of Hessian-vector products, which stay precise where subtracting the two end
points leaves rounding noise. It rises in runs that never generalize too.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.weights import total_norm
from grokwatch.monitor.snapshot import Cost, Need, Part, Readings, Signal, Snapshot

NUM_PAIRS = 3


def commutator_defect(
    gradient: Callable[[Part], Tensor],
    product: Callable[[Tensor, Part], Tensor],
    parts: tuple[Part, Part],
) -> Float[Tensor, "..."]:
    """How far two gradient steps are from commuting, per product of their lengths.

    |H_B g_A - H_A g_B| / (|g_A| |g_B|) of two sets of examples A and B, from products with unit
    vectors, so that short gradients lose nothing.

    Args:
        gradient: g of a part, `(*models, P)`.
        product: H of a part times a vector.
        parts: A and B.

    Returns:
        Shape `models`, at least 0, per unit of weight; 0 where one of the gradients is 0.

    Example:
        >>> slopes, curvatures = torch.tensor([[3.0], [-2.0]]), [5.0, 1.0]
        >>> parts = ((0, 2), (1, 2))
        >>> commutator_defect(lambda p: slopes[p[0]], lambda v, p: curvatures[p[0]] * v, parts)
        tensor(2.1667)

    Source:
        Xu 2026 (arXiv 2602.16746), by its leading term in the learning rate.
    """
    first, second = parts
    u, u_length = _polar(gradient(first))
    crossed = product(u, second)
    v, v_length = _polar(gradient(second))  # after the product, which may have made it by the way
    defect = crossed / v_length[..., None] - product(v, first) / u_length[..., None]
    flat = (u_length == 0) | (v_length == 0)
    return torch.where(flat, 0.0, torch.linalg.vector_norm(defect, dim=-1))


def disjoint_pairs(num_examples: int, most: int = NUM_PAIRS) -> list[tuple[Part, Part]]:
    """Pairs of parts that have no example in common, neither within a pair nor between pairs.

    Args:
        num_examples: N, at least 2.
        most: how many pairs, where there are examples enough.

    Returns:
        The pairs; all parts of equal size, give or take one example.

    Raises:
        SignalError: fewer than 2 examples.

    Example:
        >>> disjoint_pairs(100, 2)
        [((0, 4), (1, 4)), ((2, 4), (3, 4))]

    Source:
        definition.
    """
    count = min(most, num_examples // 2)
    if count < 1:
        msg = (
            f"Expected at least 2 examples and one pair for a commutator, got {num_examples} "
            f"and {most}. Try a larger train batch."
        )
        raise SignalError(msg)
    return [((2 * k, 2 * count), (2 * k + 1, 2 * count)) for k in range(count)]


def _polar(x: Tensor) -> tuple[Tensor, Tensor]:
    """Direction and length of a vector, however short it is; no direction where the length is 0."""
    longest = x.abs().amax(-1, keepdim=True)
    scaled = torch.where(longest == 0, 0.0, x / longest)
    length = torch.linalg.vector_norm(scaled, dim=-1) * longest[..., 0]
    return normalize(scaled, dim=-1), length


def _read(snapshot: Snapshot) -> Readings:
    """Read the median defect over pairs of parts."""
    landscape = snapshot.landscape
    assert landscape is not None  # its need
    defects = [
        commutator_defect(
            lambda part: landscape.gradient(part=part),
            lambda vector, part: landscape.product(vector, part=part),
            pair,
        )
        for pair in disjoint_pairs(landscape.num_examples)
    ]
    defect = torch.stack(defects).double().median(0).values
    length = total_norm(snapshot)
    least = torch.finfo(torch.float64).tiny
    return {
        "commutator_defect": defect,
        "commutator_defect.log": (defect * length).clamp_min(least).log(),
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="commutator_defect",
        read=_read,
        needs=frozenset({Need.LANDSCAPE}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="How far two gradient steps are from commuting; rises early, on any labels.",
        source="Xu 2026 (arXiv 2602.16746), leading term; log is log(D |theta|)",
    ),
)
