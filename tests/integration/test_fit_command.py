"""`grokwatch fit` on slices of the corpus, and on journals of a team's own runs."""

from pathlib import Path

import msgspec
import pytest

from grokwatch.experiments.counting import counting
from grokwatch.experiments.fitting.corpus import runs_to_fit
from grokwatch.experiments.fitting.store import FEWEST
from grokwatch.monitor.commands.fit import fit, fit_store
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.predictors import load
from grokwatch.monitor.predictors._model import encode_model, read_model
from grokwatch.monitor.predictors.hazard import MODELS
from grokwatch.monitor.records import Observation, RunStarted
from tests.hazards import model
from tests.unit.test_fitting import records

CORPUS = Path(__file__).parent.parent.parent / "experiments" / "data" / "corpus"
SLICES = ("parity-16", "s4", "transformer-19")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quickly(tmp_path_factory.mktemp("models"))


def quickly(to: Path) -> Path:
    fit(CORPUS, to, slices=SLICES, quick=True, show=print, progress=False)
    return to


def test_the_same_corpus_gives_the_same_bytes(fitted: Path, tmp_path: Path) -> None:
    again = quickly(tmp_path)
    names = sorted(path.name for path in fitted.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((fitted / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_there_is_a_model_for_every_way_to_split(fitted: Path) -> None:
    shipped = {path.name for path in MODELS.glob("*.json")}
    assert {path.name for path in fitted.iterdir()} == shipped
    hashes = {path.name: read_model(path).splits_sha256 for path in fitted.iterdir()}
    assert len(set(hashes.values())) == 1


def test_a_model_that_was_fitted_judges(fitted: Path) -> None:
    predictor = load(f"hazard:model={fitted / 'hazard.json'}", RunStarted(run_id="a", time=0.0))
    said = [
        predictor.update(each) for each in records("a", groks=True) if isinstance(each, Observation)
    ]
    assert said[-1].predictor == "hazard@2"


def test_no_run_of_the_test_split_is_looked_at() -> None:
    _, facts = runs_to_fit(CORPUS, SLICES[:1], counting(print, progress=False))
    assert {each.split for each in facts} == {"train", "calibration"}


def journals(root: Path, count: int) -> None:
    for number in range(count):
        name = f"{'abcdefgh'[number % 8]}{number}"
        told = enumerate(records(name, groks=bool(number % 2)), 1)
        with Journal.open(root, name) as journal:
            journal.append([msgspec.structs.replace(record, seq=seq) for seq, record in told])


def test_a_store_calibrates_and_says_how_many_runs_it_took(tmp_path: Path) -> None:
    journals(tmp_path, FEWEST + 4)
    path = tmp_path / "own.json"
    path.write_bytes(encode_model(model({"first_entropy.change": -20.0}, bias=-6.0)))
    report = fit_store(tmp_path, tmp_path / "models", model=path)
    assert report.holds
    assert report.lines[0] == "24 finished runs that memorized, 12 grokked"
    assert "better" in report.lines[1]
    assert read_model(tmp_path / "models" / "hazard.json").summary["runs"] == 24


def test_a_store_of_a_few_runs_is_refused(tmp_path: Path) -> None:
    journals(tmp_path, 3)
    with pytest.raises(ConfigurationError, match=r"at least 20 finished runs .*after 17 more"):
        fit_store(tmp_path, tmp_path / "models", model=None)
    assert not (tmp_path / "models").exists()
