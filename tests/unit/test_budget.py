"""The budget on a clock that the test turns."""

from dataclasses import dataclass
from itertools import pairwise

import pytest

from grokwatch.monitor.budget import OBSERVATION, Budget
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.schedule import default


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Watched:
    """A training of even steps, watched at fixed costs."""

    step_seconds: float
    costs: dict[str, float]
    first_costs: float = 1.0
    num_steps: int | None = None
    share: float | None = 0.01

    def run(self, steps: int) -> tuple[Budget, dict[str, list[int]]]:
        clock = Clock()
        budget = Budget(self.share, num_steps=self.num_steps, clock=clock)
        budget.enroll(name for name in self.costs if name != OBSERVATION)
        schedule, seen = default(self.num_steps), {name: list[int]() for name in self.costs}
        budget.resume()
        for step in range(1, steps + 1):
            clock.now += self.step_seconds
            due = schedule(step) and budget.affords(OBSERVATION, step)
            for name in self.costs if due else ():
                if name == OBSERVATION or budget.affords(name, step):
                    cost = self.costs[name] * (1 if seen[name] else self.first_costs)
                    clock.now += cost
                    budget.spend(name, cost)
                    seen[name].append(step)
        return budget, seen


@pytest.mark.parametrize(
    ("step_seconds", "cost"), [(1.5e-3, 3e-3), (1.5e-3, 1e-3), (0.1, 5e-3), (1e-4, 1e-3)]
)
def test_share_or_floor_holds_over_the_run(step_seconds: float, cost: float) -> None:
    num_steps = 30_000
    watched = Watched(step_seconds, {OBSERVATION: cost, "sharpness": 10 * cost}, 1, num_steps)
    budget, seen = watched.run(num_steps)
    allowed = max(0.01 * step_seconds, 20e-6) * num_steps
    assert budget.overhead_ratio * budget.training_seconds <= allowed + 11 * cost
    assert budget.training_seconds == pytest.approx(step_seconds * num_steps)
    assert len(seen[OBSERVATION]) > len(seen["sharpness"]) > 0


def test_early_steps_are_seen_on_credit() -> None:
    _, seen = Watched(1.5e-3, {OBSERVATION: 2e-3}, 1, 30_000).run(1_000)
    assert sum(step < 200 for step in seen[OBSERVATION]) >= 20


def test_late_steps_are_seen_evenly() -> None:
    _, seen = Watched(1.5e-3, {OBSERVATION: 3e-3}, 1, 30_000).run(30_000)
    late = [step for step in seen[OBSERVATION] if step > 1_000]
    assert max(after - before for before, after in pairwise(late)) <= 600


def test_first_reading_does_not_hold_up_the_next() -> None:
    _, seen = Watched(1.5e-3, {OBSERVATION: 1e-3}, 80.0, 30_000).run(100)
    assert len(seen[OBSERVATION]) > 10


def test_dear_first_reading_is_trusted() -> None:
    _, seen = Watched(1.5e-3, {OBSERVATION: 1.0}, 1.0, 30_000).run(2_000)
    assert seen[OBSERVATION] == [1]


def test_slow_first_reading_does_not_blind_a_run() -> None:
    _, seen = Watched(1.5e-3, {OBSERVATION: 2e-3}, 500.0, 30_000).run(10_000)
    assert seen[OBSERVATION][0] == 1
    assert len(seen[OBSERVATION]) > 10


def test_dear_item_waits_and_is_not_starved() -> None:
    costs = {OBSERVATION: 5e-3, "dear": 30e-3}
    _, seen = Watched(1e-3, costs, 1, 100_000).run(100_000)
    assert 8 <= len(seen["dear"]) < len(seen[OBSERVATION])


def test_what_others_do_not_want_goes_to_the_dear() -> None:
    costs = {OBSERVATION: 1e-3} | {f"cheap {n}": 1e-5 for n in range(40)} | {"dear": 0.1}
    _, seen = Watched(1e-2, costs, 1, 100_000).run(100_000)
    assert all(seen[f"cheap {n}"] == seen[OBSERVATION] for n in range(40))
    assert len(seen["dear"]) > 20, "a fortieth of a quarter would be 1"


