"""Which weights are kept, how often, and what becomes of failures."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grokwatch.callbacks.frames import MAX_BYTES, Frames
from grokwatch.callbacks.kept_weights import KeptWeights
from grokwatch.callbacks.opening import looked_at
from grokwatch.callbacks.settings import Settings
from grokwatch.callbacks.training import Training
from grokwatch.experiments.models import ModularMLP
from grokwatch.monitor.budget import Budget
from grokwatch.monitor.errors import ConfigurationError, ProbeError
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import Observation, WeightFrame
from grokwatch.monitor.roles import Roles, find_roles


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def frames_of(
    module: nn.Module, probe: Probe | None = None, *, most: int = 64, budget: Budget | None = None
) -> Frames:
    return Frames(most, find_roles(module, probe), module, budget or Budget(None), None)


def matrix(frame: WeightFrame) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(frame.data, "<f4").reshape(frame.shape)


def test_both_ends_that_run_over_the_group_are_kept() -> None:
    model = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 7))
    inward, outward = frames_of(model).look(model, "r", 4)
    assert (inward.role, inward.shape, inward.step) == ("embedding", (7, 3), 4)
    assert (outward.role, outward.shape, outward.step) == ("unembedding", (7, 5), 4)
    assert torch.equal(torch.tensor(matrix(inward)), model.get_parameter("0.weight"))
    assert torch.equal(torch.tensor(matrix(outward)), model.get_parameter("3.weight"))


def test_inputs_of_bits_are_kept_with_a_row_for_each_bit() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    (frame,) = frames_of(model).look(model, "r", 1)
    assert (frame.role, frame.shape) == ("input", (6, 5))
    assert torch.equal(torch.tensor(matrix(frame)), model.get_parameter("0.weight").T)


@pytest.mark.parametrize("options", [{}, {"embeddings": "input_tied"}, {"embeddings": "untied"}])
def test_effective_matrices_of_a_network_give_its_logits(options: dict[str, Any]) -> None:
    model = ModularMLP(modulus=11, embedding=6, hidden=4, **options)
    kept = frames_of(model, model.probe()).look(model, "r", 1)
    found = {frame.role: torch.tensor(matrix(frame)) for frame in kept}
    assert {role: tuple(m.shape) for role, m in found.items()} == {
        "input": (11, 4),
        "output": (11, 4),
    }
    pairs = torch.cartesian_prod(torch.arange(11), torch.arange(11))
    if options.get("embeddings") != "untied":
        states = torch.relu(found["input"][pairs[:, 0]] + found["input"][pairs[:, 1]])
        torch.testing.assert_close(states @ found["output"].T, model(pairs))


def test_a_collapsed_output_is_kept_as_it_is() -> None:
    model = ModularMLP(modulus=11, hidden=4, embeddings="input_tied", collapsed_output=True)
    kept = frames_of(model, model.probe()).look(model, "r", 1)
    assert [(frame.role, frame.shape) for frame in kept] == [
        ("input", (11, 4)),
        ("output", (11, 4)),
    ]


def test_a_matrix_of_more_than_a_mebibyte_is_not_kept_and_is_named() -> None:
    model = nn.Linear(MAX_BYTES // 4 + 1, 1)
    frames = frames_of(model)
    assert frames.look(model, "r", 1) == ()
    (skip,) = frames.skipped
    assert skip.reason == "the input has 262,145 x 1 numbers, more than 1 MiB"
    assert "Probe(frames={'input': ...})" in skip.remedy


def test_a_function_gives_fewer_numbers_in_its_place() -> None:
    def first_rows(weights: Mapping[str, Tensor]) -> Tensor:
        return weights["0.weight"][:9]

    model = nn.Sequential(nn.Embedding(40_000, 8))
    kept = frames_of(model, Probe(frames={"embedding": first_rows})).look(model, "r", 1)
    assert [frame.shape for frame in kept] == [(9, 8)]


def test_frames_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(ProbeError, match=r"Expected role 'output' to name a parameter, got 'head'"):
        find_roles(nn.Linear(3, 2), Probe(frames={"output": "head"}))
    with pytest.raises(ProbeError, match=r"Expected roles among .* got 'logits'"):
        Probe(frames={"logits": "head"})  # type: ignore[dict-item]


def test_all_looks_of_a_run_are_no_more_than_64_mebibytes() -> None:
    model = nn.Sequential(nn.Embedding(512, 512), nn.Linear(512, 512))
    frames = frames_of(model)
    num_bytes = 0
    for step in range(1, 3_000):
        looked = frames.look(model, "r", 10 * step, is_turning=True)
        num_bytes += sum(len(frame.data) for frame in looked)
    assert 50 * 2**20 < num_bytes <= 64 * 2**20


def test_without_looks_nothing_is_read() -> None:
    def broken(_: Mapping[str, Tensor]) -> Tensor:
        raise OSError

    model = nn.Linear(3, 2)
    roles = Roles({"input": find_roles(model).views["input"]})
    assert Frames(0, roles, model, Budget(None), None).look(model, "r", 1) == ()
    assert Frames(64, Roles(), model, Budget(None), None).look(model, "r", 1) == ()


def test_looks_that_training_has_not_paid_for_wait_but_the_last_does_not() -> None:
    clock = Ticking()
    budget = Budget(0.01, credit_seconds=0.0, floor_seconds=0.0, clock=clock)
    model = nn.Linear(3, 2)

    def slow(weights: Mapping[str, Tensor]) -> Tensor:
        clock.now += 1.0
        return weights["weight"]

    frames = Frames(64, find_roles(model, Probe(frames={"input": slow})), model, budget, None)
    budget.resume()
    assert frames.look(model, "r", 1)
    clock.now += 100.0
    assert frames.look(model, "r", 1_000) == ()
    assert frames.look(model, "r", 1_001, is_last=True)
    clock.now += 100_000.0
    assert frames.look(model, "r", 10_000)


def observed(step: int) -> Observation:
    return Observation(run_id="r", step=step, time=0.0, train_loss=1.0)


def test_a_failure_ends_the_looks_and_nothing_else(tmp_path: Path) -> None:
    is_broken = False

    def shaky(weights: Mapping[str, Tensor]) -> Tensor:
        if is_broken:
            raise OSError
        return weights["weight"]

    model, failures = nn.Linear(3, 2), Counter[str]()
    roles = find_roles(model, Probe(frames={"input": shaky}))
    kept = KeptWeights(64, Training(module=model), roles, Budget(None), failures)
    assert kept.look_a_last_time("r", 1) == ()
    kept.start(tmp_path, 1, 0)
    assert kept.skipped == ()
    assert kept.observe("r", observed(1), [])
    is_broken = True
    assert kept.observe("r", observed(1_000), []) == ()
    assert kept.look_a_last_time("r", 2_000) == ()
    assert failures == {"weight frames": 1}
    kept.start(tmp_path, 1, 0)
    assert failures == {"weight frames": 2}


@pytest.mark.parametrize("width", [40_000, 30_000])
def test_a_matrix_that_grows_in_training_is_not_kept_beyond_its_share(
    tmp_path: Path, width: int
) -> None:
    model, failures = nn.Sequential(nn.Embedding(7, 1), nn.Linear(1, 7)), Counter[str]()
    kept = KeptWeights(64, Training(module=model), find_roles(model), Budget(None), failures)
    kept.start(tmp_path, 1, 0)
    assert len(kept.observe("r", observed(1), [])) == 2
    model[0] = nn.Embedding(7, width)
    model[1] = nn.Linear(width, 7)
    frames = kept.observe("r", observed(1_000), [])
    assert frames == ()
    assert failures == {"weight frames": 1}


def test_looks_of_earlier_attempts_count(tmp_path: Path) -> None:
    model, failures = nn.Linear(3, 2), Counter[str]()
    frame = WeightFrame(run_id="r", step=5, role="input", shape=(1, 1), data=bytes(4))
    journal = Journal.open(tmp_path, "r")
    other = WeightFrame(run_id="r", seq=2, step=5, role="output", shape=(1, 1), data=bytes(4))
    later = WeightFrame(run_id="r", seq=3, step=9, role="input", shape=(1, 1), data=bytes(4))
    first = WeightFrame(run_id="r", seq=1, step=5, role="input", shape=(1, 1), data=frame.data)
    journal.append([first, other, later])
    journal.close()
    assert looked_at(journal.directory) == [5, 9]
    kept = KeptWeights(5, Training(module=model), find_roles(model), Budget(None), failures)
    kept.start(journal.directory, 2, 7)
    assert [bool(kept.observe("r", observed(step), [])) for step in (8, 100)] == [True, False]
    assert kept.look_a_last_time("r", 200)
    assert kept.look_a_last_time("r", 300)
    assert not kept.look_a_last_time("r", 400)
    assert failures == {}


@pytest.mark.parametrize("number", [-1, 65])
def test_looks_are_from_none_to_64(number: int) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected weight_frames from 0 to 64, got"):
        Settings(sinks=(), weight_frames=number).check()
