import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.records import SignalInfo
from grokwatch.monitor.sinks.names import (
    METRICS,
    label_value,
    prometheus_name,
    summary_of,
    unit_of,
)

SIGNALS = (
    SignalInfo(name="fourier_entropy", unit="nats", summary="How flat\nthe spectrum is."),
    SignalInfo(name="gap@embedding", unit="steps", summary="One role's own."),
)


@pytest.mark.parametrize(
    ("key", "unit", "name"),
    [
        ("weight_norm", "", "grokwatch_weight_norm"),
        ("weight_norm@embedding", "", "grokwatch_weight_norm_embedding"),
        ("fourier_entropy@input", "nats", "grokwatch_fourier_entropy_input_nats"),
        ("gap_steps", "steps", "grokwatch_gap_steps"),
        ("Loss/spikes.total", "", "grokwatch_loss_spikes_total_value"),
        ("é", "", "grokwatch"),
        ("", "%", "grokwatch"),
    ],
)
def test_prometheus_names(key: str, unit: str, name: str) -> None:
    assert prometheus_name(key, unit) == name


@given(st.text(), st.text())
def test_any_key_makes_a_valid_name(key: str, unit: str) -> None:
    assert re.fullmatch(r"grokwatch[a-z0-9_]*", prometheus_name(key, unit))


@given(st.text(st.characters()))
def test_any_text_makes_a_label_value_of_one_line(text: str) -> None:
    value = label_value(text)
    assert len(value.encode()) <= 128
    assert len(f"{value}|".splitlines()) == 1
    assert not set(value) & set("<>\"'`\\{}&")
    assert label_value(value) == value


def test_harmless_label_values_stay_as_they_are() -> None:
    assert label_value("mod-67, seed 3 (größer)") == "mod-67, seed 3 (größer)"


def test_a_unit_is_that_of_the_key_or_of_its_name_whatever_the_role() -> None:
    assert unit_of("fourier_entropy@embedding", SIGNALS) == "nats"
    assert unit_of("fourier_entropy.excess@embedding", SIGNALS) == ""
    assert unit_of("gap@embedding", SIGNALS) == "steps"
    assert unit_of("unheard_of", SIGNALS) == ""


def test_a_summary_is_one_line_and_always_there() -> None:
    assert summary_of("fourier_entropy.excess@input", SIGNALS) == "How flat the spectrum is."
    assert summary_of("gap@embedding", SIGNALS) == "One role's own."
    assert summary_of("new_one@x", SIGNALS) == "Signal new_one_x."


def test_metrics_follow_the_rules_for_names() -> None:
    names = [metric.prometheus for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"grokwatch_[a-z_]+", metric.prometheus)
        assert metric.prometheus.endswith("_total") == (metric.kind == "counter")
        assert metric.labels[:2] in {(), ("run", "task")}
        assert set(metric.labels[2:]) <= {"code", "sink", "reason"}
        assert metric.summary.endswith(".")
