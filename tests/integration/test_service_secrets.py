"""Canaries wherever an operator may put a secret: none of them is ever shown, stored or logged."""

import json
import logging
import urllib.error
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grokwatch.monitor.cli import app
from grokwatch.monitor.errors import GrokwatchError
from grokwatch.monitor.records import AnyRecord, Observation, RunStarted
from grokwatch.monitor.sinks.remote import RemoteSink
from tests.mlflow_player import Player
from tests.receivers import Receiver
from tests.service_process import ServiceProcess, free_port
from tests.waiting import until

pytestmark = [pytest.mark.network, pytest.mark.slow]

CANARY = "CANARY"
TOKEN = f"{CANARY}-token-" + "t" * 40
FAILING = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
SECRETS = {
    "GROKWATCH_TOKEN": TOKEN,
    "HOOK_SECRET": "whsec_CANARYab" + "c2VjcmV0" * 4,
    "MLFLOW_TRACKING_USERNAME": "CANARY-user",
    "MLFLOW_TRACKING_PASSWORD": "CANARY-password",
    "MLFLOW_TRACKING_TOKEN": "CANARY-mlflow-token",
    "CHAT": "json://CANARY-user:CANARY-pass@127.0.0.1:9/CANARY-path?token=CANARY",
    "TRACKER": "http://127.0.0.1:9",
    "DATABASE": "postgresql://CANARY-user:CANARY-pass@127.0.0.1:9/runs",
}


def run_records(run_id: str) -> list[AnyRecord]:
    seen = (
        Observation(
            run_id=run_id, seq=1 + n, step=10 * n, time=1.0, train_loss=1.0, train_accuracy=1.0
        )
        for n in range(1, 10)
    )
    return [RunStarted(run_id=run_id, seq=1, time=0.0, name="a\r\nFAKE \x1b[31m\u202ename"), *seen]


def told(*words: str, **more: str) -> str:
    """Everything that a command says."""
    given = ["--config", "grokwatch.toml", *words]
    answer = CliRunner(env={**SECRETS, **more}).invoke(app, given)
    error = answer.exception
    assert error is None or isinstance(error, GrokwatchError | SystemExit), repr(error)
    return f"{answer.stdout}\n{answer.stderr}\n{error}"


def assert_clean(text: str | bytes, where: str) -> None:
    shown = text.decode("latin-1") if isinstance(text, bytes) else text
    at = shown.find(CANARY)
    assert at < 0, f"{where}: ...{shown[max(0, at - 300) : at + 100]}"


def files_below(folder: Path) -> Mapping[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(FAILING) as receiver:
        yield receiver


@pytest.fixture
def mlflow() -> Iterator[Player]:
    player = Player()
    player.answer = lambda *_: (401, b"CANARY-answer")
    yield player
    player.close()


@pytest.fixture
def service(
    tmp_path: Path, receiver: Receiver, mlflow: Player, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceProcess]:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tests.service_process.TOKEN", TOKEN)
    monkeypatch.setattr("tests.service_process.SECRET", SECRETS["HOOK_SECRET"])
    path = f"http://{receiver.authority}/CANARY-path?key=CANARY"
    hooks = [
        f"webhook:{path},secret=env:HOOK_SECRET,allow=private",
        f"alertmanager:http://{receiver.authority}/CANARY-below,allow=private",
        "apprise:env:CHAT",
        "apprise:json://127.0.0.1:9/CANARY-path",
        'command:["/bin/false","CANARY-argument"]',
    ]
    sources = [f"mlflow:{mlflow.address}/x", "mlflow:env:TRACKER"]
    service = ServiceProcess(
        tmp_path,
        free_port(),
        hooks=hooks,
        sources=sources,
        predictor="baseline:always",
        poll_seconds=1,
    )
    yield service
    service.kill()


def test_no_command_tells_a_secret(
    tmp_path: Path,
    service: ServiceProcess,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert service.address
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    for words, more in (
        (("serve", "--check"), {}),
        (("serve", "--check", "--json", "--store", "env:DATABASE"), {}),
        (("serve", "--store", "env:DATABASE"), {}),
        (("serve", "--check", "--json"), {"GROKWATCH_TOKEN": "CANARY"}),
        (("serve", "--port", "0"), {"GROKWATCH_TOKEN": "CANARY"}),
        (("serve", "--check"), {"HOOK_SECRET": "CANARY"}),
        (("serve", "--port", "0"), {"HOOK_SECRET": "CANARY"}),
        (("serve", "--check"), {"CHAT": "CANARY://CANARY"}),
        (("serve", "--check"), {"TRACKER": "http://CANARY-user:CANARY-pass@127.0.0.1:9"}),
        (("serve", "--check"), {"TRACKER": "ftp://CANARY:CANARY@x"}),
        (("serve", "--check"), {"TRACKER": "http://[CANARY"}),
        (("serve", "--check", "--store", "env:STORE"), {"STORE": "mysql://a:CANARY@x/y"}),
        (("serve", "--check", "--store", "env:STORE"), {"STORE": "postgresql://a:CANARY@x:p/y"}),
        (("alerts", "list"), {}),
        (("alerts", "test"), {}),
        (("alerts", "show", "zz"), {}),
        (("alerts", "list", "--store", "env:DATABASE"), {}),
    ):
        assert_clean(told(*words, **more), " ".join(words) + str(sorted(more)))
    assert_clean(caplog.text, "log")


def test_a_service_tells_stores_and_logs_no_secret(
    tmp_path: Path, service: ServiceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    service.start()
    sink = RemoteSink(service.address, SECRETS)
    sink.write(run_records("a"))
    until(lambda: "is asked again" in service.log)
    until(lambda: all(hook["attempts"] for hook in deliveries(service)), 60)
    (alert,) = service.get("/v1/alerts")["alerts"]
    for path in (
        "/metrics",
        "/",
        "/runs/a",
        "/alerts",
        "/v1/runs",
        "/v1/runs/a",
        "/v1/alerts",
        f"/v1/alerts/{alert['id']}",
        "/openapi.json",
        "/healthz",
    ):
        answer = service.get(path)
        assert_clean(answer if isinstance(answer, str) else json.dumps(answer), path)
    for words in (("alerts", "list", "--json"), ("alerts", "show", alert["id"])):
        assert_clean(told(*words), " ".join(words))
    told_again = told("alerts", "resend", alert["id"], "--json")
    assert_clean(told_again, "resend")
    assert json.JSONDecoder().raw_decode(told_again)[0]["deliveries"] == 5
    for line in Path(f"/proc/{pid_of(service)}/cmdline").read_bytes().split(b"\0"):
        assert_clean(line, "argv")

    for file in (tmp_path / "store").iterdir():
        file.unlink()
    with pytest.raises(urllib.error.HTTPError) as refused:
        service.get("/v1/runs/nobody")
    assert_clean(refused.value.read(), "an error")
    service.stop()
    for name, content in files_below(tmp_path).items():
        if not name.endswith("grokwatch.toml"):
            assert_clean(content, name)
    assert "\nFAKE" not in service.log
    assert "\x1b" not in service.log
    assert "\u202e" not in service.log
    assert "Traceback" not in service.log


def deliveries(service: ServiceProcess) -> list[dict[str, int]]:
    found = service.get("/v1/alerts")["alerts"]
    return [sent for row in found for sent in row["deliveries"]] or [{"attempts": 0}]


def pid_of(service: ServiceProcess) -> int:
    process = vars(service)["_process"]
    return int(process.pid)
