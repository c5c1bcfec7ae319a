"""Which basis the weights are sparse in: addition modulo P, multiplication modulo P, or none known.

Each basis is scored by the mean over neurons of the Gini coefficient of a neuron's power, the
earliest of the forms: a wide layer comes to spread its neurons over all frequencies, so that their
sum is even where each of them is a pure wave. The score is compared with itself after the tokens'
labels have been permuted, for all neurons alike: that keeps all that neurons share but the order.
No known basis is an answer.
"""

import functools
import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.characters import is_prime, multiplicative_spectrum
from grokwatch.monitor.signals.fourier import power_spectrum
from grokwatch.monitor.signals.sparsity import energy_shares, gini_coefficient
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

NUM_DRAWS = 100
MOST_NEURONS = 64
LEAST_EVIDENCE = 4.0  # standard deviations of the null
_LEAST_MULTIPLIED = 5  # modulo 3 there is a single character, with nothing to compare
_MOST_MOVED = 1 << 21  # numbers held at once while labels are permuted
_LEAST_DEVIATION = 1e-5  # below it a Gini coefficient varies by rounding alone
_LEAST_DEVIATION_OF_BEST = 0.5  # the greatest of a few standard scores never varies less


def basis_evidence(W: Float[Tensor, "*models P D"]) -> dict[str, Float[Tensor, "..."]]:
    """Evidence for each basis, and for the best one, in standard deviations of a permutation null.

    z_b = (x_b - mean) / sd of x_b, the mean Gini coefficient over neurons in basis b, over 100
    joint permutations of the tokens' labels; `best` is max_b z_b against its own mean and sd over
    the same permutations, so that having tried several bases is paid for. Of a layer wider than 64
    an even sample of at most 64 neurons is read.

    Args:
        W: weights, the tokens 0 .. P-1 on axis -2, neurons on axis -1.

    Returns:
        Any finite numbers by `best`, `additive`, and `multiplicative` where P is a prime from 5
        up; about 0 without structure; no unit.

    Example:
        >>> wave = torch.cos(2 * torch.pi * 3 * torch.arange(31) / 31)
        >>> evidence = basis_evidence(wave[:, None])
        >>> bool(evidence["additive"] > 5 > evidence["multiplicative"])
        True

    Source:
        the permutation test of Fisher 1935; maximum over tests as in Westfall and Young 1993.
    """
    P, D = W.shape[-2:]
    neurons = W[..., :: math.ceil(D / MOST_NEURONS)]
    bases = _bases(P)
    scores = _scores(neurons, tuple(bases.values()))
    standard = _standardized(scores, _LEAST_DEVIATION)
    best = _standardized(standard.amax(-1, keepdim=True), _LEAST_DEVIATION_OF_BEST)
    each = {name: standard[..., 0, index] for index, name in enumerate(bases)}
    return {"best": best[..., 0, 0]} | each


def known_basis(evidence: Mapping[str, float]) -> str | None:
    """Name the basis that the evidence is for.

    The basis with the greatest z, if `best` is at least 4 standard deviations.

    Args:
        evidence: z by `best` and by basis, as floats.

    Returns:
        The name of the basis, or None: no known basis.

    Example:
        >>> known_basis({"best": 9.0, "additive": 0.3, "multiplicative": 9.5})
        'multiplicative'

    Source:
        definition.
    """
    each = {name: z for name, z in evidence.items() if name != "best"}
    return max(each, key=each.__getitem__) if evidence["best"] >= LEAST_EVIDENCE else None


def _bases(P: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """The spectra that P tokens have."""
    bases: dict[str, Callable[[Tensor], Tensor]] = {"additive": power_spectrum}
    if P >= _LEAST_MULTIPLIED and is_prime(P):
        bases["multiplicative"] = multiplicative_spectrum
    return bases


def _scores(W: Tensor, spectra: tuple[Callable[[Tensor], Tensor], ...]) -> Tensor:
    """Mean Gini coefficients `(*models, 1 + draws, bases)`, first of the labels as they are."""
    labels = _labels(W.shape[-2]).to(W.device)
    at_once = max(1, _MOST_MOVED // max(1, W.numel()))
    parts = []
    for orders in torch.split(labels, at_once):
        moved = W[..., orders, :]
        ginis = [gini_coefficient(energy_shares(spectrum(moved))).mean(-1) for spectrum in spectra]
        parts.append(torch.stack(ginis, -1))
    return torch.cat(parts, -2)


@functools.lru_cache(maxsize=4)
@torch.inference_mode(mode=False)
def _labels(P: int) -> Tensor:
    """The tokens in their own order, then in the same random ones every time."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    keys = torch.rand(NUM_DRAWS, P, generator=generator, device="cpu", dtype=torch.float64)
    return torch.cat([torch.arange(P, device="cpu")[None], keys.argsort(-1)])


def _standardized(scores: Tensor, least: float) -> Tensor:
    """Scores less their mean over the draws, in units of their deviation (at least `least`)."""
    null = scores[..., 1:, :]
    deviation = null.std(-2, keepdim=True).clamp_min(least)
    return (scores - null.mean(-2, keepdim=True)) / deviation


def _read(snapshot: Snapshot) -> Readings:
    """Read the evidence for every role with a token axis."""
    return {
        f"basis_evidence@{role}" if name == "best" else f"basis_evidence.{name}@{role}": z
        for role, W in snapshot.tokens.items()
        for name, z in basis_evidence(W).items()
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="basis_evidence",
        read=_read,
        needs=frozenset({Need.TOKENS}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="How surely weights are sparse in a known basis, in sd; below 4 in none; rises.",
        source="Fisher 1935 (permutation test); Westfall and Young 1993 (maximum)",
    ),
)
