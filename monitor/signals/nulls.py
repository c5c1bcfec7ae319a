"""What each sparsity measure reads on weights without structure, exactly.

The energies of iid Gaussian weights over orthonormal components are chi-squared, so their shares
follow a Dirichlet law with half a component's degrees of freedom as its parameter. Each null here
is an expectation under that law, so that readings at different moduli and widths can be compared.
Nothing here is fitted or sampled.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

_GRID_POINTS = 1 << 14


@dataclass(frozen=True)
class Components:
    """The components over which energy is shared.

    Attributes:
        pairs: how many have two degrees of freedom (a cosine and a sine).
        singles: how many have one (the Nyquist frequency of an even length, an input coordinate).
        copies: how many neurons' energies are added up in each component.
    """

    pairs: int
    singles: int = 0
    copies: int = 1

    @property
    def count(self) -> int:
        """Number of components."""
        return self.pairs + self.singles

    @property
    def kinds(self) -> tuple[tuple[int, float], ...]:
        """Number of components and Dirichlet parameter of each kind that there is."""
        both = ((self.pairs, float(self.copies)), (self.singles, self.copies / 2))
        return tuple((number, shape) for number, shape in both if number)

    @property
    def total(self) -> float:
        """Sum of all Dirichlet parameters."""
        return sum(number * shape for number, shape in self.kinds)


@functools.lru_cache
def gini_null(components: Components) -> float:
    """Expected Gini coefficient of structureless shares.

    Sum over pairs i < j of E|s_i - s_j|, divided by n. Where every component has the same parameter
    a this is (1 - 1/n) Gamma(a + 1/2) / (sqrt(pi) Gamma(a + 1)).

    Args:
        components: over what the energy is shared.

    Returns:
        The expectation, in [0, 1 - 1/n].

    Example:
        >>> round(gini_null(Components(pairs=33)), 4)  # .5 (1 - 1/33)
        0.4848

    Source:
        Hurley and Rickard 2009 (the measure); McDonald and Jensen 1979 (gamma law).
    """
    distances = 0.0
    for index, (number, shape) in enumerate(components.kinds):
        distances += math.comb(number, 2) * _mean_distance(shape, shape)
        for other_number, other_shape in components.kinds[index + 1 :]:
            distances += number * other_number * _mean_distance(shape, other_shape)
    return distances / (components.total * components.count)


@functools.lru_cache
def participation_null(components: Components) -> float:
    """Expected inverse participation ratio of structureless shares.

    sum_i a_i (a_i + 1) / (A (A + 1)) with A = sum_i a_i; 2 / (n + 1) for one neuron's odd-length
    spectrum.

    Args:
        components: over what the energy is shared.

    Returns:
        The expectation, in [1/n, 1].

    Example:
        >>> round(participation_null(Components(pairs=33)), 4)  # 2/34
        0.0588

    Source:
        second moments of the Dirichlet law.
    """
    total = components.total
    return sum(n * shape * (shape + 1) for n, shape in components.kinds) / (total * (total + 1))


@functools.lru_cache
def entropy_null(components: Components) -> float:
    """Expected entropy of structureless shares, as a fraction of log n.

    (psi(A + 1) - sum_i a_i psi(a_i + 1) / A) / log n, psi the digamma function.

    Args:
        components: over what the energy is shared.

    Returns:
        The expectation, in [0, 1]; 0 where there is a single component.

    Example:
        >>> round(entropy_null(Components(pairs=33)), 4)
        0.8834

    Source:
        Wolpert and Wolf 1995, entropy of the Dirichlet law.
    """
    if components.count == 1:
        return 0.0
    inside = sum(n * shape * _digamma(shape + 1) for n, shape in components.kinds)
    expected = _digamma(components.total + 1) - inside / components.total
    return expected / math.log(components.count)


@functools.lru_cache
def top_null(components: Components, num_top: int) -> float:
    """Expected share of the `num_top` greatest of structureless shares.

    The mean of the k greatest gamma variables, the integral over x of E[min(k, number above x)],
    divided by A.

    Args:
        components: over what the energy is shared.
        num_top: how many shares are added up, at least 1.

    Returns:
        The expectation, in [num_top/n, 1].

    Example:
        >>> round(top_null(Components(pairs=33), 1), 4)  # (1 + 1/2 + ... + 1/33) / 33
        0.1239

    Source:
        order statistics of independent gamma variables.
    """
    if num_top >= components.count:
        return 1.0
    roots = _grid(max(shape for _, shape in components.kinds))
    fewer = torch.zeros_like(roots).repeat(num_top, 1)  # row m: chance that m lie above x
    fewer[0] = 1.0
    for number, shape in components.kinds:
        above = torch.special.gammaincc(torch.full_like(roots, shape), roots.square())
        fewer = _add_counts(fewer, number, above)
    missing = (num_top - torch.arange(num_top))[:, None] * fewer
    return _integrate(num_top - missing.sum(0), roots) / components.total


@functools.lru_cache
def greatest_null(parameters: tuple[float, ...]) -> float:
    """Expected greatest of shares that follow any Dirichlet law.

    The integral over x of the chance that some gamma variable is above x, divided by A.

    Args:
        parameters: a_i of each component, half its degrees of freedom.

    Returns:
        The expectation, in [1/n, 1].

    Example:
        >>> round(greatest_null((1.0,) * 33), 4)  # (1 + 1/2 + ... + 1/33) / 33
        0.1239

    Source:
        order statistics of independent gamma variables.
    """
    roots = _grid(max(parameters))
    below = torch.ones_like(roots)
    for shape in parameters:
        below *= torch.special.gammainc(torch.full_like(roots, shape), roots.square())
    return _integrate(1 - below, roots) / sum(parameters)


@functools.lru_cache
def density_gini_null(parameters: tuple[float, ...]) -> float:
    """Expected Gini coefficient of energy per degree of freedom under any Dirichlet law.

    sum_{i<j} w_i w_j E|X_i/a_i - X_j/a_j| with w_i = a_i / A and X_i gamma variables of shape a_i.

    Args:
        parameters: a_i of each component, half its degrees of freedom.

    Returns:
        The expectation, in [0, 1).

    Example:
        >>> round(density_gini_null((1.0,) * 33), 4)  # .5 (1 - 1/33)
        0.4848

    Source:
        definition; Wilks 1962 (Dirichlet shares as ratios of gamma variables).
    """
    total = sum(parameters)
    end = max((math.sqrt(shape) + 8) / math.sqrt(shape) for shape in parameters)
    roots = torch.linspace(0, end, _GRID_POINTS + 1, dtype=torch.float64, device="cpu")
    squares = roots.square()
    above = [torch.special.gammaincc(torch.full_like(roots, a), squares * a) for a in parameters]
    distances = torch.zeros_like(roots)
    for (a, x), (b, y) in itertools.combinations(zip(parameters, above, strict=True), 2):
        distances += a * b / total**2 * (x * (1 - y) + y * (1 - x))
    return _integrate(distances, roots)


def _add_counts(chances: Tensor, number: int, above: Tensor) -> Tensor:
    """Add an independent Binomial(number, above) to a count given by its first chances."""
    added = torch.zeros_like(chances)
    for more in range(min(len(chances) - 1, number) + 1):
        chance = math.comb(number, more) * above**more * (1 - above) ** (number - more)
        added[more:] += chances[: len(chances) - more] * chance
    return added


def _mean_distance(shape: float, other: float) -> float:
    """E|X - Y| of independent gamma variables with unit scale."""
    roots = _grid(max(shape, other))
    x = torch.special.gammaincc(torch.full_like(roots, shape), roots.square())
    y = torch.special.gammaincc(torch.full_like(roots, other), roots.square())
    return _integrate(x * (1 - y) + y * (1 - x), roots)


def _grid(shape: float) -> Tensor:
    """Square roots of abscissae: the root of any gamma variable has a spread of about 1/2."""
    return torch.linspace(
        0, math.sqrt(shape) + 8, _GRID_POINTS + 1, dtype=torch.float64, device="cpu"
    )


def _integrate(values: Tensor, roots: Tensor) -> float:
    """Integrate values over the squares of roots."""
    return float(torch.trapezoid(values * 2 * roots, roots))


def _digamma(x: float) -> float:
    """The digamma function psi."""
    return float(torch.digamma(torch.tensor(x, dtype=torch.float64, device="cpu")))
