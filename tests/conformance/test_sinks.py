"""What every sink promises. A new sink adds one class at the end of this file."""

import math
import socket
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.protocols import Sink
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Evidence,
    Interval,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
    SkippedSignal,
    WeightFrame,
    alert_id,
)
from grokwatch.monitor.service.app import make_app
from grokwatch.monitor.service.service import Service
from grokwatch.monitor.service.views import RunQuery
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.mlflow import MlflowSink
from grokwatch.monitor.sinks.prometheus import PrometheusSink
from grokwatch.monitor.sinks.remote import RemoteSink
from grokwatch.monitor.sinks.tracking_uri import Place
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage
from tests.service_web import TOKEN, serving

TIME = 1_800_000_000.0


def story(run_id: str, *, name: str = "a name", attempt: int = 1, seq: int = 1) -> list[AnyRecord]:
    """One record of every kind, and three observations, numbered from `seq`."""

    def number() -> dict[str, str | int]:
        nonlocal seq
        seq += 1
        return {"run_id": run_id, "attempt": attempt, "seq": seq - 1}

    records: list[AnyRecord] = [
        RunStarted(
            **number(),  # type: ignore[arg-type]
            time=TIME,
            name=name,
            signals=(SignalInfo(name="entropy", unit="nats", summary="How flat it is."),),
            skipped=(SkippedSignal(name="sharpness", reason="no loss", remedy="give one"),),
            hyper_parameters={"learning_rate": 5e-3, "tied": False, "note": None},
            budget_steps=30_000,
            group="cyclic:67",
        )
    ]
    for step in (100, 200, 300):
        values = {"entropy@embedding": step / 1000, "weight_norm": 30.0 - step / 100}
        records += [
            Observation(
                **number(),  # type: ignore[arg-type]
                step=step,
                time=TIME + step,
                train_loss=1.0 / step,
                train_accuracy=1.0,
                values=values,
                errors={"sharpness": "no"},
                cost_seconds=0.5,
            ),
            Assessment(
                **number(),  # type: ignore[arg-type]
                step=step,
                time=50.0,
                predictor="threshold@1",
                stage=Stage.CIRCUIT_FORMATION,
                chances=(Chance(horizon_steps=1000, probability=step / 400),),
                eta_steps=Interval(low=10, high=None if step == 100 else 1000),
                evidence=(Evidence(signal="entropy@embedding", contribution=0.5),),
            ),
        ]
    records += [
        Evaluation(**number(), step=300, time=TIME + 301, test_loss=2.0, test_accuracy=0.25),  # type: ignore[arg-type]
        Alert(
            **number(),  # type: ignore[arg-type]
            id=alert_id(run_id, AlertCode.LIKELY_GROKKING, 1),
            code=AlertCode.LIKELY_GROKKING,
            episode=1,
            severity=Severity.INFO,
            state=AlertState.FIRING,
            step=300,
            time=TIME + 300,
            message="likely to generalise",
        ),
        WeightFrame(**number(), step=300, role="embedding", shape=(1,), data=b"\0\0\0\0"),  # type: ignore[arg-type]
        RunEnded(**number(), step=300, time=TIME + 400, status=RunStatus.FAILED, message="stopped"),  # type: ignore[arg-type]
    ]
    return records


class SinkConformance:
    """Inherit, and give `sink`, `broken` and `shown`."""

    @pytest.fixture
    def sink(self) -> Sink | Iterator[Sink]:
        """A sink whose destination works."""
        raise NotImplementedError

    @pytest.fixture
    def broken(self) -> Sink:
        """A sink whose destination does not work."""
        raise NotImplementedError

    def shown(self, sink: Sink) -> object:
        """Everything a person can see of what was written."""
        raise NotImplementedError

    def test_every_kind_of_record_is_taken(self, sink: Sink) -> None:
        sink.write(story("a"))
        assert "a" in str(self.shown(sink))

    def test_nothing_shows_nothing(self, sink: Sink) -> None:
        sink.write(story("a"))
        before = self.shown(sink)
        sink.write([])
        assert self.shown(sink) == before

    def test_the_same_records_again_change_nothing(self, sink: Sink) -> None:
        records = story("a")
        sink.write(records)
        before = self.shown(sink)
        for start in range(len(records)):
            sink.write(records[start:])
        assert self.shown(sink) == before

    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    def test_cuts_between_writes_do_not_show(self, sink: Sink, size: int) -> None:
        records = story("a")
        for start in range(0, len(records), size):
            sink.write(records[start : start + size])
        in_parts = self.shown(sink)
        sink.write(records)
        assert self.shown(sink) == in_parts

    def test_runs_do_not_mix(self, sink: Sink) -> None:
        mixed = [r for pair in zip(story("a"), story("b", name="other"), strict=True) for r in pair]
        sink.write(mixed)
        before = self.shown(sink)
        sink.write(story("a"))
        sink.write(story("b", name="other"))
        assert self.shown(sink) == before

    def test_a_run_may_go_on_after_its_end(self, sink: Sink) -> None:
        first = story("a")
        sink.write(first)
        before = self.shown(sink)
        sink.write(story("a", attempt=2, seq=len(first) + 1))
        assert self.shown(sink) != before

    def test_odd_values_names_and_keys_are_no_reason_to_fail(self, sink: Sink) -> None:
        odd = {"": 1.0, "a//b..c@d": 2.0, "é<b>\n": 3.0, "k" * 400: 4.0, "nan": math.nan}
        sink.write([
            RunStarted(run_id="odd", seq=1, time=TIME, name='"}\n# <script>\u202e\ud800' * 99),
            Observation(run_id="odd", seq=2, step=2**60, time=TIME, train_loss=1e308, values=odd),
            Observation(run_id="odd", seq=3, step=-1, time=0.0, train_loss=-math.inf),
            Evaluation(run_id="odd", seq=4, step=0, time=TIME, test_loss=math.nan),
        ])  # fmt: skip

    def test_closing_twice_is_closing_once(self, sink: Sink) -> None:
        sink.write(story("a"))
        sink.close()
        sink.close()

    def test_closing_before_writing(self, sink: Sink) -> None:
        sink.close()

    def test_a_failure_is_a_sink_error_each_time(self, broken: Sink) -> None:
        for _ in range(2):
            with pytest.raises(SinkError, match=r"Expected .*, got .*\. [A-Z].*\."):
                broken.write(story("a"))
        broken.close()


