"""`grokwatch bench sweep` with tiny models; no time decides anything."""

import math
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import msgspec
import pytest
import torch

from grokwatch.experiments.bench import jax_sweep, sweep_arms, sweep_equality, sweep_memory
from grokwatch.experiments.bench import sweep as part
from grokwatch.experiments.bench.rows import Row
from grokwatch.experiments.bench.sweep_arms import COMPILED, EAGER, JAX, LIGHTNING, LOOP
from grokwatch.experiments.bench.sweep_cuda import GRAPH, cuda_rows
from grokwatch.experiments.bench.sweep_equality import against_loop, losses_after
from grokwatch.experiments.bench.sweep_shapes import OVERHEAD, Shape
from grokwatch.experiments.counting import Counting, counting
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.sweep.runs import Run
from grokwatch.experiments.sweep.stack import Stack
from grokwatch.monitor.commands import bench as command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning:pytorch_lightning"),
]

TINY = Shape(modulus=7, hidden=8, num_train=20, least=OVERHEAD, scan=10)
FIVE = 5


def nothing(_: str) -> None:
    """Take no note."""


COUNT: Counting = counting(nothing, progress=False)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tiny shape, few steps, children with few models."""
    monkeypatch.setattr(Shape, "counts", lambda _: (3, FIVE))
    monkeypatch.setattr(sweep_memory, "SIZES", (8, 32))
    run = partial(part.sweep, shapes=(TINY,), turn_seconds=0.01, growth_steps=50)
    question, _ = command._PARTS["sweep"]
    wrapped = (question, lambda count, rounds: run(count, rounds=rounds))
    monkeypatch.setitem(command._PARTS, "sweep", wrapped)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch._inductor, "compile", fail)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with hushed("grokwatch"):
        yield


def told(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by what was measured, each once; figures are finite and within their intervals."""
    found = {row.what: row for row in rows}
    assert len(found) == len(rows)
    for row in rows:
        if row.value is None:
            assert row.note
            assert row.is_met is None
            continue
        assert math.isfinite(row.value)
        assert (row.is_met is None) is (row.target == "")
        if row.low is not None and row.high is not None:
            assert row.low <= row.value <= row.high
    return found


def difference(kind: str) -> str:
    return f"{kind}: loss of every model after 100 steps, from the loop's"


def test_the_command_shows_every_arm_every_ratio_and_every_check(small: None) -> None:
    report = command.bench(["sweep"], rounds=1, show=nothing, progress=False)
    found = msgspec.convert(report.data, command.Bench)
    assert [each.name for each in found.parts] == ["sweep"]
    rows = told(found.parts[0].rows)
    arms = [f"{kind}, {count} at once" for kind in (EAGER, COMPILED, JAX) for count in (3, FIVE)]
    for what in (LOOP, LIGHTNING, *arms):
        rate = rows[what].value
        assert rate is not None
        assert rate > 0
        assert rows[what].unit == "steps"
        assert (f"{what}: before its first step" in rows) is what.startswith((COMPILED, JAX))
    for who, least in {"the loop": "10", "Lightning": "35", "JAX": "0.6"}.items():
        assert rows[f"ours at its best over {who}"].target == f"at least {least}"
    across = "a model's loss after 100 steps, across chunks of"
    checks = [difference(kind) for kind in (EAGER, COMPILED, JAX)]
    checks += [f"{across} 1, 5, {EAGER}", f"{across} 3 and 5, {COMPILED}"]
    assert [what for what, row in rows.items() if row.unit == "difference"] == checks
    assert all(rows[what].is_met for what in checks)
    assert rows["memory of one model more in an eager stack"].unit == "bytes"
    assert rows["growth of memory over 50 steps of 16 models"].target
    assert "machine" in msgspec.to_builtins(report.data)
    text = " ".join(" ".join(report.lines).split())
    assert all(row.what in text for row in rows.values())
    assert report.holds is all(row.is_met is not False for row in rows.values())


def test_some_parts_are_measured_only_when_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(_: Counting, __: int | None) -> list[Row]:
        return []

    for name in tuple(command._PARTS):
        monkeypatch.setitem(command._PARTS, name, ("What?", none))
    found = command.bench([], rounds=1, show=nothing, progress=False).data
    assert isinstance(found, command.Bench)
    usual = [each.name for each in found.parts]
    assert usual == [name for name in command._PARTS if name not in {"sweep", "service", "report"}]
    assert len(usual) == 7
    named = command.bench(["sweep", "costs"], rounds=1, show=nothing, progress=False).data
    assert isinstance(named, command.Bench)
    assert [each.name for each in named.parts] == ["sweep", "costs"]


