import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from grokwatch.experiments.tasks import TASKS, ModularAddition, SparseParity, Split, Task
from grokwatch.monitor.errors import ConfigurationError


def everything(split: Split) -> dict[tuple[float, ...], int]:
    inputs = torch.cat([split.train_inputs, split.test_inputs]).tolist()
    targets = torch.cat([split.train_targets, split.test_targets]).tolist()
    assert len(inputs) == len({tuple(row) for row in inputs}), "an example came twice"
    return dict(zip(map(tuple, inputs), targets, strict=True))


def test_modular_addition_is_exhaustive_on_a_tiny_instance() -> None:
    found = everything(ModularAddition(modulus=5, symmetric=True).split())
    assert found == {(a, b): (a + b) % 5 for a in range(5) for b in range(5)}


def test_modular_addition_holds_no_mirror_images_unless_asked() -> None:
    found = everything(ModularAddition(modulus=7).split())
    assert found == {(a, b): (a + b) % 7 for a in range(7) for b in range(a, 7)}


def test_modular_addition_has_the_article_s_counts() -> None:
    split = ModularAddition(modulus=67, train_fraction=0.4).split()
    assert (len(split.train_targets), len(split.test_targets)) == (911, 1367)


def test_sparse_parity_is_exhaustive_on_a_tiny_instance() -> None:
    task = SparseParity(num_bits=5, num_relevant=2, num_train=12, num_test=20)
    found = everything(task.split())
    bits = itertools.product((-1.0, 1.0), repeat=5)
    assert found == {row: int((row[0] > 0) != (row[1] > 0)) for row in bits}


def test_sparse_parity_of_long_inputs_never_repeats_an_example() -> None:
    split = SparseParity(num_bits=21, num_train=3_000, num_test=3_000).split()
    found = everything(split)
    assert all(
        target == sum(bit > 0 for bit in row[:3]) % 2 for row, target in list(found.items())[:200]
    )


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
class TestEveryTask:
    def test_the_same_seed_gives_the_same_split_whatever_came_before(
        self, make: Callable[..., Task]
    ) -> None:
        first = make(seed=3).split()
        torch.manual_seed(99)
        torch.rand(7)
        assert all(map(torch.equal, first, make(seed=3).split()))
        assert not torch.equal(first.train_inputs, make(seed=4).split().train_inputs)

    def test_drawing_leaves_the_global_generator_alone(self, make: Callable[..., Task]) -> None:
        before = torch.get_rng_state()
        make(seed=3, random_labels=True).split()
        assert torch.equal(before, torch.get_rng_state())

    def test_random_labels_keep_inputs_and_label_counts_but_not_the_rule(
        self, make: Callable[..., Task]
    ) -> None:
        true, shuffled = make(seed=3).split(), make(seed=3, random_labels=True).split()
        assert torch.equal(true.train_inputs, shuffled.train_inputs)
        labels = [torch.cat([s.train_targets, s.test_targets]) for s in (true, shuffled)]
        assert torch.equal(labels[0].sort().values, labels[1].sort().values)
        num_classes = make().num_classes
        agreement = (true.train_targets == shuffled.train_targets).double().mean()
        assert agreement == pytest.approx(1 / num_classes, abs=0.06)
        agreement = (true.test_targets == shuffled.test_targets).double().mean()
        assert agreement == pytest.approx(1 / num_classes, abs=0.04)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (ModularAddition, {"modulus": 1}, r"Expected modulus >= 2, got 1\. Try modulus=67"),
        (ModularAddition, {"train_fraction": 1.0}, r"strictly between 0 and 1, got 1\.0\. Try"),
        (SparseParity, {"num_relevant": 9, "num_bits": 4}, r"num_relevant=9, num_bits=4\. Try"),
        (SparseParity, {"num_bits": 4}, r"at most 16 different examples .* got 750 .*Try more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    make: Callable[..., Task], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(**arguments)
