"""`grokwatch corpus` as people use it: built, built again, broken in every way, trained again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from typer.testing import CliRunner

from grokwatch.experiments.corpus import building, machine, read_corpus, read_slice, rebuilding
from grokwatch.experiments.corpus.counts import bars, negatives, twins
from grokwatch.experiments.corpus.folds import fold_of
from grokwatch.experiments.corpus.grids import slice_grid
from grokwatch.experiments.corpus.machine import NOTES, UNKNOWN, Machine, machines_of, note
from grokwatch.experiments.corpus.picture import color_of, map_of
from grokwatch.experiments.palette import PALETTES
from grokwatch.experiments.sweep.engine import SWEEPS
from grokwatch.experiments.sweep.store import SUFFIX, read_chunk
from grokwatch.monitor import cli
from grokwatch.monitor.errors import ConfigurationError, SchemaError, WireError
from grokwatch.monitor.records import Evaluation, Observation
from grokwatch.monitor.vocabulary import Phase
from grokwatch.monitor.watcher import replay

KINDS = ("others", "random-labels")
GRID = """
[task]
name = "sparse_parity"
num_bits = 10
num_relevant = 2
num_train = {num_train}
num_test = 200
random_labels = {random_labels}
[model]
name = "parity_mlp"
hidden = 16
[optimizer]
name = "adamw"
lr = 0.01
decay = [0.0, 0.3]
[run]
steps = 200
per_decade = 15
seeds = 2
signals = "cheap"
"""


def write_grid(path: Path, *, num_train: int = 60, random_labels: str = "false") -> None:
    path.write_text(GRID.format(num_train=num_train, random_labels=random_labels))


def call(where: Path, command: str, *words: str) -> Any:
    given = ["corpus", command, *words, "--to", str(where / "corpus")]
    given += [] if command == "show" else ["--grids", str(where / "grids")]
    given += ["--directory", str(where / "work")] if command == "build" else []
    return CliRunner().invoke(cli.app, given)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two slices, one the twin of the other."""
    where = tmp_path_factory.mktemp("built")
    (where / "grids").mkdir()
    write_grid(where / "grids" / "real.toml")
    write_grid(where / "grids" / "twins.toml", random_labels="true")
    done = call(where, "build", "--json")
    assert done.exit_code == 0, done.output
    return where


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """The same, to be broken."""
    shutil.copytree(built, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_built_corpus_is_as_written_down(built: Path) -> None:
    done = call(built, "verify")
    assert done.exit_code == 0, done.output
    assert done.stdout == "2 slices, 8 runs: all as written down\n"


def test_what_is_there_is_not_built_again(copy: Path) -> None:
    shutil.rmtree(copy / "work")
    before = {path: path.read_bytes() for path in (copy / "corpus").iterdir()}
    done = call(copy, "build")
    assert "slice real: 4 runs, there already" in done.stderr
    assert not (copy / "work" / SWEEPS).exists()
    assert {path: path.read_bytes() for path in (copy / "corpus").iterdir()} == before


def test_a_corpus_keeps_to_the_bits_that_it_began_with(copy: Path) -> None:
    (copy / "corpus" / "real.parquet").unlink()
    assert call(copy, "build", "--bits", "12").exit_code == 0
    assert json.loads((copy / "corpus" / "manifest.json").read_text())["value_bits"] == 9
    whole = (copy / "corpus" / "real.parquet").stat().st_size
    shutil.rmtree(copy / "corpus")
    assert call(copy, "build", "--bits", "12").exit_code == 0
    assert json.loads((copy / "corpus" / "manifest.json").read_text())["value_bits"] == 12
    assert (copy / "corpus" / "real.parquet").stat().st_size > 1.1 * whole
    assert call(copy, "verify").exit_code == 0


def test_the_same_chunks_give_the_same_bytes(copy: Path) -> None:
    before = {path.name: path.read_bytes() for path in (copy / "corpus").iterdir()}
    shutil.rmtree(copy / "corpus")
    assert call(copy, "build").exit_code == 0
    assert {path.name: path.read_bytes() for path in (copy / "corpus").iterdir()} == before


def test_records_are_those_of_the_sweep_and_feed_the_watcher(built: Path) -> None:
    chunks = (built / "work" / SWEEPS / "real").glob(f"*{SUFFIX}")
    trained = {run[0].run_id: run for path in chunks for run in read_chunk(path)}
    for run in read_slice(built / "corpus", "real").runs():
        records = trained[run.row.run_id]
        seen = [r for r in records if isinstance(r, Observation)]
        assert [o.values.keys() for o in run.observations] == [o.values.keys() for o in seen]
        for one, other in zip(run.observations, seen, strict=True):
            assert (one.seq, one.train_accuracy) == (other.seq, other.train_accuracy)
            expected = pytest.approx(other.values, rel=1e-3, abs=1e-37, nan_ok=True)
            assert one.values == expected
        tests = [r for r in records if isinstance(r, Evaluation)]
        assert [(e.seq, e.test_accuracy) for e in run.evaluations] == [
            (e.seq, e.test_accuracy) for e in tests
        ]
        assert {info.access for info in run.start.signals} >= {"train"}
        judged = list(replay((run.start, *run.observations), predictor="threshold:"))
        assert len(judged) >= len(seen)


def test_twins_are_in_the_part_of_their_siblings(built: Path) -> None:
    rows = {row.run_id: row for found in read_corpus(built / "corpus") for row in found.rows}
    found = twins(list(rows.values()))
    assert len(found) == 4
    for row in found:
        sibling = rows[row.twin_id]
        assert (sibling.twin_id, sibling.fold, sibling.split) == (row.run_id, row.fold, row.split)
        assert (sibling.seed, sibling.steps) == (row.seed, row.steps)
        assert sibling.cell != row.cell


def test_what_is_in_it_is_counted_beside_what_should_be(built: Path) -> None:
    done = call(built, "show")
    assert done.exit_code == 1
    assert "runs                                  8" in done.stdout
    assert "at least 2,500  missed" in done.stdout
    assert "at most 40 MB   met" in done.stdout
    found = json.loads(call(built, "show", "--json").stdout)
    assert [row["labels"] for row in found["tasks"]] == ["random", "real"]
    assert sum(part["runs"] for part in found["splits"].values()) == 8
    assert found["negatives"]["no decay"] == 2


def test_mixed_cells_and_bars_count_what_they_say(built: Path) -> None:
    rows = [row for found in read_corpus(built / "corpus") for row in found.rows]
    real = [row for row in rows if not row.random_labels]
    ends = {True: 100, False: None}
    mixed = [
        msgspec.structs.replace(
            row,
            outcome=msgspec.structs.replace(
                row.outcome, grokking_step=ends[row.run_id == real[0].run_id]
            ),
        )
        for row in rows
    ]
    found = {bar.what: bar for bar in bars(mixed, 41_000_000)}
    assert found["mixed cells"].found == 50.0
    assert found["mixed cells"].is_met
    assert not found["size"].is_met
    assert negatives(mixed)["siblings that did not"] == 1


def break_parquet(where: Path) -> None:
    path = where / "corpus" / "real.parquet"
    path.write_bytes(path.read_bytes()[:-7] + b"changed")


def break_manifest(where: Path) -> None:
    path = where / "corpus" / "manifest.json"
    path.write_text(path.read_text().replace('"num_runs": 4', '"num_runs": 9'))


def break_splits(where: Path) -> None:
    path = where / "corpus" / "splits.json"
    parts = json.loads(path.read_text())
    first = next(iter(parts))
    parts[first] = "train" if parts[first] == "test" else "test"
    path.write_text(json.dumps(parts))


def break_grid(where: Path) -> None:
    write_grid(where / "grids" / "real.toml", num_train=80)


BREAKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "parquet": (break_parquet, "corpus/real.parquet, got"),
    "grid": (break_grid, "grids/real.toml, got"),
    "splits": (break_splits, "corpus/splits.json, got"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_was_changed_is_named_with_what_to_do(copy: Path, what: str) -> None:
    spoil, words = BREAKS[what]
    spoil(copy)
    done = call(copy, "verify")
    assert done.exit_code == 1
    first = done.stdout.splitlines()[0]
    assert first.startswith("Expected ")
    assert words in first
    assert "Try " in first


def test_an_edited_manifest_is_refused_by_all(copy: Path) -> None:
    break_manifest(copy)
    for command in ("build", "verify", "show"):
        done = call(copy, command)
        assert isinstance(done.exception, WireError)
        assert "manifest.json, got" in str(done.exception)
        assert "somebody edited it" in str(done.exception)


def test_a_broken_manifest_or_another_format_is_refused(copy: Path) -> None:
    path = copy / "corpus" / "manifest.json"
    whole = path.read_text()
    path.write_text(whole[:100])
    error = call(copy, "verify").exception
    assert isinstance(error, WireError)
    assert "Expected a manifest in " in str(error)
    path.write_text(whole.replace('"format": 1', '"format": 9'))
    error = call(copy, "verify").exception
    assert isinstance(error, SchemaError)
    assert "Expected format 1 of the corpus in " in str(error)


def test_building_on_edited_splits_is_refused(copy: Path) -> None:
    break_splits(copy)
    write_grid(copy / "grids" / "more.toml", num_train=80)
    error = call(copy, "build", "more").exception
    assert isinstance(error, WireError)
    assert "splits are frozen. Try the file as it was committed." in str(error)


def test_a_broken_file_is_built_again_from_finished_chunks(copy: Path) -> None:
    whole = (copy / "corpus" / "real.parquet").read_bytes()
    chunks = {p: p.stat().st_mtime_ns for p in (copy / "work" / SWEEPS / "real").iterdir()}
    break_parquet(copy)
    done = call(copy, "build")
    assert "corpus/real.parquet, got " in done.stderr
    assert "It is built again; finished chunks of real are kept." in done.stderr
    assert (copy / "corpus" / "real.parquet").read_bytes() == whole
    assert {p: p.stat().st_mtime_ns for p in chunks} == chunks


def test_a_broken_chunk_is_trained_again_and_the_others_are_kept(copy: Path) -> None:
    [chunk] = (copy / "work" / SWEEPS / "real").glob(f"*{SUFFIX}")
    chunk.write_bytes(chunk.read_bytes()[:-100])
    (copy / "corpus" / "real.parquet").unlink()
    done = call(copy, "build")
    assert f"Expected a whole chunk file, got {chunk}" in done.stderr
    assert f"It is kept as {chunk.name}.broken." in done.stderr
    assert call(copy, "verify").exit_code == 0


def test_a_label_that_rounding_would_change_stops_the_build(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_grid(copy / "grids" / "more.toml", num_train=80)
    monkeypatch.setattr(building, "changed_labels", lambda found: ["Expected x, got y."])
    error = call(copy, "build", "more").exception
    assert isinstance(error, WireError)
    assert "Expected no label of slice more to change by rounding, got 1" in str(error)
    assert "more" not in (copy / "corpus" / "manifest.json").read_text()


def test_a_run_in_two_slices_is_refused(copy: Path) -> None:
    shutil.copy(copy / "grids" / "real.toml", copy / "grids" / "same.toml")
    error = call(copy, "build", "same").exception
    assert isinstance(error, ConfigurationError)
    assert "Expected runs of slice same that no other has, got run " in str(error)


def test_a_slice_without_a_grid_or_a_corpus_is_refused(copy: Path, tmp_path: Path) -> None:
    error = call(copy, "build", "other").exception
    assert "Expected a slice with a grid in " in str(error)
    assert "Try one of real, twins." in str(error)
    error = call(tmp_path, "show").exception
    assert isinstance(error, ConfigurationError)
    assert "Expected a corpus in " in str(error)
    error = call(copy, "verify", "--rebuild", "other").exception
    assert "Expected a slice of the corpus to train again, got 'other'" in str(error)


def test_a_slice_trained_again_here_is_equal_to_the_bit(built: Path) -> None:
    done = call(built, "verify", "--rebuild", "twins", "--cells", "2")
    assert done.exit_code == 0, done.output
    assert "slice twins: 4 runs trained again, compared to the bit" in done.stdout


def test_a_number_that_is_another_one_is_named(built: Path) -> None:
    found = read_slice(built / "corpus", "real")
    one, other = found.run(0), found.run(1)
    said = rebuilding.difference(one, other)
    assert said.startswith(f"Expected run_id of run {one.row.run_id} at step 1 as ")
    assert rebuilding.difference(one, one) == ""


def test_elsewhere_a_tolerance_decides(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_slice(copy / "corpus", "real")
    values = {**found.looks.values}
    key = next(iter(values))
    values[key].values[:] += 1e-3
    monkeypatch.setattr(rebuilding, "this_machine", lambda: UNKNOWN)
    monkeypatch.setattr("grokwatch.monitor.commands.corpus.read_slice", lambda folder, name: found)
    done = call(copy, "verify", "--rebuild", "real")
    assert done.exit_code == 0, done.output
    assert "compared within the tolerance (early_loss 0, same_phase 1" in done.stdout
    assert "now unknown" in done.stdout
    found.looks.train_loss.values[:] *= 1.1
    done = call(copy, "verify", "--rebuild", "real")
    assert done.exit_code == 1
    assert "Expected early_loss of at most 0.01, got 0.09" in done.stdout


def test_the_last_note_says_what_trained_a_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / SWEEPS / "x"
    other = Machine(
        cpu="other", accelerator="none", compiler="none", threads=1, versions={}, code="x"
    )
    with monkeypatch.context() as patch:
        patch.setattr(machine, "this_machine", lambda: other)
        note(folder, ["a", "b", "d"])
    note(folder, ["a", "b"])
    found = machines_of(folder, ["a", "b", "c", "d"])
    assert found["d"] == other
    assert found["a"].versions.keys() == {"python", "torch", "grokwatch", "numpy"}
    assert found["a"].threads == 1
    assert found["c"] == UNKNOWN
    (folder / NOTES).write_text("{")
    with pytest.raises(WireError, match=r"Expected notes of what trained each chunk in "):
        machines_of(folder, ["a"])


def test_machines_differ_in_words() -> None:
    from grokwatch.experiments.corpus.machine import differences

    known = Machine(
        cpu="a", accelerator="none", compiler="none", threads=1, versions={"torch": "1"}, code="x"
    )
    other = Machine(
        cpu="b", accelerator="none", compiler="none", threads=1, versions={"torch": "2"}, code="x"
    )
    assert list(differences(known, other)) == ["cpu a, now b", "torch 1, now 2"]
    assert list(differences(known, known)) == []


def test_each_cell_has_data_and_weights_of_its_own_but_twins_share_them(tmp_path: Path) -> None:
    text = GRID.format(num_train=[60, 80], random_labels="[false, true]")
    (tmp_path / "some.toml").write_text(text)
    runs = slice_grid(tmp_path / "some.toml").runs
    of_fold: dict[str, set[int]] = {}
    for run in runs:
        of_fold.setdefault(fold_of(run.cell), set()).add(run.seed)
    assert len(runs) == 2 * sum(map(len, of_fold.values()))
    assert len(set.union(*of_fold.values())) == len(runs) // 2


def test_a_build_that_was_killed_between_splits_and_manifest_goes_on(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_grid(copy / "grids" / "later.toml", num_train=70)
    with monkeypatch.context() as killed:
        killed.setattr(building, "write_manifest", Mock(side_effect=KeyboardInterrupt))
        assert call(copy, "build", "later").exit_code != 0
    manifest = json.loads((copy / "corpus" / "manifest.json").read_text())
    assert "later" not in manifest["slices"]
    assert call(copy, "build").exit_code == 0
    assert call(copy, "verify").exit_code == 0


def test_a_predictor_is_not_told_what_was_chosen(built: Path) -> None:
    for found in read_corpus(built / "corpus"):
        for run in found.runs():
            assert run.start.hyper_parameters == {}
            assert (run.start.name, run.start.budget_steps) == ("", None)
            assert run.row.hyper_parameters["steps"] == run.row.steps


def test_shown_with_pictures_every_run_is_a_square(built: Path, tmp_path: Path) -> None:
    given = ["corpus", "show", "--to", str(built / "corpus"), "--pictures", str(tmp_path / "drawn")]
    done = CliRunner().invoke(cli.app, given)
    files = {path.name for path in (tmp_path / "drawn").iterdir()}
    names = {f"corpus-{kind}{style}.png" for kind in KINDS for style in ("", "-dark")}
    assert files == names
    assert all(f"Drawn: {tmp_path / 'drawn' / name}" in done.stdout for name in names)


def test_a_map_puts_each_cell_in_a_place_of_its_own(built: Path) -> None:
    rows = read_slice(built / "corpus", "real").rows
    found = map_of("real", rows)
    assert (found.across, found.up) == ("optimizer.decay", "task.num_train")
    assert {place: len(runs) for place, runs in found.cells.items()} == {(0.0, 60): 2, (0.3, 60): 2}


def test_a_diverged_run_is_not_in_the_color_of_a_phase(built: Path) -> None:
    row = read_slice(built / "corpus", "real").rows[0]
    palette = PALETTES["light"]
    left = msgspec.structs.replace(row, diverged=True)
    assert color_of(left, palette) not in {
        color_of(
            msgspec.structs.replace(row, outcome=msgspec.structs.replace(row.outcome, phase=phase)),
            palette,
        )
        for phase in Phase
    }
