"""The hash of the code that shapes numbers."""

import shutil
from pathlib import Path

import pytest

from grokwatch.experiments.corpus import machine

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("pattern", machine._SHAPING)
def test_every_name_in_the_list_is_that_of_a_file(pattern: str) -> None:
    assert list(ROOT.glob(pattern))


def test_a_constant_changes_the_hash_and_a_comment_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("experiments", "monitor"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=_not_code)
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    before = machine.code_hash.__wrapped__()
    assert before == machine.code_hash()
    ring = tmp_path / "monitor" / "loss_ring.py"
    ring.write_text(f"# Says nothing.\n{ring.read_text()}")
    assert machine.code_hash.__wrapped__() == before
    ring.write_text(f"{ring.read_text()}\nMORE = 1\n")
    assert machine.code_hash.__wrapped__() != before


def _not_code(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if "." in name and not name.endswith(".py")} | {"data"}
