"""The committed rules of Prometheus, read for tests."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "dashboards" / "prometheus"
RULES = FOLDER / "rules"
ALERTMANAGER = ROOT / "dashboards" / "alertmanager" / "alertmanager.yml"

_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "group_left", "group_right"})
_GROUPED = re.compile(r"\b(by|on|without|ignoring)\s*\([^)]*\)")
_QUOTED = re.compile(r'"[^"]*"')
_MATCHERS = re.compile(r"\{[^}]*\}")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*(?!\s*\()(?![\w:])")


class Rule(NamedTuple):
    """One rule: its file, its name, and all that its file says of it."""

    file: Path
    name: str
    is_alert: bool
    content: dict[str, Any]

    @property
    def expression(self) -> str:
        return str(self.content["expr"])


def rules() -> Sequence[Rule]:
    """Every rule of every file."""
    return [rule for file in sorted(RULES.glob("*.yml")) for rule in _rules_of(file)]


def alerts() -> Sequence[Rule]:
    """The rules that alert."""
    return [rule for rule in rules() if rule.is_alert]


def metrics_of(expression: str) -> set[str]:
    """Names of the metrics that an expression asks for."""
    text = expression
    for pattern in (_QUOTED, _MATCHERS, _RANGE, _GROUPED):
        text = pattern.sub(" ", text)
    return {name for name in _NAME.findall(text) if name not in _WORDS}


def _rules_of(file: Path) -> Iterator[Rule]:
    for group in yaml.safe_load(file.read_text())["groups"]:
        for content in group["rules"]:
            is_alert = "alert" in content
            yield Rule(file, content["alert" if is_alert else "record"], is_alert, content)
