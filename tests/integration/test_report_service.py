"""The report of a run that a service holds: a real one, asked over a socket."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from grokwatch.monitor.commands.report import report
from grokwatch.monitor.errors import SourceError
from grokwatch.monitor.records import AnyRecord, Assessment, Observation
from grokwatch.monitor.service.sources import service_run
from grokwatch.monitor.service.sources._service_answers import Service
from grokwatch.monitor.sinks.remote import connect
from grokwatch.monitor.story import read_story
from tests.report_runs import RUN, grokked
from tests.service_process import TOKEN, ServiceProcess, free_port
from tests.waiting import until

pytestmark = [pytest.mark.network]

ENVIRONMENT = {"GROKWATCH_TOKEN": TOKEN}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path / "service"
    folder.mkdir()
    service = ServiceProcess(folder, free_port())
    service.start()
    yield service
    service.kill()


def test_a_run_of_a_service_has_a_report(
    service: ServiceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[AnyRecord] = [
        msgspec.structs.replace(record, seq=at) for at, record in enumerate(grokked(), 1)
    ]
    monkeypatch.setenv("GROKWATCH_TOKEN", TOKEN)
    connect(service.address).write(records)
    until(lambda: service.get(f"/v1/runs/{RUN}")["run"]["status"] == "finished")
    address = f"{service.address}/runs/{RUN}"
    found = service_run.past(address, environment=ENVIRONMENT)
    told = [record for record in found if isinstance(record, Observation)]
    sent = [record for record in records if isinstance(record, Observation)]
    assert [(o.step, o.train_loss, o.values) for o in told] == [
        (o.step, o.train_loss, o.values) for o in sent
    ]
    assert sum(isinstance(record, Assessment) for record in found) == len(sent)
    out = tmp_path / "a.html"
    report(tmp_path, address, out=out, predictor="threshold:", environment=ENVIRONMENT)
    text = out.read_text(encoding="utf-8")
    assert "Memorised at 300" in text
    assert "generalised at 7,600" in text
    with pytest.raises(SourceError, match="to tell of the run, got status 401"):
        service_run.past(address, environment={"GROKWATCH_TOKEN": "wrong" * 8})
    with pytest.raises(SourceError, match="to tell of the run, got status 404"):
        service_run.past(f"{service.address}/runs/unknown", environment=ENVIRONMENT)


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[bytes]]]:
    """A server of somebody else: its address, and what it says to everything."""
    said: list[bytes] = [b"[1"]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = dict(zip(("alerts", "series", "/a"), said[1:], strict=False))
            path = self.path.partition("?")[0]
            told = [body for part, body in answers.items() if path.endswith(part)]
            body = told[0] if told else said[0]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", said
    server.shutdown()
    thread.join()
    server.server_close()


RUN_A = b'{"run":{"run_id":"a","name":"","status":"running"}}'
NO_ALERTS = b'{"alerts":[]}'
NO_POINTS = b'{"steps":[],"values":{}}'


def alerts(*rows: str) -> bytes:
    """Alerts as a service tells them: code and states of each."""
    common = '"episode":1,"severity":"warning","message":"","spared":false,"time":0'
    told = [f'{{"id":"{at}",{row},{common}}}' for at, row in enumerate(rows)]
    return f'{{"alerts":[{",".join(told)}]}}'.encode()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([b"[1"], "got an answer that cannot be read"),
        ([b'[{"type":"no record"}]', NO_ALERTS, NO_POINTS, RUN_A], "Expected one record as JSON"),
        (
            [
                b'[{"type":"run_ended","run_id":"a","step":1,"time":0,"status":"finished"}]',
                NO_ALERTS,
                NO_POINTS,
                RUN_A,
            ],
            "Expected assessments from the service, got RunEnded",
        ),
        (
            [b"[]", NO_ALERTS, NO_POINTS, RUN_A.replace(b'"a"', b'"index"')],
            "Expected the run 'a' from the service, got 'index'",
        ),
        (
            [b"[]", alerts('"code":"GRK999","states":[["firing",1]]'), NO_POINTS, RUN_A],
            "Expected words and numbers that this version knows from the service, got 'GRK999'",
        ),
        (
            [b"[]", NO_ALERTS, b'{"steps":[1],"values":{"train_loss":["low"]}}', RUN_A],
            "Expected words and numbers that this version knows from the service, got could not",
        ),
    ],
)
def test_a_server_of_somebody_else_is_refused(
    stranger: tuple[str, list[bytes]], said: list[bytes], expected: str
) -> None:
    address, saying = stranger
    saying[:] = said
    with pytest.raises(SourceError, match=expected):
        service_run.past(f"{address}/runs/a", environment={})


def test_the_first_of_several_warnings_is_the_first(stranger: tuple[str, list[bytes]]) -> None:
    address, saying = stranger
    newest_first = alerts(
        '"code":"GRK001","states":[["firing",9000]]',
        '"code":"GRK001","states":[["firing",2000],["cleared",3000]]',
    )
    saying[:] = [b"[]", newest_first, NO_POINTS, RUN_A]
    story = read_story(service_run.past(f"{address}/runs/a", environment={}))
    assert story.warning is not None
    assert story.cleared is not None
    assert (story.warning.step, story.cleared.step) == (2000, 3000)


def test_a_service_that_trickles_is_given_up(stranger: tuple[str, list[bytes]]) -> None:
    address, saying = stranger
    saying[:] = [b"[]"]
    service = Service(address, None, clock=iter([0.0, 301.0]).__next__)
    with pytest.raises(SourceError, match="got no end within 300 s"):
        service.ask("/v1/runs/a", list[int])
