"""Compiled gradients are those taken operation by operation, for every kind of model."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from grokwatch.experiments.sweep import stepping
from grokwatch.experiments.sweep.grid import read_grid
from grokwatch.experiments.sweep.runs import Run
from grokwatch.experiments.sweep.stack import Stack

STEPS = 100
RUN = """
[optimizer]
lr = [0.003, 0.001]
decay = 0.1
[run]
steps = 100
seeds = 2
signals = "cheap"
"""
PARITY = """
[task]
name = "sparse_parity"
num_bits = 10
num_relevant = 2
num_train = 60
num_test = 20
[model]
name = "parity_mlp"
hidden = 16
"""
ADDITION = """
[task]
name = "modular_addition"
modulus = 11
[model]
name = "modular_mlp"
embedding = 16
hidden = 12
"""
TRANSFORMER = """
[task]
name = "modular_addition"
modulus = 7
[model]
name = "transformer"
width = 8
heads = 2
hidden = 16
"""
CASES = {"parity": PARITY, "addition": ADDITION, "transformer": TRANSFORMER}


def runs_of(folder: Path, text: str) -> tuple[Run, ...]:
    path = folder / "grid.toml"
    path.write_text(text + RUN)
    return tuple(read_grid(path).runs)


def trained(stack: Stack, steps: int = STEPS) -> Stack:
    for _ in range(steps):
        stack.step()
    return stack


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == stepping.__name__ and record.levelno >= logging.WARNING
    ]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_compiled_training_ends_where_eager_training_ends(
    tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    runs = runs_of(tmp_path, CASES[case])
    one, other = (trained(Stack(runs, compiled=choice)) for choice in (True, False))
    assert warnings_of(caplog) == []  # It did compile.
    assert one.losses[-1].max() < 0.9 * one.losses[0].max()
    for at in (0, -1):
        torch.testing.assert_close(one.losses[at], other.losses[at], rtol=1e-5, atol=0)


@pytest.mark.slow
def test_compiled_gradients_have_the_names_and_shapes_of_the_weights(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, ADDITION)
    one, other = Stack(runs, compiled=True), Stack(runs, compiled=False)
    before = one.copied_weights()
    found, expected = one.step(), other.step()
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient.shape == before[name].shape
        assert not gradient.requires_grad
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-7)
    kept = {name: gradient.clone() for name, gradient in found.items()}
    one.step()
    assert all(torch.equal(found[name], kept[name]) for name in found)


@pytest.mark.parametrize("case", CASES)
def test_eager_models_do_not_see_their_neighbors(tmp_path: Path, case: str) -> None:
    runs = runs_of(tmp_path, CASES[case])
    together, alone = (trained(Stack(some, compiled=False)) for some in (runs, runs[1:2]))
    torch.testing.assert_close(together.losses[-1][1:2], alone.losses[-1], rtol=1e-5, atol=0)


@pytest.mark.slow
def test_compiled_models_do_not_see_their_neighbors(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, PARITY)
    together, alone = (trained(Stack(some, compiled=True)) for some in (runs, runs[1:2]))
    torch.testing.assert_close(together.losses[-1][1:2], alone.losses[-1], rtol=1e-5, atol=0)


@pytest.mark.slow
def test_a_model_that_diverged_stays_left_when_compiled(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, PARITY)
    stack = trained(Stack(runs, compiled=True), 3)
    stack._block[0] = torch.nan
    stack.step()
    left = stack.leave_diverged(stack.train_scores().logits)
    assert left.tolist() == [True, False, False, False]
    trained(stack, 3)
    assert (stack.copied_weights()["hidden.weight"][0] == 0).all()
    assert stack.losses[-1].isfinite().all()


def test_a_compiler_that_fails_is_told_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runs = runs_of(tmp_path, PARITY)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler here\nand much more")

    monkeypatch.setattr(torch._inductor, "compile", fail)
    stack = trained(Stack(runs, compiled=True), 5)
    [message] = warnings_of(caplog)
    assert message.startswith("Training without compiling, slower")
    assert message.endswith(": no compiler here")
    expected = trained(Stack(runs, compiled=False), 5)
    assert torch.equal(stack.losses[-1], expected.losses[-1])


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("Nobody asked to compile.")


def test_short_training_is_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "compiled", refuse)
    trained(Stack(runs_of(tmp_path, PARITY)), 2)


def test_long_training_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = runs_of(tmp_path, PARITY)
    monkeypatch.setattr(stepping, "COMPILE_SECONDS", 0.0)
    monkeypatch.setattr(stepping, "compiled", refuse)
    with pytest.raises(AssertionError, match="Nobody asked to compile"):
        Stack(runs)


def test_dropout_is_never_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "compiled", refuse)
    runs = runs_of(tmp_path, PARITY.replace("hidden = 16", "hidden = 16\ndropout = 0.2"))
    one, other = (trained(Stack(runs, compiled=choice), 5) for choice in (True, None))
    assert torch.equal(one.losses[-1], other.losses[-1])


def test_more_steps_and_more_numbers_make_compiling_pay() -> None:
    assert not stepping.pays(10_000, 10_000)
    assert stepping.pays(100_000, 10_000)
    assert stepping.pays(10_000, 2_000_000)


def test_numbers_of_a_backward_pass_are_counted_once() -> None:
    weight = torch.ones(2, 3, 4, requires_grad=True)

    def losses(weights: Mapping[str, Tensor], x: Tensor, _: Tensor) -> Tensor:
        states = x @ weights["w"].mT  # Saves x alone: nobody asks for its gradient.
        return states.square().sum((-1, -2))  # Saves the states.

    counted = stepping.count_saved(losses, {"w": weight}, torch.ones(2, 5, 4), torch.ones(2))
    assert counted == 2 * 5 * 4 + 2 * 5 * 3
