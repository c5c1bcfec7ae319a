"""Local intrinsic dimension against its definition and on data of known dimension."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.neighbors import local_intrinsic_dimension


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loop(H: Tensor, size: int) -> float:
    """The definition, one neighborhood at a time."""
    distances = torch.cdist(H, H, compute_mode="donot_use_mm_for_euclid_dist")
    ordered = distances.sort(-1)
    ratios = (ordered.values[:, 2] / ordered.values[:, 1]).log()
    local = [min(size / float(ratios[near[:size]].sum()), H.shape[-1]) for near in ordered.indices]
    return sum(local) / len(local)


@pytest.mark.parametrize(("num_rows", "size"), [(5, 5), (40, 7), (40, 40)])
def test_agrees_with_the_definition(num_rows: int, size: int) -> None:
    H = normal(num_rows, 6)
    assert float(local_intrinsic_dimension(H, size)) == pytest.approx(by_loop(H, size))


@pytest.mark.parametrize(("d", "expected"), [(2, 2.1), (4, 4.1), (8, 7.7)])
def test_dimension_of_gaussian_rows_is_as_stated(d: int, expected: float) -> None:
    Q = torch.linalg.qr(normal(32, 32))[0][:d]
    H = torch.stack([normal(512, d, seed=s) @ Q + 5.0 for s in range(20)])
    assert float(local_intrinsic_dimension(H).mean()) == pytest.approx(expected, rel=0.05)


def test_curve_in_space_has_one_dimension() -> None:
    t = torch.rand(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6.28
    H = torch.stack([t.cos(), t.sin(), (2 * t).cos(), (2 * t).sin()], -1)
    assert float(local_intrinsic_dimension(H)) == pytest.approx(1.0, abs=0.12)


def test_repeated_rows_count_once() -> None:
    H = normal(30, 4)
    twice = torch.cat([H, H[::2], H[:1]])
    assert float(local_intrinsic_dimension(twice)) == pytest.approx(
        float(local_intrinsic_dimension(H))
    )


def test_fewer_than_three_rows_have_no_dimension() -> None:
    for H in (torch.ones(1, 3), torch.ones(9, 3), torch.eye(3)[[0, 1, 1, 0]]):
        assert float(local_intrinsic_dimension(H)) == 0


def test_lattice_has_all_dimensions() -> None:
    turn = torch.arange(12, dtype=torch.float64) * math.tau / 12
    circle = torch.stack([turn.cos(), turn.sin(), turn * 0], -1)
    assert float(local_intrinsic_dimension(circle)) == 3


def test_rows_are_limited() -> None:
    H = normal(2048, 3)
    assert torch.equal(local_intrinsic_dimension(H), local_intrinsic_dimension(H[::4]))


def test_one_model_that_diverged_leaves_the_others_alone() -> None:
    H = normal(3, 20, 4)
    expected = local_intrinsic_dimension(H)
    H[1, 5, 0] = math.inf
    got = local_intrinsic_dimension(H)
    assert got.isnan().tolist() == [False, True, False]
    torch.testing.assert_close(got[2], expected[2])
