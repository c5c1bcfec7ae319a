"""Which runs a grid asks for, and how it is refused."""

import re
from pathlib import Path

import pytest

from grokwatch.experiments.sweep import Grid, read_grid
from grokwatch.monitor.errors import ConfigurationError

GRIDS = Path(__file__).parents[2] / "experiments" / "grids"
PARITY = {
    "task": ['name = "sparse_parity"', "num_bits = 10", "num_train = 60", "num_test = 200"],
    "model": ['name = "parity_mlp"', "hidden = 8"],
    "optimizer": ["lr = 0.01"],
    "run": ["steps = 30"],
}


def grid(folder: Path, **changes: list[str]) -> Grid:
    """Read the grid above with some sections replaced."""
    sections = {**PARITY, **changes}
    path = folder / "grid.toml"
    path.write_text("\n".join(f"[{k}]\n" + "\n".join(rows) for k, rows in sections.items()))
    return read_grid(path)


def test_signals_are_presets_and_names_together(tmp_path: Path) -> None:
    run = ['signals = ["cheap", "commutator_defect"]']
    assert grid(tmp_path, run=run).signals == "cheap, commutator_defect"


def test_every_combination_is_a_run(tmp_path: Path) -> None:
    found = grid(
        tmp_path,
        optimizer=["lr = [0.01, 0.02]", "decay = [0, 1, 3.5]"],
        run=["steps = 30", "seeds = [4, 2]", 'signals = "cheap"'],
    )
    assert found.name == "grid"
    assert found.signals == "cheap"
    assert len(found.runs) == 12
    chosen = [(dict(run.cell.optimizer.chosen), run.seed) for run in found.runs]
    assert chosen[1:3] == [({"lr": 0.01}, 2), ({"lr": 0.01, "decay": 1.0}, 4)]
    assert len({run.id for run in found.runs}) == 12
    assert len({run.cell.id for run in found.runs}) == 6


def test_a_count_of_seeds_begins_at_zero(tmp_path: Path) -> None:
    runs = grid(tmp_path, run=["steps = 30", "seeds = 3"]).runs
    assert [run.seed for run in runs] == [0, 1, 2]


def test_a_pair_of_betas_is_one_value_and_a_list_of_pairs_are_alternatives(tmp_path: Path) -> None:
    [one] = grid(tmp_path, optimizer=["betas = [0.9, 0.999]"]).runs
    assert one.cell.optimizer.options["betas"] == (0.9, 0.999)
    both = grid(tmp_path, optimizer=["betas = [[0.9, 0.999], [0.8, 0.9]]"]).runs
    assert [run.cell.optimizer.options["betas"] for run in both] == [(0.9, 0.999), (0.8, 0.9)]


def test_several_models_share_what_they_all_have(tmp_path: Path) -> None:
    runs = grid(tmp_path, model=['name = ["parity_mlp", "plain_mlp"]', "hidden = 8"]).runs
    assert [run.cell.model.name for run in runs] == ["parity_mlp", "plain_mlp"]


def test_names_last() -> None:
    """A name that changed would part what is compared from what it was compared with."""
    runs = read_grid(GRIDS / "tiny.toml").runs
    assert [(runs[0].cell.id, runs[0].id), (runs[-1].cell.id, runs[-1].id)] == [
        ("1dcdcf3c9cb49fc1", "6ed8559d0b7a48a1"),
        ("f54112713cea1542", "8cde42a78ee2a7ce"),
    ]


def test_a_default_may_be_written_or_left_out(tmp_path: Path) -> None:
    [short] = grid(tmp_path).runs
    [long] = grid(tmp_path, optimizer=['name = "adamw"', "lr = 1e-2", "decay = 0"]).runs
    assert (short.id, short.cell.id) == (long.id, long.cell.id)


def test_the_settings_of_a_run_say_everything(tmp_path: Path) -> None:
    [run] = grid(tmp_path).runs
    settings = run.settings()
    assert settings["cell"] == run.cell.id
    assert settings["optimizer"] == "adamw"
    assert settings["optimizer.betas"] == "(0.9, 0.98)"
    assert settings["task.num_relevant"] == 3
    assert settings["model.hidden"] == 8


def test_a_run_that_may_stop_has_another_name(tmp_path: Path) -> None:
    [plain] = grid(tmp_path).runs
    never, soon = grid(tmp_path, run=["steps = 30", "stop_below = [0, 1e-3]"]).runs
    assert (never.id, never.cell.id) == (plain.id, plain.cell.id)
    assert soon.id != plain.id
    assert soon.settings()["stop_below"] == 0.001


