"""The circular solution is exact: every pair, every modulus of a list, every number of neurons."""

import numpy as np
import pytest
import torch

from grokwatch.experiments.models import CircularMLP
from grokwatch.experiments.reproduce.circle import Verdict, circular_logits, judge, neurons
from grokwatch.experiments.reproduce.circular import contradictions, relu_reach
from grokwatch.monitor.errors import ConfigurationError

ODD = (*range(3, 34, 2), 53, 59, 67, 97, 113)
EVEN = (*range(4, 35, 2), 66, 96)
WORKING = (3, *range(5, 13))


@pytest.mark.parametrize("modulus", ODD)
def test_squaring_neurons_answer_every_pair_of_an_odd_modulus(modulus: int) -> None:
    verdicts = {judge(circular_logits(modulus, count, "square")) for count in WORKING}
    assert verdicts == {Verdict(right=modulus**2, wrong=0, tied=0)}


@pytest.mark.parametrize("modulus", EVEN)
def test_on_an_even_modulus_exactly_the_opposite_pairs_tie(modulus: int) -> None:
    opposite = np.subtract.outer(np.arange(modulus), np.arange(modulus)) % modulus == modulus // 2
    for count in WORKING:
        logits = circular_logits(modulus, count, "square")
        assert judge(logits) == Verdict(modulus**2 - modulus, 0, modulus)
        assert ((np.ptp(logits, axis=-1) < 1e-9) == opposite).all()


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("modulus", [*ODD, *EVEN])
def test_one_two_and_four_neurons_are_not_enough(modulus: int, count: int) -> None:
    right = judge(circular_logits(modulus, count, "square")).right
    assert right < modulus**2 - modulus


@pytest.mark.parametrize("frequency", [2, 5, 33])
def test_any_frequency_prime_to_the_modulus_will_do(frequency: int) -> None:
    assert judge(circular_logits(67, 5, "square", frequency)).accuracy == 1


def test_logits_are_the_wave_of_the_proof() -> None:
    a, b, c = np.meshgrid(*[np.arange(13)] * 3, indexing="ij")
    turn = 2 * np.pi / 13
    wave = 5 * np.cos(turn * (a - b) / 2) ** 2 * np.cos(turn * (a + b - c))
    np.testing.assert_allclose(circular_logits(13, 5, "square"), wave, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "square"])
def test_it_is_a_network_that_could_be_trained(activation: str) -> None:
    model = CircularMLP(modulus=67, hidden=5, activation=activation)
    turns = 2 * torch.pi * torch.arange(5) / 5
    with torch.no_grad():
        model.hidden.weight.copy_(torch.stack([turns.cos(), -turns.sin()], -1))
        model.output.weight.copy_(torch.stack([(2 * turns).cos(), -(2 * turns).sin()]))
        pairs = torch.cartesian_prod(torch.arange(67), torch.arange(67))
        logits = model(pairs).view(67, 67, 67).numpy()
    np.testing.assert_allclose(logits, circular_logits(67, 5, activation), atol=1e-4)


def test_five_relus_answer_every_pair_of_the_article_and_four_do_not() -> None:
    assert judge(circular_logits(67, 5, "relu")).accuracy == 1
    assert judge(circular_logits(67, 4, "relu")).accuracy < 0.1
    assert relu_reach(20) == 19


def test_contradictions_are_found_where_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(contradictions((5, 6)))
    monkeypatch.setattr(
        "grokwatch.experiments.reproduce.circular.circular_logits",
        lambda modulus, count, _: circular_logits(modulus, count, "relu"),
    )
    assert list(contradictions((12,)))


def test_another_activation_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Expected an activation among relu, square"):
        neurons(7, 5, "tanh")
