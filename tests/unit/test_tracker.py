"""The tracker: one observation from small models and small signals."""

import logging
import math

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.budget import Budget
from grokwatch.monitor.curvature import Curvature
from grokwatch.monitor.loss_ring import LossRing
from grokwatch.monitor.optimizer_view import OptimizerView
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.probe_views import ProbeViews
from grokwatch.monitor.records import Observation
from grokwatch.monitor.roles import Roles, find_roles
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot
from grokwatch.monitor.sources import Sources
from grokwatch.monitor.tracker import Tracker
from grokwatch.monitor.train_probe import TrainProbe
from grokwatch.monitor.update_window import UpdateWindow

X = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
Y = X[:, :3].argmax(dim=1)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def loss_of(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(module(batch[0]), batch[1])


def signal(
    name: str,
    *values: float | Exception,
    cost: Cost = Cost.CHEAP,
    needs: frozenset[Need] = frozenset(),
) -> Signal:
    """A signal that gives, or raises, one thing after the other, and the last for ever."""
    remaining = list(values)

    def read(snapshot: Snapshot) -> Readings:
        value = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(value, Exception):
            raise value
        return {name: torch.tensor(value)}

    return Signal(
        name=name, read=read, needs=needs, bounds=(0, 1), cost=cost, summary="", source="test"
    )


def sources(module: nn.Module, *, full: bool = True, probe: Probe | None = None) -> Sources:
    return Sources(
        module=module,
        roles=find_roles(module, probe),
        window=UpdateWindow(module),
        probe=TrainProbe(module, (X, Y)) if full else None,
        curvature=Curvature(module, loss_of, (X, Y)) if full else None,
        has_losses=full,
    )


def tracker(*signals: Signal, budget: float | None = None, full: bool = True) -> Tracker:
    losses = LossRing()
    losses.push(torch.tensor(0.25))
    return Tracker(sources(model(), full=full), signals, Budget(budget), losses)


def observe(watched: Tracker, step: int = 1) -> Observation:
    observation = watched.observe("run", step, 0.0)
    assert observation is not None
    return observation


def test_observation_holds_the_values_and_the_probe() -> None:
    observation = observe(tracker(signal("a", 0.5), signal("b", 2.0, cost=Cost.DEAR)))
    assert observation.values["a"] == 0.5
    assert observation.values["b"] == 2.0
    assert observation.values["overhead_ratio"] >= 0
    assert observation.train_loss == 0.25
    assert observation.train_accuracy is not None
    assert 0 <= observation.train_accuracy <= 1
    assert observation.errors == {}
    assert observation.cost_seconds > 0


@pytest.mark.filterwarnings("error")
def test_every_signal_there_is_can_be_read() -> None:
    module = nn.Sequential(nn.Embedding(11, 6), nn.Flatten(), nn.Linear(12, 11))
    pairs = torch.cartesian_prod(torch.arange(11), torch.arange(11))
    batch = (pairs, pairs.sum(1) % 11)
    window, losses = UpdateWindow(module), LossRing()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    roles, probe = find_roles(module), TrainProbe(module, batch)
    found = Sources(
        module=module,
        roles=roles,
        window=window,
        probe=probe,
        views=ProbeViews(module, probe, Probe(), roles.group),
        optimizer=OptimizerView(module, lambda: [optimizer]),
        curvature=Curvature(module, loss_of, batch),
    )
    watched = Tracker(found, ALL, Budget(None), losses)
    for step in range(1, 100):
        optimizer.zero_grad()
        loss = loss_of(module, batch)
        torch.autograd.backward(loss)
        window.before_update(step, is_observed=step == 99, is_next_observed=step == 98)
        optimizer.step()
        losses.push(loss.detach())
    observation = observe(watched, 99)
    assert observation.errors == {}
    named = {key.partition("@")[0].partition(".")[0] for key in observation.values}
    assert named == {s.name for s in watched.signals} | {"overhead_ratio"}
    unseen = {key for key, value in observation.values.items() if not math.isfinite(value)}
    assert unseen <= {"norm_crossing"}  # not in sight: infinitely far
    absent = {Need.INPUTS, Need.PERMUTATIONS, Need.FRESH, Need.ATTENTION}
    assert {skip.name for skip in watched.skipped} == {s.name for s in ALL if absent & s.needs}


def test_sharded_parameters_leave_the_losses_to_look_at() -> None:
    losses = LossRing()
    losses.push(torch.tensor(0.25))
    empty = nn.Module()
    found = Sources(module=empty, roles=Roles(), window=UpdateWindow(empty), is_sharded=True)
    watched = Tracker(found, ALL, Budget(None), losses)
    observation = observe(watched)
    assert {s.name for s in watched.signals} == {s.name for s in ALL if s.needs == {Need.LOSSES}}
    assert "train_loss.log" in observation.values
    assert {skip.reason for skip in watched.skipped} == {
        "unsupported where parameters are sharded over processes"
    }


def test_needs_that_cannot_be_met_are_listed_with_a_remedy() -> None:
    bare = Tracker(
        Sources(module=nn.Identity(), roles=find_roles(nn.Identity()),
                window=UpdateWindow(nn.Linear(1_000, 1_001)), has_losses=False),
        [signal(need.name, 1.0, needs=frozenset({need})) for need in Need],
        Budget(None),
        LossRing(),
    )  # fmt: skip
    assert [s.name for s in bare.signals] == ["GRADIENTS"]
    assert {skip.name for skip in bare.skipped} == {n.name for n in Need} - {"GRADIENTS"}
    assert all(skip.reason.startswith("needs ") and skip.remedy for skip in bare.skipped)
    observation = observe(bare)
    assert math.isnan(observation.train_loss)
    assert observation.train_accuracy is None
    assert set(observation.values) == {"overhead_ratio"}


def test_one_failing_signal_costs_its_own_value_only(caplog: pytest.LogCaptureFixture) -> None:
    watched = tracker(signal("bad", ValueError("no"), 1.0), signal("good", 1.0))
    first, second = observe(watched, 1), observe(watched, 2)
    assert first.errors == {"bad": "ValueError: no"}
    assert first.values["good"] == 1.0
    assert second.errors == {}
    assert second.values["bad"] == 1.0
    assert watched.failures == {"bad": 1}
    assert [r.exc_info is not None for r in caplog.records if "bad" in r.message] == [True]


def test_three_failures_in_a_row_leave_a_signal_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    watched = tracker(signal("bad", ValueError("no"), cost=Cost.DEAR))
    errors = [observe(watched, step).errors["bad"] for step in range(1, 6)]
    assert errors[:3] == ["ValueError: no"] * 3
    assert errors[3:] == ["left out after 3 failures: ValueError: no"] * 2
    assert watched.failures == {"bad": 3}
    assert "left out after 3 failures" in caplog.text


def test_a_success_between_failures_forgives() -> None:
    no = ValueError("no")
    watched = tracker(signal("bad", no, no, 1.0, no, no, 1.0))
    for step in range(1, 7):
        observe(watched, step)
    assert watched.disabled == {}
    assert watched.failures == {"bad": 4}


def test_out_of_memory_in_a_signal_is_contained() -> None:
    watched = tracker(signal("bad", torch.OutOfMemoryError("full")))
    assert observe(watched).errors == {"bad": "OutOfMemoryError: full"}


def test_interrupts_pass_and_leave_random_numbers_alone() -> None:
    def read(snapshot: Snapshot) -> Readings:
        torch.rand(3)
        raise KeyboardInterrupt

    watched = tracker(Signal(name="x", read=read, bounds=(0, 1), summary="", source=""))
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        observe(watched)
    assert torch.equal(torch.get_rng_state(), before)


def test_values_that_are_no_scalars_are_refused() -> None:
    wide = Signal(
        name="wide", read=lambda s: {"wide": torch.zeros(2)}, bounds=(0, 1), summary="", source=""
    )
    expected = "SignalError: Expected one value for 'wide', got shape (2,). Try its mean."
    assert observe(tracker(wide)).errors == {"wide": expected}


def test_failing_probe_is_named() -> None:
    watched = tracker()
    assert watched._sources.probe is not None
    watched._sources.probe._module = nn.Linear(9, 9)
    errors = [observe(watched, step).errors["train_accuracy"] for step in range(1, 5)]
    assert errors[0].startswith("RuntimeError: ")
    assert errors[3].startswith("left out after 3 failures")


def test_probe_that_stops_classifying_gives_no_accuracy() -> None:
    watched = tracker()
    assert watched._sources.probe is not None
    watched._sources.probe._module = nn.Flatten(0)
    assert observe(watched).train_accuracy is None


def test_cadence_is_the_steps_between_values() -> None:
    watched = tracker(signal("a", 1.0))
    assert [observe(watched, step).cadence for step in (3, 10, 5, 6)] == [
        {}, {"a": 7}, {}, {"a": 1},
    ]  # fmt: skip


def test_budget_thins_whole_observations_and_the_last_is_made_all_the_same() -> None:
    watched = tracker(signal("a", 1.0), budget=1e-9)
    watched._budget.spend("observation", 1.0)
    watched._budget.spend("observation", 1.0)
    assert watched.observe("run", 1, 0.0) is None
    assert watched.observe("run", 2, 0.0, is_last=True) is not None


def test_budget_thins_dear_signals_before_cheap_ones() -> None:
    watched = tracker(signal("dear", 1.0, cost=Cost.DEAR), signal("cheap", 1.0), budget=1.0)
    watched._budget.resume()
    assert "dear" in observe(watched, 1).values
    watched._budget.spend("dear", 1e6)
    values = observe(watched, 2).values
    assert "dear" not in values
    assert "cheap" in values


def test_update_is_missing_at_the_first_step_without_an_error() -> None:
    watched = tracker(signal("curved", 1.0, needs=frozenset({Need.UPDATE})))
    observation = observe(watched)
    assert "curved" not in observation.values
    assert observation.errors == {}


def test_not_a_number_is_a_value() -> None:
    watched = tracker(signal("a", float("nan")), signal("b", float("inf")))
    values = observe(watched).values
    assert math.isnan(values["a"])
    assert values["b"] == math.inf


def test_state_continues_losses_warm_starts_and_cadence() -> None:
    def read(snapshot: Snapshot) -> Readings:
        snapshot.memory["count"] = snapshot.memory.get("count", torch.zeros(1)) + 1
        return {"count": snapshot.memory["count"]}

    counter = Signal(name="count", read=read, bounds=(0, 9), summary="", source="")
    first, second = tracker(counter), tracker(counter)
    observe(first, 5)
    second.restore(first.state())
    observation = observe(second, 8)
    assert observation.values["count"] == 2.0
    assert observation.cadence == {"count": 3}
    assert observation.train_loss == 0.25


def test_bits_are_read_along_the_inputs() -> None:
    seen: list[tuple[int, ...]] = []

    def read(snapshot: Snapshot) -> Readings:
        seen.append(tuple(snapshot.inputs["input"].shape))
        assert not snapshot.tokens
        return {}

    observe(tracker(Signal(name="x", read=read, bounds=(0, 1), summary="", source="")))
    assert seen == [(4, 8)]
