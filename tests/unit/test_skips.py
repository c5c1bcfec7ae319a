import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NAMES = {"skip", "skipif", "importorskip", "SkipTest"}


def _reason(call: ast.Call) -> str:
    """The literal reason of a skip; an f-string or none at all is an error."""
    given = [word.value for word in call.keywords if word.arg == "reason"]
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    value = given[0] if given else (call.args[0] if call.args and name == "skip" else None)
    assert isinstance(value, ast.Constant), f"a skip without a literal reason, line {call.lineno}"
    return str(value.value)


def _skips(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in NAMES:
            assert isinstance(node, ast.Call)
            yield _reason(node)


def _listed() -> set[tuple[str, str]]:
    rows = re.findall(r"^\| (\S+\.py) \| (.+?) \| .+? \| (?:yes|no) \|$", _table(), re.MULTILINE)
    return set(rows)


def _table() -> str:
    return (TESTS / "SKIPS.md").read_text()


def test_every_skip_is_listed_and_every_row_is_a_skip() -> None:
    found = {
        (str(file.relative_to(TESTS)), reason)
        for file in TESTS.rglob("*.py")
        if file.name != "test_skips.py"
        for reason in _skips(file.read_text())
    }
    assert found == _listed()


def test_a_skip_without_a_reason_is_found() -> None:
    with pytest.raises(AssertionError, match="without a literal reason, line 1"):
        list(_skips("pytest.mark.skipif(True)"))
    assert list(_skips('pytest.skip("no GPU")')) == ["no GPU"]


@pytest.mark.parametrize(
    ("reason", "ci", "passes"),
    [("no GPU", "0", True), ("no GPU", "1", False), ("no cloud", "1", True)],
)
def test_skips_fail_in_continuous_integration(
    tmp_path: Path, reason: str, ci: str, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "SKIPS.md").write_text("| a.py | no cloud | never | yes |\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_a.py").write_text(f"import pytest\ndef test_a(): pytest.skip({reason!r})\n")
    monkeypatch.setenv("GROKWATCH_CI", ci)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode == 0) is passes, done.stdout
    assert passes or "skipped where nothing may be skipped: Skipped: no GPU" in done.stdout
