"""The tail exponent and the traps against WeightWatcher, from the layer's weights on."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.signals import power_law, traps
from grokwatch.monitor.snapshot import Snapshot

SHAPES = {"wide": (60, 100), "tall": (128, 64), "large": (300, 200), "square": (80, 80)}
OUTLIERS = {"wide": 0, "tall": 0, "large": 0, "square": 1}


def heavy_tailed(shape: tuple[int, int], exponent: float, outliers: int, seed: int) -> Tensor:
    """A matrix whose squared singular values are drawn from a power law, and a few elements."""
    generator = torch.Generator().manual_seed(seed)
    r = min(shape)
    left, right = (
        torch.linalg.qr(torch.randn(n, r, generator=generator, dtype=torch.float64))[0]
        for n in shape
    )
    squares = torch.rand(r, generator=generator, dtype=torch.float64).pow(-1 / (exponent - 1))
    W: Tensor = left * squares.sqrt() @ right.mT
    W.view(-1)[:outliers] = 30 * W.std()
    return W


@pytest.fixture(scope="module")
def model() -> nn.Sequential:
    layers = nn.Sequential()
    for index, (name, shape) in enumerate(SHAPES.items()):
        layer = nn.Linear(shape[1], shape[0], bias=False)
        W = heavy_tailed(shape, 2.0 + index, OUTLIERS[name], seed=index)
        layer.weight = nn.Parameter(W.float())
        layers.add_module(name, layer)
    return layers


@pytest.fixture(scope="module")
def theirs(model: nn.Sequential) -> dict[str, Any]:
    state = np.random.get_state()  # noqa: NPY002  # it shuffles with the global generator
    np.random.seed(0)  # noqa: NPY002
    with warnings.catch_warnings():  # it silences all warnings on import
        warnings.simplefilter("ignore")
        import weightwatcher  # type: ignore[import-untyped]

        details = weightwatcher.WeightWatcher(model=model).analyze(
            min_evals=0, randomize=True, plot=False
        )
    np.random.set_state(state)  # noqa: NPY002
    rows: dict[str, Any] = {row["name"]: row for row in details.to_dict("records")}
    return rows


@pytest.mark.parametrize("name", SHAPES)
def test_exponent_distance_and_tail_agree(
    model: nn.Sequential, theirs: dict[str, Any], name: str
) -> None:
    W = getattr(model, name).weight.detach()
    ours = power_law.SIGNALS[0].read(Snapshot(step=1, matrices={name: W}))
    row = theirs[name]
    assert float(ours[f"power_law_exponent@{name}"]) == pytest.approx(row["alpha"], rel=1e-4)
    assert float(ours[f"power_law_exponent.distance@{name}"]) == pytest.approx(row["D"], abs=1e-4)
    assert float(ours[f"power_law_exponent.tail@{name}"]) == row["num_pl_spikes"]


@pytest.mark.parametrize("name", SHAPES)
def test_layers_with_traps_agree(model: nn.Sequential, theirs: dict[str, Any], name: str) -> None:
    """Their allowance for chance is another, so that only whether there are any is compared."""
    W = getattr(model, name).weight.detach()
    ours = traps.SIGNALS[0].read(Snapshot(step=1, matrices={name: W}))
    found = float(ours[f"correlation_traps@{name}"]) > 0
    assert found == (theirs[name]["num_traps"] > 0) == (OUTLIERS[name] > 0)
