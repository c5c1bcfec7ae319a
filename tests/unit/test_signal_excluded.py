"""Excluded and restricted loss: least squares done by hand, a circuit, and a memorizing network."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals import excluded
from grokwatch.monitor.signals.excluded import (
    aligned_logits,
    excluded_loss,
    key_wave,
    restricted_loss,
)
from grokwatch.monitor.snapshot import Access, Readings, Snapshot

C = 13


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(N: int) -> Tensor:
    return torch.randint(C, (N,), generator=torch.Generator().manual_seed(1))


def tokens(frequencies: list[int]) -> Tensor:
    turns = 2 * math.pi * torch.arange(C, dtype=torch.float64) / C
    return torch.stack([(k * turns + i).cos() for i, k in enumerate(frequencies)], -1)


def read(**fields: object) -> Readings:
    snapshot = Snapshot(step=1, **fields)  # type: ignore[arg-type]
    return {k: v for signal in excluded.SIGNALS for k, v in signal.read(snapshot).items()}


def test_projection_is_least_squares_over_all_examples() -> None:
    logits, targets, keys = normal(40, C), labels(40), [2, 5]
    distances = targets[:, None] - torch.arange(C)
    waves = [
        wave(2 * math.pi * k * distances.double() / C)
        for k in keys
        for wave in (torch.cos, torch.sin)
    ]
    directions = torch.stack([wave.flatten() for wave in waves], -1)
    weights = torch.linalg.lstsq(directions, logits.flatten()[:, None]).solution
    projection = (directions @ weights).reshape(40, C)
    aligned = aligned_logits(logits, targets)
    wave = key_wave(aligned, torch.tensor(keys))
    torch.testing.assert_close(wave[distances % C], projection)
    cross_entropy = torch.nn.functional.cross_entropy
    torch.testing.assert_close(
        excluded_loss(aligned, wave), cross_entropy(logits - projection, targets)
    )
    torch.testing.assert_close(restricted_loss(wave), cross_entropy(projection, targets))


def test_even_number_of_classes_has_a_wave_without_sine() -> None:
    aligned = (-1.0) ** torch.arange(8)[None].double()
    torch.testing.assert_close(key_wave(aligned, torch.tensor([4])), aligned[0])
    torch.testing.assert_close(key_wave(aligned, torch.tensor([1, 2])), torch.zeros(8).double())


def test_circuit_lives_in_its_key_frequencies() -> None:
    targets = labels(60)
    distances = 2 * math.pi * (targets[:, None] - torch.arange(C)).double() / C
    logits = 40 * (3 * distances).cos() + 30 * (5 * distances).cos()
    values = read(logits=logits, targets=targets, tokens={"embedding": tokens([3, 5])})
    assert float(values["excluded_loss@embedding"]) == pytest.approx(math.log(C))
    loss = float(torch.nn.functional.cross_entropy(logits, targets))
    assert float(values["restricted_loss@embedding"]) == pytest.approx(loss)
    assert loss < 0.01


def test_memorizing_network_lives_in_all_frequencies_alike() -> None:
    """A peak of height h at the label leaks 2h/C into each wave, here into 5 of 6."""
    targets, h = labels(60), 4.0
    logits = h * torch.nn.functional.one_hot(targets, C).double()
    values = read(logits=logits, targets=targets, tokens={"embedding": tokens([1, 2, 3, 4, 5])})
    turns = 2 * math.pi * torch.arange(C, dtype=torch.float64) / C
    wave = sum(2 * h / C * (k * turns).cos() for k in range(1, 6))
    assert isinstance(wave, Tensor)
    restricted = float(wave.exp().sum().log() - wave[0])
    assert float(values["restricted_loss@embedding"]) == pytest.approx(restricted)


def test_only_as_many_keys_as_there_are() -> None:
    values = read(
        logits=normal(9, 4), targets=torch.arange(9) % 4, tokens={"embedding": normal(4, 2)}
    )
    assert float(values["excluded_loss@embedding"]) >= 0


def test_roles_with_other_numbers_of_tokens_are_left_out() -> None:
    values = read(
        logits=normal(9, C),
        targets=labels(9),
        tokens={"embedding": normal(C, 4), "input": normal(7, 4)},
    )
    assert set(values) == {"excluded_loss@embedding", "restricted_loss@embedding"}


def test_constant_logits_read_chance() -> None:
    values = read(logits=torch.ones(9, C), targets=labels(9), tokens={"embedding": normal(C, 4)})
    assert all(float(value) == pytest.approx(math.log(C)) for value in values.values())


def test_classes_that_are_no_tokens_are_refused() -> None:
    with pytest.raises(SignalError, match=r"Expected as many .* \(7\), got 13 classes\. Try "):
        read(logits=normal(9, C), targets=labels(9), tokens={"input": normal(7, 4)})


def test_both_know_the_solution() -> None:
    assert {signal.access for signal in excluded.SIGNALS} == {Access.SOLUTION}