class TestRecording(SinkConformance):
    @pytest.fixture
    def sink(self) -> Sink:
        return RecordingSink()

    @pytest.fixture
    def broken(self) -> Sink:
        class Full:
            live = False

            def write(self, records: Sequence[AnyRecord], /) -> None:
                msg = f"Expected room, got {len(records)} records. Try less."
                raise SinkError(msg)

            def close(self) -> None:
                pass

        return Full()

    def shown(self, sink: Sink) -> object:
        assert isinstance(sink, RecordingSink)
        return list(sink.records)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An SQLite file for all tests here: MLflow takes a second to make its tables."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


class TestMlflow(SinkConformance):
    @pytest.fixture
    def sink(self, database: str, request: pytest.FixtureRequest) -> Iterator[Sink]:
        self.place = Place(database, request.node.name)
        sink = MlflowSink(self.place)
        yield sink
        sink.close()

    @pytest.fixture
    def broken(self, closed_port: int) -> Sink:
        return MlflowSink(Place(f"http://127.0.0.1:{closed_port}", "grokwatch"))

    def shown(self, sink: Sink) -> object:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self.place.uri)
        experiment = client.get_experiment_by_name(self.place.experiment)
        assert experiment is not None
        return sorted(
            (
                str(run.data.tags),
                run.data.params,
                run.info.status,
                run.info.end_time,
                {
                    key: sorted(
                        (m.step, m.timestamp, m.value)
                        for m in client.get_metric_history(run.info.run_id, key)
                    )
                    for key in run.data.metrics
                },
            )
            for run in client.search_runs([experiment.experiment_id])
        )


class TestPrometheus(SinkConformance):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[Sink]:
        sink = PrometheusSink(Settings(port=0, targets=tmp_path), clock=lambda: 1.0)
        yield sink
        sink.close()

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Sink:
        token = tmp_path / "token"
        token.write_text("0" * 32)
        nowhere = "192.0.2.1"  # reserved for documentation, so no address of this machine
        return PrometheusSink(Settings(host=nowhere, token_file=token, targets=tmp_path))

    def shown(self, sink: Sink) -> object:
        assert isinstance(sink, PrometheusSink)
        assert sink.exporter is not None
        with urllib.request.urlopen(f"http://{sink.exporter.address}/metrics", timeout=10) as page:
            return page.read().decode()


class TestRemote(SinkConformance):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[Sink]:
        section = ServiceSection(store=f"sqlite:///{tmp_path}/store/service.db", hooks=())
        service = Service(section, environment={})
        service.start()
        app = make_app(
            reader=service.reader,
            intake=service.intake,
            courier=service.couriers,
            section=section,
            token=TOKEN,
        )
        self.reader = service.reader
        with serving(app) as (host, port):
            sink = RemoteSink(f"http://{host}:{port}", {"GROKWATCH_TOKEN": TOKEN})
            yield sink
            sink.close()
        service.close()

    @pytest.fixture
    def broken(self, closed_port: int) -> Sink:
        return RemoteSink(f"http://127.0.0.1:{closed_port}", {})

    def shown(self, sink: Sink) -> object:
        runs = self.reader.runs(RunQuery(sort="name")).runs
        keys = ("train_loss", "test_accuracy", "probability", "weight_norm")
        return [
            (
                replace(run, seen=0.0, revision=0),
                self.hyper_parameters(run.run_id),
                self.reader.series(run.run_id, keys),
                [alert.states for alert in self.reader.alerts(run_id=run.run_id).alerts],
            )
            for run in sorted(runs, key=lambda run: run.run_id)
        ]

    def hyper_parameters(self, run_id: str) -> object:
        detail = self.reader.run(run_id)
        return detail and detail.hyper_parameters


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
