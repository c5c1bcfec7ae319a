"""The power-law fit against its definition, its null, and its stated error on small matrices."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import power_law, spectrum
from grokwatch.monitor.signals.power_law import NO_POWER_LAW, fit_power_law
from grokwatch.monitor.snapshot import Snapshot


def pareto(*shape: int, exponent: float = 3.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (1 - uniform).pow(-1 / (exponent - 1)).sort(-1).values


def by_loop(values: list[float]) -> tuple[float, float, int]:
    """The definition, one x_min at a time."""
    fits = []
    for i in range(len(values) - 1):
        tail = values[i:]
        exponent = 1 + len(tail) / sum(math.log(x / tail[0]) for x in tail)
        theory = [1 - (x / tail[0]) ** (1 - exponent) for x in tail]
        distance = max(abs(p - j / len(tail)) for j, p in enumerate(theory))
        fits.append((distance, exponent, len(tail)))
    distance, exponent, size = min(fits)
    return exponent, distance, size


@pytest.mark.parametrize("n", [2, 10, 77])
@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_the_definition(n: int, seed: int) -> None:
    values = pareto(n, seed=seed)
    fit = fit_power_law(values)
    exponent, distance, size = by_loop(values.tolist())
    assert float(fit.exponent) == pytest.approx(exponent)
    assert float(fit.distance) == pytest.approx(distance)
    assert float(fit.tail) == size


@pytest.mark.parametrize("exponent", [1.5, 2.0, 4.0])
def test_quantiles_of_a_power_law_give_its_exponent(exponent: float) -> None:
    shares = (torch.arange(5000, dtype=torch.float64) + 0.5) / 5000
    fit = fit_power_law((1 - shares).pow(-1 / (exponent - 1)))
    assert float(fit.exponent) == pytest.approx(exponent, rel=0.01)
    assert float(fit.distance) < 1e-3


def test_finds_where_the_tail_begins() -> None:
    bulk = torch.linspace(0.5, 1, 300, dtype=torch.float64)
    fit = fit_power_law(torch.cat([bulk, pareto(300)]))
    assert float(fit.tail) == pytest.approx(300, abs=60)
    assert float(fit.exponent) == pytest.approx(3, abs=0.4)


def test_blocks_agree_with_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    values = pareto(3, 40)
    whole = fit_power_law(values)
    monkeypatch.setattr(power_law, "MOST_AT_ONCE", 7 * values.numel())
    for one, other in zip(fit_power_law(values), whole, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("n", "mean", "sd", "known_mean", "known_sd"),
    [(24, 3.5, 1.0, 3.1, 0.45), (50, 3.2, 0.55, 3.0, 0.28), (500, 3.0, 0.13, 3.0, 0.09)],
)
def test_error_on_small_matrices_is_as_stated(
    n: int, mean: float, sd: float, known_mean: float, known_sd: float
) -> None:
    values = pareto(400 if n == 500 else 2000, n)
    found = fit_power_law(values).exponent
    known = 1 + n / values.log().sum(-1)
    for got, center, spread in ((found, mean, sd), (known, known_mean, known_sd)):
        assert float(got.mean()) == pytest.approx(center, abs=0.1)
        assert float(got.std()) == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("values", [[0.0] * 4, [2.0] * 4, [0.0, 0.0, 0.0, 3.0], [5.0]])
def test_no_power_law(values: list[float]) -> None:
    fit = fit_power_law(torch.tensor(values))
    assert [float(part) for part in fit] == [NO_POWER_LAW, 1.0, 0.0]


def test_equal_up_to_rounding_is_no_power_law() -> None:
    Q = torch.linalg.qr(torch.randn(30, 30, generator=torch.Generator().manual_seed(0)))[0]
    fit = fit_power_law(spectrum.squared_singular_values(Q))
    assert float(fit.tail) == 0


def test_rounding_is_not_part_of_the_tail() -> None:
    shares = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    values = (1 - shares).pow(-10)  # a power law down to 1e-26 of the greatest
    real = values[values > 1e-12 * values.max()]
    assert len(real) < 100
    for one, other in zip(fit_power_law(values), fit_power_law(real), strict=True):
        torch.testing.assert_close(one, other)


def test_one_model_that_diverged_leaves_the_others_alone() -> None:
    values = pareto(3, 30)
    expected = fit_power_law(values[2]).exponent
    values[1, -1] = math.inf
    fit = fit_power_law(values)
    assert fit.exponent.isnan().tolist() == [False, True, False]
    torch.testing.assert_close(fit.exponent[2], expected)


def test_eigenvalues_are_shared_with_the_spectrum() -> None:
    snapshot = Snapshot(step=1, matrices={"hidden": torch.eye(3)})
    first = spectrum.squares_of_role(snapshot, "hidden")
    for signal in power_law.SIGNALS:
        signal.read(snapshot)
    assert spectrum.squares_of_role(snapshot, "hidden") is first
