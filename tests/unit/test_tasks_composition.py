import itertools

import pytest
import torch

from grokwatch.experiments.tasks import PermutationComposition
from grokwatch.experiments.tasks.composition import composition_table
from grokwatch.monitor.errors import ConfigurationError


@pytest.mark.parametrize("degree", [3, 4, 5])
class TestTable:
    def test_it_is_a_group(self, degree: int) -> None:
        table = composition_table(degree)
        every = torch.arange(len(table))
        assert torch.equal(table[0], every)
        assert torch.equal(table[:, 0], every)
        assert torch.equal(table.sort(dim=0).values, every[:, None].expand_as(table))
        assert torch.equal(table.sort(dim=1).values, every.expand_as(table))
        a, b, c = torch.randint(
            len(table), (3, 5_000), generator=torch.Generator().manual_seed(0)
        ).unbind()
        assert torch.equal(table[table[a, b], c], table[a, table[b, c]])

    def test_order_matters(self, degree: int) -> None:
        table = composition_table(degree)
        assert not torch.equal(table, table.T)

    def test_the_second_moves_first(self, degree: int) -> None:
        listed = list(itertools.permutations(range(degree)))
        table = composition_table(degree).tolist()
        for a, b in itertools.islice(itertools.product(range(len(listed)), repeat=2), 3, None, 17):
            assert listed[table[a][b]] == tuple(listed[a][listed[b][i]] for i in range(degree))


@pytest.mark.parametrize(("degree", "order"), [(3, 6), (4, 24), (5, 120)])
def test_every_pair_comes_once_with_its_product(degree: int, order: int) -> None:
    task = PermutationComposition(degree=degree, train_fraction=0.3)
    split = task.split()
    assert (task.num_classes, task.group) == (order, f"symmetric:{degree}")
    assert len(split.train_targets) == int(0.3 * order**2)
    pairs = torch.cat([split.train_inputs, split.test_inputs])
    assert len(pairs) == task.num_examples == len(set(map(tuple, pairs.tolist()))) == order**2
    expected = composition_table(degree)[pairs[:, 0], pairs[:, 1]]
    assert torch.equal(torch.cat([split.train_targets, split.test_targets]), expected)


def test_another_degree_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Expected degree 3, 4 or 5 .* got 6\. Try deg"):
        PermutationComposition(degree=6)
