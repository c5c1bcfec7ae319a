"""Frequency synchronization: how far neurons agree on the frequencies they use.

Every neuron may be a pure wave while no two of them agree; a circuit needs several neurons at each
of its few frequencies. Concentration within a neuron does not raise this signal, agreement does.
"""

import functools
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokwatch.monitor.signals.fourier import power_spectrum
from grokwatch.monitor.signals.sparsity import (
    energy_shares,
    excess,
    inverse_participation_ratio,
)
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

NUM_DRAWS = 200
MOST_NEURONS = 64
_MOST_MOVED = 1 << 21  # numbers held at once while tokens are permuted
_LEAST_DEVIATION = 1e-5
_ROUNDING = 1e-5


def synchronization_degree(
    frequency: Int[Tensor, "*models D"],
    weight: Float[Tensor, "*models D"],
    num_frequencies: int,
) -> Float[Tensor, "*models"]:
    """Frequency synchronization degree (FSD) of neurons that vote for a frequency each.

    (sum_k (n_k / n)^2 - 1/K) / (1 - 1/K) with n_k = sum_j w_j [f_j = k] and n = sum_k n_k.

    Args:
        frequency: f_j, index of each neuron's dominant frequency, integers.
        weight: w_j, each neuron's vote, at least 0.
        num_frequencies: K.

    Returns:
        0 where votes are even over frequencies (or there are none, or K is 1), 1 where all neurons
        agree; no unit.

    Example:
        >>> synchronization_degree(torch.tensor([0, 0, 1]), torch.tensor([0.5, 0.5, 0.0]), 2)
        tensor(1.)

    Source:
        Sivasankar 2026 (arXiv:2606.12966), reconstructed from its abstract.
    """
    votes = weight.new_zeros(*weight.shape[:-1], num_frequencies)
    votes.scatter_add_(-1, frequency, weight)
    participation = inverse_participation_ratio(energy_shares(votes))
    return excess(participation, null=1 / num_frequencies, spike=1.0)


def dominant_frequency(
    shares: Float[Tensor, "*models D F"],
) -> tuple[Int[Tensor, "*models D"], Float[Tensor, "*models D"]]:
    """Each neuron's strongest frequency and its share of the neuron's power.

    f_j = argmax_k s_jk and w_j = max_k s_jk; w_j = 0 where the spectrum is flat, which has no
    strongest frequency.

    Args:
        shares: shares of power over the F frequencies, which sum to 1.

    Returns:
        Indices in [0, F), and votes in [0, 1].

    Example:
        >>> dominant_frequency(torch.tensor([[0.1, 0.9], [0.5, 0.5]]))
        (tensor([1, 0]), tensor([0.9000, 0.0000]))

    Source:
        Sivasankar 2026 (arXiv:2606.12966), reconstructed from its abstract.
    """
    top = shares.max(-1)
    flat = (top.values <= (1 + _ROUNDING) / shares.shape[-1]) & (shares.shape[-1] > 1)
    return top.indices, torch.where(flat, 0.0, top.values)


def synchronization_score(W: Float[Tensor, "*models P D"]) -> Float[Tensor, "*models"]:
    """Standard score of the synchronization degree against neurons that know nothing of each other.

    (FSD - mean) / sd over 200 draws that permute the tokens of each neuron by itself; one
    permutation for all neurons would keep their agreement. A fixed pool of 64 permutations is
    applied to all neurons, and each draw gives every neuron another one of the pool. Of a layer
    wider than 64 an even sample of at most 64 neurons is read.

    Args:
        W: weights, tokens on axis -2 in the order of the group, neurons on axis -1.

    Returns:
        Any finite number, about 0 where neurons do not agree; no unit.

    Example:
        >>> wave = torch.cos(2 * torch.pi * 3 * torch.arange(31) / 31)
        >>> bool(synchronization_score(wave[:, None].repeat(1, 8)) > 5)
        True

    Source:
        Sivasankar 2026 (arXiv:2606.12966): a permutation test.
    """
    P, D = W.shape[-2:]
    neurons = W[..., :: math.ceil(D / MOST_NEURONS)]
    frequency, weight = _pool(neurons)
    draws = _draws(MOST_NEURONS)[:, : neurons.shape[-1]].to(W.device)
    chosen = torch.cat([torch.zeros_like(draws[:1]), draws + 1])  # row 0 of the pool: as they are
    columns = torch.arange(chosen.shape[-1], device=W.device)
    degrees = synchronization_degree(
        frequency[..., chosen, columns], weight[..., chosen, columns], P // 2
    )
    null = degrees[..., 1:]
    return (degrees[..., 0] - null.mean(-1)) / null.std(-1).clamp_min(_LEAST_DEVIATION)


def _pool(W: Tensor) -> tuple[Tensor, Tensor]:
    """Votes `(*models, 1 + pool, D)` of neurons as they are, then with permuted tokens."""
    orders = _orders(W.shape[-2]).to(W.device)
    at_once = max(1, _MOST_MOVED // max(1, W.numel()))
    votes = [
        dominant_frequency(energy_shares(power_spectrum(W[..., part, :])))
        for part in torch.split(orders, at_once)
    ]
    frequencies, weights = zip(*votes, strict=True)
    return torch.cat(frequencies, -2), torch.cat(weights, -2)


@functools.lru_cache(maxsize=4)
@torch.inference_mode(mode=False)
def _orders(P: int) -> Tensor:
    """The tokens in their own order, then in the same random ones every time."""
    return torch.cat([torch.arange(P, device="cpu")[None], _shuffles(MOST_NEURONS, P, seed=1)])


@functools.lru_cache(maxsize=1)
@torch.inference_mode(mode=False)
def _draws(size: int) -> Tensor:
    """Which permutation of the pool each neuron gets, no two the same: `(draws, size)`."""
    return _shuffles(NUM_DRAWS, size, seed=2)


def _shuffles(number: int, size: int, *, seed: int) -> Tensor:
    """Random orders of `size` things, the same every time."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    keys = torch.rand(number, size, generator=generator, device="cpu", dtype=torch.float64)
    return keys.argsort(-1)


def _shares(snapshot: Snapshot, role: str) -> Tensor:
    """Shares of power in each neuron's spectrum, once per snapshot."""

    def power() -> Tensor:
        return snapshot.once(f"fourier.power@{role}", lambda: power_spectrum(snapshot.tokens[role]))

    return snapshot.once(f"fourier.each@{role}", lambda: energy_shares(power()))


def _read(snapshot: Snapshot) -> Readings:
    """Read the degree over all neurons and its standard score for every role with tokens."""
    readings: dict[str, Tensor] = {}
    for role, W in snapshot.tokens.items():
        frequency, weight = dominant_frequency(_shares(snapshot, role))
        degree = synchronization_degree(frequency, weight, W.shape[-2] // 2)
        readings[f"frequency_synchronization@{role}"] = degree
        readings[f"frequency_synchronization.z@{role}"] = synchronization_score(W)
    return readings


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="frequency_synchronization",
        read=_read,
        needs=frozenset({Need.TOKENS}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="How far neurons agree on their dominant frequencies; rises before the jump.",
        source="Sivasankar 2026 (arXiv:2606.12966), reconstructed from its abstract",
    ),
)
