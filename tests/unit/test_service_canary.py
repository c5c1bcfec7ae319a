import ast
from pathlib import Path

import pytest

MONITOR = Path(__file__).parents[2] / "monitor"
SOURCES = sorted(file for name in ("service", "alerts") for file in (MONITOR / name).rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_MODULES |= {"torch", "yaml", "lightning", "pytorch_lightning", "mlflow"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def offences(source: str) -> list[str]:
    """What could run or load something that came from outside."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] if node.func.id in FORBIDDEN_CALLS else []
        found += [name for name in names if name.partition(".")[0] in FORBIDDEN_MODULES]
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(MONITOR)))
def test_nothing_that_came_from_outside_is_run(file: Path) -> None:
    assert offences(file.read_text()) == []


def test_what_would_run_it_is_found() -> None:
    source = "import pickle\nfrom torch import load\nimport a.b\neval('1')\nx.eval()\n"
    assert sorted(offences(source)) == ["eval", "pickle", "torch"]
