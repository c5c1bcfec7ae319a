"""Baselines: what they may see, and that they say what can be known from it."""

import numpy as np
import pytest

from grokwatch.experiments.validation.baselines import (
    BASE_RATE,
    KERNEL,
    PEAK,
    SLOPE,
    TIME,
    TREES,
    accuracy_slope,
    baselines,
    constants,
    loss_fall,
)
from grokwatch.experiments.validation.fitting import cross_fitted, kernel, logistic, trees
from grokwatch.experiments.validation.metrics import auroc
from grokwatch.experiments.validation.permutation import permuted
from grokwatch.experiments.validation.problems import landmarks
from grokwatch.experiments.validation.settings import Settings
from grokwatch.experiments.validation.trace import HELD_OUT, Trace
from tests.validation_cases import LOOKS, facts, trace


def pool(split: str, *, cells: int = 24) -> list[Trace]:
    """Runs that grok in cells of much decay, and in no others; and twins that learn nothing."""
    found = []
    for cell in range(cells):
        decay = 10.0 ** (cell % 6 - 3)
        for seed in range(3):
            for random in (False, True):
                groks = decay >= 1 and not random
                run = facts(
                    f"{split}{cell}-{seed}-{random}",
                    cell=f"{split}{cell}-{random}",
                    fold=f"{split}{cell}",
                    split=split,
                    onset=7000 if groks else None,
                    grokked=8000 if groks else None,
                    random_labels=random,
                    seed=seed,
                    memorized=100 + seed,
                    hyper_parameters={"optimizer.decay": decay, "task.random_labels": random},
                )
                late = LOOKS > 3000
                found.append(trace(run, accuracy=np.where(late & groks, np.log10(LOOKS) - 3, 0.1)))
    return found


def area(traces: list[Trace]) -> float:
    found = landmarks(traces, 10)
    return auroc(found.scores, found.labels) or 0.0


@pytest.fixture(scope="module")
def fitted() -> dict[str, list[Trace]]:
    train, test = pool("train"), pool("test", cells=12)
    return {name: each.judged for name, each in baselines(train, test).items()}


def test_hyper_parameters_tell_cells_apart_but_not_random_labels(
    fitted: dict[str, list[Trace]],
) -> None:
    for name in (KERNEL, TREES):
        real = [each for each in fitted[name] if not each.facts.random_labels]
        assert area(real) > 0.95
        twins = {each.facts.run_id: each for each in fitted[name]}
        one, other = twins["test5-0-False"], twins["test5-0-True"]
        assert one.probability[-1] == other.probability[-1]


def test_the_base_rate_ranks_nothing_and_is_the_share_that_groks(
    fitted: dict[str, list[Trace]],
) -> None:
    assert area(fitted[BASE_RATE]) == 0.5
    assert fitted[BASE_RATE][0].probability[-1] == pytest.approx(0.25, abs=0.01)


def test_baselines_say_nothing_before_memorization(fitted: dict[str, list[Trace]]) -> None:
    for traces in fitted.values():
        run = traces[0]
        assert np.isnan(run.probability[run.facts.train_step >= LOOKS]).all()
        assert np.isfinite(run.probability[run.facts.train_step < LOOKS]).all()


def test_who_reads_test_labels_is_marked(fitted: dict[str, list[Trace]]) -> None:
    marked = {name for name, traces in fitted.items() if traces[0].access == HELD_OUT}
    assert marked == {SLOPE, PEAK}
    assert fitted[TIME][0].access == "train"


def test_what_was_fitted_on_is_judged_by_models_that_did_not_see_it() -> None:
    """Noise that is learnt by heart would rank its own runs well."""
    random = np.random.default_rng(0)
    columns, labels = random.normal(size=(60, 3)), random.random(60) < 0.4
    for fit in (kernel, trees, logistic):
        model, cross = cross_fitted(fit, columns, labels, np.arange(60))
        assert (auroc(cross, labels) or 0) < 0.7
        assert model(columns).shape == (60,)
    assert (auroc(trees(columns, labels, np.arange(60))(columns), labels) or 0) > 0.8


def test_a_permuted_outcome_is_learnt_by_nobody() -> None:
    train, test = pool("train"), pool("test")
    labels = permuted([each.facts for each in (*train, *test)], seed=1)
    for name, each in baselines(train, test, labels=labels).items():
        asked = landmarks(each.judged, 10, labels=labels)
        assert abs((auroc(asked.scores, asked.labels) or 0) - 0.5) < 0.17, name


def test_a_permuted_outcome_is_not_recognized_in_the_runs_fitted_on() -> None:
    """In sample too: a clock that differs from cell to cell is a name for the cell."""
    train = [trace(facts(f"{n}", cell=f"c{n // 3}", memorized=20 + n // 3 * 5)) for n in range(120)]
    dealt = {f"{n}": bool(np.random.default_rng(n // 3).random() < 0.5) for n in range(120)}
    for name, each in baselines(train, train, labels=dealt).items():
        asked = landmarks(each.judged, 5, labels=dealt)
        assert (auroc(asked.scores, asked.labels) or 0) < 0.68, name


def test_slopes_and_falls_are_causal() -> None:
    random = np.random.default_rng(0)
    noise = random.random(len(LOOKS))
    run = trace(facts("x"), accuracy=noise, loss=noise)
    cut = noise.copy()
    cut[40:] = 9.0
    other = trace(facts("x"), accuracy=cut, loss=cut)
    for score in (accuracy_slope, loss_fall):
        assert (score(run)[:40] == score(other)[:40]).all()
        assert np.isfinite(score(run)).all()


def test_the_fall_is_from_the_peak_since_memorization() -> None:
    loss = np.where(LOOKS < 100, 50.0, np.where(LOOKS < 1000, 4.0, 3.0))
    found = loss_fall(trace(facts("x"), loss=loss))
    assert found[-1] == pytest.approx(0.25)
    assert found[LOOKS < 1000].max() == 0.0


def test_settings_are_standardized_logarithms_and_zero_has_a_place() -> None:
    runs = [
        facts(
            str(n),
            hyper_parameters={"optimizer.decay": decay, "task.operation": name, "steps": 9},
        )
        for n, (decay, name) in enumerate([(0.0, "add"), (0.01, "mul"), (1.0, "add")])
    ]
    found = Settings(runs).columns(runs)
    assert found.shape == (3, 3)
    assert found[:, 0].mean() == pytest.approx(0.0)
    assert found[:, 0].std() == pytest.approx(1.0)
    assert (np.diff(found[:, 0]) > 0).all()
    assert found[:, 1:].tolist() == [[1, 0], [0, 1], [1, 0]]
    other = facts("x", hyper_parameters={"task.operation": "sub"})
    assert Settings(runs).columns([other]).tolist() == [[0, 0, 0]]


def test_constants_are_medians_of_the_runs_fitted_on() -> None:
    runs = [trace(facts(str(n), onset=700, grokked=8000)) for n in range(3)]
    found = constants(runs)
    look = 30
    steps = found["B9 constant steps"](runs[0], look)
    assert 7000 < steps < 8000
    ratio = found["B9 constant multiple"](runs[0], look) / runs[0].since[look]
    assert ratio > 10
