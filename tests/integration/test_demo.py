import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grokwatch.experiments.demo import Demo, Watching, demo
from grokwatch.experiments.recipes import find_recipe
from grokwatch.monitor import journal
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import WeightFrame
from grokwatch.monitor.story import read_story, tell

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pytorch_lightning")


def short_demo(directory: Path, **options: Any) -> tuple[Demo, list[str]]:
    lines: list[str] = []
    watching = Watching(directory=directory, sinks=options.pop("sinks", ()))
    options = {"progress": False, "steps": 250, **options}
    return demo(watching=watching, show=lines.append, **options), lines


@pytest.fixture(scope="module")
def addition(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, list[str]]:
    return short_demo(tmp_path_factory.mktemp("demo"))


def test_a_short_run_tells_what_it_saw_and_no_more(addition: tuple[Demo, list[str]]) -> None:
    result, lines = addition
    told = "\n".join(lines)
    assert result.outcome.train_step is not None
    assert f"memorised at step {result.outcome.train_step:,}" in told
    assert "no warning by step 250" in told
    assert "test accuracy did not pass 95 % by step 250" in told
    assert (result.warned_step, result.lead_to_onset_steps) == (None, None)
    assert sum(line.startswith("step ") for line in lines) == 10


def test_everything_told_can_be_read_off_the_journal_again(
    addition: tuple[Demo, list[str]],
) -> None:
    result, lines = addition
    records = list(journal.read(Path(result.journal)))
    story = read_story(records)
    assert set(tell(story)) <= set(lines)
    assert story.started is not None
    assert story.started.group == "cyclic:67"
    assert story.started.hyper_parameters["recipe"] == "addition"
    assert any(isinstance(record, WeightFrame) for record in records)
    steps = [evaluation.step for evaluation in story.evaluations]
    assert steps == sorted(set(steps))
    assert all(Path(picture).stat().st_size > 10_000 for picture in result.pictures)


def test_the_result_is_plain_data(addition: tuple[Demo, list[str]]) -> None:
    result, _ = addition
    assert msgspec.json.decode(msgspec.json.encode(result), type=Demo) == result


def test_parity_is_watched_over_bits(tmp_path: Path) -> None:
    result, _ = short_demo(tmp_path, task="parity", seed=1)
    story = read_story(journal.read(Path(result.journal)))
    assert result.name == "parity-seed-1"
    assert "coordinate_inverse_participation_ratio.excess@input" in story.observations[-1].values


def test_random_labels_are_marked_in_the_journal(tmp_path: Path) -> None:
    result, lines = short_demo(tmp_path, random_labels=True)
    assert result.name == f"addition-random-labels-seed-{find_recipe('addition').seed}"
    assert lines[0].startswith("training addition-random-labels")
    assert any(line.startswith("silence was right") for line in lines)


def test_an_mlflow_sink_gets_the_run_and_is_named(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    result, lines = short_demo(tmp_path, steps=60, sinks=(f"mlflow:sqlite:///{database}",))
    assert any(f"run {result.name} at sqlite:///" in line for line in lines)
    with sqlite3.connect(database) as connection:
        names = connection.execute("select name from runs").fetchall()
    assert names == [(result.name,)]


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="among addition, parity, got 'division'"):
        short_demo(tmp_path, task="division")


@pytest.mark.slow
def test_the_parity_demo_warns_of_a_run_that_generalizes(tmp_path: Path) -> None:
    result, lines = short_demo(tmp_path, task="parity", steps=None)
    assert result.outcome.grokking_step is not None
    assert result.warned_step is not None
    assert result.lead_to_grokking_steps is not None
    assert result.lead_to_grokking_steps > 0
    assert sum(line.startswith(">>> step") for line in lines) == 1
