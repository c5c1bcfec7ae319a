"""Rankings and probabilities against closed forms, scikit-learn, and draws by hand."""

import numpy as np
import pytest
from scipy.stats import norm  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    average_precision_score,
    brier_score_loss,
    roc_auc_score,
)

from grokwatch.experiments.validation.bootstrap import (
    Drawing,
    Estimate,
    auroc_statistic,
    between,
    concordance_statistic,
    counts,
    estimate,
    mean_statistic,
    median_statistic,
    numbered,
    skill_statistic,
)
from grokwatch.experiments.validation.calibration import calibration, logit
from grokwatch.experiments.validation.metrics import (
    auprc,
    auroc,
    brier,
    brier_skill,
    calibration_error,
    censored_median,
    concordance,
    reliability,
    rule_of_three,
)
from grokwatch.experiments.validation.trace import Floats, Mask

FEW = Drawing(200)


def drawn(seed: int, size: int = 400, *, digits: int = 9) -> tuple[Floats, Mask]:
    """Scores between 0 and 1 that say something, and outcomes; few digits give ties."""
    random = np.random.default_rng(seed)
    scores = random.random(size).round(digits)
    return scores, random.random(size) < 0.2 + 0.5 * scores


@pytest.mark.parametrize("digits", [1, 9])
@pytest.mark.parametrize("seed", range(5))
def test_rankings_are_those_of_scikit_learn(seed: int, digits: int) -> None:
    scores, labels = drawn(seed, digits=digits)
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert auprc(scores, labels) == pytest.approx(average_precision_score(labels, scores))
    assert brier(scores, labels) == pytest.approx(brier_score_loss(labels, scores))


def test_the_area_under_two_normals_is_known() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(40_000) % 2 == 0
    scores = random.normal(size=40_000) + labels
    assert auroc(scores, labels) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)


def test_a_constant_ranks_nothing() -> None:
    labels = np.array([True, False, False, True])
    assert auroc(np.ones(4), labels) == 0.5
    assert auprc(np.ones(4), labels) == 0.5


def test_one_class_has_no_area() -> None:
    assert auroc(np.array([0.1, 0.2]), np.array([True, True])) is None
    assert auprc(np.array([0.1, 0.2]), np.array([False, False])) is None
    assert brier(np.zeros(0), np.zeros(0, dtype=np.bool_)) is None


def test_concordance_counts_pairs_of_one_cell_only() -> None:
    cells = np.array([0, 0, 0, 1, 1, 2])
    labels = np.array([True, False, False, True, False, True])
    scores = np.array([0.9, 0.1, 0.9, 0.2, 0.3, 0.0])
    found = concordance(scores, labels, cells)
    assert (found.right, found.pairs) == (1.5, 3)
    assert found.share == 0.5
    assert concordance(scores[5:], labels[5:], cells[5:]).share is None


def test_what_a_cell_has_in_common_gives_half_of_the_pairs() -> None:
    random = np.random.default_rng(0)
    cells = random.integers(0, 10, 300)
    labels = random.random(300) < cells / 10
    assert concordance(cells / 10, labels, cells).share == 0.5
    assert (auroc(cells / 10, labels) or 0) > 0.7


def test_skill_is_the_share_of_the_reference_that_is_saved() -> None:
    labels = np.array([True, False])
    assert brier_skill(np.array([1.0, 0.0]), np.array([0.5, 0.5]), labels) == 1.0
    assert brier_skill(np.array([0.5, 0.5]), np.array([0.5, 0.5]), labels) == 0.0
    assert brier_skill(np.array([0.0, 1.0]), np.array([0.5, 0.5]), labels) == -3.0
    assert brier_skill(np.array([0.5, 0.5]), np.array([1.0, 0.0]), labels) is None


def test_bins_hold_all_and_say_what_came_true() -> None:
    scores, labels = drawn(0, digits=2)
    found = reliability(scores, labels, num_bins=7)
    assert sum(each.count for each in found) == len(scores)
    assert sum(each.count * each.share for each in found) == pytest.approx(labels.sum())
    assert [each.mean_score for each in found] == sorted(each.mean_score for each in found)
    assert len(reliability(np.full(9, 0.3), labels[:9])) == 1
    assert reliability(np.zeros(0), labels[:0]) == []


def test_calibration_error_is_the_distance_of_bins() -> None:
    labels = np.array([True, True, False, False])
    assert calibration_error(np.full(4, 0.5), labels) == 0.0
    assert calibration_error(np.full(4, 0.9), labels) == pytest.approx(0.4)


def test_a_median_of_what_is_partly_known() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert censored_median(values, np.zeros(4, dtype=np.bool_)) == 2.0
    # S(1) = 3/4, S(3) = 3/4 * 1/2: the second value only says "at least 2".
    assert censored_median(values, np.array([False, True, False, False])) == 3.0
    assert censored_median(values, np.ones(4, dtype=np.bool_)) is None


def test_no_alarm_bounds_the_rate() -> None:
    assert rule_of_three(0, 300) == 0.01
    assert rule_of_three(1, 300) is None
    assert rule_of_three(0, 2) == 1.0
    assert rule_of_three(0, 0) is None


