"""The parts of `grokwatch bench` on matrices and trainings whose answers are known."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from grokwatch.experiments.bench import cockpit, loggers
from grokwatch.experiments.bench.accuracy import (
    Converged,
    Estimate,
    converged_top,
    judge,
    mean_trace,
)
from grokwatch.experiments.bench.machine import machine
from grokwatch.experiments.bench.predictors import TARGETS, predictors
from grokwatch.experiments.bench.report import DEMO as DEMO_REPORT
from grokwatch.experiments.bench.report import MOST_BYTES, report
from grokwatch.experiments.bench.report import SWEEP as SWEEP_REPORT
from grokwatch.experiments.bench.rows import median_interval, share_interval, spread
from grokwatch.experiments.bench.sizes import DEMO, LAYERS, TINY, num_parameters, workload
from grokwatch.experiments.bench.watched import WARM_UP, Every, Stopwatch, watch
from grokwatch.experiments.counting import counting
from grokwatch.experiments.recipes import ADDITION
from grokwatch.experiments.workloads import Workload
from grokwatch.monitor.records import Observation
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Cost, Readings, Signal, Snapshot

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pytorch_lightning")

BATCH = (torch.eye(3), torch.tensor([0, 1, 1]))


@pytest.fixture
def linear() -> nn.Linear:
    module = nn.Linear(3, 2, bias=False)
    nn.init.uniform_(module.weight, generator=torch.Generator().manual_seed(0))
    return module


def dense_hessian(module: nn.Linear) -> Tensor:
    """The mean over examples of (diag(p) - p p^T) times x x^T, for logits that are linear."""
    inputs, _ = BATCH
    p = torch.softmax(inputs @ module.weight.detach().mT, dim=-1)
    spread_of_classes = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    return torch.einsum("nij,nk,nl->ikjl", spread_of_classes, inputs, inputs).reshape(6, 6) / 3


def test_an_interval_holds_the_median_and_narrows_with_more_values() -> None:
    few, many = ([1.0 + (n % 7) / 10 for n in range(count)] for count in (9, 900))
    for values in (few, many):
        found = median_interval(values)
        assert found.low <= found.value <= found.high
        assert found == median_interval(values)
    assert median_interval(many).high - median_interval(many).low < 0.11
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)


def test_the_interval_of_a_share_is_that_of_wilson() -> None:
    found = share_interval(57, 60)
    assert found.value == 0.95
    assert (found.low, found.high) == pytest.approx((0.8630, 0.9829), abs=1e-4)
    assert share_interval(60, 60).high == pytest.approx(1.0)


def test_the_machine_says_what_is_installed_and_leaves_out_what_is_not() -> None:
    found = machine()
    assert {"python", "grokwatch", "torch"} <= found.versions.keys()
    assert found.cores >= 1
    assert f"torch {torch.__version__}" in str(found)


@pytest.mark.parametrize("name", [TINY, DEMO, LAYERS])
def test_a_workload_has_the_size_that_its_name_says(name: str) -> None:
    found = workload(name)
    module, (inputs, targets) = found.module(), found.batch
    assert f"{num_parameters(module):,} parameters, batch {len(targets):,}" in found.name.replace(
        "57,500", f"{num_parameters(module):,}"
    )
    if name == DEMO:
        assert abs(num_parameters(module) - 57_500) < 100
    assert module(inputs[:5]).shape[0] == 5


def test_the_layered_model_is_the_demo_s_function_of_its_summed_one_hot_tokens() -> None:
    layered, pairs = workload(LAYERS), ADDITION.task.split().train_inputs
    module, inputs = layered.module(), layered.batch[0]
    assert torch.equal(inputs.sum(1), torch.full((len(pairs),), 2.0))
    first, second, third, fourth = (weight.mT for weight in module.parameters())
    rows = first @ second
    hidden = torch.relu(rows[pairs[:, 0]] + rows[pairs[:, 1]])
    torch.testing.assert_close(module(inputs), hidden @ third @ fourth)


def test_products_power_iteration_and_traces_are_those_of_the_dense_hessian(
    linear: nn.Linear,
) -> None:
    dense, hessian = dense_hessian(linear), cockpit.Hessian(linear, BATCH)
    vector = torch.linspace(-1, 1, hessian.size)
    torch.testing.assert_close(hessian.product(vector), dense @ vector)
    top = float(torch.linalg.eigvalsh(dense)[-1])
    value, num_products = cockpit.power_iteration(hessian, torch.Generator().manual_seed(0))
    assert 0.95 * top < value <= 1.0001 * top  # two in a row agree before the value stands
    assert 1 < num_products <= cockpit.MAX_PRODUCTS
    assert converged_top(hessian.product, hessian.size) == pytest.approx(top, rel=1e-4)
    trace = mean_trace(hessian.product, hessian.size, 400)
    assert abs(trace.value - float(dense.trace())) < 4 * trace.error
    assert 0 < trace.error < 0.05
    one = cockpit.random_trace(hessian, torch.Generator().manual_seed(1), 400)
    assert one == pytest.approx(trace.value)


def test_power_iteration_stops_at_a_hundred_products_where_two_eigenvalues_are_equal_and_opposite(
    linear: nn.Linear,
) -> None:
    class Opposite(cockpit.Hessian):
        def product(self, vector: Tensor) -> Tensor:
            return torch.cat([vector[1:2], vector[:1], 0 * vector[2:]]) * torch.tensor(
                [1.0, -1.0, 0, 0, 0, 0]
            ) + 2 * vector * torch.rand(1, generator=noise)

    noise = torch.Generator().manual_seed(0)
    found = cockpit.power_iteration(Opposite(linear, BATCH), torch.Generator().manual_seed(0))
    assert found[1] == cockpit.MAX_PRODUCTS


def test_the_histogram_counts_every_example_s_gradient_of_every_weight(linear: nn.Linear) -> None:
    counts = cockpit.gradient_histogram(linear, BATCH)
    assert counts.shape == cockpit.BINS
    assert int(counts.sum()) == 3 * 6
    expected = torch.zeros(cockpit.BINS, dtype=torch.int64)
    for example, target in zip(*BATCH, strict=True):
        loss = cross_entropy(linear(example[None]), target[None])
        (gradients,) = torch.autograd.grad(loss, [linear.weight])
        weights = linear.weight.detach().reshape(-1)
        for gradient, weight in zip(gradients.reshape(-1), weights, strict=True):
            row = min(39, int((float(gradient) + 1) * 20))
            column = min(49, int((float(weight) + 2) * 12.5))
            expected[row, column] += 1
    assert torch.equal(counts, expected)


def test_the_algorithm_anew_leaves_gradients_and_global_random_numbers_alone(
    linear: nn.Linear,
) -> None:
    before = torch.get_rng_state()
    read = cockpit.Again(BATCH, ("eigenvalue", "trace", "histogram"))
    read(linear)
    assert linear.weight.grad is None
    assert torch.equal(torch.get_rng_state(), before)
    assert len(read.products) == 1


def test_histograms_see_all_weights_and_gradients(linear: nn.Linear) -> None:
    assert len(loggers.histograms(linear)) == 1
    linear.weight.grad = torch.arange(6.0).reshape(2, 3)
    (counts, edges), gradients = loggers.histograms(linear)
    assert sum(counts) == sum(gradients[0]) == 6
    assert (len(counts), len(edges)) == (64, 65)
    weight = linear.weight.detach()
    assert (edges[0], edges[-1]) == pytest.approx((float(weight.min()), float(weight.max())))


def test_ours_are_cheap_or_fourier() -> None:
    names = {signal.name for signal in loggers.cheap_and_fourier()}
    assert {signal.name for signal in ALL if signal.cost is Cost.CHEAP} <= names
    assert {"gini_coefficient", "weight_norm"} <= names < {signal.name for signal in ALL}


def observed(**values: float) -> Observation:
    return Observation(run_id="a", step=1, time=0.0, train_loss=0.1, values=values)


def test_readings_are_judged_against_both_converged_values() -> None:
    so = Converged(10.0, 8.0, 12.0, Estimate(100.0, 1.0), Estimate(50.0, 1.0))
    pairs = [(observed(sharpness=10.4, hessian_trace=50.0), so)] * 19
    pairs.append((observed(sharpness=12.0, hessian_trace=50.0), so))
    part, whole, bias, quarter, part_trace, whole_trace, trace_bias = judge("model", pairs)
    assert (part.value, part.is_met, whole.value, whole.is_met) == (0.95, True, 0.0, False)
    assert bias.value == pytest.approx(0.25)
    assert quarter.value == pytest.approx(0.5)
    assert (part_trace.value, whole_trace.value, whole_trace.is_met) == (0.0, 1.0, None)
    assert trace_bias.value == pytest.approx(1.0)
    assert "2.00%" in trace_bias.note


def test_what_was_not_read_is_said_so() -> None:
    so = Converged(10.0, 8.0, 12.0, Estimate(1.0, 0.1), Estimate(1.0, 0.1))
    part, *_ = judge("model", [(observed(), so)])
    assert (part.value, part.is_met, part.note) == (None, None, "it was not read")


@pytest.fixture
def tiny() -> Workload:
    return workload(TINY)


def failing(_: Snapshot) -> Readings:
    msg = "broken on purpose"
    raise ValueError(msg)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_reading_and_every_step_of_a_training_is_timed(tiny: Workload) -> None:
    calls: list[nn.Module] = []
    told: list[str] = []

    def others(stopwatch: Stopwatch) -> list[Any]:
        return [Every("other", calls.append, 4, stopwatch)]

    norm = next(signal for signal in ALL if signal.name == "weight_norm")
    broken = replace(norm, name="broken", read=failing)
    group = next(signal for signal in ALL if signal.name == "dominant_share")
    chosen: list[Signal] = [norm, broken, group]
    found = watch(tiny, chosen, steps=4, rounds=3, done=told.append, others=others)
    steps = [4 * (WARM_UP + n) for n in (1, 2, 3)]
    assert list(found.step_seconds) == list(found.observations) == steps
    assert list(found.seconds["weight_norm"]) == list(found.seconds["other"]) == steps
    assert len(calls) == WARM_UP + 3
    assert told == ["warming up"] * WARM_UP + ["measuring"] * 3
    assert all(share > 0 for share in found.shares("weight_norm"))
    assert found.shares("broken") == found.shares("dominant_share") == []
    assert "broken on purpose" in found.reasons["broken"]
    assert "cyclic group" in found.reasons["dominant_share"]
    for step, each in found.observations.items():
        assert found.seconds["weight_norm"][step] < each.cost_seconds


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    from grokwatch.experiments.modules import hushed

    with hushed("grokwatch"):
        yield


def test_what_judging_costs_is_measured_for_each_predictor() -> None:
    rows = predictors(counting(print, progress=False), rounds=2, late=2000)
    assert len(rows) == 2 * len(TARGETS) + 2
    assert {row.unit for row in rows} == {"microseconds", "bytes", "ratio"}
    assert all(row.value is not None and row.value > 0 for row in rows)
    sizes = [row for row in rows if row.unit == "bytes"]
    assert all(row.is_met for row in sizes)


def test_reports_are_written_timed_and_weighed() -> None:
    ticks = iter(range(100))
    rows = report(
        lambda *_: nullcontext(lambda _: None),
        rounds=3,
        clock=lambda: float(next(ticks)),
        sizes={DEMO_REPORT: (20, 3, 2), "other": (5, 1, 0)},
        sweep_runs=20,
    )
    assert [(row.workload, row.unit, row.is_met) for row in rows] == [
        (DEMO_REPORT, "seconds", True),
        (DEMO_REPORT, "bytes", True),
        ("other", "seconds", None),
        ("other", "bytes", True),
        (SWEEP_REPORT, "seconds", True),
        (SWEEP_REPORT, "bytes", True),
    ]
    assert [row.value for row in rows[::2]] == [1.0, 1.0, 1.0]
    assert 1_500_000 < (rows[1].value or 0) < MOST_BYTES
