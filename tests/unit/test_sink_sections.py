import re
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.commands.signals import rows
from grokwatch.monitor.sinks.names import METRICS
from grokwatch.monitor.sinks.sections import (
    SECTIONS,
    UNLISTED,
    VERDICT,
    mlflow_key,
    name_within,
    section_of,
)
from grokwatch.monitor.tracker import OVERHEAD


def test_every_signal_of_ours_has_one_section() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted([*(row.name for row in rows()), OVERHEAD.name])


def test_signals_of_one_file_are_in_one_section() -> None:
    found = defaultdict(set)
    for row in rows():
        found[row.family].add(section_of(f"{row.name}.part@embedding"))
    assert {family: len(sections) for family, sections in found.items()} == dict.fromkeys(found, 1)


def test_the_verdict_stands_first_and_sections_are_in_the_order_that_mlflow_shows() -> None:
    assert [*SECTIONS] == sorted(SECTIONS)
    assert next(iter(SECTIONS)) == VERDICT


def test_metrics_of_every_run_are_in_sections_too() -> None:
    keys = [metric.mlflow for metric in METRICS if metric.mlflow]
    assert all(name_within(key) for key in keys)
    assert {key.partition("/")[0] for key in keys} == {"grokwatch", "grokwatch cost"}
    assert mlflow_key("train_loss") in keys
    assert mlflow_key(OVERHEAD.name) in keys


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("stable_rank.excess@embedding", "grokwatch spectrum/stable_rank.excess.embedding"),
        ("train_loss.slope", "grokwatch loss/train_loss.slope"),
        ("a/b//c..d", "grokwatch signals/a_b__c.d"),
        ("../é:(x)", "grokwatch signals/____x_"),
        ("", "grokwatch signals/_"),
        ("@", "grokwatch signals/_"),
    ],
)
def test_mlflow_keys(key: str, name: str) -> None:
    assert mlflow_key(key) == name


@given(st.text())
def test_any_key_makes_a_name_that_mlflow_takes(key: str) -> None:
    name = mlflow_key(key)
    assert re.fullmatch(r"grokwatch( [a-z]+)?/[A-Za-z0-9_. -]{1,240}", name)
    assert len(name) <= 250
    assert ".." not in name
    assert name.startswith(f"{UNLISTED}/") or section_of(key) != UNLISTED


@pytest.mark.parametrize("name", ["grokwatch", "other/x", "grokwatch mine/x", "x/grokwatch/y", ""])
def test_names_of_others_are_not_ours(name: str) -> None:
    assert name_within(name) is None
