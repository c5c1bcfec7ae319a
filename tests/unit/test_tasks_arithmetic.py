import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from grokwatch.experiments.tasks import OPERATIONS, ModularAddition, ModularArithmetic, Split, Task
from grokwatch.monitor.errors import ConfigurationError

RULES: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "x^2+y^2": lambda a, b: a**2 + b**2,
    "x^2+xy+y^2": lambda a, b: a**2 + a * b + b**2,
}


def everything(split: Split) -> dict[tuple[int, int], int]:
    inputs = torch.cat([split.train_inputs, split.test_inputs]).tolist()
    targets = torch.cat([split.train_targets, split.test_targets]).tolist()
    found = {(a, b): target for (a, b), target in zip(inputs, targets, strict=True)}
    assert len(found) == len(inputs), "a pair came twice"
    return found


def test_every_operation_is_tried_here() -> None:
    assert {*RULES, "div"} == set(OPERATIONS)


@pytest.mark.parametrize("modulus", [2, 5, 6, 7])
@pytest.mark.parametrize("operation", RULES)
def test_every_pair_has_the_answer_of_the_rule(operation: str, modulus: int) -> None:
    task = ModularArithmetic(operation=operation, modulus=modulus, symmetric=True)
    pairs = itertools.product(range(modulus), repeat=2)
    expected = {(a, b): RULES[operation](a, b) % modulus for a, b in pairs}
    assert everything(task.split()) == expected
    assert task.num_examples == len(expected)


@pytest.mark.parametrize("modulus", [2, 3, 5, 7, 11])
def test_division_undoes_multiplication(modulus: int) -> None:
    task = ModularArithmetic(operation="div", modulus=modulus, symmetric=True, train_fraction=0.5)
    found = everything(task.split())
    assert found.keys() == set(itertools.product(range(modulus), range(1, modulus)))
    assert all(b * answer % modulus == a for (a, b), answer in found.items())
    assert task.num_examples == len(found)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_symmetric_pairs_no_test_pair_mirrors_a_train_pair(operation: str) -> None:
    task = ModularArithmetic(operation=operation, modulus=11, train_fraction=0.5)
    both = everything(ModularArithmetic(operation=operation, modulus=11, symmetric=True).split())
    found = everything(task.split())
    assert found == {(a, b): answer for (a, b), answer in both.items() if a <= b}
    assert task.num_examples == len(found)
    train = {(b, a) for a, b in task.split().train_inputs.tolist() if a != b}
    assert train.isdisjoint({(a, b) for a, b in task.split().test_inputs.tolist()})


def test_with_symmetric_pairs_mirror_images_cross_the_split() -> None:
    split = ModularArithmetic(modulus=11, symmetric=True).split()
    mirrored = {(b, a) for a, b in split.train_inputs.tolist()}
    assert mirrored & {(a, b) for a, b in split.test_inputs.tolist()}


def test_addition_is_arithmetic_under_another_name() -> None:
    for seed in range(5):
        given: dict[str, Any] = {"modulus": 13, "seed": seed, "random_labels": seed % 2 == 0}
        ours, general = ModularAddition(**given), ModularArithmetic(operation="add", **given)
        assert all(map(torch.equal, ours.split(), general.split()))
        assert (ours.num_classes, ours.group) == (general.num_classes, general.group)


def test_addition_has_the_article_s_counts() -> None:
    split = ModularAddition(modulus=67, train_fraction=0.4).split()
    assert (len(split.train_targets), len(split.test_targets)) == (911, 1367)


@pytest.mark.parametrize("make", [ModularAddition, ModularArithmetic])
def test_a_modulus_below_two_is_refused(make: Callable[..., Task]) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected modulus >= 2, got 1\. Try modulus=67"):
        make(modulus=1)


@pytest.mark.parametrize(("modulus", "prime"), [(4, 5), (9, 11), (91, 97), (2 * 59, 127)])
def test_division_by_a_composite_modulus_is_refused(modulus: int, prime: int) -> None:
    message = rf"Expected a prime modulus .* got {modulus}\. Try modulus={prime}\."
    with pytest.raises(ConfigurationError, match=message):
        ModularArithmetic(operation="div", modulus=modulus)


def test_an_unknown_operation_is_refused() -> None:
    message = r"among add, sub, mul, div, x\^2\+y\^2, .* got 'pow'\. Try operation='add'"
    with pytest.raises(ConfigurationError, match=message):
        ModularArithmetic(operation="pow")
