import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grokwatch.monitor import watcher
from grokwatch.monitor.cli import app
from grokwatch.monitor.commands.alerts import listed, resent
from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Alert, AnyRecord, Observation, RunStarted
from grokwatch.monitor.service.service import Service
from grokwatch.monitor.service.views import Batch
from tests.receivers import FINE, Receiver
from tests.service_process import SECRET
from tests.waiting import until

GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
PREDICTOR = "baseline:always"


def run_records(run_id: str) -> list[AnyRecord]:
    """A run that is warned of, and too short for the warning to expire."""
    started = RunStarted(run_id=run_id, seq=1, time=0.0, name=f"name {run_id}")
    seen = (
        Observation(
            run_id=run_id,
            seq=1 + place,
            step=10 * place,
            time=float(place),
            train_loss=1.0 / place,
            train_accuracy=1.0,
        )
        for place in range(1, 10)
    )
    return [started, *seen]


def alert_of(run_id: str) -> Alert:
    said = watcher.replay(run_records(run_id), predictor=PREDICTOR)
    return next(alert for alert in said if isinstance(alert, Alert))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(FINE) as receiver:
        yield receiver


@pytest.fixture
def section(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> ServiceSection:
    """A configuration in the folder, which is the working one."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    hook = f"webhook:http://{receiver.authority}/hook,secret=env:HOOK_SECRET,allow=private"
    section = ServiceSection(
        hooks=("log:", hook), predictor=PREDICTOR, store=f"sqlite:///{tmp_path}/service.db"
    )
    lines = [f"hooks = {json.dumps(section.hooks)}", f'store = "{section.store}"']
    (tmp_path / "grokwatch.toml").write_text("[service]\n" + "\n".join(lines))
    return section


def watch(section: ServiceSection, *run_ids: str) -> None:
    """Serve for as long as it takes to judge the runs, and to try each delivery once."""
    service = Service(section, environment={})
    service.start()
    try:
        for run_id in run_ids:
            service.intake.submit(Batch(records=tuple(run_records(run_id)))).result(20)
        until(lambda: all(_is_tried(service, run_id) for run_id in run_ids))
    finally:
        service.close()


def _is_tried(service: Service, run_id: str) -> bool:
    (row,) = service.reader.alerts(run_id=run_id).alerts
    return all(sent.status != "pending" for sent in row.deliveries)


def asked(*words: str) -> Result:
    return CliRunner().invoke(app, ["alerts", *words])


def refused(*words: str) -> str:
    error = asked(*words).exception
    assert isinstance(error, ConfigurationError)
    return str(error)


def test_there_may_be_none(section: ServiceSection) -> None:
    assert section.hooks
    answer = asked("list")
    assert (answer.exit_code, answer.stdout) == (0, "No alerts.\n")
    assert asked("list", "--json").stdout == "[]\n"


def test_alerts_are_listed_the_newest_first(section: ServiceSection) -> None:
    watch(section, "first")
    watch(section, "second")
    answer = asked("list")
    head, newest, oldest = answer.stdout.splitlines()
    assert answer.exit_code == 0
    assert head.split() == ["alert", "time", "run", "code", "state", "step", "delivered"]
    assert newest.startswith(alert_of("second").id[:12])
    assert oldest.startswith(alert_of("first").id[:12])
    assert "name first" in oldest
    assert oldest.endswith("2 of 2")
    (row,) = json.loads(asked("list", "--run", "first", "--json").stdout)
    assert (row["id"], row["run_id"]) == (alert_of("first").id, "first")
    assert {sent["status"] for sent in row["deliveries"]} == {"delivered"}
    assert asked("list", "--dead").stdout == "No alerts.\n"


def test_an_alert_is_shown_with_its_deliveries_and_what_hooks_are_told(
    section: ServiceSection, receiver: Receiver
) -> None:
    watch(section, "a")
    alert = alert_of("a")
    answer = asked("show", alert.id[:6])
    assert answer.exit_code == 0
    assert "webhook:http://127.0.0.1" in answer.stdout
    told = json.loads(answer.stdout[answer.stdout.index("{") :])
    assert told["data"]["alert_id"] == alert.id
    assert told["data"] == receiver.requests[0].json["data"]
    shown = json.loads(asked("show", alert.id, "--json").stdout)
    assert (shown["alert"]["id"], shown["payload"]) == (alert.id, told)


@pytest.mark.parametrize("command", ["show", "resend"])
def test_an_id_that_is_of_none_or_of_several_is_refused(
    command: str, section: ServiceSection
) -> None:
    watch(section, "a", "b")
    for beginning in ("zz", ""):
        told = refused(command, beginning)
        assert told.startswith(f"Expected the id of one alert, got {beginning!r}. Try `grok")


def test_what_was_given_up_is_listed_as_dead_and_fails(
    section: ServiceSection, receiver: Receiver
) -> None:
    receiver.answer = GONE
    watch(section, "a")
    answer = asked("list", "--dead")
    assert answer.exit_code == 1
    assert answer.stdout.splitlines()[1].endswith("1 of 2")
    shown = asked("show", alert_of("a").id)
    assert shown.exit_code == 1
    assert "dead" in shown.stdout
    assert "got 410" in shown.stdout


def test_what_was_given_up_is_found_however_many_alerts_came_since(
    section: ServiceSection, receiver: Receiver
) -> None:
    receiver.answer = GONE
    watch(section, "a")
    receiver.answer = FINE
    watch(section, "b")
    found = listed(section, environment={}, limit=1)
    assert "name b" in found.lines[1]
    assert not found.holds
    dead = listed(section, environment={}, only_dead=True)
    assert "name a" in dead.lines[1]


def test_resending_sends_states_that_were_given_up_before_the_newest(
    section: ServiceSection,
) -> None:
    watch(section, "a")
    with sqlite3.connect(section.store.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE deliveries SET status = 'dead'")
        database.execute("UPDATE alerts SET state = 'confirmed'")
        database.execute(
            "INSERT INTO notices SELECT alert_id, 'confirmed', 99, 9, payload FROM notices"
        )
    database.close()
    report = resent(section, alert_of("a").id, environment={})
    assert report.lines[0].startswith("4 deliveries of alert")


def test_resending_makes_it_due_and_the_service_sends_the_same_name(
    section: ServiceSection, receiver: Receiver
) -> None:
    receiver.answer = GONE
    watch(section, "a")
    receiver.answer = FINE
    answer = asked("resend", alert_of("a").id[:8])
    assert (answer.exit_code, answer.stdout) == (
        0,
        f"2 deliveries of alert {alert_of('a').id} are due now\n",
    )
    service = Service(section, environment={})
    service.start()
    until(lambda: _is_tried(service, "a"))
    service.close()
    names = [request.headers["webhook-id"] for request in receiver.requests]
    assert names == [f"{alert_of('a').id}-firing"] * 2
    assert asked("list").exit_code == 0


def test_it_is_sent_to_one_hook_alone_where_one_is_named(section: ServiceSection) -> None:
    watch(section, "a")
    answer = asked("resend", alert_of("a").id, "--hook", "log:", "--json")
    assert json.loads(answer.stdout) == {"alert_id": alert_of("a").id, "deliveries": 1}
    assert asked("resend", alert_of("a").id, "--hook", "slack:").exit_code == 1


def test_a_test_is_fired_and_its_failure_is_told(
    section: ServiceSection, receiver: Receiver
) -> None:
    assert section.hooks
    answer = asked("test")
    assert answer.exit_code == 0
    assert receiver.requests[0].json["data"]["message"].startswith("This is a test of a hook")
    receiver.answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    answer = asked("test")
    assert answer.exit_code == 1
    assert "got 500. It is tried again" in answer.stdout
    found = json.loads(asked("test", "--hook", "log:", "--json").stdout)
    assert found == {"log:": None}
    assert asked("test", "--hook", "slack:").exit_code == 1


def test_a_store_that_cannot_be_opened_is_told(section: ServiceSection, tmp_path: Path) -> None:
    assert section.hooks
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    answer = asked("list", "--store", f"sqlite:///{tmp_path}/broken.db")
    assert "Expected the store to answer, got file is not a database" in str(answer.exception)
    assert "Expected a store as sqlite:///PATH" in refused("list", "--store", "mysql://host/x")
