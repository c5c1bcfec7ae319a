"""Walsh coefficients: which products of few input bits the network's output is made of.

A network that has learned a parity of k bits is one product of k signs: one coefficient of degree k
is 1, all others are 0. They are estimated from the network's answers to fresh random inputs, which
nobody needs to label but which somebody must be able to draw. An estimate from M inputs errs by
about 1/sqrt(M) for each of thousands of sets, so that squares are corrected for chance.
"""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.sparsity import energy_shares, gini_coefficient
from grokwatch.monitor.snapshot import Access, Cost, Need, Readings, Signal, Snapshot

MOST_SETS = 1 << 17
MOST_DEGREE = 4
_DEGREES = ("one", "two", "three", "four")
_MOST_HELD = 1 << 20  # products of pairs held at once


def soft_answer(margins: Float[Tensor, "*models M"]) -> Float[Tensor, "*models M"]:
    """The answer as a number from -1 to 1.

    f = 2 p - 1 = tanh(m / 2), p the probability of class 1 and m the margin between the logits.

    Args:
        margins: logit of class 1 less logit of class 0.

    Returns:
        In [-1, 1], at least float32; NaN where the margin is not finite.

    Example:
        >>> soft_answer(torch.tensor([0.0, 100.0]))
        tensor([0., 1.])

    Source:
        definition.
    """
    wide = margins.to(torch.promote_types(margins.dtype, torch.float32))
    return torch.where(wide.isfinite(), torch.tanh(wide / 2), torch.nan)


def greatest_degree(n: int) -> int:
    """Degree up to which all sets of n bits are looked at.

    The greatest of 1 .. 4 with no more than 131,072 sets of that size and below; 1 at least.

    Args:
        n: number of bits.

    Returns:
        From 1 to min(4, n).

    Example:
        >>> [greatest_degree(n) for n in (3, 30, 60, 200)]
        [3, 4, 3, 2]

    Source:
        definition.
    """
    sizes = [math.comb(n, degree) for degree in range(1, min(MOST_DEGREE, n) + 1)]
    within = [total for total in itertools.accumulate(sizes) if total <= MOST_SETS]
    return max(1, len(within))


