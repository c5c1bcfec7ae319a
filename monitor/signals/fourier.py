"""Fourier sparsity: how few frequencies a weight matrix uses along its token axis.

A network that adds modulo P comes to write its tokens as waves of a few key frequencies; one that
memorizes does not. For each role in `Snapshot.tokens` every measure gives four values: the mean
over neurons of each neuron's own spectrum, the same for all neurons' spectra added up
(`aggregate`), and both as excess over what iid Gaussian weights would read, so that moduli and
widths compare. The group must be cyclic; no other basis is tried here.
"""

import functools
import math
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.nulls import Components
from grokwatch.monitor.signals.sparsity import (
    DOMINANT_SHARE,
    ENTROPY,
    GINI,
    PARTICIPATION,
    TOP_SHARE,
    Measure,
    energy_shares,
)
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

MOST_DENSE_TOKENS = 128  # up to here one matrix product is faster than a Fourier transform


def power_spectrum(W: Float[Tensor, "*models P D"]) -> Float[Tensor, "*models D F"]:
    """Power of each neuron at each frequency of the token axis, without the constant.

    F_dk = (sum_a c_ka W_ad)^2 + (sum_a s_ka W_ad)^2 with orthonormal cosines c_k and sines s_k over
    the P tokens, k = 1 .. floor(P/2). The Nyquist frequency of an even P has no sine. A neuron's
    powers sum to the squared deviation of its weights from their mean.

    Args:
        W: weights, tokens on axis -2 in the order of the group, neurons on axis -1; P at least 2.

    Returns:
        Non-negative power, neurons on axis -2, the F = floor(P/2) frequencies on axis -1; unit of W
        squared.

    Example:
        >>> wave = torch.cos(2 * torch.pi * 2 * torch.arange(7) / 7)
        >>> power_spectrum(wave[:, None]).round(decimals=4).abs()
        tensor([[0.0000, 3.5000, 0.0000]])

    Source:
        Nanda et al. 2023; Gromov 2023.
    """
    P = W.shape[-2]
    rows = W.to(torch.promote_types(W.dtype, torch.float32)).mT
    if P <= MOST_DENSE_TOKENS:
        squares = (rows @ _basis(P, rows.dtype, rows.device)).square_()
        return squares[..., : P // 2] + squares[..., P // 2 :]
    waves = torch.fft.rfft(rows, norm="ortho")[..., 1:]
    power: Tensor = (waves.real.square() + waves.imag.square()).mul_(2)
    if P % 2 == 0:
        power[..., -1] *= 0.5
    return power


@functools.lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # a cached inference tensor would fail wherever gradients flow
def _basis(P: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Orthonormal waves in columns: cosines of all frequencies, then sines (0 for Nyquist)."""
    tokens, frequencies = torch.arange(P, device="cpu"), torch.arange(1, P // 2 + 1, device="cpu")
    turns = (torch.outer(tokens, frequencies) % P).double() * (2 * math.pi / P)
    waves = torch.cat([turns.cos(), turns.sin()], -1) * math.sqrt(2 / P)
    if P % 2 == 0:
        waves[:, P // 2 - 1] *= math.sqrt(0.5)
        waves[:, -1] = 0.0
    return waves.to(device, dtype)


def spectrum_components(P: int, copies: int = 1) -> Components:
    """Count the components of the spectrum of P tokens, and their degrees of freedom.

    Args:
        P: number of tokens.
        copies: how many neurons' spectra are added up.

    Returns:
        Pairs for the frequencies with a cosine and a sine, and a single for the Nyquist frequency
        of an even P.

    Example:
        >>> spectrum_components(8)
        Components(pairs=3, singles=1, copies=1)

    Source:
        definition.
    """
    return Components(pairs=(P - 1) // 2, singles=1 - P % 2, copies=copies)


def _shares(snapshot: Snapshot, role: str) -> tuple[Tensor, Tensor]:
    """Shares of power in each neuron's spectrum, and in all added up, once per snapshot."""

    def power() -> Tensor:
        return snapshot.once(f"fourier.power@{role}", lambda: power_spectrum(snapshot.tokens[role]))

    each = snapshot.once(f"fourier.each@{role}", lambda: energy_shares(power()))
    added = snapshot.once(f"fourier.added@{role}", lambda: energy_shares(power().sum(-2)))
    return each, added


def _read(snapshot: Snapshot, *, name: str, measure: Measure) -> Readings:
    """Read one measure in its four parts for every role with a token axis."""
    readings: dict[str, Tensor] = {}
    for role, W in snapshot.tokens.items():
        P, D = W.shape[-2:]
        each, added = _shares(snapshot, role)
        mean, aggregate = measure.of(each).mean(-1), measure.of(added)
        readings[f"{name}@{role}"] = mean
        readings[f"{name}.excess@{role}"] = measure.excess(mean, spectrum_components(P))
        readings[f"{name}.aggregate@{role}"] = aggregate
        readings[f"{name}.aggregate_excess@{role}"] = measure.excess(
            aggregate, spectrum_components(P, D)
        )
    return readings


def _signal(name: str, measure: Measure, cost: Cost, summary: str, source: str) -> Signal:
    """Describe one measure of the token axis' power spectrum."""
    return Signal(
        name=name,
        read=partial(_read, name=name, measure=measure),
        needs=frozenset({Need.TOKENS}),
        bounds=measure.bounds,
        cost=cost,
        summary=summary,
        source=source,
    )


SIGNALS: tuple[Signal, ...] = (
    _signal(
        "gini_coefficient",
        GINI,
        Cost.MODERATE,
        "Inequality of Fourier power over frequencies, mean over neurons; rises as circuits form.",
        "Hurley and Rickard 2009; Nanda et al. 2023 (there on norms, here on power)",
    ),
    _signal(
        "inverse_participation_ratio",
        PARTICIPATION,
        Cost.CHEAP,
        "Sum of squared shares of Fourier power, mean over neurons; rises well before the jump.",
        "Gromov 2023; Doshi et al. 2023 (exponent 2, on power)",
    ),
    _signal(
        "top_share",
        TOP_SHARE,
        Cost.MODERATE,
        "Share of the five strongest frequencies in Fourier power; rises as circuits form.",
        "Nanda et al. 2023 (five key frequencies)",
    ),
    _signal(
        "dominant_share",
        DOMINANT_SHARE,
        Cost.CHEAP,
        "Share of the strongest frequency in Fourier power, mean over neurons; rises to 1.",
        "Sivasankar 2026 (arXiv:2606.12966)",
    ),
    _signal(
        "fourier_entropy",
        ENTROPY,
        Cost.MODERATE,
        "Entropy of Fourier power over log F, mean over neurons; falls as circuits form.",
        "Shannon 1948; DeMoss et al. 2024 (spectral entropy in grokking)",
    ),
)
