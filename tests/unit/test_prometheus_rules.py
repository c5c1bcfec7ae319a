"""The rules say what runbooks and their tests say, of metrics that exist; the tests have teeth."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grokwatch.monitor.alerts._change import LOUDNESS
from grokwatch.monitor.service.metric_names import SERVICE_METRICS
from grokwatch.monitor.sinks.names import METRICS
from grokwatch.monitor.vocabulary import AlertCode, Severity
from tests.prometheus_rules import FOLDER, ROOT, RULES, Rule, alerts, metrics_of, rules

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool on this machine"
)

TESTS = sorted((RULES / "tests").glob("*.yml"))
RECORDS = {
    "grokwatch:runs:by_stage",
    "grokwatch:probability:max",
    "grokwatch:overhead_ratio:max",
    "grokwatch:alert_firing:max",
}
ALERTS = {
    "GrokwatchLikelyGrokking": AlertCode.LIKELY_GROKKING,
    "GrokwatchWillNotGrok": AlertCode.WILL_NOT_GROK,
    "GrokwatchCollapse": AlertCode.COLLAPSE,
    "GrokwatchNumericallyStuck": AlertCode.NUMERICALLY_STUCK,
    "GrokwatchOverheadAboveBudget": None,
    "GrokwatchObservationStale": None,
    "GrokwatchSinkFailing": None,
    "GrokwatchJournalNearQuota": None,
    "GrokwatchNoMonitor": None,
    "GrokwatchServiceDown": None,
    "GrokwatchDeliveriesStuck": None,
}
AGE = "by (run, task) (grokwatch_last_observation_age_seconds) >"
# What a rule says, and what it could say instead; a test of the rule must notice.
MUTATIONS = [
    ("grokwatch:runs:by_stage", "(grokwatch_stage) == 1", "(grokwatch_stage) >= 1"),
    ("grokwatch:runs:by_stage", "(grokwatch_stage) == 3", "(grokwatch_stage) == 9"),
    ("grokwatch:probability:max", "max by", "min by"),
    ("grokwatch:overhead_ratio:max", "max by", "min by"),
    ("grokwatch:alert_firing:max", "max by", "min by"),
    ("GrokwatchLikelyGrokking", 'code="GRK001"', 'code=~"GRK.+"'),
    ("GrokwatchLikelyGrokking", ">= 0.95", ">= 0.94"),
    ("GrokwatchLikelyGrokking", ">= 0.95", "> 0.95"),
    ("GrokwatchWillNotGrok", "== 1", ">= 0"),
    ("GrokwatchCollapse", "severity: critical", "severity: warning"),
    ("GrokwatchNumericallyStuck", "GRK004", "GRK003"),
    ("GrokwatchOverheadAboveBudget", "max >", "max >="),
    ("GrokwatchObservationStale", "> 900", ">= 900"),
    ("GrokwatchObservationStale", "> 900", "> 915"),
    ("GrokwatchObservationStale", "< 86400", "<= 86400"),
    ("GrokwatchObservationStale", f"min {AGE}", f"max {AGE}"),
    ("GrokwatchSinkFailing", "failures_total[5m]", "failures_total[15m]"),
    ("GrokwatchSinkFailing", "> 500", ">= 500"),
    ("GrokwatchSinkFailing", "> 500", "> 550"),
    ("GrokwatchJournalNearQuota", "> 0.7", ">= 0.7"),
    ("GrokwatchJournalNearQuota", "> 0.7", "> 0.71"),
    ("GrokwatchNoMonitor", "service|grokwatch-runs", "service"),
    ("GrokwatchServiceDown", "service_writable{", "service_queue_depth{"),
    ("GrokwatchServiceDown", '(up{job="grokwatch-service"}) == 0', "(up) < 0"),
    ("GrokwatchDeliveriesStuck", "deliveries_total[15m])) ==", "deliveries_total[15m])) >="),
    ("GrokwatchDeliveriesStuck", "min_over_time", "max_over_time"),
]
WAITS = [
    (rule.name, f"for: {rule.content['for']}\n", f"for: {instead}\n")
    for rule in alerts()
    for instead in ("2h", "0s")
]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def written_tests() -> list[dict[str, Any]]:
    return [test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]]


def anchors() -> set[str]:
    """Sections of the runbooks, as an address names them."""
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    return {heading.lower().replace(" ", "-") for heading in headings}


def test_every_rule_that_others_count_on_is_there_and_no_other() -> None:
    assert {rule.name for rule in alerts()} == set(ALERTS)
    assert {rule.name for rule in rules()} == set(ALERTS) | RECORDS


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.name)
def test_an_alert_says_how_loud_it_is_what_it_means_and_what_to_do(rule: Rule) -> None:
    labels, told = rule.content["labels"], rule.content["annotations"]
    code = ALERTS[rule.name]
    assert labels.get("code") == (code.value if code else None)
    assert labels["severity"] in {severity.value for severity in Severity}
    if code is not None:
        assert labels["severity"] == LOUDNESS[code].value, "the service's hooks say it as loudly"
    assert set(told) == {"summary", "description", "runbook_url"}
    assert told["runbook_url"] == f"docs/runbooks.md#{rule.name.lower()}"
    assert told["runbook_url"].partition("#")[2] in anchors()
    assert rule.content["for"] != "0s"
    assert not [value for value in labels.values() if "{{" in value]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_asks_for_metrics_that_exist_and_names_a_run_once(rule: Rule) -> None:
    runs = {metric.prometheus for metric in METRICS if "run" in metric.labels}
    known = runs | {metric.prometheus for metric in (*METRICS, *SERVICE_METRICS)} | RECORDS
    asked = metrics_of(rule.expression)
    assert asked
    own = {
        name for name in asked if name != "up" and not name.startswith(("prometheus_", "alertm"))
    }
    assert own <= known
    for name in asked & runs:
        grouped = r"(max|min) by \(run, task(, \w+)?\) \((\w+\()?" + name + r"\b"
        count = len(re.findall(rf"\b{name}\b", rule.expression))
        assert len(re.findall(grouped, rule.expression)) == count, name


def test_metrics_are_found_in_an_expression() -> None:
    text = 'max by (run) (increase(a_total{job="b"}[5m])) > 0 and on (c) d:e:f == 1 or absent(g)'
    assert metrics_of(text) == {"a_total", "d:e:f", "g"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_every_rule_has_a_test_that_it_fires_and_one_that_it_does_not(rule: Rule) -> None:
    if not rule.is_alert:
        asked = [e["expr"] for test in written_tests() for e in test.get("promql_expr_test", ())]
        assert rule.name in asked
        return
    cases = [
        case
        for test in written_tests()
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == rule.name
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@needs_promtool
def test_promtool_accepts_the_rules_and_their_tests_pass() -> None:
    checked = promtool("check", "rules", *sorted(RULES.glob("*.yml")))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", *TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def only_of(rule: Rule) -> dict[str, Any]:
    """The file of tests, with those of this rule alone."""
    content = yaml.safe_load((RULES / "tests" / rule.file.name).read_text())
    content["tests"] = [test for test in content["tests"] if rule.name in yaml.safe_dump(test)]
    return dict(content)


@needs_promtool
@pytest.mark.parametrize(("name", "said", "instead"), [*MUTATIONS, *WAITS])
def test_a_rule_that_says_something_else_fails_its_test(
    tmp_path: Path, name: str, said: str, instead: str
) -> None:
    (rule,) = (rule for rule in rules() if rule.name == name)
    folder = Path(shutil.copytree(RULES, tmp_path / "rules"))
    head, title, tail = rule.file.read_text().partition(f": {name}\n")
    assert said in tail
    (folder / rule.file.name).write_text(head + title + tail.replace(said, instead, 1))
    file = folder / "tests" / rule.file.name
    file.write_text(yaml.safe_dump(only_of(rule)))
    tested = promtool("test", "rules", file)
    assert tested.returncode == 1
    assert "got:" in tested.stderr, "the rule was read"


@needs_promtool
def test_promtool_accepts_the_configuration_with_its_rules_and_token(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "prometheus"))
    (tmp_path / "token").write_text("t" * 32)
    file = folder / "prometheus.yml"
    text = file.read_text().replace("/run/secrets/grokwatch_token", str(tmp_path / "token"))
    file.write_text(text)
    checked = promtool("check", "config", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS: 3 rule files found" in checked.stdout


def test_every_scrape_has_limits_and_trusts_no_labels() -> None:
    content = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in content["scrape_configs"]}
    assert set(jobs) == {"grokwatch-service", "grokwatch-runs", "prometheus", "alertmanager"}
    limits = (
        "sample_limit", "label_limit", "label_name_length_limit", "label_value_length_limit",
        "body_size_limit", "target_limit",
    )  # fmt: skip
    for job in jobs.values():
        assert all(job[limit] for limit in limits)
        assert job["honor_labels"] is False
    service = jobs["grokwatch-service"]
    assert service["authorization"] == {"credentials_file": "/run/secrets/grokwatch_token"}
    assert service["static_configs"] == [{"targets": ["grokwatch:8000"]}]
