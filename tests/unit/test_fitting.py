"""Fitting the hazard, on made-up looks whose hazard is known."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from grokwatch.experiments.corpus import RunRow, StoredRun
from grokwatch.experiments.fitting import store
from grokwatch.experiments.fitting.calibrating import arrival_levels, calibrated, log_loss
from grokwatch.experiments.fitting.corpus import model_name
from grokwatch.experiments.fitting.examples import (
    EDGES,
    WHOLE,
    Ends,
    Examples,
    Thinning,
    examples,
    timed,
)
from grokwatch.experiments.fitting.fitting import trained
from grokwatch.experiments.fitting.honesty import Held, honest
from grokwatch.experiments.fitting.network import Recipe
from grokwatch.experiments.fitting.store import finished, refit
from grokwatch.experiments.validation.trace import Floats
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors._model import GROKKING, Hazard, Layer
from grokwatch.monitor.predictors._readings import NAMES
from grokwatch.monitor.records import (
    TRAIN_SIDE,
    AnyRecord,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
)
from grokwatch.monitor.vocabulary import RunStatus
from tests.hazards import model

ENTROPY = NAMES.index("first_entropy.level")
STEPS = sorted({round(10 ** (k / 30)) for k in range(30, 136)})
QUICK = Recipe(batches=300, batch=128, hidden=8)


def made_up(num_runs: int, *, seed: int = 0, spoils: float = 0.0) -> Examples:
    """Runs at rest whose entropy says whether the hazard per unit of time is 1 or .01."""
    random = np.random.default_rng(seed)
    is_low = random.random(num_runs) < 0.5
    rate = np.where(is_low ^ (random.random(num_runs) < spoils), 1.0, 0.01)
    left = random.exponential(1 / rate)
    features = np.full((num_runs, len(NAMES)), np.nan)
    features[:, 0] = np.log(3.0)
    features[:, ENTROPY] = np.where(is_low, -1.0, 1.0) + 0.1 * random.normal(size=num_runs)
    ends = Ends(3.0 + 2 * np.minimum(left, 100.0), left < 100.0)
    return Examples(features, np.arange(num_runs), grokked=ends, risen=ends)


def probability(found: Hazard, entropy: float, horizon: float) -> float:
    features = np.full(len(NAMES), np.nan)
    features[0], features[ENTROPY] = np.log(3.0), entropy
    logits = found.logits(found.inputs(found.chosen(features)))
    return float(found.chances(logits[GROKKING], np.array([horizon]))[0])


def test_what_was_seen_of_each_bin() -> None:
    exposure, event = timed(np.array([0.8, 0.8, 200.0, -1.0]), np.array([True, False, True, False]))
    assert exposure[:, :4].tolist() == [
        [1.0, 1.0, pytest.approx(0.5), 0.0],
        [1.0, 1.0, pytest.approx(0.5), 0.0],
        [1.0] * 4,
        [0.0] * 4,
    ]
    assert event.sum(axis=1).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert event[0, 2] == 1.0
    assert exposure.shape[1] == len(EDGES) - 1


def test_training_finds_the_hazard_that_was_planted() -> None:
    recipe = Recipe(batches=800, batch=128, hidden=8, preset=0.0, hide_family=0.0)
    found = Hazard(trained(made_up(600), name="a@1", recipe=recipe))
    assert probability(found, -1.0, 1.0) == pytest.approx(1 - np.exp(-1.0), abs=0.12)
    assert probability(found, 1.0, 1.0) < 0.15
    assert probability(found, 1.0, 30.0) == pytest.approx(1 - np.exp(-0.3), abs=0.12)


def test_rising_is_learnt_beside_grokking_and_only_up_to_the_rise() -> None:
    data = made_up(600)
    risen = Ends(np.full(600, 4.0), np.ones(600, dtype=np.bool_))
    both = replace(data, risen=risen)
    recipe = Recipe(batches=800, batch=128, hidden=8, preset=0.0, hide_family=0.0)
    found = Hazard(trained(both, name="a@1", recipe=recipe))
    features = np.full(len(NAMES), np.nan)
    features[0], features[ENTROPY] = np.log(3.0), 1.0
    logits = found.logits(found.inputs(found.chosen(features)))
    grokking, rising = found.chances(logits, np.array([1.0]))[:, 0]
    assert found.heads == 2
    assert grokking < 0.3 < 0.6 < rising
    over = replace(data, risen=Ends(np.full(600, 2.0), risen.came))
    exposure, event = over.seen(over.risen)
    assert not exposure.any()
    assert not event.any()


def test_ends_dealt_anew_leave_nothing_to_learn() -> None:
    data, places = made_up(600), np.random.default_rng(1).permutation(600)
    ends = Ends(data.grokked.at[places], data.grokked.came[places])
    dealt = Examples(data.features, data.run, grokked=ends, risen=ends)
    found = Hazard(trained(dealt, name="a@1", recipe=QUICK))
    assert abs(probability(found, -1.0, 1.0) - probability(found, 1.0, 1.0)) < 0.12


def test_the_same_seed_gives_the_same_model_and_another_one_another() -> None:
    data = made_up(50)
    one, two = (trained(data, name="a@1", recipe=QUICK) for _ in range(2))
    assert one == two
    assert one != trained(data, name="a@1", recipe=QUICK, seed=1)


def test_members_are_averaged() -> None:
    data = made_up(50)
    recipe = msgspec.structs.replace(QUICK, batches=20, members=2)
    both = Hazard(trained(data, name="a@1", recipe=recipe))
    each = [
        Hazard(trained(data, name="a@1", recipe=msgspec.structs.replace(recipe, members=1), seed=s))
        for s in (0, 1)
    ]
    inputs = both.inputs(both.chosen(data.features))
    mean = np.mean([one.logits(inputs) for one in each], axis=0)
    np.testing.assert_allclose(both.logits(inputs), mean, atol=1e-3)


def test_every_run_counts_the_same() -> None:
    data = made_up(3)
    places = np.array([0, 1, 1, 1, 2])
    often = replace(data, features=data.features[places], run=places)
    assert often.weights.tolist() == [1.0, 1 / 3, 1 / 3, 1 / 3, 1.0]
    flat = np.zeros((5, len(EDGES) - 1))
    again, once = (log_loss(flat[: len(each.run)], each, each.grokked) for each in (often, data))
    assert again == pytest.approx(once)


def test_calibration_undoes_a_scale_and_a_shift() -> None:
    data = made_up(4000)
    rates = np.where(data.features[:, ENTROPY] < 0, 1.0, 0.01)
    true: Floats = np.log(np.expm1(rates[:, None] * np.diff(EDGES)))
    odd, ends = (true - 0.5) / 2, data.grokked
    slope, intercept = calibrated(odd, data, ends)
    assert (slope, intercept) == pytest.approx((2.0, 0.5), abs=0.2)
    assert calibrated(odd, data, ends, stay=1e6) == pytest.approx((1.0, 0.0), abs=0.01)
    assert log_loss(true, data, ends) < log_loss(odd, data, ends)


def test_arrival_levels_count_every_cell_the_same() -> None:
    shares = np.array([0.0] * 50 + [0.2, 0.4, 0.6, 0.8])
    low, high = arrival_levels(shares, np.array([0] * 50 + [1, 2, 3, 4]), 0.6)
    assert low > 0
    assert high > 0.6


def test_models_are_named_by_what_they_were_fitted_without() -> None:
    assert model_name("leave-seed-out") == "some-seeds"
    assert model_name("leave-architecture-out: transformer") == "without-transformer"


def records(name: str, *, groks: bool, ended: bool = True, tested: bool = True) -> list[AnyRecord]:
    """A run that memorizes at 100; entropy falls and test accuracy rises at 3,000, or not."""
    names = ("spectral_entropy", "inverse_participation_ratio")
    infos = [SignalInfo(name=each, unit="", summary="", access=TRAIN_SIDE) for each in names]
    start = RunStarted(
        run_id=name,
        time=0.0,
        signals=tuple(infos),
        hyper_parameters={"lr": 0.1, "seed": len(name), "cell": name[0]},
    )
    found: list[AnyRecord] = [start]
    for step in STEPS:
        value = 0.5 - 0.1 * groks * np.log10(max(step, 100) / 100)
        found.append(
            Observation(
                run_id=name,
                step=step,
                time=0.0,
                train_loss=1 / step,
                train_accuracy=1.0 if step >= 100 else 0.2,
                values={
                    "spectral_entropy@input": float(value),
                    "inverse_participation_ratio.excess@input": 0.1,
                },
            )
        )
        accuracy = 1.0 if groks and step >= 3000 else 0.1
        if tested:
            found.append(Evaluation(run_id=name, step=step, time=0.0, test_accuracy=accuracy))
    if ended:
        found.append(RunEnded(run_id=name, step=STEPS[-1], time=1.0, status=RunStatus.FINISHED))
    return found


def stored(count: int, letters: str = "abcdefgh") -> list[StoredRun]:
    found = [
        finished(records(f"{letters[n % len(letters)]}{n}", groks=bool(n % 2)))
        for n in range(count)
    ]
    return [run for run in found if run is not None]


def test_only_runs_that_ended_and_were_tested_are_finished() -> None:
    assert finished(records("a", groks=True, ended=False)) is None
    assert finished(records("a", groks=True, tested=False)) is None
    run = finished(records("a", groks=True))
    assert run is not None
    assert run.row.outcome.grokking_step is not None
    other = finished(records("aa", groks=True))
    assert other is not None
    assert run.row.cell == other.row.cell


def test_looks_end_where_the_run_groks_and_are_thinned() -> None:
    runs = stored(4)
    whole = examples(runs, thinnings=(WHOLE,))
    assert set(whole.run) == {0, 1, 2, 3}
    assert whole.left(whole.grokked).min() > 0
    assert whole.left(whole.risen).min() > 0
    assert whole.grokked.came.tolist() == [bool(n % 2) for n in range(4)]
    thin = examples(runs, thinnings=(Thinning(looks=0.3, values=0.5),))
    assert len(thin.run) < 0.5 * len(whole.run)
    assert np.isnan(thin.features[:, ENTROPY]).sum() > np.isnan(whole.features[:, ENTROPY]).sum()


def test_nothing_to_look_at_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"Expected runs that memorized and went on, got"):
        examples([])


def test_a_store_of_too_few_runs_is_refused_with_how_many_are_lacking() -> None:
    with pytest.raises(ConfigurationError, match=r"at least 20 finished runs .* got 12.*after 8 m"):
        refit(model(), stored(12))


def test_a_store_corrects_chances_that_are_too_low() -> None:
    timid = model({"first_entropy.change": -20.0}, bias=-6.0)
    found = refit(timid, stored(store.FEWEST + 12))
    assert (found.runs, found.grokked) == (32, 16)
    assert found.after < found.before
    assert found.helps
    assert found.model.intercept > 0
    assert found.model.layers == timid.layers
    assert found.model.summary["runs"] == 32


def test_a_store_of_one_cell_leaves_runs_out() -> None:
    timid = model({"first_entropy.change": -20.0}, bias=-6.0)
    found = refit(timid, stored(store.FEWEST, letters="a"))
    assert found.after < found.before


def test_a_cell_is_what_runs_share_but_for_their_seed() -> None:
    rows: list[RunRow] = [run.row for run in stored(16)]
    assert len({row.cell for row in rows}) == 8


def test_runs_with_nothing_to_learn_do_not_rise_whatever_their_test_accuracy_does() -> None:
    real = stored(2)
    shuffled = [
        replace(run, row=msgspec.structs.replace(run.row, random_labels=True)) for run in real
    ]
    assert examples(real, thinnings=(WHOLE,)).risen.came.tolist() == [False, True]
    assert not examples(shuffled, thinnings=(WHOLE,)).risen.came.any()


def test_levels_hold_for_who_measures_little() -> None:
    runs = stored(24)
    cells = np.arange(len(runs))
    held = Held(runs, examples(runs, thinnings=(WHOLE,)), cells)
    sure_without = model(edges=list(EDGES), layers=[sure_without_entropy()])
    full, both = (
        honest(sure_without, held, seen_as=presets) for presets in (("full",), ("full", "cheap"))
    )
    assert (full.slope, full.intercept) == (both.slope, both.intercept)
    assert full.raise_at < both.raise_at


def sure_without_entropy() -> Layer:
    """A layer, for the bins of a fit, that says little where the first entropy is measured."""
    rows = [[0.0] * (len(EDGES) - 1) for _ in range(2 * len(NAMES))]
    rows[ENTROPY] = [-8.0] * (len(EDGES) - 1)
    return Layer(rows, [-1.0] * (len(EDGES) - 1))
