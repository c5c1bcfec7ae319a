"""Norms and the spread of weights in closed form."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import weight_spread, weights
from grokwatch.monitor.signals.weight_spread import absolute_weight_entropy
from grokwatch.monitor.signals.weights import parameter_norms
from grokwatch.monitor.snapshot import Snapshot

SIGNALS = {each.name: each for each in (*weights.SIGNALS, *weight_spread.SIGNALS)}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read(name: str, **fields: dict[str, Tensor]) -> dict[str, float]:
    readings = SIGNALS[name].read(Snapshot(step=1, **fields))  # type: ignore[arg-type]
    return {key: float(value) for key, value in readings.items()}


def test_norms_in_total_and_by_role() -> None:
    fields = {
        "weights": {"a": torch.tensor([3.0]), "b": torch.tensor([-4.0])},
        "matrices": {"input": torch.full((2, 2), -2.0)},
    }
    assert read("weight_norm", **fields) == {"weight_norm": 5.0, "weight_norm@input": 4.0}
    assert read("weight_norm_l1", **fields) == {"weight_norm_l1": 7.0, "weight_norm_l1@input": 8.0}


def test_norm_of_each_parameter_and_model() -> None:
    tensors = [normal(2, 3, 4), normal(2, seed=1)]
    norms = parameter_norms(tensors, models=(2,))
    for model in range(2):
        single = parameter_norms([tensor[model] for tensor in tensors])
        torch.testing.assert_close(norms[:, model], single)


def test_last_layer_is_the_one_of_its_role() -> None:
    last, bias = torch.full((2, 2), 3.0), torch.full((2,), 50.0)
    tensors = {"first": torch.ones(2, 2), "last": last, "bias": bias}
    assert read("last_layer_norm", weights=tensors) == {"last_layer_norm": 6.0}
    for role in ("output", "unembedding"):
        matrices = {"input": last, role: torch.ones(2, 2)}
        assert read("last_layer_norm", weights=tensors, matrices=matrices)["last_layer_norm"] == 2
    assert read("last_layer_norm", weights={"bias": torch.tensor([3.0, 4.0])}) == {
        "last_layer_norm": 5.0
    }


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (normal(200, 500), math.sqrt(2 / math.pi)),
        (
            2 * torch.rand(300, 300, generator=torch.Generator().manual_seed(0)) - 1,
            math.sqrt(3) / 2,
        ),
    ],
    ids=["normal", "uniform"],
)
def test_sparsity_of_random_weights(entries: Tensor, expected: float) -> None:
    found = read("weight_sparsity", weights={"a": entries}, matrices={"input": 5 * entries})
    assert found["weight_sparsity"] == pytest.approx(expected, abs=0.003)
    assert found["weight_sparsity@input"] == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize("spikes", [1, 4, 16])
def test_sparsity_of_spikes(spikes: int) -> None:
    entries = torch.zeros(4, 4)
    entries.view(-1)[:spikes] = -2.0
    found = read("weight_sparsity", weights={"a": entries, "b": torch.zeros(0)})
    assert found["weight_sparsity"] == pytest.approx(math.sqrt(spikes / 16))


def test_absolute_weight_entropy_of_equal_weights() -> None:
    found = absolute_weight_entropy([torch.full((3, 4), -0.5), torch.zeros(9), torch.ones(2)])
    assert float(found) == pytest.approx(12 * 0.5 * math.log(2))


def test_absolute_weight_entropy_of_normal_weights() -> None:
    # E[-|w| log |w|] = -(2 / pi)^(1/2) (log 2 - gamma) / 2 for a normal w
    null = -math.sqrt(2 / math.pi) * (math.log(2) - 0.5772156649) / 2
    found = absolute_weight_entropy([normal(1000, 1000)])
    assert float(found) / 1e6 == pytest.approx(null, abs=0.003)
