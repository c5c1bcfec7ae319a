"""`grokwatch validate` as people use it, on the golden corpus."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grokwatch.experiments.corpus import known_manifest
from grokwatch.experiments.validation.frozen import read_frozen
from grokwatch.monitor import cli
from grokwatch.monitor.commands import validate as command
from grokwatch.monitor.commands.corpus import FOLDER
from grokwatch.monitor.errors import ConfigurationError

GOLDEN = Path(__file__).parent.parent / "golden" / "validation"
COUNTS = ("met", "missed", "not_measured")


def call(where: Path, *words: str | Path) -> Result:
    """The command as it is typed, with one predictor, on the dozen runs that tests have."""
    usual = ("--corpus", GOLDEN, "--predictor", "threshold:", "--workers", "1")
    given = ("validate", *usual, "--directory", where, *words)
    return CliRunner().invoke(cli.app, [str(word) for word in given])


def test_what_is_printed_is_on_the_page_and_in_the_data(tmp_path: Path) -> None:
    page, frozen = tmp_path / "docs" / "validation.md", tmp_path / "frozen.json"
    page.parent.mkdir()
    shown = call(tmp_path, "--on", "train", "--freeze", frozen, "--page", page)
    assert shown.exit_code == 1, "a dozen runs meet few bars"
    assert "replaying: 1/1, golden, train" in shown.stderr
    flat = " ".join(shown.stdout.split())
    assert "threshold: on 12 runs of the train split, thresholds chosen on train runs." in flat
    assert "In sample: " in flat
    assert "is a companion and no bar." in flat
    assert list((tmp_path / "validation").rglob("*.npz"))
    pictures = page.parent / "pictures" / "validation"
    assert sorted(path.name for path in pictures.glob("*-dark.png")) == [
        "landmarks-dark.png", "leads-dark.png", "reliability-dark.png",
    ]  # fmt: skip
    assert "pictures/validation/leads.png" in page.read_text()

    again = call(tmp_path, "--on", "train", "--frozen", frozen, "--json")
    assert again.exit_code == 1
    assert "replaying" not in again.stderr
    found = json.loads(again.stdout)
    assert (found["judged"], found["runs"], found["slices"]) == ("train", 12, ["golden"])
    assert found["predictors"][0] == "threshold:"
    assert (found["quick"], found["in_sample"]) == (False, True)
    bars = [each for each in found["promises"] if not each["is_companion"]]
    assert sum(found[count] for count in COUNTS) == len(bars) < len(found["promises"])
    assert found["missed"] == sum(each["is_met"] is False for each in bars) > 0
    for each in found["promises"]:
        assert f"| {each['what']} |" in page.read_text()
        assert each["what"] in shown.stdout
        assert each["verdict"] in shown.stdout
    assert f"{found['met']} met, {found['missed']} missed, " in shown.stdout


def test_calibration_settles_on_the_runs_that_are_judged(tmp_path: Path) -> None:
    frozen = tmp_path / "frozen.json"
    shown = call(tmp_path, "--on", "calibration", "--freeze", frozen)
    assert "threshold: on 0 runs of the calibration split" in shown.stdout
    assert read_frozen(frozen).splits == ("calibration",)


def test_a_quick_validation_says_that_it_says_nothing(tmp_path: Path) -> None:
    shown = call(tmp_path, "--quick")
    assert "runs of the train split" in shown.stdout
    flat = " ".join(shown.stdout.split())
    assert "Nothing that it prints says what a predictor is worth." in flat
    assert set(command.QUICK_SLICES) <= set(known_manifest(FOLDER).slices)


@pytest.mark.parametrize(
    "words", [("--on", "test"), ("--on", "calibration"), ("--freeze", "a"), ("--frozen", "a")]
)
def test_a_quick_validation_judges_and_freezes_nothing_else(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    refused = call(tmp_path, "--quick", *words)
    assert isinstance(refused.exception, ConfigurationError)
    assert "Expected --quick by itself, got another split" in str(refused.exception)


def test_the_test_split_is_the_default_and_needs_what_was_frozen(tmp_path: Path) -> None:
    assert command.Request().settled == FOLDER.parent / "frozen.json"
    missing = tmp_path / "frozen.json"
    refused = call(tmp_path, "--frozen", missing)
    assert isinstance(refused.exception, ConfigurationError)
    assert str(refused.exception) == (
        f"Expected what was frozen in {missing}, got no such file. "
        f"Try first: grokwatch validate --on calibration --freeze {missing}"
    )


def test_a_split_that_there_is_not_is_refused(tmp_path: Path) -> None:
    refused = call(tmp_path, "--on", "tests")
    assert isinstance(refused.exception, ConfigurationError)
    assert "Expected a split among train, calibration, test, got 'tests'" in str(refused.exception)
    assert not list(tmp_path.iterdir())
