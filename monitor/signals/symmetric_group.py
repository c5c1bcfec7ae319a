"""The symmetric group: its irreps' characters, and projectors on their parts of functions.

Partitions of n name the irreps of S_n as well as its classes of conjugate permutations. Everything
here is exact arithmetic on integers but for one division.
"""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor


def partitions(n: int, most: int | None = None) -> tuple[tuple[int, ...], ...]:
    """Partitions of a number into descending parts, the greatest first.

    Args:
        n: what the parts add up to.
        most: the greatest part allowed; None for n.

    Returns:
        The partitions; they name the irreps of S_n as well as its classes of conjugates.

    Example:
        >>> partitions(4)
        ((4,), (3, 1), (2, 2), (2, 1, 1), (1, 1, 1, 1))

    Source:
        definition.
    """
    if n == 0:
        return ((),)
    first = range(min(n, n if most is None else most), 0, -1)
    return tuple((part, *rest) for part in first for rest in partitions(n - part, part))


def character(irrep: tuple[int, ...], cycles: tuple[int, ...]) -> int:
    """Character of an irrep of S_n on permutations with given cycle lengths.

    The Murnaghan-Nakayama rule on beta numbers b_i = part_i + (rows below): taking a rim hook of
    length r away moves one b to a free b - r, with a sign for every b passed.

    Args:
        irrep: a partition of n.
        cycles: lengths of all cycles, fixed points included; a partition of n.

    Returns:
        The character, an integer.

    Example:
        >>> [character((2, 1), cycles) for cycles in partitions(3)]
        [-1, 0, 2]

    Source:
        Murnaghan 1937; Nakayama 1940.
    """
    return _remove_hooks(frozenset(p + i for i, p in enumerate(reversed(irrep))), cycles)


def _remove_hooks(betas: frozenset[int], cycles: tuple[int, ...]) -> int:
    """Signed number of ways to take rim hooks of all these lengths away."""
    if not cycles:
        return 1
    hook, rest = cycles[0], cycles[1:]
    total = 0
    for b in betas:
        if b >= hook and b - hook not in betas:
            passed = sum(b - hook < other < b for other in betas)
            total += (-1) ** passed * _remove_hooks(betas - {b} | {b - hook}, rest)
    return total


@torch.inference_mode(mode=False)
def projectors(n: int) -> Float[Tensor, "irreps order order"]:
    """Projectors on the part of each irrep in functions on S_n.

    (Pi F)(h) = d/n! sum_x chi(h^-1 x) F(x), permutations in lexicographic order, irreps in the
    order of `partitions`, the trivial one first.

    Args:
        n: number of things that are permuted.

    Returns:
        Symmetric idempotent matrices, float64, that add up to the identity.

    Example:
        >>> projectors(3).diagonal(dim1=-2, dim2=-1).sum(-1)  # d^2
        tensor([1.0000, 4.0000, 1.0000], dtype=torch.float64)

    Source:
        Serre 1977, section 2.6; Chughtai et al. 2023 (irreps in networks that learn S_n).
    """
    classes = partitions(n)
    kinds = _quotients(n)
    table = torch.tensor(
        [[character(irrep, cycles) for cycles in classes] for irrep in classes],
        dtype=torch.float64,
        device="cpu",
    )
    degrees = table[:, -1, None, None]  # the last class is that of the identity
    return table[:, kinds] * degrees / math.factorial(n)


def _quotients(n: int) -> Tensor:
    """Class of h^-1 x for each pair of permutations, as its place in `partitions`."""
    group = list(itertools.permutations(range(n)))
    kind = {g: partitions(n).index(_cycles(g)) for g in group}
    inverses = [tuple(sorted(range(n), key=h.__getitem__)) for h in group]
    rows = [[kind[tuple(inverse[i] for i in x)] for x in group] for inverse in inverses]
    return torch.tensor(rows, device="cpu")


def _cycles(g: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths of a permutation's cycles, the longest first."""
    left, lengths = set(range(len(g))), []
    while left:
        start = left.pop()
        length, i = 1, g[start]
        while i != start:
            left.remove(i)
            length, i = length + 1, g[i]
        lengths.append(length)
    return tuple(sorted(lengths, reverse=True))
