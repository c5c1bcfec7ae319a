"""The update window: what two neighboring updates saw."""

import pytest
import torch
from torch import nn

from grokwatch.monitor.update_window import UpdateWindow


def quadratic() -> tuple[nn.Linear, torch.optim.Optimizer]:
    """Loss (3/2) w^2, so that the curvature is 3 everywhere."""
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 2.0)
    return module, torch.optim.SGD(module.parameters(), lr=0.1)


def train(observed: set[int], steps: int = 6) -> dict[int, float | None]:
    """Train and return, for each observed step, the curvature along the update."""
    found: dict[int, float | None] = {}
    module, optimizer = quadratic()
    window = UpdateWindow(module)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        torch.autograd.backward(1.5 * module.weight.square().sum())
        window.before_update(
            step, is_observed=step in observed, is_next_observed=step + 1 in observed
        )
        optimizer.step()
        if step in observed:
            update, gradients = window.update, window.gradients
            assert gradients is not None
            if update is None or window.previous_gradients is None:
                found[step] = None
            else:
                change = gradients["weight"] - window.previous_gradients["weight"]
                found[step] = (change / update["weight"]).item()
            window.release()
            assert window.update is None
    return found


@pytest.mark.parametrize("observed", [{1}, {3}, {2, 3, 4}, {1, 2, 5}])
def test_curvature_along_the_update_is_exact_on_a_quadratic(observed: set[int]) -> None:
    found = train(observed)
    assert set(found) == observed
    for step, curvature in found.items():
        assert (curvature is None) == (step == 1)
        assert curvature is None or curvature == pytest.approx(3.0, rel=1e-4)


def test_gradients_are_those_before_clipping() -> None:
    module, _ = quadratic()
    window = UpdateWindow(module, is_clipped=True)
    module.weight.grad = torch.full_like(module.weight, 8.0)
    window.before_update(1, is_observed=True, is_next_observed=False)
    nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    assert window.gradients is not None
    assert window.gradients["weight"].item() == 8.0


def test_first_call_of_an_update_counts() -> None:
    module, _ = quadratic()
    window = UpdateWindow(module)
    for value in (1.0, 2.0):
        module.weight.grad = torch.full_like(module.weight, value)
        window.before_update(1, is_observed=True, is_next_observed=True)
    assert window.gradients is not None
    assert window.gradients["weight"].item() == 1.0


def test_large_models_are_not_copied() -> None:
    module = nn.Linear(1_000, 1_001)
    window = UpdateWindow(module)
    assert not window.keeps_pairs
    assert window.gradients is None
    module.weight.grad = torch.ones_like(module.weight)
    window.before_update(1, is_observed=True, is_next_observed=True)
    assert window.gradients is not None
    assert window.gradients["weight"] is module.weight.grad
    assert window.update is None


def test_large_clipped_models_are_copied_once() -> None:
    module = nn.Linear(1_000, 1_001)
    window = UpdateWindow(module, is_clipped=True)
    module.weight.grad = torch.ones_like(module.weight)
    window.before_update(1, is_observed=False, is_next_observed=True)
    assert window.gradients is None
    window.before_update(2, is_observed=True, is_next_observed=True)
    assert window.gradients is not None
    assert window.gradients["weight"] is not module.weight.grad
    assert window.update is None


def test_sparse_gradients_become_dense() -> None:
    module = nn.Embedding(5, 2, sparse=True)
    module(torch.tensor([1])).sum().backward()
    window = UpdateWindow(module)
    window.before_update(1, is_observed=True, is_next_observed=False)
    assert window.gradients is not None
    assert window.gradients["weight"].sum().item() == 2.0


def test_lazy_layers_are_counted_when_they_have_a_size() -> None:
    module = nn.LazyLinear(2)
    window = UpdateWindow(module)
    module(torch.ones(3, 4)).sum().backward()
    window.before_update(1, is_observed=True, is_next_observed=False)
    assert window.keeps_pairs
    assert window.gradients is not None
    assert window.gradients["weight"].shape == (2, 4)
