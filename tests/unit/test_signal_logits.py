"""Logits whose margins, losses and roundings are known."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.logits import (
    SIGNALS,
    cross_entropies,
    logit_scale,
    margins,
    softmax_collapse,
    zero_loss,
)
from grokwatch.monitor.snapshot import Snapshot

BY_NAME = {signal.name: signal for signal in SIGNALS}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read(name: str, logits: Tensor, targets: Tensor, **weights: Tensor) -> dict[str, float]:
    snapshot = Snapshot(step=1, weights=weights, logits=logits, targets=targets)
    return {key: float(value) for key, value in BY_NAME[name].read(snapshot).items()}


def pair(margin: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two classes, the first right by a margin."""
    return torch.tensor([[margin, 0.0]], dtype=dtype), torch.tensor([0])


def test_margins_of_random_logits() -> None:
    z, y = normal(50, 7), torch.arange(50) % 7
    expected = [
        float(row[t] - max(row[j] for j in range(7) if j != t)) for row, t in zip(z, y, strict=True)
    ]
    assert margins(z, y).tolist() == pytest.approx(expected)


def test_margin_has_mean_least_and_low_quantile() -> None:
    z = torch.stack([torch.arange(101.0), torch.zeros(101)], -1)
    found = read("margin", z, torch.zeros(101).long())
    assert found == {"margin": 50, "margin.least": 0, "margin.low": pytest.approx(5)}
    assert read("margin", z, torch.ones(101).long())["margin.least"] == -100


def test_targets_may_differ_between_models() -> None:
    z, y = normal(2, 9, 4), torch.stack([torch.arange(9) % 4, torch.arange(9) % 3])
    for function in (margins, cross_entropies):
        both = function(z, y)
        for model in range(2):
            torch.testing.assert_close(both[model], function(z[model], y[model]))


def test_cross_entropy_is_that_of_torch() -> None:
    z, y = 3 * normal(50, 7), torch.arange(50) % 7
    expected = torch.nn.functional.cross_entropy(z, y, reduction="none")
    torch.testing.assert_close(cross_entropies(z, y), expected)


@pytest.mark.parametrize("margin", [10.0, 40.0, 100.0, 600.0, -600.0])
def test_cross_entropy_far_from_one(margin: float) -> None:
    found = float(cross_entropies(*pair(margin, torch.float32)))
    assert found == pytest.approx(
        math.log1p(math.exp(-margin)) if margin > 0 else -margin, rel=1e-12
    )
    assert found > 0


def test_probe_loss_and_its_log() -> None:
    found = read("probe_loss", *pair(50.0, torch.bfloat16))
    assert found["probe_loss.log"] == pytest.approx(-50)
    assert found["probe_loss"] == pytest.approx(math.exp(-50))
    assert read("probe_loss", torch.zeros(5, 8), torch.zeros(5).long())[
        "probe_loss"
    ] == pytest.approx(math.log(8))
    assert read("probe_loss", *pair(5000.0, torch.float32))["probe_loss.log"] == pytest.approx(
        -708.4, abs=0.1
    )


@pytest.mark.parametrize(
    ("dtype", "least"),
    [(torch.float64, 36.7), (torch.float32, 16.6), (torch.float16, 7.6), (torch.bfloat16, 5.5)],
)
def test_softmax_collapses_where_the_dtype_rounds(dtype: torch.dtype, least: float) -> None:
    """1 + exp(-m) is 1 above m = log(2 / eps): 36.7, 16.6, 7.6 and 5.5."""
    assert math.log(2 / torch.finfo(dtype).eps) == pytest.approx(least, abs=0.1)
    for margin, expected in ((1.1 * least, 1.0), (0.85 * least, 0.0)):
        z, y = pair(margin, dtype)
        assert float(softmax_collapse(z)) == expected
        assert float(softmax_collapse(z.flip(-1))) == expected
    assert float(zero_loss(*pair(20 * least, dtype))) == 1
    assert float(zero_loss(z.flip(-1), y)) == 0
    assert float(zero_loss(*pair(0.5 * least, dtype))) == 0


def test_shares_are_over_examples() -> None:
    z = torch.tensor([[50.0, 0.0], [1.0, 0.0], [0.0, 50.0], [0.0, 1.0]])
    y = torch.zeros(4).long()
    assert read("softmax_collapse", z, y) == {"softmax_collapse": 0.5}
    assert read("zero_loss", z, y) == {"zero_loss": 0.25}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_bad_logit_shows(value: float) -> None:
    z = torch.ones(3, 4)
    z[1] = value
    for name in BY_NAME:
        found = read(name, z, torch.zeros(3).long(), w=torch.ones(2, 2))
        assert not any(map(math.isfinite, found.values())), name


def test_logit_scale_ignores_a_common_shift() -> None:
    z = normal(40, 11)
    torch.testing.assert_close(logit_scale(3 * z + 100), 3 * logit_scale(z))
    assert float(logit_scale(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))) == pytest.approx(
        math.sqrt(0.5) / 2
    )


def test_logit_scale_of_normal_logits() -> None:
    expected = math.sqrt(2) * math.gamma(51) / math.gamma(50.5)  # mean length in 101 dimensions
    assert float(logit_scale(normal(2000, 102))) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_efficiency_does_not_see_how_large_a_homogeneous_network_is(depth: int) -> None:
    X, layers = normal(30, 6), [normal(6, 6, seed=seed) for seed in range(depth)]

    def efficiency(factor: float) -> float:
        z = X
        for layer in layers:
            z = (z @ (factor * layer)).relu()
        weights = {str(i): factor * layer for i, layer in enumerate(layers)}
        return read("logit_scale", z, torch.zeros(30).long(), **weights)["logit_scale.efficiency"]

    assert efficiency(7.0) == pytest.approx(efficiency(1.0))


def test_efficiency_of_even_layers_is_the_scale() -> None:
    """Three layers of length 1 each have |theta| = sqrt(3)."""
    weights = {name: torch.tensor([[0.6, 0.8]]) for name in "abc"}
    found = read("logit_scale", normal(5, 4), torch.zeros(5).long(), **weights)
    assert found["logit_scale.efficiency"] == pytest.approx(found["logit_scale"])