def test_draws_are_of_as_many_groups_and_the_same_again() -> None:
    found = counts(7, FEW)
    assert found.shape == (200, 7)
    assert (found.sum(axis=1) == 7).all()
    assert (found == counts(7, Drawing(200))).all()
    assert (found != counts(7, Drawing(200, seed=1))).any()


@pytest.mark.parametrize("digits", [1, 9])
def test_statistics_on_draws_are_those_of_repeated_examples(digits: int) -> None:
    scores, labels = drawn(3, 120, digits=digits)
    groups, num_groups = numbered([str(place // 6) for place in range(120)])
    cells = np.arange(120) // 3
    times = counts(num_groups, FEW)
    area = auroc_statistic(scores, labels, groups, num_groups)(times)
    pairs = concordance_statistic(scores, labels, cells, groups, num_groups)(times)
    mean = mean_statistic(scores, groups, num_groups)(times)
    middle = median_statistic(scores, groups)(times)
    truth = labels.astype(np.float64)
    skill = skill_statistic((scores - truth) ** 2, (0.5 - truth) ** 2, groups, num_groups)(times)
    for draw in range(20):
        rows = np.repeat(np.arange(120), times[draw, groups].astype(int))
        assert area[draw] == pytest.approx(roc_auc_score(labels[rows], scores[rows]))
        assert mean[draw] == pytest.approx(scores[rows].mean())
        assert middle[draw] == np.quantile(scores[rows], 0.5, method="inverted_cdf")
        expected = brier_skill(scores[rows], np.full(len(rows), 0.5), labels[rows])
        assert skill[draw] == pytest.approx(expected)
        right = total = 0.0
        for group in range(num_groups):
            own = groups == group
            found = concordance(scores[own], labels[own], cells[own])
            right, total = (
                right + times[draw, group] * found.right,
                total + times[draw, group] * found.pairs,
            )
        assert pairs[draw] == pytest.approx(right / total)


def test_many_scores_are_put_on_levels_for_intervals_alone() -> None:
    scores, labels = drawn(0, 5000)
    groups = np.arange(5000) % 50
    found = auroc_statistic(scores, labels, groups, 50)(np.ones((1, 50)))
    assert found[0] == pytest.approx(auroc(scores, labels), abs=1e-3)


def test_an_interval_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(0).normal(size=400)
    groups = np.arange(400)
    found = estimate(float(values.mean()), mean_statistic(values, groups, 400), 400)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.1)


def test_runs_of_one_cell_count_as_one_for_intervals() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=20), 20)
    groups = np.repeat(np.arange(20), 20)
    alone = estimate(0.0, mean_statistic(values, np.arange(400), 400), 400, FEW)
    together = estimate(0.0, mean_statistic(values, groups, 20), 20, FEW)
    assert (together.high or 0) - (together.low or 0) > 3 * ((alone.high or 0) - (alone.low or 0))


def test_nothing_is_estimated_from_one_group_or_from_nothing() -> None:
    statistic = mean_statistic(np.ones(3), np.zeros(3, dtype=np.int64), 1)
    assert estimate(1.0, statistic, 1) == Estimate(1.0)
    assert estimate(None, statistic, 5) == Estimate(None)
    assert estimate(1.0, statistic, 5, Drawing(0)) == Estimate(1.0)
    assert between(1.0, np.array([np.nan, np.nan, 1.0])) == Estimate(1.0)


def test_an_estimate_reads_as_a_table_shows_it() -> None:
    assert Estimate(0.5, 0.25, 0.75).text(".2f") == "0.50 (0.25 to 0.75)"
    assert Estimate(0.5).text(".1f") == "0.5"
    assert Estimate(None).text() == "-"


def test_the_slope_is_that_of_logistic_regression() -> None:
    scores, labels = drawn(0, 1000)
    found = calibration(scores, labels, np.arange(1000) % 40, FEW)
    other = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(scores)[:, None], labels)
    assert found.slope.value == pytest.approx(other.coef_[0, 0], rel=1e-3)
    assert found.intercept.value == pytest.approx(other.intercept_[0], abs=1e-3)


def test_intervals_of_a_true_probability_contain_its_slope_and_intercept() -> None:
    inside = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        scores = random.beta(2, 2, size=500)
        labels = random.random(500) < scores
        found = calibration(scores, labels, np.arange(500) % 50, Drawing(100))
        inside += (found.slope.low or 0) < 1 < (found.slope.high or 0)
        inside += (found.intercept.low or 0) < 0 < (found.intercept.high or 0)
    assert 43 <= inside <= 50  # 47.5 are expected of 50


def test_who_says_too_much_has_a_slope_below_one() -> None:
    random = np.random.default_rng(1)
    scores = random.beta(2, 2, size=1000)
    labels = random.random(1000) < scores
    bold = calibration(1 / (1 + np.exp(-2 * logit(scores))), labels, np.arange(1000) % 50, FEW)
    assert (bold.slope.high or 1) < 1


def test_a_line_between_the_classes_has_no_slope() -> None:
    labels = np.arange(20) >= 10
    scores = np.where(labels, 0.9, 0.1)
    assert calibration(scores, labels, np.arange(20), FEW).slope == Estimate(None)
    assert calibration(np.full(20, 0.3), labels, np.arange(20), FEW).slope == Estimate(None)
    assert calibration(scores[:5], labels[:5], np.arange(5), FEW).slope == Estimate(None)