NAME = 'name = "parity_mlp"'
TASK, MODEL = PARITY["task"], PARITY["model"]
DIVISION = ['name = "modular_arithmetic"', 'operation = "div"', "modulus = 15"]
REFUSED = [
    ("task", ['nam = "x"'], r"a name in \[task\] of .*grid.toml, got none. Try one of modular_"),
    ("task", ['name = "parity"'], r"the name in \[task\] of .*toml among .*got 'parity'"),
    ("task", [*TASK, "seed = 1"], r"a key of \[task\] of .*toml among .*got 'seed'"),
    ("task", [*TASK, "random_labels = 1"], r"as bool, got 1. Try random_labels = false"),
    ("task", [*TASK, "num_bit = 1"], r"got 'num_bit'. Try the nearest, 'num_bits'"),
    ("task", [*TASK, "num_relevant = 11"], r"\[task\] of .*toml, sparse_parity with .*relevant=11"),
    ("task", [*TASK, "num_relevant = 11"], r"Expected 1 <= num_relevant <= num_bits.* Try num_rel"),
    ("task", DIVISION, r"\[task\] of .*grid.toml, modular_arithmetic with operation='div', mod"),
    ("task", DIVISION, r"a prime modulus for operation='div'.*Try modulus=17"),
    ("model", ['name = "parity_mlp"', "num_bits = 4"], r"a key of \[model\] of .*got 'num_bits'"),
    ("model", ['name = "modular_mlp"'], r"\[model\] of .*toml, modular_mlp with its defaults: Exp"),
    ("model", ['name = "modular_mlp"'], r"a model that reads the bits of sparse_parity, got 'mod"),
    ("model", ['name = "modular_mlp"'], r"Try one of plain_mlp, parity_mlp"),
    ("model", [*MODEL, 'activation = "tanh"'], r"parity_mlp with hidden=8, activation='tanh': Exp"),
    ("model", [NAME, 'hidden = "many"'], r"the value of hidden in \[model\] of .*as int, got 'ma"),
    ("model", [NAME, 'hidden = "many"'], r"Try hidden = 64"),
    ("model", [NAME, "hidden = true"], r"as int, got True"),
    ("model", [NAME, "hidden = 8.0"], r"as int, got 8.0"),
    ("model", [NAME, "hidden = []"], r"different values of hidden in \[model\] of .*at least"),
    ("model", [NAME, "hidden = []"], r"got \[\]. Try hidden = \[64\]"),
    ("optimizer", ["lr = [0.1, 0.1]"], r"different values of lr in \[optimizer\]"),
    ("optimizer", ["lr = inf"], r"lr in \[optimizer\] of .*as float, got inf. Try lr = 0.001"),
    ("optimizer", ["lr = 0"], r"\[optimizer\] of .*toml, adamw with lr=0.0: Expected lr > 0"),
    ("optimizer", ["betas = [0.9]"], r"betas in \[optimizer\] of .*as two numbers, got \[0.9\]"),
    ("optimizer", ["betas = [0.9]"], r"Try betas = \[0.9, 0.98\]"),
    ("optimizer", ['name = "sgd"', "eps = 1"], r"a key of \[optimizer\] of .*got 'eps'"),
    ("run", ["step = 3"], r"a key of \[run\] of .*got 'step'. Try the nearest, 'steps'"),
    ("run", ["steps = 0"], r"steps in \[run\] of .*to be at least 1, got 0. Try steps = 20000"),
    ("run", ["per_decade = -1"], r"per_decade in \[run\] of .*at least 1, got -1"),
    ("run", ["stop_below = -1"], r"stop_below in \[run\] of .*a loss >= 0, got -1.0. Try stop_be"),
    ("run", ["stop_under = 1"], r"a key of \[run\] of .*got 'stop_under'. Try .* 'stop_below'"),
    ("run", ['loss = "huber"'], r"loss in \[run\] of .*among cross_entropy, .*got 'huber'. Try"),
    (
        "run",
        ['signals = "all"'],
        r"signals in \[run\] of .*among cheap, standard, full or a signal, got 'all'",
    ),
    ("run", ["seeds = 0"], r"seeds in \[run\] of .*as a count or a list .*got 0. Try seeds = 9"),
    ("run", ["seeds = [1, 1]"], r"seeds in \[run\].*got \[1, 1\]"),
    ("run", ["seeds = [-1]"], r"seeds in \[run\].*got \[-1\]"),
    ("runs", ["steps = 1"], r"a section of .* among task, model, optimizer, run, got 'runs'"),
]


@pytest.mark.parametrize(("section", "rows", "message"), REFUSED)
def test_what_cannot_be_is_refused_by_file_and_key(
    tmp_path: Path, section: str, rows: list[str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        grid(tmp_path, **{section: rows})


def test_what_is_no_grid_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    with pytest.raises(ConfigurationError, match=r"a grid as TOML in .*grid.toml, got .*No such"):
        read_grid(path)
    path.write_text("task = ")
    with pytest.raises(ConfigurationError, match=r"got Invalid value.*Try a file that starts"):
        read_grid(path)
    path.write_text("task = 1")
    message = re.escape(f"Expected a section [task] in {path}, got 1. Try [task].")
    with pytest.raises(ConfigurationError, match=message):
        read_grid(path)