def test_items_that_want_too_much_get_the_same() -> None:
    costs = {OBSERVATION: 1e-3, "a": 0.04, "b": 0.02}
    _, seen = Watched(1e-2, costs, 1, 100_000).run(100_000)
    assert len(seen["b"]) == pytest.approx(2 * len(seen["a"]), rel=0.1)


def test_withdrawn_item_leaves_its_part_to_the_others() -> None:
    alone, shared = (
        Watched(1e-2, {OBSERVATION: 1e-3, "a": 0.04} | more, 1, 100_000).run(100_000)[1]
        for more in ({}, {"b": 0.04})
    )
    assert len(alone["a"]) == pytest.approx(2 * len(shared["a"]), rel=0.1)
    budget = Budget(0.01)
    budget.enroll(["a"])
    budget.withdraw("a")
    budget.spend("a", 1.0)
    assert budget.affords("a", 1)


def test_inflated_first_readings_starve_nobody() -> None:
    costs = {OBSERVATION: 1e-3} | {f"item {n}": 1e-4 for n in range(40)}
    _, seen = Watched(1.5e-3, costs, 40.0, 30_000).run(30_000)
    assert min(len(seen[f"item {n}"]) for n in range(40)) > 10


def test_first_readings_wait_for_training() -> None:
    costs = {OBSERVATION: 1e-3} | {f"dear {n}": 5.0 for n in range(5)}
    _, seen = Watched(1.0, costs, 1, None).run(600)
    first = [steps[0] for name, steps in seen.items() if name != OBSERVATION]
    assert first[0] == 1
    assert all(after - before >= 95 for before, after in pairwise(first))
    assert [len(steps) for name, steps in seen.items() if name != OBSERVATION] == [1] * 5


def test_without_a_share_everything_passes_and_is_measured() -> None:
    budget, seen = Watched(1e-3, {OBSERVATION: 1e-3, "dear": 1e-2}, share=None).run(10)
    assert seen[OBSERVATION] == seen["dear"] == list(range(1, 11))
    assert budget.overhead_ratio == pytest.approx(11)


def test_pauses_are_not_training() -> None:
    clock = Clock()
    budget = Budget(clock=clock)
    budget.resume()
    clock.now = 1.0
    budget.pause()
    budget.pause()
    clock.now = 100.0
    budget.resume()
    budget.resume()
    clock.now = 101.5
    budget.spend_on_hooks(0.25)
    budget.spend_on_start(0.25)
    assert budget.training_seconds == 2.0
    assert budget.overhead_ratio == 0.25


def test_hooks_are_paid_by_observations() -> None:
    clock = Clock()
    budget = Budget(credit_seconds=0.0, clock=clock)
    budget.resume()
    for _ in range(2):
        budget.spend(OBSERVATION, 2e-3)
    clock.now = 1.0
    assert budget.affords(OBSERVATION, 1)
    budget.spend_on_hooks(0.1)
    assert not budget.affords(OBSERVATION, 1)
    clock.now = 3.0
    assert budget.affords(OBSERVATION, 1), "half of the allowance is left to observations"


def test_no_training_is_no_overhead() -> None:
    assert Budget().overhead_ratio == 0.0


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_shares_outside_the_interval_are_refused(share: float) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a budget in \(0, 1\].*, got .*Try 0"):
        Budget(share)


def test_dearer_items_together_stay_within_what_is_left() -> None:
    costs = {OBSERVATION: 1e-3} | {f"cheap {n}": 1e-4 for n in range(40)} | {"dear": 0.1}
    budget, seen = Watched(1e-2, costs, 1, 100_000).run(100_000)
    spent = sum(costs[name] * len(steps) for name, steps in seen.items() if name != OBSERVATION)
    assert spent <= 0.5 * 0.01 * budget.training_seconds
    assert len(seen["dear"]) > 5
