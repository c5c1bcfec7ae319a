"""Irreps of S3 to S5: character tables, exact projectors, one irrep at a time, and the nulls."""

import itertools

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals import permutations
from grokwatch.monitor.signals.nulls import (
    Components,
    density_gini_null,
    gini_null,
    greatest_null,
    top_null,
)
from grokwatch.monitor.signals.permutations import density_gini, irrep_shares, isotypic_power
from grokwatch.monitor.signals.sparsity import energy_shares
from grokwatch.monitor.signals.symmetric_group import character, partitions, projectors
from grokwatch.monitor.snapshot import Readings, Snapshot

each_size = pytest.mark.parametrize("n", [3, 4, 5])
DIMENSIONS = {3: (4, 1), 4: (9, 4, 9, 1), 5: (16, 25, 36, 25, 16, 1)}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read(W: Tensor, *models: int) -> Readings:
    snapshot = Snapshot(step=1, models=models, permutations={"embedding": W})
    return {k: v for signal in permutations.SIGNALS for k, v in signal.read(snapshot).items()}


def moved(n: int, by: tuple[int, ...], *, left: bool) -> list[int]:
    """Place of each permutation's product with a fixed one."""
    group = list(itertools.permutations(range(n)))
    products = [
        tuple(by[i] for i in g) if left else tuple(g[i] for i in by)  # by after g, g after by
        for g in group
    ]
    return [group.index(product) for product in products]


def test_character_tables_are_the_published_ones() -> None:
    """Columns: identity last, as in `partitions`; James and Liebeck's tables reordered."""
    tables = {
        3: [[1, 1, 1], [-1, 0, 2], [1, -1, 1]],
        4: [[1] * 5, [-1, 0, -1, 1, 3], [0, -1, 2, 0, 2], [1, 0, -1, -1, 3], [-1, 1, 1, -1, 1]],
        5: [
            [1] * 7,
            [-1, 0, -1, 1, 0, 2, 4],
            [0, -1, 1, -1, 1, 1, 5],
            [1, 0, 0, 0, -2, 0, 6],
            [0, 1, -1, -1, 1, -1, 5],
            [-1, 0, 1, 1, 0, -2, 4],
            [1, -1, -1, 1, 1, -1, 1],
        ],
    }
    for n, table in tables.items():
        kinds = partitions(n)
        assert [[character(irrep, kind) for kind in kinds] for irrep in kinds] == table


@each_size
def test_projectors_are_exact(n: int) -> None:
    each = projectors(n)
    order = each.shape[-1]
    torch.testing.assert_close(each.sum(0), torch.eye(order, dtype=torch.float64))
    products = each[:, None] @ each[None]
    expected = torch.einsum("ij,iab->ijab", torch.eye(len(each), dtype=torch.float64), each)
    torch.testing.assert_close(products, expected, atol=1e-12, rtol=0)
    for by in itertools.islice(itertools.permutations(range(n)), 1, 6):
        for left in (True, False):
            P = torch.eye(order, dtype=torch.float64)[moved(n, by, left=left)]
            torch.testing.assert_close(P @ each, each @ P, atol=1e-12, rtol=0)


@each_size
def test_projectors_know_natural_and_sign_representations(n: int) -> None:
    group = list(itertools.permutations(range(n)))
    matrices = torch.tensor(
        [[[float(g[j] == i) for j in range(n)] for i in range(n)] for g in group]
    )
    entries = matrices.flatten(1).double()  # trivial and standard, nothing else
    each = projectors(n)
    torch.testing.assert_close((each[0] + each[1]) @ entries, entries)
    signs = torch.linalg.det(matrices)[:, None].double()
    torch.testing.assert_close(each[-1] @ signs, signs)


@each_size
def test_power_by_irrep_is_what_projectors_leave(n: int) -> None:
    W = normal(2, len(projectors(n)[0]), 3) + 5
    parts = torch.stack([(Pi @ W).square().sum(-2) for Pi in projectors(n)[1:]], -1)
    power = isotypic_power(W)
    torch.testing.assert_close(power.sum(-1), (W - W.mean(-2, keepdim=True)).square().sum(-2))
    torch.testing.assert_close(irrep_shares(power), energy_shares(parts))


