"""Trajectories are found again where they are whole, and trained again where they are not."""

from pathlib import Path

import numpy as np
import pytest

from grokwatch.experiments.counting import counting
from grokwatch.experiments.reproduce import trajectory
from grokwatch.experiments.reproduce.trajectory import FOLDER, Trajectory
from grokwatch.experiments.reproduce.workshop import Changes, Workshop
from grokwatch.monitor.folder import create

TINY: Changes = {
    "task": {"num_train": 20, "num_test": 20},
    "model": {"hidden": 4},
    "optimizer": {"l1": 1e-4},
    "run": {"steps": 4, "seeds": 2},
}


def follow(root: Path, at: tuple[int, ...] = (0, 2, 4)) -> Trajectory:
    count = counting(print, progress=False)
    workshop = Workshop(root=root, pictures=root, quick=True, count=count, show=print)
    return trajectory.follow(workshop.grid("parity", TINY).runs, at, root, count)


def files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / FOLDER).iterdir())


def assert_same(one: Trajectory, other: Trajectory) -> None:
    for mine, theirs in ((one.scores, other.scores), (one.weights, other.weights)):
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def forbid_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(trajectory, "_train", refuse)


def test_a_trajectory_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = follow(tmp_path)
    [name] = files(tmp_path)
    assert name.endswith(".npz")
    assert first.steps.tolist() == [0, 2, 4]
    assert first.weights["hidden.weight"].shape[:2] == (3, 2)
    forbid_training(monkeypatch)
    assert_same(follow(tmp_path), first)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_kept_aside_and_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: float
) -> None:
    first = follow(tmp_path)
    [name] = files(tmp_path)
    path = tmp_path / FOLDER / name
    content = path.read_bytes()
    part = content[: int(kept * len(content))]
    path.write_bytes(part)
    assert_same(follow(tmp_path), first)
    assert files(tmp_path) == [name, f"{name}.broken"]
    assert (tmp_path / FOLDER / f"{name}.broken").read_bytes() == part
    forbid_training(monkeypatch)
    assert_same(follow(tmp_path), first)


def test_a_file_without_scores_is_kept_aside(tmp_path: Path) -> None:
    first = follow(tmp_path)
    [name] = files(tmp_path)
    np.savez(tmp_path / FOLDER / name, train_loss=np.zeros(3))
    assert_same(follow(tmp_path), first)
    assert files(tmp_path) == [name, f"{name}.broken"]


def test_two_processes_do_not_write_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def remember(path: Path) -> int:
        names.append(path.name)
        return create(path)

    monkeypatch.setattr("grokwatch.monitor.folder.create", remember)
    for process in (11, 12):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        follow(tmp_path / str(process))
    assert [name.rpartition(".")[2] for name in names] == ["11", "12"]
    assert names[0].rpartition(".")[0] == names[1].rpartition(".")[0]


def test_another_format_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(tmp_path)
    monkeypatch.setattr(trajectory, "_FORMAT", trajectory._FORMAT + 1)
    follow(tmp_path)
    assert len(files(tmp_path)) == 2
