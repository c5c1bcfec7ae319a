import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from grokwatch.experiments.tasks import MultitaskParity, SparseParity, Split, Task
from grokwatch.monitor.errors import ConfigurationError


def whole(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = torch.cat([split.train_inputs, split.test_inputs])
    return inputs, torch.cat([split.train_targets, split.test_targets])


def exclusive_or(bits: torch.Tensor, columns: tuple[int, ...]) -> torch.Tensor:
    odd = torch.zeros(len(bits), dtype=torch.bool)
    for column in columns:
        odd ^= bits[:, column] > 0
    return odd.long()


class TestSparseParity:
    def test_it_is_exhaustive_on_a_tiny_instance(self) -> None:
        task = SparseParity(num_bits=5, num_relevant=2, num_train=12, num_test=20)
        inputs, targets = whole(task.split())
        found = dict(zip(map(tuple, inputs.tolist()), targets.tolist(), strict=True))
        bits = itertools.product((-1.0, 1.0), repeat=5)
        assert found == {row: int((row[0] > 0) != (row[1] > 0)) for row in bits}

    @pytest.mark.parametrize("relevant", ["first", "drawn"])
    @pytest.mark.parametrize("num_bits", [10, 21, 62])
    def test_answers_are_the_exclusive_or_of_relevant_bits(
        self, num_bits: int, relevant: str
    ) -> None:
        task = SparseParity(num_bits=num_bits, relevant=relevant, num_train=300, num_test=300)
        inputs, targets = whole(task.split())
        assert len(set(map(tuple, inputs.tolist()))) == 600
        assert torch.equal(targets, exclusive_or(inputs, task.relevant_bits))

    def test_drawn_bits_differ_by_seed_and_leave_inputs_alone(self) -> None:
        first, drawn = SparseParity(seed=5), SparseParity(seed=5, relevant="drawn")
        assert torch.equal(first.split().train_inputs, drawn.split().train_inputs)
        assert first.relevant_bits == (0, 1, 2)
        found = {SparseParity(seed=seed, relevant="drawn").relevant_bits for seed in range(50)}
        assert len(found) > 40
        assert {bit for bits in found for bit in bits} == set(range(30))
        assert all(len(set(bits)) == 3 and list(bits) == sorted(bits) for bits in found)

    def test_all_bits_may_matter(self) -> None:
        task = SparseParity(num_bits=4, num_relevant=4, relevant="drawn", num_train=8, num_test=8)
        assert task.relevant_bits == (0, 1, 2, 3)


class TestMultitaskParity:
    TASK = MultitaskParity(
        num_skills=5, num_bits=12, num_relevant=4, num_train=1_000, num_test=2_000, seed=2
    )

    def test_each_skill_answers_the_exclusive_or_of_its_own_bits(self) -> None:
        inputs, targets = whole(self.TASK.split())
        prefix, bits = inputs[:, :5], inputs[:, 5:]
        assert set(prefix.flatten().tolist()) == {0.0, 1.0}
        assert (prefix.sum(dim=1) == 1).all()
        assert set(bits.flatten().tolist()) == {-1.0, 1.0}
        assert len(set(map(tuple, bits.tolist()))) == 3_000
        for skill, columns in enumerate(self.TASK.relevant_bits):
            own = prefix[:, skill] == 1
            assert torch.equal(targets[own], exclusive_or(bits[own], columns))

    def test_subsets_are_all_different_even_where_each_is_needed(self) -> None:
        task = MultitaskParity(num_skills=10, num_bits=5, num_relevant=2, num_train=9, num_test=9)
        assert set(task.relevant_bits) == set(itertools.combinations(range(5), 2))

    @pytest.mark.parametrize("zipf", [0.0, 1.4])
    def test_skills_are_as_frequent_as_the_exponent_says(self, zipf: float) -> None:
        task = MultitaskParity(num_skills=6, zipf=zipf, num_train=20_000, seed=1)
        counts = task.split().train_inputs[:, :6].sum(dim=0).double()
        weights = torch.tensor([i**-zipf for i in range(1, 7)], dtype=torch.float64)
        expected = weights / weights.sum()
        torch.testing.assert_close(task.frequencies, expected)
        errors = (expected * (1 - expected) / 20_000).sqrt()
        assert ((counts / 20_000 - expected).abs() < 4 * errors).all()


COMMON = [
    ({"num_relevant": 9, "num_bits": 4}, r"num_relevant=9, num_bits=4\. Try num_relevant=3"),
    ({"num_relevant": 0}, r"Expected 1 <= num_relevant .* got num_relevant=0"),
    ({"num_bits": 63}, r"<= num_bits <= 62, got .* num_bits=63\. Try"),
    ({"num_bits": 4}, r"at most 16 different examples of 4 bits, got \d+ to train .*Try more"),
    ({"num_train": 0}, r"Expected num_train >= 1 .* got num_train=0, .*\. Try num_train=750"),
    ({"num_test": 0}, r"num_test >= 1, got .*num_test=0\. Try"),
]


@pytest.mark.parametrize(("arguments", "message"), COMMON)
@pytest.mark.parametrize("make", [SparseParity, MultitaskParity])
def test_what_cannot_be_drawn_is_refused(
    make: Callable[..., Task], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (SparseParity, {"relevant": "last"}, r"among first, drawn, got 'last'\. Try relevant='f"),
        (MultitaskParity, {"num_skills": 0}, r"num_skills between 1 and 4060, .* got 0\. Try more"),
        (
            MultitaskParity,
            {"num_bits": 20, "num_relevant": 1, "num_skills": 21},
            r"1 and 20, the number of subsets of 1 of 20 bits, got 21\. Try",
        ),
        (MultitaskParity, {"zipf": -1.0}, r"finite exponent zipf >= 0, got -1\.0\. Try zipf=1\.4"),
        (MultitaskParity, {"zipf": float("inf")}, r"finite exponent zipf >= 0, got inf\. Try"),
    ],
)
def test_options_without_a_meaning_are_refused(
    make: Callable[..., Task], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(**arguments)
