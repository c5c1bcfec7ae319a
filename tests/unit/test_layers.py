import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("monitor", "callbacks", "experiments")
SOURCES = sorted(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYERS: list[str] = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
HEAVY = ("torch", "pytorch_lightning", "lightning", "mlflow", "scipy", "matplotlib", "numpy")


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_import_of_ours_begins_with_grokwatch(file: Path) -> None:
    names = list(_imported(file.read_text()))
    assert not [name for name in names if name.startswith(".")]
    assert not [name for name in names if name.split(".")[0] in {*PACKAGES, "tests"}]


def test_every_module_of_the_monitor_has_a_layer() -> None:
    listed = {module for row in LAYERS for module in row.split(" | ")}
    found = {
        f"grokwatch.monitor.{entry.stem}"
        for entry in (ROOT / "monitor").iterdir()
        if entry.name[0] not in "_." and (entry.is_dir() or entry.suffix == ".py")
    }
    assert found | {"grokwatch.callbacks", "grokwatch.experiments"} == listed


def test_the_layer_rule_holds() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module",
    ["records", "wire", "journal", "labels", "config", "watcher", "dispatch", "predictors", "cli"],
)
def test_the_judging_half_loads_no_heavy_library(module: str) -> None:
    code = (
        f"import sys, grokwatch.monitor.{module}\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_packages_import_nothing_by_themselves() -> None:
    for package in PACKAGES:
        assert not list(_imported((ROOT / package / "__init__.py").read_text()))
