"""Runs that plain MLflow clients logged are found, understood, and read once, whatever happens."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from grokwatch.monitor.errors import ConfigurationError, SourceError
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunEnded, RunStarted
from grokwatch.monitor.service.sources._fetched import Fetched
from grokwatch.monitor.service.sources.mlflow import MlflowSource, connect
from grokwatch.monitor.service.sources.mlflow_run import past
from grokwatch.monitor.sinks import connect as connect_sink
from grokwatch.monitor.vocabulary import RunStatus
from tests.mlflow_server import Server

TIME = 1_800_000_000_000
pytestmark = [pytest.mark.network, pytest.mark.slow]

Points = Mapping[str, Mapping[int, float]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


class Trainer:
    """Somebody who never heard of us."""

    def __init__(self, server: Server, experiment: str) -> None:
        self.client = MlflowClient(tracking_uri=server.uri)
        known = self.client.get_experiment_by_name(experiment)
        self._experiment = (
            known.experiment_id if known else self.client.create_experiment(experiment)
        )
        self.run_id = self.client.create_run(
            self._experiment, start_time=TIME, run_name="theirs"
        ).info.run_id

    def log(self, points: Points, *, shift: int = 0) -> None:
        metrics = [
            Metric(name, value, TIME + shift + step, step)
            for name, values in points.items()
            for step, value in values.items()
        ]
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + 1000])

    def end(self, status: str = "FINISHED") -> None:
        self.client.set_terminated(self.run_id, status, end_time=TIME + 10**6)


class Store:
    """What a service keeps: records and memories, committed together."""

    def __init__(self) -> None:
        self.memories: dict[str, bytes] = {}
        self.records: dict[str, list[AnyRecord]] = {}

    def commit(self, fetched: Fetched) -> None:
        kept = self.records.setdefault(fetched.run_id, [])
        assert fetched.batch.after == (kept[-1].seq if kept else 0)
        kept += fetched.batch.records
        self.memories[fetched.run_id] = fetched.memory

    def poll(self, source: MlflowSource, *, most: int | None = None) -> int:
        """Commit what a poll gives, or its first pieces; how many that were."""
        count = 0
        for fetched in source.poll(self.memories.get):
            self.commit(fetched)
            count += 1
            if count == most:
                break
        return count


Watch = Callable[..., MlflowSource]


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    """Sources of an experiment, closed after the test."""
    with contextlib.ExitStack() as stack:

        def watch(experiment: str, **names: str) -> MlflowSource:
            target = f"mlflow:{server.uri}/{experiment}"
            source = connect(target, names=names, environment={})
            stack.callback(source.close)
            return source

        yield watch


def only(kind: type, records: list[AnyRecord]) -> list[AnyRecord]:
    return [record for record in records if isinstance(record, kind)]


def losses(records: list[AnyRecord]) -> list[tuple[int, float]]:
    return [(r.step, r.train_loss) for r in records if isinstance(r, Observation)]


def test_a_finished_run_of_foreign_names_becomes_records_by_step(
    server: Server, watch: Watch
) -> None:
    trainer = Trainer(server, "foreign")
    trainer.client.log_batch(
        trainer.run_id,
        params=[Param("opt.max_steps", "5000"), Param("lr", "1e-3"), Param("task", "mod 97")],
    )
    trainer.log({
        "loss": {0: 4.5, 10: 2.0, 20: math.inf, 30: math.nan},
        "acc": {0: 0.5, 10: 40.0, 20: 99.0, 30: 100.0},
        "val_acc": {0: 1.0, 20: 0.5},
        "l2_norm": {0: 7.0, 30: 6.0},
        "lr": {0: 0.001},
    })  # fmt: skip
    trainer.end()
    store = Store()
    assert store.poll(watch("foreign")) == 1
    started, *rest = store.records[trainer.run_id]
    assert isinstance(started, RunStarted)
    assert (started.name, started.time, started.budget_steps) == ("theirs", TIME / 1000, 5000)
    assert started.hyper_parameters == {"opt.max_steps": 5000, "lr": 0.001, "task": "mod 97"}
    assert [(s.name, s.access) for s in started.signals] == [("weight_norm", "train")]
    assert started.guesses == (
        "`loss` is taken for train loss",
        "`acc` is taken for train accuracy",
        "`val_acc` is taken for test accuracy",
        "`l2_norm` is taken for the signal weight_norm",
        "not used: `lr`",
        "`opt.max_steps` is taken for the budget in steps",
        "`acc` is in percent, and divided by 100",
        "`val_acc` is in percent, and divided by 100",
    )
    assert [type(record).__name__ for record in rest] == [
        "Observation", "Evaluation", "Observation", "Observation", "Evaluation", "Observation",
        "RunEnded",
    ]  # fmt: skip
    assert [record.seq for record in (started, *rest)] == list(range(1, 9))
    assert [r.test_accuracy for r in rest if isinstance(r, Evaluation)] == [0.01, 0.005]
    observations = [record for record in rest if isinstance(record, Observation)]
    assert [o.train_accuracy for o in observations] == [0.005, 0.4, 0.99, 1.0]
    assert [o.values for o in observations] == [{"weight_norm": 7.0}, {}, {}, {"weight_norm": 6.0}]
    assert [o.train_loss for o in observations[:3]] == [4.5, 2.0, math.inf]
    assert math.isnan(observations[3].train_loss)
    ended = rest[-1]
    assert isinstance(ended, RunEnded)
    assert (ended.step, ended.status, ended.time) == (30, RunStatus.FINISHED, TIME / 1000 + 1000)


def test_what_the_user_said_is_not_guessed(server: Server, watch: Watch) -> None:
    trainer = Trainer(server, "said")
    trainer.log({"nll": {0: 1.0}, "loss": {0: 9.0}, "score": {0: 0.5}})
    trainer.end("KILLED")
    store = Store()
    store.poll(watch("said", score="test_accuracy", nll="train_loss"))
    records = store.records[trainer.run_id]
    assert losses(records) == [(0, 1.0)]
    assert [r.test_accuracy for r in records if isinstance(r, Evaluation)] == [0.5]
    assert [r.status for r in records if isinstance(r, RunEnded)] == [RunStatus.INTERRUPTED]


def test_a_restart_anywhere_gives_the_same_records(server: Server, watch: Watch) -> None:
    trainer = Trainer(server, "restarts")
    trainer.log({
        "train_loss": {step: 1 / (step + 1) for step in range(3000)},
        "train_acc": {step: step / 3000 for step in range(0, 3000, 7)},
        "val_acc": {step: step / 6000 for step in range(0, 3000, 50)},
    })  # fmt: skip
    trainer.end()
    whole = Store()
    num_pieces = whole.poll(watch("restarts"))
    records = whole.records[trainer.run_id]
    assert num_pieces >= 15
    assert losses(records) == [(step, 1 / (step + 1)) for step in range(3000)]
    assert len(only(Evaluation, records)) == 60
    steps = [r.step for r in records if isinstance(r, Observation | Evaluation)]
    assert steps == sorted(steps)
    broken = Store()
    while broken.poll(watch("restarts"), most=4):
        pass
    assert broken.records == whole.records
    again = watch("restarts")
    assert whole.poll(again) + whole.poll(again) == 0
    assert past(f"mlflow:{server.uri}/{trainer.run_id}", names={}, environment={}) == records


def test_a_piece_that_was_not_committed_comes_again(server: Server, watch: Watch) -> None:
    trainer = Trainer(server, "uncommitted")
    trainer.log({"loss": dict.fromkeys(range(500), 1.0)})
    trainer.end()
    source, store = watch("uncommitted"), Store()
    pieces = source.poll(store.memories.get)
    store.commit(next(pieces))
    lost = next(pieces)
    pieces.close()
    assert store.poll(source) == 2
    records = store.records[trainer.run_id]
    assert all(record in records for record in lost.batch.records)
    assert losses(records) == [(step, 1.0) for step in range(500)]


def test_a_live_run_is_followed_and_waits_for_what_lags(server: Server, watch: Watch) -> None:
    trainer, store = Trainer(server, "live"), Store()
    source = watch("live")
    assert store.poll(source) == 0
    trainer.log({"loss": {0: 4.0, 1: 3.0}, "acc": {0: 0.1}})
    assert store.poll(source) == 0, "its metrics may not all be there yet"
    store.poll(source)
    records = store.records[trainer.run_id]
    assert losses(records) == [(0, 4.0)]
    trainer.log({"loss": {2: 2.0, 3: 1.0}, "acc": {2: 0.2}, "val_acc": {2: 0.3}})
    store.poll(source)
    assert losses(records) == [(0, 4.0), (1, 3.0), (2, 2.0)]
    assert [r.step for r in records if isinstance(r, Evaluation)] == [2]
    for _ in range(5):
        assert store.poll(source) == 0
    store.poll(source)
    assert losses(records)[-1] == (3, 1.0), "it waits no longer for an accuracy"
    trainer.log({"loss": {1: 9.0, 2: 8.0}}, shift=1000)
    for _ in range(12):
        store.poll(source)
    assert losses(records)[-2:] == [(1, 9.0), (2, 8.0)], "steps that went back are records too"
    trainer.end("FAILED")
    store.poll(source)
    assert [r.status for r in records if isinstance(r, RunEnded)] == [RunStatus.FAILED]
    assert store.poll(source) == 0
    assert len(only(RunStarted, records)) == 1


def test_a_run_that_goes_on_after_its_end_is_a_new_attempt(server: Server, watch: Watch) -> None:
    trainer, store = Trainer(server, "resumed"), Store()
    trainer.log({"loss": {0: 4.0, 1: 3.0}})
    trainer.end("KILLED")
    source = watch("resumed")
    store.poll(source)
    store.poll(source)
    trainer.client.update_run(trainer.run_id, status="RUNNING")
    trainer.log({"loss": {2: 2.0}})
    trainer.end()
    store.poll(source)
    records = store.records[trainer.run_id]
    assert [(type(r).__name__, r.attempt) for r in records] == [
        ("RunStarted", 1), ("Observation", 1), ("Observation", 1), ("RunEnded", 1),
        ("RunStarted", 2), ("Observation", 2), ("RunEnded", 2),
    ]  # fmt: skip
    assert [record.seq for record in records] == list(range(1, 8))


def test_a_run_that_is_deleted_ends(server: Server, watch: Watch) -> None:
    trainer, store = Trainer(server, "deleted"), Store()
    trainer.log({"loss": {0: 4.0}})
    source = watch("deleted")
    store.poll(source)
    store.poll(source)
    trainer.client.delete_run(trainer.run_id)
    store.poll(source)
    ended = store.records[trainer.run_id][-1]
    assert isinstance(ended, RunEnded)
    assert (ended.status, ended.message) == (
        RunStatus.INTERRUPTED, "its run was deleted in MLflow",
    )  # fmt: skip
    assert store.poll(source) == 0


def test_our_own_sink_s_metrics_come_back_under_their_keys(server: Server, watch: Watch) -> None:
    sink = connect_sink(f"mlflow:{server.uri}/own")
    values = {"weight_norm": 3.0, "gini_coefficient.excess@embedding": 0.5, "excluded_loss": 2.0}
    sink.write([
        RunStarted(run_id="ours", time=TIME / 1000, group="cyclic:67", budget_steps=900),
        Observation(
            run_id="ours", step=5, time=TIME / 1000, train_loss=0.5, train_accuracy=1.0,
            values=values,
        ),
        Evaluation(run_id="ours", step=5, time=TIME / 1000, test_accuracy=0.25),
        RunEnded(run_id="ours", step=5, time=TIME / 1000, status=RunStatus.FINISHED),
    ])  # fmt: skip
    store = Store()
    store.poll(watch("own"))
    ((started, observed, tested, _),) = store.records.values()
    assert isinstance(started, RunStarted)
    assert (started.group, started.budget_steps, started.guesses) == ("cyclic:67", 900, ())
    assert {s.name: s.access for s in started.signals} == {
        "weight_norm": "train", "gini_coefficient": "train", "excluded_loss": "held-out",
    }  # fmt: skip
    assert isinstance(observed, Observation)
    assert (observed.train_loss, observed.train_accuracy, observed.values) == (0.5, 1.0, values)
    assert isinstance(tested, Evaluation)
    assert tested.test_accuracy == 0.25


def test_all_experiments_are_watched_where_none_is_named(server: Server, watch: Watch) -> None:
    one, two = Trainer(server, "first of two"), Trainer(server, "second of two")
    for trainer in (one, two):
        trainer.log({"loss": {0: 4.0}})
        trainer.end()
    store = Store()
    store.poll(watch(""))
    assert {one.run_id, two.run_id} <= store.records.keys()


def test_an_experiment_that_is_not_there_yet_is_named(watch: Watch) -> None:
    with pytest.raises(SourceError, match=r"Expected an experiment 'nobody' at .*, got none"):
        Store().poll(watch("nobody"))


def test_a_run_that_is_not_there_is_named(server: Server) -> None:
    with pytest.raises(ConfigurationError, match="Expected the id of an MLflow run at the end of"):
        past(f"mlflow:{server.uri}/#/experiments/1/runs/nobody", names={}, environment={})
