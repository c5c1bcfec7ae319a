"""What MLflow says of a run beside its points: tags, a description, and files."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.records import Alert, alert_id
from grokwatch.monitor.sinks import connect
from grokwatch.monitor.sinks.mlflow import PAGE_VARIABLE, MlflowSink
from grokwatch.monitor.sinks.mlflow_note import NOTE_TAG
from grokwatch.monitor.sinks.tracking_uri import Place
from grokwatch.monitor.vocabulary import AlertCode
from tests.mlflow_runs import learned, only_run, started


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'mlflow.db'}"


def our_tags(run: Run) -> dict[str, str]:
    """Tags that do not name a run; the description is one of them."""
    return {
        key: text
        for key, text in run.data.tags.items()
        if not key.endswith(("run_id", ".id")) and key != "mlflow.runName"
    }


def test_tags_say_what_became_of_a_run_and_runs_are_found_by_them(sqlite: str) -> None:
    sink = connect(f"mlflow:{sqlite}#tags")
    sink.write(learned("a"))
    client = MlflowClient(tracking_uri=sqlite)
    run = only_run(client, "tags")
    expected = {
        "grokwatch.phase": "grokking",
        "grokwatch.stage": "plateau",
        "grokwatch.probability": "0.750",
        "grokwatch.memorized_step": "20",
        "grokwatch.onset_step": "200",
        "grokwatch.grokking_step": "200",
        "grokwatch.alert.GRK001": "firing",
        "grokwatch.alert.GRK001.id": alert_id("a", AlertCode.LIKELY_GROKKING, 1),
        "grokwatch.status": "finished",
    }
    assert expected.items() <= run.data.tags.items()
    for search in ("tags.grokwatch.phase = 'grokking'", "tags.grokwatch.alert.GRK001 = 'firing'"):
        (found,) = client.search_runs([run.info.experiment_id], search)
        assert found.info.run_id == run.info.run_id


@pytest.mark.parametrize("cut", [1, 2, 33, 40, 68])
def test_a_process_that_feeds_on_after_another_gives_the_same_tags(sqlite: str, cut: int) -> None:
    whole = connect(f"mlflow:{sqlite}#whole{cut}")
    whole.write(learned("a"))
    connect(f"mlflow:{sqlite}#cut{cut}").write(learned("b")[:cut])
    connect(f"mlflow:{sqlite}#cut{cut}").write(learned("b")[max(0, cut - 3) :])
    client = MlflowClient(tracking_uri=sqlite)
    first, second = only_run(client, f"whole{cut}"), only_run(client, f"cut{cut}")
    assert our_tags(first) == our_tags(second)
    assert "the group is a guess" in second.data.tags[NOTE_TAG]


def test_a_description_is_kept_up_until_a_person_writes_one(sqlite: str) -> None:
    records = learned("a")
    middle = next(n for n, record in enumerate(records) if isinstance(record, Alert))
    sink = connect(f"mlflow:{sqlite}#described")
    client = MlflowClient(tracking_uri=sqlite)
    said = []
    for part in (records[:1], records[1 : middle + 1], records[middle + 1 :]):
        sink.write(part)
        said.append(only_run(client, "described").data.tags[NOTE_TAG].splitlines()[2])
    assert said == [
        "**Nothing was judged yet. Training goes on.**",
        "**Likely to generalise if training goes on (GRK001, step 120). Training goes on.**",
        "**Generalised long after it memorised: test accuracy passed 95 % at step 200. "
        "Training is over.**",
    ]
    run = only_run(client, "described")
    client.set_tag(run.info.run_id, NOTE_TAG, "my own words")
    sink.write(records)
    assert only_run(client, "described").data.tags[NOTE_TAG] == "my own words"


def test_the_description_links_to_the_service_that_the_environment_names(
    sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PAGE_VARIABLE, "http://watch.test:8000")
    connect(f"mlflow:{sqlite}#linked").write([started("a")])
    run = only_run(MlflowClient(tracking_uri=sqlite), "linked")
    assert "(http://watch.test:8000/runs/a)" in run.data.tags[NOTE_TAG]


def test_a_joined_run_keeps_what_its_owner_wrote_about_it(sqlite: str) -> None:
    client = MlflowClient(tracking_uri=sqlite)
    experiment = client.create_experiment("owned")
    named = client.create_run(experiment, tags={NOTE_TAG: "my own words"}).info.run_id
    unnamed = client.create_run(experiment).info.run_id
    sink = connect(f"mlflow:{sqlite}#owned")
    sink.write([*learned(named), *learned(unnamed)])
    assert client.get_run(named).data.tags[NOTE_TAG] == "my own words"
    assert "test accuracy passed 95 %" in client.get_run(unnamed).data.tags[NOTE_TAG]


def test_a_file_goes_to_the_artifacts_of_its_run(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    client.create_experiment("files", artifact_location=(tmp_path / "artifacts").as_uri())
    sink = MlflowSink(Place.parse(f"{uri}#files"))
    sink.write(learned("a"))
    page = tmp_path / "report.html"
    for text in ("first", "second"):
        page.write_text(text)
        sink.attach("a", page)
    run_id = only_run(client, "files").info.run_id
    assert [file.path for file in client.list_artifacts(run_id, "grokwatch")] == [
        "grokwatch/report.html"
    ]
    copy = client.download_artifacts(run_id, "grokwatch/report.html", str(tmp_path))
    assert Path(copy).read_text() == "second"


def test_a_file_of_a_run_that_mlflow_does_not_know_is_refused(sqlite: str, tmp_path: Path) -> None:
    sink = MlflowSink(Place.parse(f"{sqlite}#nothing"))
    with pytest.raises(SinkError, match="Expected run nobody in MLflow before a file of it, got"):
        sink.attach("nobody", tmp_path / "report.html")


def test_a_file_that_mlflow_cannot_take_is_a_sink_error_in_one_sentence(
    sqlite: str, tmp_path: Path
) -> None:
    sink = MlflowSink(Place.parse(f"{sqlite}#absent"))
    sink.write([started("a")])
    with pytest.raises(SinkError, match="to take a file, got ") as caught:
        sink.attach("a", tmp_path / "absent.html")
    assert "\n" not in str(caught.value)
