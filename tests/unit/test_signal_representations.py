"""Hidden states in closed form: directions they use, and classes that are apart."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import representations
from grokwatch.monitor.signals.representations import (
    centered,
    class_separation,
    even_rows,
    representation_rank,
)
from grokwatch.monitor.snapshot import Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def separation_by_loop(H: Tensor, targets: Tensor) -> float:
    classes = [c for c in set(targets.tolist()) if int((targets == c).sum()) > 1]
    means = {c: H[targets == c].mean(0) for c in classes}
    inter = [float((means[a] - means[b]).norm()) for a in classes for b in classes if a != b]
    intra = [float((H[targets == c] - means[c]).norm(dim=-1).mean()) for c in classes]
    return (sum(inter) / len(inter)) / (sum(intra) / len(intra))


def test_rows_are_even() -> None:
    assert even_rows(3, 8).tolist() == [0, 1, 2]
    rows = even_rows(1000, 7)
    assert len(rows) == 7
    assert set(rows.diff().tolist()) <= {142, 143}
    assert even_rows(0, 4).tolist() == []


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_rank_counts_even_directions(rank: int) -> None:
    Q = torch.linalg.qr(normal(9, 9))[0][:rank]
    H = torch.cat([Q, -Q]) + 3.0
    assert float(representation_rank(H)) == pytest.approx(rank)
    reading = representations.SIGNALS[0].read(Snapshot(step=1, representations={"last": H}))
    assert float(reading["representation_entropy@last"]) == pytest.approx(
        math.log(rank) / math.log(9), abs=1e-9
    )
    assert float(reading["representation_entropy.rank@last"]) == pytest.approx(rank)


def test_rank_agrees_with_the_covariance() -> None:
    H = normal(50, 6) * torch.tensor([3.0, 1.0, 1.0, 0.5, 0.2, 0.1]) + 7
    shares = torch.linalg.eigvalsh(torch.cov(H.mT))
    shares = shares / shares.sum()
    expected = math.exp(-float((shares * shares.log()).sum()))
    assert float(representation_rank(H)) == pytest.approx(expected)


def test_rows_that_agree_up_to_rounding_do_not_differ() -> None:
    H = torch.full((30, 4), 0.1, dtype=torch.float64)
    H[::2, 0] += 1e-16
    assert not torch.equal(H[0], H[1])
    assert float(centered(H).abs().max()) == 0
    assert float(representation_rank(H)) == pytest.approx(4)
    assert float(class_separation(H, torch.arange(30) % 3)) == 0


def test_wide_layer_is_read_on_fewer_rows() -> None:
    H = torch.zeros(2048, 1100)
    H[:, 0] = torch.arange(2048) % 4 // 2  # alternates on the rows taken
    H[:, 1] = (torch.arange(2048) % 8 // 4) * 3
    assert 1 < float(representation_rank(H)) < 2


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_separation_agrees_with_the_definition(offset: float) -> None:
    H = normal(40, 5) + offset
    targets = torch.randint(9, (40,), generator=torch.Generator().manual_seed(1))
    targets[0] = 30  # a class of its own
    assert float(class_separation(H, targets)) == pytest.approx(separation_by_loop(H, targets))


def test_targets_of_each_model() -> None:
    H = normal(3, 20, 5)
    targets = torch.randint(4, (3, 20), generator=torch.Generator().manual_seed(1))
    together = class_separation(H, targets)
    for index in range(3):
        expected = separation_by_loop(H[index], targets[index])
        assert float(together[index]) == pytest.approx(expected)


def test_separation_at_its_ends() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    collapsed = points[[0, 0, 1, 1, 2, 2]]
    assert float(class_separation(collapsed, torch.tensor([0, 0, 1, 1, 2, 2]))) == (
        pytest.approx(1e12)
    )
    assert float(class_separation(collapsed, torch.tensor([0, 1, 0, 1, 0, 1]))) == 0
    assert float(class_separation(collapsed, torch.tensor([0, 0, 1, 2, 3, 4]))) == 0


def test_separation_grows_with_distance() -> None:
    targets = torch.arange(60) % 3
    noise, means = normal(60, 4), normal(3, 4, seed=1)
    values = [float(class_separation(noise + a * means[targets], targets)) for a in (0, 1, 4)]
    assert values == sorted(values)


def test_no_separation_without_targets() -> None:
    snapshot = Snapshot(step=1, representations={"last": normal(4, 3)})
    assert representations.SIGNALS[1].read(snapshot) == {}