def walsh_coefficients(
    signs: Float[Tensor, "M n"], answers: Float[Tensor, " M"]
) -> tuple[Float[Tensor, "..."], ...]:
    """Walsh coefficients of a function, estimated from its values at random inputs.

    f^(S) = mean_x f(x) prod_{i in S} x_i for all sets S of 1 .. 4 bits; fewer where there are too
    many sets.

    Args:
        signs: M random inputs of n signs, each 1 or -1.
        answers: f at each of them.

    Returns:
        For each degree its coefficients, sets in lexicographic order, each in [-1, 1] if f is.

    Example:
        >>> signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> walsh_coefficients(signs, signs.prod(-1))
        (tensor([0., 0.]), tensor([1.]))

    Source:
        O'Donnell 2014, section 1.2; Barak et al. 2022 (in parity learning).
    """
    M, n = signs.shape
    degree = greatest_degree(n)
    rows = max(1, _MOST_HELD // max(1, math.comb(n, 2)))
    blocks = zip(
        torch.split(signs.to(answers.dtype), rows), torch.split(answers, rows), strict=True
    )
    totals: list[Tensor] = []
    for x, f in blocks:
        sums = _products(x, f, degree)
        totals = [a + b for a, b in zip(totals, sums, strict=True)] if totals else sums
    return tuple(_once_each([total / M for total in totals], n))


def unbiased_squares(
    coefficients: Float[Tensor, "*models sets"], answers: Float[Tensor, "*models M"]
) -> Float[Tensor, "*models sets"]:
    """Squares of coefficients without what chance adds to each.

    (M f^(S)^2 - mean f^2) / (M - 1): right on average whatever f is.

    Args:
        coefficients: estimated from M inputs.
        answers: f at those inputs.

    Returns:
        At most 1 if f is in [-1, 1]; slightly negative for about two in three sets that f lacks.

    Example:
        >>> unbiased_squares(torch.tensor([1.0, 0.5]), torch.ones(4))
        tensor([1., 0.])

    Source:
        the variance of a mean.
    """
    M = answers.shape[-1]
    chance = answers.square().mean(-1, keepdim=True)
    return (M * coefficients.square() - chance) / max(M - 1, 1)


def top_ratio(
    squares: Float[Tensor, "*models sets"], chance: Float[Tensor, "*models"]
) -> Float[Tensor, "*models"]:
    """How far the greatest squared coefficient stands above the second.

    s_(1) / max(s_(2), chance), where chance is what the square of an absent set reads on average.

    Args:
        squares: squared coefficients as estimated, at least 0.
        chance: mean f^2 / M.

    Returns:
        At least 0, about 1 without structure, also where all is 0; no unit.

    Example:
        >>> top_ratio(torch.tensor([0.0, 0.9, 0.1]), torch.tensor(0.01))
        tensor(9.)

    Source:
        Barak et al. 2022 (the Fourier gap, there a difference).
    """
    top = squares.topk(min(2, squares.shape[-1])).values
    second = torch.maximum(top[..., -1], chance) if top.shape[-1] > 1 else chance
    return torch.where(second == 0, 1.0, top[..., 0] / second)


def _products(x: Tensor, f: Tensor, degree: int) -> list[Tensor]:
    """Sums over inputs of f times products of signs: all of one, two, three and four factors."""
    sums = [f @ x]
    if degree > 1:
        sums.append((x * f[:, None]).mT @ x)
    if degree > 2:
        first, second = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
        pairs = x[:, first] * x[:, second]
        sums.append((x * f[:, None]).mT @ pairs)
        if degree > 3:
            sums.append((pairs * f[:, None]).mT @ pairs)
    return sums


def _once_each(products: list[Tensor], n: int) -> list[Tensor]:
    """Each set once, out of all products of two factors: those with indices in ascending order."""
    device = products[0].device
    single = torch.arange(n, device=device)
    first, second = torch.triu_indices(n, n, 1, device=device)
    ends, starts = (single, single, second), (single, first, first)
    ordered = [end[:, None] < start for end, start in zip(ends, starts, strict=True)]
    chosen = [p[mask] for p, mask in zip(products[1:], ordered, strict=False)]
    return [products[0], *chosen]


def _read(snapshot: Snapshot) -> Readings:
    """Read mass by degree, the greatest square, its lead and the inequality of all squares."""
    assert snapshot.fresh is not None  # its need
    fresh = snapshot.fresh()
    answers = soft_answer(fresh.margins)
    M = answers.shape[-1]
    # one model at a time: its products alone are as much as should be held
    single = [walsh_coefficients(fresh.signs, f) for f in answers.reshape(-1, M)]
    degrees = [
        torch.stack(each).reshape(*snapshot.models, -1) for each in zip(*single, strict=True)
    ]
    mass = {
        f"walsh_concentration.degree_{word}": unbiased_squares(each, answers).sum(-1)
        for word, each in zip(_DEGREES, degrees, strict=False)
    }
    coefficients = torch.cat(degrees, -1)
    squares = coefficients.square()
    return mass | {
        "walsh_concentration.top": unbiased_squares(coefficients, answers).amax(-1),
        "walsh_concentration.top_ratio": top_ratio(squares, answers.square().mean(-1) / M),
        "walsh_concentration.gini": gini_coefficient(energy_shares(squares)),
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="walsh_concentration",
        read=_read,
        needs=frozenset({Need.FRESH}),
        access=Access.UNLABELLED,
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="Squared Walsh coefficients of the output up to degree 4; one stands out at last.",
        source="O'Donnell 2014, section 1.2; Barak et al. 2022 (parity learning)",
    ),
)