@each_size
def test_one_irrep_has_it_all(n: int) -> None:
    each = projectors(n)
    for place, size in enumerate(DIMENSIONS[n]):
        values = read(each[place + 1] @ normal(len(each[0]), 6) + 2)
        total = sum(DIMENSIONS[n])
        assert float(values["irrep_share.top@embedding"]) == pytest.approx(1)
        assert float(values["irrep_share.top_excess@embedding"]) == pytest.approx(1)
        assert float(values["irrep_share.aggregate_excess@embedding"]) == pytest.approx(1)
        gini = float(values["irrep_gini_coefficient@embedding"])
        assert gini == pytest.approx(1 - size / total)
        assert float(values["irrep_gini_coefficient.aggregate@embedding"]) == pytest.approx(gini)
    assert float(values["irrep_gini_coefficient.excess@embedding"]) == pytest.approx(1)  # the sign


@each_size
def test_translations_from_either_side_do_not_matter(n: int) -> None:
    W = normal(len(projectors(n)[0]), 4)
    for left in (True, False):
        order = moved(n, (1, 2, 0, *range(3, n)), left=left)
        for key, value in read(W[order]).items():
            torch.testing.assert_close(value, read(W)[key], msg=key)


def test_another_order_does_matter() -> None:
    W = projectors(5)[2] @ normal(120, 4)
    shuffled = W[torch.randperm(120, generator=torch.Generator().manual_seed(0))]
    assert float(read(W)["irrep_share.top_excess@embedding"]) == pytest.approx(1)
    assert float(read(shuffled)["irrep_share.top_excess@embedding"]) < 0.2


@each_size
def test_no_energy_is_spread_as_the_dimensions(n: int) -> None:
    total = sum(DIMENSIONS[n])
    values = read(torch.zeros(total + 1, 4))
    assert float(values["irrep_share.top@embedding"]) == pytest.approx(max(DIMENSIONS[n]) / total)
    assert float(values["irrep_gini_coefficient@embedding"]) == pytest.approx(0, abs=1e-6)


@each_size
def test_excess_is_zero_on_gaussian_weights(n: int) -> None:
    runs = 400
    for key, value in read(normal(runs, sum(DIMENSIONS[n]) + 1, 6, seed=3), runs).items():
        if "excess" in key:
            spread = float(value.std())
            assert spread > 0
            assert float(value.mean()) == pytest.approx(0, abs=4 * spread / runs**0.5), key


def test_general_nulls_agree_with_those_for_components_of_two_kinds() -> None:
    for components in (Components(33), Components(4, 1), Components(0, 30, copies=24)):
        parameters = tuple(shape for number, shape in components.kinds for _ in range(number))
        assert greatest_null(parameters) == pytest.approx(top_null(components, 1), rel=1e-6)
        if len(components.kinds) == 1:
            expected = gini_null(components)
            assert density_gini_null(parameters) == pytest.approx(expected, rel=1e-6)


def test_density_gini_is_the_coefficient_over_dimensions() -> None:
    shares = torch.tensor([[0.2, 0.7, 0.1], [0.0, 0.0, 1.0], [0.4, 0.2, 0.4]]).double()
    dimensions = (4, 2, 4)
    spread = torch.cat(
        [(shares[:, i : i + 1] / d).expand(-1, d) for i, d in enumerate(dimensions)], -1
    )
    distances = (spread[:, :, None] - spread[:, None]).abs().sum((-1, -2)) / (2 * 10)
    torch.testing.assert_close(density_gini(shares, dimensions), distances)
    assert float(density_gini(shares[2], dimensions)) == pytest.approx(0)


def test_other_groups_are_refused() -> None:
    with pytest.raises(SignalError, match=r"Expected an axis of 6, 24 or 120 .*, got 7\. Try "):
        read(torch.zeros(7, 2))
