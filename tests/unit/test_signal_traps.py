"""Correlation traps: none by chance, one for each outlier, and no origin among the elements."""

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import traps
from grokwatch.monitor.signals.traps import bulk_edges, shuffled_spectrum
from grokwatch.monitor.snapshot import Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read(W: Tensor) -> tuple[float, float]:
    readings = traps.SIGNALS[0].read(Snapshot(step=1, matrices={"hidden": W}))
    return (
        float(readings["correlation_traps@hidden"]),
        float(readings["correlation_traps.excess@hidden"]),
    )


@pytest.mark.parametrize("shape", [(12, 20), (30, 40), (64, 64)])
def test_top_eigenvalue_of_gaussian_weights_follows_tracy_widom(shape: tuple[int, int]) -> None:
    """Mean -1.21 and deviation 1.27, times the true variance and not the sample's."""
    edge, allowed = bulk_edges(*shape)
    tops = torch.stack(
        [
            shuffled_spectrum(W, seed=s)[-1] * W.square().mean()
            for s, W in ((s, normal(*shape, seed=s)) for s in range(600))
        ]
    )
    standard = (tops - edge) / (allowed - edge) * traps.TRACY_WIDOM
    assert float(standard.mean()) == pytest.approx(-1.21, abs=0.2)
    assert float(standard.std()) == pytest.approx(1.27, rel=0.1)


def test_gaussian_weights_have_a_trap_one_time_in_a_thousand_at_most() -> None:
    _, allowed = bulk_edges(20, 30)
    counts = [
        int((shuffled_spectrum(normal(20, 30, seed=s), seed=s) > allowed).sum())
        for s in range(2000)
    ]
    assert sum(counts) <= 6  # 2 expected; more than 6 has chance 0.5 %
    assert traps.TRACY_WIDOM == 3.2724


@pytest.mark.parametrize("num_outliers", [1, 3])
def test_each_planted_outlier_is_a_trap(num_outliers: int) -> None:
    W = normal(60, 80)
    W.view(-1)[:num_outliers] = 40.0
    count, excess = read(W)
    assert count == num_outliers
    assert excess > 1


def test_correlations_that_shuffling_destroys_are_no_trap() -> None:
    u, v = normal(60).sign(), normal(80, seed=1).sign()
    W = normal(60, 80, seed=2) + torch.outer(u, v)
    assert float(torch.linalg.svdvals(W)[0].square()) > 2 * bulk_edges(60, 80)[1]
    count, excess = read(W)
    assert count == 0
    assert abs(excess) < 0.2


def test_a_mean_other_than_zero_is_a_trap() -> None:
    assert read(normal(60, 80) + 0.5)[0] == 1
    count, excess = read(torch.ones(60, 80))
    assert count == 1
    assert excess == pytest.approx(60 * 80 / bulk_edges(60, 80)[0] - 1)


def test_nothing_has_no_trap() -> None:
    assert read(torch.zeros(6, 8)) == (0.0, -1.0)


def test_order_of_elements_does_not_matter() -> None:
    W = normal(10, 14)
    order = torch.randperm(140, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(
        shuffled_spectrum(W.view(-1)[order].view(10, 14)), shuffled_spectrum(W), rtol=0, atol=0
    )


def test_other_seed_other_shuffle() -> None:
    W = normal(10, 14)
    assert not torch.equal(shuffled_spectrum(W), shuffled_spectrum(W, seed=1))
