"""Courses of the norm that are known exactly."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.norm_course import (
    CROSSING,
    SIGNALS,
    WINDOW,
    fit_decay,
    steps_to_cross,
)
from grokwatch.monitor.snapshot import Snapshot

SIGNAL = SIGNALS[0]
ALL = torch.ones(WINDOW, dtype=torch.bool)
RIGHT, WRONG = torch.eye(4), torch.eye(4).flip(0)


def course(steps: Tensor, asymptote: float, amplitude: float, rate: float) -> Tensor:
    return asymptote + amplitude * torch.exp(-rate * (steps - steps[0]))


def grid(first: float, last: float) -> Tensor:
    return torch.logspace(math.log10(first), math.log10(last), WINDOW, dtype=torch.float64)


class Run:
    """A run of one weight whose square is set."""

    def __init__(self) -> None:
        self.memory: dict[str, Tensor] = {}

    def read(self, step: int, squared: float, *, right: bool = True) -> dict[str, float]:
        snapshot = Snapshot(
            step=step,
            weights={"w": torch.tensor([squared], dtype=torch.float64).sqrt()},
            logits=RIGHT if right else WRONG,
            targets=torch.arange(4),
            memory=self.memory,
        )
        return {key: float(value) for key, value in SIGNAL.read(snapshot).items()}


@pytest.mark.parametrize("asymptote", [0.0, 3.0, -2.0])
@pytest.mark.parametrize("rate", [2e-4, 2e-3, 2e-2])
def test_fit_of_an_exact_course(asymptote: float, rate: float) -> None:
    steps = grid(1000, 1800)
    found = fit_decay(steps, course(steps, asymptote, 5.0, rate), ALL)
    assert float(found.rate) == pytest.approx(rate, rel=1e-5)
    assert float(found.asymptote) == pytest.approx(asymptote, abs=1e-4)
    assert float(found.now) == pytest.approx(asymptote + 5 * math.exp(-800 * rate), abs=1e-6)


def test_only_readings_that_count_are_fitted() -> None:
    steps = grid(100, 2000)
    values = torch.where(steps < 500, 77.0, course(steps, 1.0, 4.0, 1e-3))
    found = fit_decay(steps, values, steps >= 500)
    assert float(found.rate) == pytest.approx(1e-3, rel=1e-5)


def test_models_are_fitted_apart() -> None:
    steps = grid(1000, 1800)
    rows = [course(steps, a, 5.0, k) for a, k in ((1.0, 1e-3), (0.0, 5e-3), (9.0, 2e-2))]
    rows.append(torch.full_like(steps, 4.0))
    together = fit_decay(steps, torch.stack(rows), ALL.expand(4, -1))
    for index, row in enumerate(rows):
        single = fit_decay(steps, row, ALL)
        for joint, alone in zip(together, single, strict=True):
            torch.testing.assert_close(joint[index], alone)
    assert float(together.rate[3]) == 0
    assert float(together.asymptote[3]) == 4


@pytest.mark.parametrize(("asymptote", "too_early"), [(3.0, True), (-20.0, False)])
def test_a_pure_exponential_would_be_wrong(asymptote: float, too_early: bool) -> None:
    """Without the asymptote the forecast is early above 0, and far too late below it."""
    steps = grid(1000, 1300)
    values, level, rate = course(steps, asymptote, 10 - asymptote, 5e-4), 4.0, 5e-4
    now = float(values[-1])
    truth = math.log((now - asymptote) / (level - asymptote)) / rate
    ours = steps_to_cross(fit_decay(steps, values, ALL), torch.tensor(level).double())
    assert float(ours) == pytest.approx(truth, rel=1e-4)
    logs, time = values.log(), steps - steps.mean()
    pure = -math.log(now / level) / float((time @ logs) / (time @ time))
    assert pure < 0.8 * truth if too_early else pure > 1.2 * truth


@pytest.mark.parametrize(
    ("asymptote", "amplitude", "level", "expected"),
    [(5.0, 5.0, 4.0, math.inf), (9.0, -4.0, 4.0, math.inf), (1.0, 2.0, 4.0, 0.0)],
    ids=["ends above", "rises", "is below"],
)
def test_courses_without_a_crossing(
    asymptote: float, amplitude: float, level: float, expected: float
) -> None:
    steps = grid(1000, 1300)
    found = fit_decay(steps, course(steps, asymptote, amplitude, 1e-3), ALL)
    assert float(steps_to_cross(found, torch.tensor(level).double())) == expected


def test_noise_moves_the_forecast_little() -> None:
    steps = grid(1000, 2500)
    noise = torch.randn(200, WINDOW, generator=torch.Generator().manual_seed(0)).double()
    values = course(steps, 2.0, 8.0, 1e-3) + 0.01 * noise
    found = steps_to_cross(
        fit_decay(steps, values, ALL.expand(200, -1)), torch.full((200,), 3.0).double()
    )
    truth = math.log(8 * math.exp(-1.5) / 1) / 1e-3
    assert float((found - truth).abs().median()) < 0.03 * truth
    assert float(found.median()) == pytest.approx(truth, rel=0.02)


def test_a_run_from_memorization_to_crossing() -> None:
    run, start, rate = Run(), 100.0, 1e-3
    for step in range(10, 100, 10):
        found = run.read(step, step / 1.0, right=False)
        assert found == {
            "norm_crossing": math.inf,
            "norm_crossing.rate": 0,
            "norm_crossing.asymptote": 1,
        }
    crossing = 100 + math.log((start - 20) / (CROSSING * start - 20)) / rate
    for step in range(100, 2000, 60):
        found = run.read(step, 20 + (start - 20) * math.exp(-rate * (step - 100)))
        if step < 100 + 4 * 60:
            assert found["norm_crossing"] == math.inf
        else:
            assert found["norm_crossing"] == pytest.approx(max(crossing - step, 0), rel=1e-3)
            assert found["norm_crossing.rate"] == pytest.approx(rate, rel=1e-4)
            assert found["norm_crossing.asymptote"] == pytest.approx(0.2, abs=1e-3)
    assert found["norm_crossing"] == 0


def test_reading_that_is_not_finite_is_left_out() -> None:
    run = Run()
    for step in range(100, 1000, 50):
        squared = 20 + 80 * math.exp(-1e-3 * (step - 100))
        found = run.read(step, math.nan if step in {100, 400} else squared)
        assert math.isnan(found["norm_crossing.rate"]) == (step in {100, 400})
    assert found["norm_crossing.rate"] == pytest.approx(1e-3, rel=1e-4)
    assert all(tensor.isfinite().all() for tensor in run.memory.values())


def test_memory_is_short_and_starts_over_where_it_does_not_fit() -> None:
    run = Run()
    for step in range(1, 60):
        run.read(step, 10.0)
    assert run.memory["norm_crossing"].shape == (2, WINDOW)
    run.read(30, 10.0)  # gone back
    assert run.memory["norm_crossing"][0].max() == 30
    run.memory["norm_crossing"] = torch.zeros(3, 2, 4)
    run.memory["norm_crossing.reference"] = torch.zeros(3)
    assert run.read(61, 10.0)["norm_crossing.rate"] == 0
    assert run.memory["norm_crossing"].shape == (2, 1)