def test_a_device_that_is_not_there_and_a_compiler_that_fails_are_said(
    monkeypatch: pytest.MonkeyPatch, small: None, no_compiler: None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "grokwatch.experiments.bench.jax_sweep")
    monkeypatch.setattr(part, "memory_rows", lambda *_, **__: [])
    report = command.bench(["sweep"], rounds=1, show=nothing, progress=False)
    rows = told(msgspec.convert(report.data, command.Bench).parts[0].rows)
    skipped = {what: row.note for what, row in rows.items() if row.value is None}
    assert skipped.pop(JAX) == "the package jax is not installed"
    assert skipped.pop(f"{GRAPH}, 1,024 models") == "no CUDA device"
    assert skipped.keys() == {f"{COMPILED}, {count} at once" for count in (3, FIVE)}
    assert all("no compiler here" in note for note in skipped.values())
    assert "ours at its best over JAX" not in rows
    assert rows[difference(EAGER)].is_met


def of_jax() -> Row:
    [row] = against_loop(TINY, {JAX: [losses_after(jax_sweep.in_jax(TINY, FIVE))]})
    return row


def test_jax_trains_the_models_of_the_loop() -> None:
    found = of_jax()
    assert found.is_met
    assert found.value is not None
    assert 0 < found.value < 1e-5  # Another library: never the same bits.


def no_decay(given: jax_sweep.Settings) -> jax_sweep.Settings:
    return given._replace(decay=0.0)


def other_eps(given: jax_sweep.Settings) -> jax_sweep.Settings:
    return given._replace(eps=1e-4)


def other_betas(given: jax_sweep.Settings) -> jax_sweep.Settings:
    return given._replace(betas=(0.9, 0.999))


@pytest.mark.parametrize("change", [no_decay, other_eps, other_betas])
def test_another_adamw_in_jax_is_found(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    update = jax_sweep.update

    def broken(*given: Any) -> jax_sweep.State:
        state, gradients, corrections, settings = given
        return update(state, gradients, corrections, change(settings))

    monkeypatch.setattr(jax_sweep, "update", broken)
    assert of_jax().is_met is False


def test_a_forgotten_correction_in_jax_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    corrected = jax_sweep.corrected

    def forgetful(_: int, updates: int, settings: jax_sweep.Settings) -> jax_sweep.Corrections:
        return corrected(0, updates, settings)

    monkeypatch.setattr(jax_sweep, "corrected", forgetful)
    assert of_jax().is_met is False


def test_a_stack_of_other_seeds_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = losses_after(sweep_arms.stacked(TINY, FIVE, compiled=False))
    runs = Shape.runs

    def shifted(shape: Shape, count: int) -> tuple[Run, ...]:
        return runs(shape, count + 1)[1:]

    with monkeypatch.context() as context:
        context.setattr(Shape, "runs", shifted)
        wrong = losses_after(sweep_arms.stacked(TINY, FIVE, compiled=False))
    rows = told(against_loop(TINY, {"right": [right], "wrong": [right, wrong]}))
    assert rows[difference("right")].is_met
    assert rows[difference("wrong")].is_met is False


def test_a_model_that_depends_on_its_chunk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    [row] = sweep_equality.across_sizes(TINY, 6, [])
    assert (row.value, row.is_met, row.note) == (0.0, True, "6 of 6 models bit-identical")
    trained = sweep_equality._trained

    def leaning(shape: Shape, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        losses, weights = trained(shape, size)
        return losses * (1 + 1e-4 * size), weights + size

    monkeypatch.setattr(sweep_equality, "_trained", leaning)
    [row] = sweep_equality.across_sizes(TINY, 6, [])
    assert row.is_met is False
    assert row.note == "0 of 6 models bit-identical"


def test_losses_that_are_no_numbers_are_no_match() -> None:
    one = torch.ones(2)
    assert sweep_equality.difference(torch.tensor([1.0, torch.nan]), one) == math.inf


def test_a_stack_that_did_not_compile_is_no_compiled_arm(no_compiler: None) -> None:
    with pytest.raises(RuntimeError, match=r"Expected a stack that is compiled or recorded, got: "):
        sweep_arms.stacked(TINY, 2, compiled=True)


def test_the_pair_of_a_device_is_measured_alike_on_the_processor() -> None:
    rows = told(cuda_rows(COUNT, TINY, 1, 0.01, count=FIVE, device="cpu"))
    ratio = rows[f"{GRAPH}, {FIVE} models, over the loop"]
    assert ratio.target == "at least 50"
    assert rows[difference(GRAPH)].is_met


def test_jax_keeps_to_one_thread_and_leaves_settings_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    monkeypatch.delenv("NPROC", raising=False)
    with jax_sweep._one_thread():
        assert os.environ["NPROC"] == "1"
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"
    assert "NPROC" not in os.environ
    assert jax.devices("cpu")[0].platform == "cpu"


def test_growth_of_memory_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[torch.Tensor] = []
    step = Stack.step

    def leaking(stack: Stack) -> object:
        kept.append(torch.ones(500_000))  # more than freed memory of this process can hide
        return step(stack)

    monkeypatch.setattr(Stack, "step", leaking)
    found = sweep_memory.rise(TINY, 2, 200)
    assert found.grown > 200 * 90_000
    row = sweep_memory._growth(TINY, found.grown, 200)
    assert row.is_met is False
    assert sweep_memory._growth(TINY, 0, 200).is_met
