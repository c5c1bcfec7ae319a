"""Stacks on a device: what must hold anywhere, and what only a CUDA device can show."""

import logging
from pathlib import Path

import pytest
import torch

from grokwatch.experiments.models.layers import dropout
from grokwatch.experiments.sweep import stepping_cuda
from grokwatch.experiments.sweep.grid import read_grid
from grokwatch.experiments.sweep.runs import Run
from grokwatch.experiments.sweep.stack import Stack
from grokwatch.experiments.sweep.stepping import Taken
from grokwatch.experiments.sweep.stepping_cuda import Update, device_of, recorded
from grokwatch.monitor.errors import ConfigurationError

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
[optimizer]
lr = [0.003, 0.001]
decay = 0.1
[run]
steps = 100
signals = "cheap"
"""


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Run, ...]:
    path = tmp_path / "grid.toml"
    path.write_text(PARITY)
    return tuple(read_grid(path).runs)


def losses_of(stack: Stack, steps: int) -> torch.Tensor:
    for _ in range(steps):
        stack.step()
    return torch.stack(list(stack.losses))[-steps:]


def recorded_stack(runs: tuple[Run, ...], capture: stepping_cuda.Capture) -> Stack:
    """A stack after five updates, whose further ones are recorded by a stand-in."""
    stack = Stack(runs, compiled=False)
    losses_of(stack, 5)
    stack._update = recorded(stack._update, stack._block, stack.optimizer, capture)
    return stack


def test_a_missing_cuda_device_is_refused(
    runs: tuple[Run, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match=r"Expected a CUDA device, got none .* --device"):
        Stack(runs, device="cuda")


@pytest.mark.parametrize("name", ["tpu", "meta", "cuda:1", ""])
def test_other_devices_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a device among cpu and cuda, got"):
        device_of(name)


def test_recording_trains_nothing(runs: tuple[Run, ...]) -> None:
    def warm_up(update: Update) -> Update:
        for _ in range(3):
            update()
        return update

    expected = losses_of(Stack(runs, compiled=False), 15)[5:]
    assert torch.equal(losses_of(recorded_stack(runs, warm_up), 10), expected)


def test_a_model_that_was_left_stays_so_while_recording(runs: tuple[Run, ...]) -> None:
    stack = Stack(runs, compiled=False)
    losses_of(stack, 5)
    stack.leave(torch.tensor([True, False]))
    before = stack.copied_weights()["hidden.weight"]
    stack._update = recorded(stack._update, stack._block, stack.optimizer, lambda update: update)
    losses_of(stack, 3)
    after = stack.copied_weights()["hidden.weight"]
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


def test_a_step_does_the_same_operations_when_a_model_is_left_later(runs: tuple[Run, ...]) -> None:
    def operations(stack: Stack) -> list[str]:
        with torch.profiler.profile() as profile:
            stack.step()
        return [event.key for event in profile.events() if event.key.startswith("aten::")]

    stack = recorded_stack(runs, lambda update: update)
    before = operations(stack)
    stack.leave(torch.tensor([True, False]))
    assert operations(stack) == before


def test_a_recording_that_fails_is_told_once_and_training_goes_on(
    runs: tuple[Run, ...], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(update: Update) -> Update:
        update()
        raise RuntimeError("no graph here\nand much more")

    expected = losses_of(Stack(runs, compiled=False), 15)[5:]
    assert torch.equal(losses_of(recorded_stack(runs, fail), 10), expected)
    [message] = [
        record.getMessage()
        for record in caplog.records
        if record.name == stepping_cuda.__name__ and record.levelno >= logging.WARNING
    ]
    assert message.startswith("Training without a CUDA graph, which is slower")
    assert message.endswith(": no graph here")


class Replaying:
    """A stand-in for a graph that writes to the same memory again."""

    def __init__(self, memory: torch.Tensor) -> None:
        self.memory = memory

    def replay(self) -> None:
        self.memory += 1


def test_what_a_replay_gives_is_not_overwritten_by_the_next() -> None:
    memory = torch.zeros(2, 3)
    taken = Taken({"weight": memory}, memory, memory[:, 0])
    first = stepping_cuda._replayed(Replaying(memory), taken)  # type: ignore[arg-type]
    stepping_cuda._replayed(Replaying(memory), taken)  # type: ignore[arg-type]
    assert first.gradients["weight"].eq(1).all()
    assert first.losses.eq(1).all()


def test_dropout_is_drawn_where_its_generators_are() -> None:
    drawn = [
        dropout(torch.ones(2, 4, 3), 0.5, [torch.Generator().manual_seed(seed) for seed in seeds])
        for seeds in ((0, 1), (1, 0))
    ]
    assert torch.equal(drawn[0], drawn[1].flip(0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_training_on_a_cuda_device_ends_where_the_cpu_ends(tmp_path: Path, rate: float) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(PARITY.replace("hidden = 16", f"hidden = 16\ndropout = {rate}"))
    runs = tuple(read_grid(path).runs)
    there, here = Stack(runs, device="cuda"), Stack(runs)
    torch.testing.assert_close(losses_of(there, 100).cpu(), losses_of(here, 100), rtol=1e-3, atol=0)
    assert {weight.device.type for weight in there.copied_weights().values()} == {"cuda"}
    assert there.leave_diverged(there.train_scores().logits).tolist() == [False, False]
    assert there.moments()["momentum"].keys() == here.moments()["momentum"].keys()
    torch.testing.assert_close(
        there.test_scores().losses, here.test_scores().losses, rtol=1e-3, atol=0
    )
