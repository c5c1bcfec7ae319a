"""The parity sweep beside the published one: the tables, and what counts as agreement."""

import math
from pathlib import Path

import pytest
import torch
from matplotlib.colors import to_rgb

from grokwatch.experiments.models import ParityMLP
from grokwatch.experiments.palette import PALETTES, Style
from grokwatch.experiments.reproduce import drawing_cells, parity_phase_diagram, parity_sweep
from grokwatch.experiments.reproduce.parity_agreement import (
    PILOT,
    agreement,
    guessed,
    repeated,
    shuffled,
)
from grokwatch.experiments.reproduce.parity_sweep import SEEDS, Place, SweptRun
from grokwatch.experiments.reproduce.table import REPRODUCTIONS
from grokwatch.experiments.tasks import SparseParity
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    HyperParameter,
    Observation,
    RunStarted,
)


def swept(seed: int = 0, *, test_loss: float = 0.04) -> SweptRun:
    return SweptRun(
        train_size=750, hidden=16, decay=0.1, seed=seed,
        min_train_loss=1e-9, min_test_loss=test_loss, steps=20_000,
    )  # fmt: skip


def test_the_published_table_is_that_of_the_source() -> None:
    published = parity_sweep.published()
    assert len(published) == 125
    assert sum(published.values()) == 746
    assert published[Place(0.01, 32, 1250)] == 3
    assert set(published) > PILOT


def test_our_table_survives_being_written(tmp_path: Path) -> None:
    runs = (swept(1, test_loss=0.7), swept(0))
    parity_sweep.write(runs, tmp_path / "table.csv")
    text = (tmp_path / "table.csv").read_text()
    assert parity_sweep.read(text) == runs[::-1]
    assert parity_sweep.counts(runs) == {Place(0.1, 16, 750): 1}


def test_a_loss_just_under_the_level_is_still_under_it_when_read_back(tmp_path: Path) -> None:
    runs = (swept(0, test_loss=0.04996), swept(1, test_loss=0.05004))
    parity_sweep.write(runs, tmp_path / "table.csv")
    found = parity_sweep.read((tmp_path / "table.csv").read_text())
    assert found == runs
    assert parity_sweep.counts(found) == parity_sweep.counts(runs) == {Place(0.1, 16, 750): 1}


def test_in_between_most_published_cells_generalise_and_not_all() -> None:
    published = parity_sweep.published()
    for decay in (0.03, 0.1, 0.3):
        cells = [count for place, count in published.items() if place.decay == decay]
        assert sum(2 * count > SEEDS for count in cells) > len(cells) / 2
        assert min(cells) < SEEDS
    assert "in between most generalise" in REPRODUCTIONS["parity-phase-diagram"].published


def test_of_no_cells_nothing_is_said() -> None:
    published = {Place(0.1, 16, 750): 9, Place(0.1, 16, 1000): 4}
    found = agreement({Place(0.1, 16, 750): 9}, published)
    assert math.isnan(found.mixed)
    assert math.isnan(found.unseen)
    figures = dict.fromkeys(
        (
            "a constant for each decay and width", "the same, mixed cells", "our cells shuffled",
            "nine other seeds of the published cells",
        ),
        0.5,
    )  # fmt: skip
    text = parity_phase_diagram.sentence({Place(0.1, 16, 750): 9}, found, figures)
    assert "none trained of the mixed ones" in text


def test_a_run_keeps_its_smallest_losses() -> None:
    settings: dict[str, HyperParameter] = {
        "num_train": 750, "model.hidden": 16, "optimizer.decay": 0.1, "seed": 3,
    }  # fmt: skip
    points = ((10, 0.7, 0.69), (20, 1e-9, 0.04), (30, 1e-3, 0.5))
    records: list[AnyRecord] = [RunStarted(run_id="r", time=0.0, hyper_parameters=settings)]
    records += [Observation(run_id="r", step=s, time=0.0, train_loss=x) for s, x, _ in points]
    records += [Evaluation(run_id="r", step=s, time=0.0, test_loss=x) for s, _, x in points]
    found = parity_sweep.swept(records)
    assert (found.place, found.seed, found.steps) == (Place(0.1, 16, 750), 3, 30)
    assert (found.min_train_loss, found.min_test_loss) == (1e-9, 0.04)


def test_cells_agree_within_two_seeds() -> None:
    published = {Place(0.1, 16, n): count for n, count in ((750, 4), (1000, 0), (1250, 9))}
    ours = {Place(0.1, 16, 750): 6, Place(0.1, 16, 1000): 3, Place(0.1, 16, 1250): 9}
    found = agreement(ours, published)
    assert found.all == pytest.approx(2 / 3)
    assert found.mixed == 1.0
    assert found.unseen == pytest.approx(1 / 2)
    assert found.differing == (Place(0.1, 16, 1000),)


def test_simple_guesses_agree_less_than_other_seeds_would() -> None:
    published = parity_sweep.published()
    constant = agreement(guessed(published), published)
    assert constant.all == pytest.approx(0.88)
    assert shuffled(published, published) < 0.6 < constant.mixed < constant.all
    assert constant.all < repeated(published) < 1


def test_one_logit_is_the_logistic_loss() -> None:
    model = ParityMLP(num_bits=5, hidden=7, num_logits=1)
    bits = SparseParity(num_bits=5, num_train=10, num_test=10).split().train_inputs
    logits = model(bits)
    assert model.output.weight.shape == (1, 7)
    assert not logits[:, 0].any()
    torch.testing.assert_close(logits[:, 1:], model.hidden_states(bits) @ model.output.weight.T)


def test_three_logits_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Expected num_logits of 1 or 2, got 3\. Try"):
        ParityMLP(num_logits=3)


def test_unsigned_bits_are_the_same_ones_and_zeros() -> None:
    signed, unsigned = (
        SparseParity(num_bits=6, num_train=20, num_test=20, signed=signed).split()
        for signed in (True, False)
    )
    assert set(unsigned.train_inputs.flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(signed.train_inputs, 2 * unsigned.train_inputs - 1)
    assert torch.equal(signed.train_targets, unsigned.train_targets)


@pytest.mark.parametrize("style", ["light", "dark"])
def test_colors_of_counts_are_colors(style: Style) -> None:
    palette = PALETTES[style]
    found = [drawing_cells.color(count, palette) for count in range(SEEDS + 1)]
    assert found[-1] == pytest.approx(to_rgb(palette.signal))
    assert all(0 <= part <= 1 for each in found for part in each)
    assert len(set(found)) == SEEDS + 1
