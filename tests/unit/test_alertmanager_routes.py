"""Every alert finds its receiver, as Alertmanager's own tool says; as committed nobody is told."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from grokwatch.monitor.alerts._change import LOUDNESS
from grokwatch.monitor.alerts.alertmanager import _NAMES
from grokwatch.monitor.vocabulary import AlertCode
from tests.prometheus_rules import ALERTMANAGER, Rule, alerts

needs_amtool = pytest.mark.skipif(
    shutil.which("amtool") is None, reason="no amtool on this machine"
)  # fmt: skip

CONTENT = yaml.safe_load(ALERTMANAGER.read_text())
RECEIVERS = {"critical": "critical", "warning": "warning", "info": "nobody"}


def amtool(*arguments: str) -> str:
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def routed(labels: Mapping[str, str], file: Path = ALERTMANAGER) -> str:
    given = [f"{name}={value}" for name, value in labels.items()]
    return amtool("config", "routes", "test", f"--config.file={file}", *given)


@needs_amtool
def test_amtool_accepts_the_configuration() -> None:
    assert "SUCCESS" in amtool("check-config", str(ALERTMANAGER))


@needs_amtool
@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.name)
def test_an_alert_of_the_rules_goes_where_its_severity_says(rule: Rule) -> None:
    labels = {"alertname": rule.name, "run": "a", "task": "t", **rule.content["labels"]}
    assert routed(labels) == RECEIVERS[labels["severity"]]


@needs_amtool
@pytest.mark.parametrize("code", AlertCode)
def test_an_alert_of_the_services_hook_goes_where_its_severity_says(code: AlertCode) -> None:
    labels = {"alertname": _NAMES[code], "code": code.value, "severity": LOUDNESS[code].value}
    assert routed({"run": "a", **labels}) == RECEIVERS[labels["severity"]]


@needs_amtool
def test_what_nobody_asked_for_goes_to_nobody() -> None:
    assert routed({"alertname": "Other"}) == "nobody"
    assert routed({"alertname": "Other", "severity": "info"}) == "nobody"


@needs_amtool
def test_the_route_of_the_runbooks_sends_verdicts_of_the_rules_to_nobody(
    tmp_path: Path,
) -> None:
    page = ALERTMANAGER.parents[2] / "docs" / "runbooks.md"
    (route,) = yaml.safe_load(page.read_text().split("```yaml\n")[1].split("```")[0])
    content = yaml.safe_load(ALERTMANAGER.read_text())
    content["route"]["routes"].insert(0, route)
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(content))
    for rule in alerts():
        labels = {"alertname": rule.name, **rule.content["labels"]}
        assert (routed(labels, file) == "nobody") == ("code" in labels)


def test_as_committed_nobody_is_told_and_the_example_is_nobodys_receiver() -> None:
    receivers = {each["name"]: set(each) - {"name"} for each in CONTENT["receivers"]}
    assert receivers.pop("example") == {"webhook_configs"}
    assert receivers == {"nobody": set(), "critical": set(), "warning": set()}
    routes = CONTENT["route"]["routes"]
    assert "example" not in {CONTENT["route"]["receiver"], *(each["receiver"] for each in routes)}
    assert CONTENT["route"]["group_by"] == ["alertname", "task"]


def test_what_is_held_back_is_held_back_for_the_same_run_alone() -> None:
    for rule in CONTENT["inhibit_rules"]:
        sources = " ".join(rule["source_matchers"])
        is_of_a_run = "run=~" in sources
        assert is_of_a_run == ("run" in rule.get("equal", ())), (
            "a missing label equals a missing one"
        )
