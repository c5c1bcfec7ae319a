"""Attention maps in closed form: heads that agree, heads that do not, and one head."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import attention
from grokwatch.monitor.signals.attention import head_entropy_deviation, head_similarity
from grokwatch.monitor.snapshot import Snapshot


def maps(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).softmax(-1)


def test_similarity_agrees_with_pairs() -> None:
    A = maps(7, 4, 5, 5)
    flat = A.flatten(-2)
    cosines = [
        torch.nn.functional.cosine_similarity(flat[:, g], flat[:, h], dim=-1).mean()
        for h in range(4)
        for g in range(h)
    ]
    assert float(head_similarity(A)) == pytest.approx(float(torch.stack(cosines).mean()))


def test_similarity_at_its_ends() -> None:
    A = maps(7, 1, 5, 5)
    assert float(head_similarity(A.expand(7, 3, 5, 5))) == pytest.approx(1)
    shifts = torch.stack([torch.eye(5).roll(h, 0) for h in range(3)])
    assert float(head_similarity(shifts[None])) == 0


def test_deviation_agrees_with_entropies() -> None:
    A = maps(7, 4, 5, 5)
    entropies = -(A * A.log()).sum(-1).mean((0, 2))
    assert float(head_entropy_deviation(A)) == pytest.approx(float(entropies.std(correction=0)))


def test_deviation_is_greatest_between_one_and_all() -> None:
    narrow, wide = torch.eye(4), torch.full((4, 4), 0.25)
    A = torch.stack([narrow, wide])[None]
    assert float(head_entropy_deviation(A)) == pytest.approx(math.log(4) / 2)
    assert float(head_entropy_deviation(A[:, [1, 1]])) == 0


def test_one_head_agrees_with_itself() -> None:
    A = maps(7, 1, 5, 5)
    assert float(head_similarity(A)) == 1
    assert float(head_entropy_deviation(A)) == 0
    assert head_similarity(A * math.nan).isnan()


@pytest.mark.parametrize("index", [0, 1])
def test_layers_with_one_head_do_not_count_beside_others(index: int) -> None:
    signal = attention.SIGNALS[index]
    first, second, single = maps(7, 3, 5, 5), maps(7, 2, 5, 5, seed=1), maps(7, 1, 5, 5, seed=2)
    both, *each = (
        float(signal.read(Snapshot(step=1, attention=layers))[signal.name])
        for layers in ({"a": first, "b": second, "c": single}, {"a": first}, {"b": second})
    )
    assert both == pytest.approx(sum(each) / 2)
