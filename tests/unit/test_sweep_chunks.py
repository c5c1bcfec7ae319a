"""How runs are cut into chunks."""

from pathlib import Path

import pytest

from grokwatch.experiments.sweep import Run, plan, read_grid
from grokwatch.monitor.errors import ConfigurationError

GRID = """
[task]
name = "sparse_parity"
num_bits = 10
num_train = [60, 80]
num_test = 200
[model]
name = "parity_mlp"
hidden = 8
alpha = [1.0, 4.0]
[optimizer]
lr = [0.01, 0.02]
[run]
steps = 30
seeds = 3
"""
NUM_PARAMETERS = 11 * 8 + 8 * 2


def runs(folder: Path, text: str = GRID) -> tuple[Run, ...]:
    path = folder / "grid.toml"
    path.write_text(text)
    return read_grid(path).runs


def test_runs_of_equal_shapes_are_together(tmp_path: Path) -> None:
    every = runs(tmp_path)
    chunks = plan(every)
    assert [len(chunk.runs) for chunk in chunks] == [12, 12]
    assert [chunk.num_train for chunk in chunks] == [60, 80]
    assert {run.id for chunk in chunks for run in chunk.runs} == {run.id for run in every}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("steps = 30", "steps = [30, 40]"),
        ("hidden = 8", "hidden = [8, 9]"),
        ("hidden = 8", 'hidden = 8\nactivation = ["relu", "square"]'),
        ("lr =", 'name = ["adam", "adamw"]\nlr ='),
        ("seeds = 3", 'seeds = 3\nloss = ["hinge", "cross_entropy"]'),
    ],
)
def test_what_one_stack_cannot_be_is_apart(tmp_path: Path, old: str, new: str) -> None:
    assert [len(chunk.runs) for chunk in plan(runs(tmp_path, GRID.replace(old, new)))] == [12] * 4


@pytest.mark.parametrize(("fits", "sizes"), [(12, [12, 12]), (11, [6] * 4), (5, [4] * 6)])
def test_a_chunk_fits_the_cache(tmp_path: Path, fits: int, sizes: list[int]) -> None:
    chunks = plan(runs(tmp_path), chunk_bytes=fits * 4 * 4 * NUM_PARAMETERS)
    assert [len(chunk.runs) for chunk in chunks] == sizes


def test_a_model_larger_than_the_cache_is_alone(tmp_path: Path) -> None:
    assert {len(chunk.runs) for chunk in plan(runs(tmp_path), chunk_bytes=1)} == {1}


def test_examples_and_activations_count_too(tmp_path: Path) -> None:
    every = runs(tmp_path)
    assert {len(chunk.runs) for chunk in plan(every, step_bytes=1)} == {1}
    inputs = 4 * 10 * 60
    assert len(plan(every, step_bytes=12 * inputs)) > 2


@pytest.mark.parametrize(("hidden", "least", "most"), [(16, 9, 16), (64, 4, 5), (256, 2, 2)])
def test_as_many_are_together_as_were_fastest_when_measured(
    tmp_path: Path, hidden: int, least: int, most: int
) -> None:
    text = (
        '[task]\nname = "sparse_parity"\nnum_train = 1250\n[model]\nname = "parity_mlp"\n'
        f"hidden = {hidden}\n[run]\nseeds = 30"
    )
    for chunk in plan(runs(tmp_path, text)):
        assert chunk.num_train == 1250
        assert least <= len(chunk.runs) <= most
        assert chunk.num_parameters == 33 * hidden
        assert chunk.work == len(chunk.runs) * 33 * hidden * 1250 * 20_000


def test_held_out_examples_do_not_slow_a_step(tmp_path: Path) -> None:
    every = runs(tmp_path, GRID.replace("num_test = 200", "num_test = 900"))
    assert [len(chunk.runs) for chunk in plan(every, step_bytes=150_000)] == [
        len(chunk.runs) for chunk in plan(runs(tmp_path), step_bytes=150_000)
    ]


def test_a_model_larger_than_the_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"one parity_mlp on sparse_parity within 999 byt"):
        plan(runs(tmp_path), machine_bytes=999)


def test_a_chunk_is_named_after_all_that_shapes_its_records(tmp_path: Path) -> None:
    [one, other] = plan(runs(tmp_path))
    assert len({one.id("cheap"), one.id("full"), other.id("cheap")}) == 3
    assert one.id("cheap") == plan(runs(tmp_path))[0].id("cheap")
