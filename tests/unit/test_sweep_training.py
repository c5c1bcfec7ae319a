"""A chunk trained as one stack is its runs trained one by one, and each as under the callback."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest
import torch

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.evaluation_steps import evaluation_steps
from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.recipes import Recipe, build, fit
from grokwatch.experiments.sweep import Chunk, plan, read_grid, train
from grokwatch.experiments.sweep.stack import Stack
from grokwatch.experiments.sweep.training import DIVERGED, SHARES
from grokwatch.experiments.sweep.watching import Watching
from grokwatch.experiments.tasks import SparseParity
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.journal import read
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    Observation,
    Record,
    RunEnded,
    RunStarted,
    signal_of,
)
from grokwatch.monitor.roles import View
from grokwatch.monitor.snapshot import Signal
from grokwatch.monitor.vocabulary import RunStatus

Kind = TypeVar("Kind", bound=Record)
Runs = Sequence[Sequence[AnyRecord]]

PARITY = """
[task]
name = "sparse_parity"
num_bits = 10
num_relevant = 2
num_train = 60
num_test = 200
[model]
name = "parity_mlp"
hidden = 16
DROPOUT
[optimizer]
lr = [0.01, 0.003]
decay = [0.0, 0.3]
l1 = 1e-5
[run]
steps = 60
per_decade = 8
signals = "SIGNALS"
"""
ADDITION = """
[task]
name = "modular_addition"
modulus = 11
[model]
name = "modular_mlp"
embedding = 16
hidden = 12
[optimizer]
name = "adam"
lr = 5e-3
decay = 0.1
[run]
steps = 60
per_decade = 8
seeds = 4
signals = "SIGNALS"
"""
TRANSFORMER = """
[task]
name = "permutation_composition"
degree = 3
[model]
name = "transformer"
width = 8
heads = 2
hidden = 16
[optimizer]
lr = 3e-3
decay = [1.0, 0.1, 0.0, 3.0]
[run]
steps = 30
per_decade = 8
loss = "stablemax"
signals = "SIGNALS"
"""
CIRCLE = """
[task]
name = "modular_addition"
modulus = 11
[model]
name = "circular_mlp"
[optimizer]
name = "sgd"
lr = [0.1, 0.03]
momentum = [0.0, 0.9]
[run]
steps = 30
per_decade = 8
signals = "SIGNALS"
"""
CASES = {
    "parity": PARITY.replace("DROPOUT", ""),
    "dropout": PARITY.replace("DROPOUT", "dropout = 0.2"),
    "addition": ADDITION,
    "transformer": TRANSFORMER,
    "circle": CIRCLE,
}


def chunk(folder: Path, text: str, signals: str = "full") -> Chunk:
    path = folder / "grid.toml"
    path.write_text(text.replace("SIGNALS", signals))
    [only] = plan(read_grid(path).runs)
    return only


def parts(whole: Chunk, size: int) -> list[Chunk]:
    return [
        Chunk(whole.runs[at : at + size], whole.num_train, whole.num_test)
        for at in range(0, len(whole.runs), size)
    ]


def of(records: Sequence[AnyRecord], kind: type[Kind]) -> list[Kind]:
    return [record for record in records if isinstance(record, kind)]


# Shapes of the spectrum of what a nearly straight loss curve leaves: rounding, while it is short.
OF_ROUNDING = ("loss_complexity", "loss_flatness")


def assert_same(ones: Runs, others: Runs, tolerance: float) -> None:
    """All observations and evaluations agree; every accuracy to the last bit."""
    for one, other in zip(ones, others, strict=True):
        assert [(r.run_id, r.seq, type(r)) for r in one] == [
            (r.run_id, r.seq, type(r)) for r in other
        ]
        for seen, again in zip(of(one, Observation), of(other, Observation), strict=True):
            assert seen.errors == again.errors == {}
            assert (seen.step, seen.train_accuracy) == (again.step, again.train_accuracy)
            assert seen.train_loss == pytest.approx(again.train_loss, rel=tolerance)
            assert seen.values.keys() == again.values.keys()
            for key, value in seen.values.items():
                within = 1e-2 if key in OF_ROUNDING else tolerance
                expected = pytest.approx(again.values[key], rel=within, abs=within, nan_ok=True)
                assert value == expected, (seen.step, key)
        for made, anew in zip(of(one, Evaluation), of(other, Evaluation), strict=True):
            assert (made.step, made.test_accuracy) == (anew.step, anew.test_accuracy)
            assert made.test_loss == pytest.approx(anew.test_loss, rel=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_a_stack_is_its_runs_one_by_one(tmp_path: Path, case: str) -> None:
    whole = chunk(tmp_path, CASES[case], "full")
    alone = [train(part, "full")[0] for part in parts(whole, 1)]
    assert_same(train(whole, "full"), alone, 1e-4)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("case", CASES)
def test_chunks_of_other_sizes_give_the_same(tmp_path: Path, case: str, size: int) -> None:
    whole = chunk(tmp_path, CASES[case], "cheap")
    cut = [run for part in parts(whole, size) for run in train(part, "cheap")]
    assert_same(train(whole, "cheap"), cut, 1e-5 if case != "circle" else 1e-4)


def test_a_run_is_what_the_callback_records(tmp_path: Path) -> None:
    steps = evaluation_steps(60, per_decade=8)
    text = CASES["parity"].replace("[0.01, 0.003]", "0.01").replace("[0.0, 0.3]", "[0.3, 0.0]")
    ours = train(chunk(tmp_path, text, "full"), "full")[0]
    recipe = Recipe(
        name="same",
        task=SparseParity(num_bits=10, num_relevant=2, num_train=60, num_test=200),
        model="parity_mlp",
        options={"num_bits": 10, "hidden": 16},
        optimizer=AdamW(lr=0.01, decay=0.3, l1=1e-5),
        steps=60,
        per_decade=8,
    )
    made = build(recipe, 0)
    monitor = GrokkingMonitor(
        made.probe, signals="full", sinks=(), hooks=(), directory=tmp_path, budget=None,
        schedule=frozenset(steps).__contains__,
    )  # fmt: skip
    fit(made, 60, [monitor])
    theirs = list(read(monitor.directory))
    watched = {observation.step: observation for observation in of(theirs, Observation)}
    assert [observation.step for observation in of(ours, Observation)] == list(steps)
    elsewhere = {skip.name for skip in of(ours, RunStarted)[0].skipped}
    for seen in of(ours, Observation):
        other = watched[seen.step]
        assert seen.train_accuracy == other.train_accuracy
        assert seen.train_loss == pytest.approx(other.train_loss, rel=1e-5)
        for key, value in seen.values.items():
            expected = pytest.approx(other.values[key], rel=2e-3, abs=1e-4, nan_ok=True)
            assert value == expected, (seen.step, key)
        missing = map(signal_of, other.values.keys() - seen.values.keys())
        assert set(missing) <= elsewhere | {"overhead_ratio"}
    tested = [(e.step, e.test_accuracy) for e in of(theirs, Evaluation)]
    assert [(e.step, e.test_accuracy) for e in of(ours, Evaluation)] == tested


def test_the_first_and_the_last_record_say_what_was_trained(tmp_path: Path) -> None:
    whole = chunk(tmp_path, ADDITION, "standard")
    for run, records in zip(whole.runs, train(whole, "standard"), strict=True):
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        [started], [ended] = of(records, RunStarted), of(records, RunEnded)
        assert started.run_id == run.id
        assert started.hyper_parameters["seed"] == run.seed
        assert started.hyper_parameters["num_test"] == whole.num_test
        assert (started.group, started.budget_steps) == ("cyclic:11", 60)
        names = {info.name for info in started.signals}
        assert {"gini_coefficient", "gradient_norm", "momentum_ratio", "margin"} <= names
        skipped = {skip.name: skip.reason for skip in started.skipped}
        assert skipped["coordinate_top_share"].startswith("needs a weight matrix with an axis")
        assert (ended.step, ended.status) == (60, RunStatus.FINISHED)


def test_permutations_are_watched_as_permutations(tmp_path: Path) -> None:
    whole = chunk(tmp_path, TRANSFORMER, "standard")
    first, *_ = train(whole, "standard")
    assert of(first, RunStarted)[0].group == "symmetric:3"
    assert any(key.startswith("irrep") for key in of(first, Observation)[-1].values)


def test_special_rows_are_left_out_of_each_model() -> None:
    view = View("weight", axis=0, order=3)
    assert view.indexed(torch.zeros(2, 5, 4)).shape == (2, 3, 4)


def test_progress_is_told_in_equal_shares(tmp_path: Path) -> None:
    ticks: list[int] = []
    train(chunk(tmp_path, CIRCLE, "cheap"), "cheap", lambda: ticks.append(1))
    assert len(ticks) == SHARES


DIVERGING = CIRCLE.replace("[0.1, 0.03]", "[0.1, 1e30]").replace("[0.0, 0.9]", "0.0")


def test_a_diverged_model_says_so_and_leaves_no_trace(tmp_path: Path) -> None:
    whole = chunk(tmp_path, DIVERGING.replace("[run]", "[run]\nseeds = 2"), "cheap")
    stacked = train(whole, "cheap")
    lost = [run.cell.optimizer.options["lr"] == 1e30 for run in whole.runs]
    assert lost == [False, False, True, True]
    for records, is_lost in zip(stacked, lost, strict=True):
        [ended] = of(records, RunEnded)
        last = of(records, Observation)[-1]
        assert (ended.status is RunStatus.FAILED) == is_lost
        if is_lost:
            assert last.step == ended.step < 30
            assert last.values == {}
            assert last.train_accuracy is None
            assert last.errors == {DIVERGED: ended.message}
            assert f"not finite at step {ended.step}" in ended.message
            assert all(e.step < ended.step for e in of(records, Evaluation))
    [spared] = [train(part, "cheap") for part in parts(whole, 2)[:1]]
    assert_same(stacked[:2], spared, 1e-12)


def learned(folder: Path, bounds: str) -> tuple[Chunk, Runs]:
    """Four runs of addition, which may stop below these losses."""
    text = ADDITION.replace("seeds = 4", f"seeds = 2\nstop_below = {bounds}")
    whole = chunk(folder, text, "cheap")
    return whole, train(whole, "cheap")


def test_a_run_that_may_stop_stops_at_its_first_low_test_loss(tmp_path: Path) -> None:
    _, plain = learned(tmp_path, "[0.0, 1e-9]")
    losses = [loss for e in of(plain[2], Evaluation) if (loss := e.test_loss) is not None]
    bound = sorted(losses)[len(losses) // 2]
    whole, records = learned(tmp_path, f"[0.0, {bound!r}]")
    assert [run.cell.stop_below for run in whole.runs] == [0.0, 0.0, bound, bound]
    low = next(number for number, loss in enumerate(losses) if loss < bound)
    assert 0 < low < len(losses) - 1
    stopped = records[2]
    [ended] = of(stopped, RunEnded)
    assert (ended.status, stopped[-1]) == (RunStatus.FINISHED, ended)
    assert ended.step == of(stopped, Evaluation)[-1].step == of(plain[2], Evaluation)[low].step
    assert [e.test_loss for e in of(stopped, Evaluation)] == losses[: low + 1]
    assert [of(run, RunEnded)[0].step for run in records[:2]] == [60, 60]
    assert_same(records[:2], plain[:2], 0.0)


def test_a_model_that_was_left_keeps_its_weights(tmp_path: Path) -> None:
    stack = Stack(chunk(tmp_path, ADDITION, "cheap").runs)
    stack.step()
    stack.leave(torch.tensor([False, True, False, False]))
    before = {name: weight.clone() for name, weight in stack.copied_weights().items()}
    stack.step()
    for name, weight in stack.copied_weights().items():
        assert torch.equal(weight[1], before[name][1])
        assert not torch.equal(weight[0], before[name][0])


def test_a_chunk_ends_when_all_its_runs_have_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    update = Stack.step

    def counted(stack: Stack) -> dict[str, torch.Tensor]:
        steps.append(1)
        return update(stack)

    monkeypatch.setattr(Stack, "step", counted)
    _, records = learned(tmp_path, "[99.0, 98.0]")
    assert [of(run, RunEnded)[0].step for run in records] == [1] * 4
    assert len(steps) == 1


def test_a_chunk_whose_models_all_diverge_ends_early(tmp_path: Path) -> None:
    whole = chunk(tmp_path, DIVERGING.replace("[0.1, 1e30]", "[2e30, 1e30]"), "cheap")
    ticks: list[int] = []
    for records in train(whole, "cheap", lambda: ticks.append(1)):
        assert of(records, RunEnded)[0].status is RunStatus.FAILED
        assert all(math.isfinite(o.train_loss) for o in of(records, Observation)[:-1])
    assert len(ticks) == SHARES


def test_a_signal_that_fails_costs_its_own_values_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = chunk(tmp_path, CIRCLE, "cheap")

    def read_nothing(_: object) -> dict[str, torch.Tensor]:
        raise SignalError("nothing today")

    bad = Signal(name="bad", read=read_nothing, bounds=(0, 1), summary="", source="")
    flat = Signal(
        name="flat", read=lambda _: {"flat": torch.zeros(3)}, bounds=(0, 1), summary="", source=""
    )
    given = Watching(Stack(whole.runs), "cheap").signals
    monkeypatch.setattr(
        "grokwatch.experiments.sweep.watching.choose", lambda _: (bad, flat, *given)
    )
    for records in train(whole, "cheap"):
        last = of(records, Observation)[-1]
        assert last.errors["bad"] == "SignalError: nothing today"
        assert "Expected 'flat' with shape (4,), got (3,). Try" in last.errors["flat"]
        assert "weight_norm" in last.values


def test_dear_signals_are_read_at_the_first_of_so_many_evaluations(tmp_path: Path) -> None:
    text = ADDITION.replace("seeds = 4", "seeds = 1\ndear_every = 3")
    [records] = train(chunk(tmp_path, text, "standard"), "standard")
    seen = [any("sharpness" in key for key in o.values) for o in of(records, Observation)]
    assert seen == [index % 3 == 0 for index in range(len(seen))]
    assert all("weight_norm" in o.values for o in of(records, Observation))
