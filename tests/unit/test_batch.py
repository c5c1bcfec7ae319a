"""Batches: counted, sampled and split, or declined."""

from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch

from grokwatch.monitor.batch import classified, logits_of, num_examples, split, take

Pair = namedtuple("Pair", ["x", "y"])
X, Y = torch.arange(20.0).reshape(10, 2), torch.arange(10)


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        (X, 10),
        ((X, [Y, {"z": Y}]), 10),
        ({"x": X, "text": "word"}, 10),
        ((X, Y[:3]), None),
        (("a", 1), None),
        ((X, torch.tensor(1.0)), None),
        (None, None),
    ],
)
def test_examples_are_counted_where_all_tensors_agree(batch: object, count: int | None) -> None:
    assert num_examples(batch) == count


def test_examples_are_spread_and_copied() -> None:
    kept = take(Pair({"a": X}, [Y, "text"]), 5)
    assert isinstance(kept, Pair)
    assert kept.y[0].tolist() == [0, 2, 4, 6, 8]
    assert kept.y[1] == "text"
    assert torch.equal(kept.x["a"], X[::2])
    assert take((X, Y), 99)[0].data_ptr() != X.data_ptr()
    assert take((X, Y), 99)[1].tolist() == Y.tolist()


def test_pairs_are_split() -> None:
    assert split((X, Y)) == ((X,), Y)
    assert split([X, X, Y]) == ((X, X), Y)
    assert split({"input_ids": X, "labels": Y}) == ((X,), Y)


@pytest.mark.parametrize("batch", [X, (X,), (X, "y"), {"x": X}, {"y": Y}, None])
def test_what_is_no_pair_is_declined(batch: object) -> None:
    assert split(batch) is None


@pytest.mark.parametrize(
    ("output", "targets", "shape"),
    [
        (torch.zeros(4, 3), torch.zeros(4).long(), (4, 3)),
        ((torch.zeros(4, 3), "hidden"), torch.zeros(4).long(), (4, 3)),
        (SimpleNamespace(logits=torch.zeros(4, 3)), torch.zeros(4).long(), (4, 3)),
        (torch.zeros(4, 5, 3), torch.zeros(4, 5).long(), (20, 3)),
        (torch.zeros(4, 5, 3), torch.zeros(4).long(), (4, 3)),
        (torch.zeros(4), torch.ones(4), (4, 2)),
        (torch.zeros(4, 1), torch.ones(4).long(), (4, 2)),
    ],
)
def test_classifiers_are_recognized(
    output: object, targets: torch.Tensor, shape: tuple[int, int]
) -> None:
    pair = classified(output, targets)
    assert pair is not None
    assert tuple(pair[0].shape) == shape
    assert tuple(pair[1].shape) == shape[:1]


@pytest.mark.parametrize(
    ("output", "targets"),
    [
        (torch.zeros(4, 3), torch.zeros(4)),
        (torch.zeros(4, 3), torch.zeros(5).long()),
        (torch.zeros(4), torch.full((4,), 0.5)),
        (torch.zeros(4, 3).long(), torch.zeros(4).long()),
        ("text", torch.zeros(4).long()),
        ([], torch.zeros(4).long()),
    ],
)
def test_what_is_no_classifier_is_declined(output: object, targets: torch.Tensor) -> None:
    assert classified(output, targets) is None


def test_last_position_is_the_one_judged() -> None:
    logits = torch.randn(4, 5, 3)
    pair = classified(logits, torch.zeros(4).long())
    assert pair is not None
    assert torch.equal(pair[0], logits[:, -1])


def test_scalars_are_no_logits() -> None:
    assert logits_of(torch.tensor(1.0)) is None


@pytest.mark.parametrize("stray", [-100, 4])
def test_targets_that_are_no_class_make_no_classification(stray: int) -> None:
    logits, targets = torch.zeros(3, 4), torch.tensor([0, stray, 3])
    assert classified(logits, targets) is None
    assert (classified(logits, targets, ignored=-100) is None) is (stray != -100)
