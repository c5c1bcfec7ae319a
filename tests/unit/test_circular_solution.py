"""The exact circular solution of modular addition: Fourier signals say what theory says.

Tokens lie on a circle, a -> (cos wa, sin wa), and a hidden neuron with phase f answers the pair
(a, b) with relu(cos(wa + f) + cos(wb + f)) = |cos(w(a-b)/2)| relu(+-cos(w(a+b)/2 + f)). Evenly
spaced phases, read out by cos(wc + 2f), add up to |cos(w(a-b)/2)| cos(w(a+b-c)) up to harmonics
that seven phases make too small to matter: the greatest logit is that of a + b, for every pair.
"""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.experiments.models import ModularMLP
from grokwatch.monitor.signals import basis, excluded, fourier, synchronization
from grokwatch.monitor.signals.basis import known_basis
from grokwatch.monitor.signals.characters import (
    multiplicative_spectrum,
    powers_of_primitive_root,
)
from grokwatch.monitor.signals.fourier import power_spectrum
from grokwatch.monitor.signals.sparsity import energy_shares, gini_coefficient
from grokwatch.monitor.snapshot import Readings, Snapshot

P, HIDDEN, K = 67, 7, 33
SCALE = 1e6
FAMILIES = (fourier, synchronization, basis, excluded)


def circle(turns: Tensor) -> Tensor:
    return torch.stack([turns.cos(), turns.sin()], -1)


def solution(frequency: int) -> ModularMLP:
    """A network whose weights are written down, not trained."""
    model = ModularMLP(modulus=P, embedding=2, hidden=HIDDEN).double()
    phases = 2 * math.pi * torch.arange(HIDDEN, dtype=torch.float64) / HIDDEN
    tokens = 2 * math.pi * frequency * torch.arange(P, dtype=torch.float64) / P
    with torch.no_grad():
        model.embed.weight.copy_(circle(tokens))
        model.hidden.weight.copy_(circle(-phases))
        model.output.weight.copy_(SCALE * circle(-2 * phases).mT)
    return model


def pairs() -> Tensor:
    return torch.cartesian_prod(torch.arange(P), torch.arange(P))


def readings(model: ModularMLP) -> Readings:
    """All Fourier signals of the solution, with a third of all pairs as train examples."""
    train = pairs()[torch.randperm(P * P, generator=torch.Generator().manual_seed(0))[: P * P // 3]]
    embedding = model.embed.weight.detach()
    snapshot = Snapshot(
        step=1,
        tokens={"embedding": embedding, "input": embedding @ model.hidden.weight.detach().mT},
        logits=model(train).detach(),
        targets=train.sum(-1) % P,
    )
    signals = (signal for family in FAMILIES for signal in family.SIGNALS)
    return {key: value for signal in signals for key, value in signal.read(snapshot).items()}


@pytest.mark.parametrize("frequency", [1, 5, 33])
def test_it_solves_the_task(frequency: int) -> None:
    assert torch.equal(solution(frequency)(pairs()).argmax(-1), pairs().sum(-1) % P)


@pytest.mark.parametrize("role", ["embedding", "input"])
@pytest.mark.parametrize("frequency", [1, 5])
def test_signals_say_what_theory_says(frequency: int, role: str) -> None:
    values = {
        key.removesuffix(f"@{role}"): float(value)
        for key, value in readings(solution(frequency)).items()
        if key.endswith(f"@{role}")
    }
    for part in ("", ".aggregate"):
        assert values[f"inverse_participation_ratio{part}"] == pytest.approx(1)
        assert values[f"gini_coefficient{part}"] == pytest.approx(1 - 1 / K)
        assert values[f"dominant_share{part}"] == pytest.approx(1)
        assert values[f"top_share{part}"] == pytest.approx(1)
        assert values[f"fourier_entropy{part}"] == pytest.approx(0, abs=1e-9)
    for name in ("inverse_participation_ratio", "gini_coefficient", "dominant_share"):
        assert values[f"{name}.excess"] == pytest.approx(1)
    assert values["frequency_synchronization"] == pytest.approx(1)
    assert values["frequency_synchronization.z"] > 4
    evidence = {
        "best": values["basis_evidence"],
        "additive": values["basis_evidence.additive"],
        "multiplicative": values["basis_evidence.multiplicative"],
    }
    assert known_basis(evidence) == "additive"
    assert values["excluded_loss"] > math.log(P)
    assert values["restricted_loss"] < 1e-3


def test_multiplicative_solution_is_found_in_its_own_basis_only() -> None:
    """Gauss sums: a multiplicative character has the same additive power at every frequency."""
    exponents = 2 * math.pi * 5 * torch.arange(P - 1, dtype=torch.float64) / (P - 1)
    W = torch.zeros(P, 2, dtype=torch.float64)
    W[list(powers_of_primitive_root(P))] = circle(exponents)
    own, other = (
        float(gini_coefficient(energy_shares(spectrum(W).sum(-2))))
        for spectrum in (multiplicative_spectrum, power_spectrum)
    )
    assert own == pytest.approx(1 - 1 / K)
    assert other == pytest.approx(0, abs=1e-9)
    evidence = {name: float(z) for name, z in basis.basis_evidence(W).items()}
    assert known_basis(evidence) == "multiplicative"
    assert evidence["additive"] < 2


def test_a_random_bijection_of_the_solution_has_no_known_basis() -> None:
    order = torch.randperm(P, generator=torch.Generator().manual_seed(1))
    W = solution(5).embed.weight.detach()[order]
    evidence = {name: float(z) for name, z in basis.basis_evidence(W).items()}
    assert known_basis(evidence) is None
