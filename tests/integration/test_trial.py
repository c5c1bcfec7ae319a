from dataclasses import replace
from pathlib import Path

import pytest

from grokwatch.experiments import trial
from grokwatch.experiments.counting import counting
from grokwatch.monitor import journal
from grokwatch.monitor.records import Evaluation, Observation, RunStarted


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> str:
    name = "decay 1"
    recipe = replace(trial.CONDITIONS[name], steps=300)
    monkeypatch.setitem(trial.CONDITIONS, name, recipe)
    return name


def test_a_trained_run_is_judged_from_its_journal(tmp_path: Path, short: str) -> None:
    recipe = trial.CONDITIONS[short]
    trial.train(tmp_path, recipe, seed=0)
    name = trial.run_name(recipe, 0)
    records = list(journal.read(journal.run_directory(tmp_path, name)))
    started = next(record for record in records if isinstance(record, RunStarted))
    assert started.hyper_parameters["seed"] == 0
    assert sum(isinstance(record, Evaluation) for record in records) > 50
    last = [record for record in records if isinstance(record, Observation)][-1]
    assert last.step == 300
    assert "inverse_participation_ratio.excess@input" in last.values

    assert trial.is_complete(tmp_path, name)
    judged = trial.judge(tmp_path, short, 0, "baseline:always")
    assert judged.outcome.train_step is not None
    assert judged.warned_step is not None
    assert trial.judge(tmp_path, short, 0, "baseline:never").warned_step is None


def test_a_complete_run_is_not_trained_again(tmp_path: Path, short: str) -> None:
    recipe = replace(trial.CONDITIONS[short], steps=20)
    trial.train(tmp_path, recipe, seed=1)
    directory = journal.run_directory(tmp_path, trial.run_name(recipe, 1))
    before = sorted(path.name for path in directory.iterdir())
    trial.train(tmp_path, recipe, seed=1)
    assert sorted(path.name for path in directory.iterdir()) == before


def test_two_trainings_of_one_seed_give_the_same_values(tmp_path: Path, short: str) -> None:
    recipe = replace(trial.CONDITIONS[short], steps=60)
    values = []
    for root in (tmp_path / "a", tmp_path / "b"):
        trial.train(root, recipe, seed=2)
        directory = journal.run_directory(root, trial.run_name(recipe, 2))
        values.append(
            [
                {k: v for k, v in record.values.items() if k != "overhead_ratio"}
                for record in journal.read(directory)
                if isinstance(record, Observation)
            ]
        )
    assert values[0] == values[1]


def test_only_what_is_missing_is_trained_and_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(trial.CONDITIONS["decay 1"], steps=20)
    monkeypatch.setattr(trial, "CONDITIONS", {"decay 1": recipe})
    trial.train(tmp_path, recipe, seed=0)
    capfd.readouterr()
    shown: list[str] = []
    for seeds in ([0, 1, 2], [2, 1, 0]):
        count = counting(shown.append, progress=False)
        trial.train_all(tmp_path, seeds, workers=1, counting=count)
    assert shown == ["training: 1/2, decay 1, seed 1", "training: 2/2, decay 1, seed 2"]
    assert all(trial.is_complete(tmp_path, trial.run_name(recipe, seed)) for seed in range(3))
    assert capfd.readouterr() == ("", "")


def test_what_goes_wrong_in_a_worker_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(trial.CONDITIONS["decay 1"], model="no_such_model")
    monkeypatch.setattr(trial, "CONDITIONS", {"decay 1": broken})
    count = counting(print, progress=False)
    with pytest.raises(KeyError, match="no_such_model"):
        trial.train_all(tmp_path, [0], workers=1, counting=count)


def test_a_recipe_that_differs_has_another_name() -> None:
    names = {trial.run_name(recipe, 0) for recipe in trial.CONDITIONS.values()}
    assert len(names) == len(trial.CONDITIONS)
