"""Every message of an error of ours says what was expected, what came, and what to try.

One that hands on another library's error, as sinks and hooks do, ends with that error instead.
"""

import ast
import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from grokwatch.monitor import errors

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SOURCES = sorted(
    file for name in ("monitor", "callbacks", "experiments") for file in (ROOT / name).rglob("*.py")
)
OURS = {name for name in vars(errors) if name.endswith("Error")} | {"ValueError"}
GAP = "\N{SYMBOL FOR SUBSTITUTE}"
SHORTEST = 12


class Message(NamedTuple):
    """A message as its constant parts, joined by gaps where values stand."""

    file: str
    line: int
    text: str
    hands_on: bool


def _text(node: ast.expr | None, names: dict[str, ast.expr]) -> str:
    """Constant parts of an expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, names) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left, names) + _text(node.right, names)
    if isinstance(node, ast.Name) and node.id in names:
        return _text(names[node.id], {key: names[key] for key in names if key != node.id})
    return GAP


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def _raised(function: ast.FunctionDef) -> Iterator[tuple[int, str, bool]]:
    """Messages of the errors of ours that a function raises itself."""
    names: dict[str, ast.expr] = {}
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.Raise)]
    for node in sorted(nodes, key=lambda node: node.lineno):
        if isinstance(node, ast.Assign):
            if isinstance(node.targets[0], ast.Name):
                names[node.targets[0].id] = node.value
            continue
        call = node.exc
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in OURS:
            text = _text(call.args[0] if call.args else None, names)
            yield node.lineno, text, node.cause is not None and text.rstrip(".").endswith(GAP)


@functools.cache
def _messages() -> Sequence[Message]:
    found = {
        Message(str(file.relative_to(ROOT)), *raised)
        for file in SOURCES
        for function in _functions(ast.parse(file.read_text()))
        for raised in _raised(function)
    }
    return sorted(message for message in found if re.search(r"\w", message.text))


@functools.cache
def _tested() -> str:
    """All text that tests hold, without the marks of regular expressions."""
    texts = []
    for file in sorted(TESTS.rglob("test_*.py")):
        if file.name != "test_messages.py":
            tree = ast.parse(file.read_text())
            texts += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    return "\n".join(str(text).replace("\\", "") for text in texts)


@pytest.mark.parametrize("message", _messages(), ids=lambda m: f"{m.file}:{m.line}")
def test_a_message_says_what_was_expected_what_came_and_what_to_try(message: Message) -> None:
    if message.hands_on:
        return
    text = message.text.replace(GAP, "x")
    assert re.search(r"[Ee]xpected .*\bgot\b", text, re.DOTALL), text
    assert re.search(r"[.?:;] \w.+", text[text.index("got") :], re.DOTALL) or (
        message.text.rstrip(".").endswith(GAP)
    ), f"nothing to try: {text}"


@pytest.mark.parametrize("message", _messages(), ids=lambda m: f"{m.file}:{m.line}")
def test_a_message_is_read_by_a_test(message: Message) -> None:
    parts = [part for part in message.text.split(GAP) if len(part) >= SHORTEST]
    windows = {part[at : at + SHORTEST] for part in parts for at in range(len(part) - SHORTEST + 1)}
    assert any(window in _tested() for window in windows), message.text


def test_messages_are_found_where_they_are_raised() -> None:
    source = "def f(x):\n    msg = f'Expected a, got {x}. ' + 'Try b.'\n    raise SinkError(msg)\n"
    function = next(_functions(ast.parse(source)))
    assert list(_raised(function)) == [(3, f"Expected a, got {GAP}. Try b.", False)]
    assert len(_messages()) > 20
