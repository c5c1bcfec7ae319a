"""Labels of runs whose story is known."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.labels import Hold, label
from grokwatch.monitor.records import Evaluation, Observation, Outcome
from grokwatch.monitor.vocabulary import Phase

Curve = Callable[[int], float | None]

GRID = sorted({round(10 ** (k / 50)) for k in range(50, 226)})
"""Log-spaced steps from 10 to 31,623, fifty per decade."""


def observed(steps: Sequence[int], accuracy: Curve, attempt: int = 1) -> list[Observation]:
    return [
        Observation(
            run_id="a",
            attempt=attempt,
            step=step,
            time=0.0,
            train_loss=0.1,
            train_accuracy=accuracy(step),
        )
        for step in steps
    ]


def evaluated(steps: Sequence[int], accuracy: Curve, attempt: int = 1) -> list[Evaluation]:
    return [
        Evaluation(run_id="a", attempt=attempt, step=step, time=0.0, test_accuracy=accuracy(step))
        for step in steps
    ]


def outcome(train: Curve, test: Curve, steps: Sequence[int] = GRID) -> Outcome:
    return label(observed(steps, train), evaluated(steps, test))


def always(accuracy: float | None) -> Curve:
    return lambda step: accuracy


def memorizes_at(start: int) -> Curve:
    return lambda step: 1.0 if step >= start else 0.3


def at_least(step: int) -> int:
    return next(s for s in GRID if s >= step)


def stairs(*heights: tuple[int, float]) -> Curve:
    """Accuracy of the last stair whose step has come."""
    return lambda step: [height for start, height in heights if step >= start][-1]


def ramp(start: int, end: int, low: float, high: float) -> Curve:
    return lambda step: low + (high - low) * min(max((step - start) / (end - start), 0.0), 1.0)


def test_grokking_run_has_all_steps_in_order() -> None:
    seen = outcome(memorizes_at(200), ramp(4000, 8000, 0.01, 1.0))
    assert seen.train_step == at_least(200)
    # From .01, the level is .06, halfway .505, and .95 as it stands, on a linear ramp.
    assert seen.onset_step == at_least(math.ceil(4000 + 4000 * 0.05 / 0.99))
    assert seen.midpoint_step == at_least(6000)
    assert seen.grokking_step == at_least(math.ceil(4000 + 4000 * 0.94 / 0.99))
    assert seen.phase is Phase.GROKKING
    assert (seen.collapse, seen.relapse, seen.censored_at) == (False, False, GRID[-1])


def test_comprehension_takes_no_longer_than_memorization_did() -> None:
    assert outcome(memorizes_at(1000), stairs((0, 0.1), (1900, 1.0))).phase is Phase.COMPREHENSION
    assert outcome(memorizes_at(1000), stairs((0, 0.1), (2200, 1.0))).phase is Phase.GROKKING


def test_memorization_is_not_by_the_last_step() -> None:
    seen = outcome(memorizes_at(200), lambda step: 0.02)
    assert seen.phase is Phase.MEMORIZATION
    assert seen.grokking_step is seen.onset_step is seen.midpoint_step is None
    assert seen.censored_at == GRID[-1]


def test_symmetric_pairs_jump_at_memorization_and_that_is_no_onset() -> None:
    jump = stairs((0, 0.01), (200, 0.3))
    assert outcome(memorizes_at(200), jump).phase is Phase.MEMORIZATION
    later = stairs((0, 0.01), (200, 0.3), (5000, 0.97))
    assert outcome(memorizes_at(200), later).onset_step == at_least(5000)


def test_parity_plateau_above_chance_is_the_reference() -> None:
    plateau = stairs((0, 0.5), (150, 0.67))
    assert outcome(memorizes_at(200), plateau).phase is Phase.MEMORIZATION
    rising = stairs((0, 0.5), (150, 0.67), (3000, 0.8))
    seen = outcome(memorizes_at(200), rising)
    assert seen.phase is Phase.PARTIAL
    assert seen.onset_step == at_least(3000)
    assert seen.midpoint_step is None


def test_onset_is_the_last_upcrossing_before_grokking() -> None:
    false_start = stairs((0, 0.0), (1000, 0.2), (2000, 0.0), (6000, 0.2), (8000, 1.0))
    assert outcome(memorizes_at(200), false_start).onset_step == at_least(6000)


def test_onset_without_grokking_must_hold() -> None:
    blip = {at_least(1000), at_least(3000)}
    seen = outcome(memorizes_at(200), lambda step: 0.3 if step in blip else 0.0)
    assert seen.phase is Phase.MEMORIZATION


def test_few_test_examples_raise_the_onset_level() -> None:
    train, test = observed(GRID, memorizes_at(200)), evaluated(GRID, stairs((0, 0.5), (3000, 0.6)))
    assert label(train, test).phase is Phase.PARTIAL
    assert label(train, test, num_test_examples=100).phase is Phase.MEMORIZATION
    assert label(train, test, num_test_examples=10_000).phase is Phase.PARTIAL


def test_partial_run_keeps_its_midpoint() -> None:
    seen = outcome(memorizes_at(200), ramp(4000, 8000, 0.0, 0.8))
    assert seen.phase is Phase.PARTIAL
    assert seen.midpoint_step == at_least(6500)
    assert seen.grokking_step is None


def test_confusion_has_no_memorization_step() -> None:
    seen = outcome(lambda step: 0.9, lambda step: 0.01)
    assert (seen.phase, seen.train_step, seen.onset_step) == (Phase.CONFUSION, None, None)
    unmeasured = outcome(lambda step: None, lambda step: 1.0)
    assert unmeasured.phase is Phase.CONFUSION
    assert unmeasured.grokking_step == GRID[0]


@pytest.mark.parametrize(
    ("height", "collapse"), [(0.79, True), (0.81, False)], ids=["by more than .2", "by less"]
)
def test_collapse_is_a_fall_by_a_fifth(height: float, collapse: bool) -> None:
    seen = outcome(memorizes_at(200), stairs((0, 0.0), (3000, 1.0), (6000, height)))
    assert seen.phase is Phase.GROKKING
    assert (seen.collapse, seen.relapse) == (collapse, False)


def test_collapse_must_hold() -> None:
    dip = {at_least(6000), at_least(9000)}
    seen = outcome(memorizes_at(200), lambda s: 0.0 if s < 3000 or s in dip else 1.0)
    assert not seen.collapse


def test_relapse_keeps_the_first_grokking_step() -> None:
    story = stairs((0, 0.0), (3000, 1.0), (6000, 0.3), (12_000, 1.0))
    seen = outcome(memorizes_at(200), story)
    assert (seen.collapse, seen.relapse) == (True, True)
    assert seen.grokking_step == at_least(3000)


def test_generalized_then_memorized_is_comprehension_with_collapse() -> None:
    seen = outcome(memorizes_at(500), stairs((0, 0.0), (100, 1.0), (2000, 0.4)))
    assert (seen.phase, seen.collapse, seen.relapse) == (Phase.COMPREHENSION, True, False)
    assert seen.grokking_step == at_least(100)


def test_grokking_in_the_last_two_evaluations_is_censored() -> None:
    seen = outcome(memorizes_at(200), lambda step: 1.0 if step >= GRID[-2] else 0.0)
    assert seen.grokking_step is None
    assert seen.phase is Phase.MEMORIZATION


def test_three_points_within_one_percent_do_not_hold() -> None:
    dense = [*range(100, 200, 10), 10_000, 10_010, 10_020, 10_030, 10_200, 10_300, 10_400]
    train: Curve = memorizes_at(100)
    seen = outcome(train, lambda step: 1.0 if 10_000 <= step <= 10_030 else 0.0, dense)
    assert seen.grokking_step is None
    seen = outcome(train, lambda step: 1.0 if 10_000 <= step <= 10_200 else 0.0, dense)
    assert seen.grokking_step == 10_000


def test_nan_accuracy_holds_nothing_and_moves_no_plateau() -> None:
    hole = at_least(210)

    def train(step: int) -> float:
        return math.nan if step == hole else memorizes_at(200)(step) or 0.0

    seen = outcome(train, lambda step: math.nan if step % 2 else ramp(4000, 8000, 0.0, 1.0)(step))
    assert seen.train_step is not None
    assert seen.train_step > hole
    everything = outcome(memorizes_at(200), lambda step: math.nan)
    assert everything.phase is Phase.MEMORIZATION
    assert everything.onset_step is None


def test_missing_accuracy_is_no_point() -> None:
    seen = outcome(lambda s: None if s % 2 else memorizes_at(200)(s), lambda step: 0.0)
    assert seen.train_step == next(s for s in GRID if s >= 200 and s % 2 == 0)


def test_no_evaluations_censor_at_zero() -> None:
    seen = label(observed(GRID, memorizes_at(200)), [])
    assert (seen.train_step, seen.grokking_step, seen.censored_at) == (at_least(200), None, 0)


def test_no_records_at_all() -> None:
    assert label([], []) == Outcome(
        train_step=None,
        onset_step=None,
        midpoint_step=None,
        grokking_step=None,
        phase=Phase.CONFUSION,
        collapse=False,
        relapse=False,
        censored_at=0,
    )


def test_coarse_evaluations_take_the_first_after_memorization_as_plateau() -> None:
    steps = [100, 5000, 10_000, 15_000, 20_000]
    test = evaluated(steps, stairs((0, 0.0), (5000, 0.3), (10_000, 0.32)))
    seen = label(observed(GRID, memorizes_at(200)), test)
    assert seen.phase is Phase.MEMORIZATION


def test_plateau_above_every_level_has_no_onset() -> None:
    seen = outcome(memorizes_at(200), stairs((0, 0.0), (200, 1.0)))
    assert (seen.phase, seen.onset_step, seen.midpoint_step) == (Phase.COMPREHENSION, None, None)


def test_later_attempt_replaces_what_it_trains_again() -> None:
    early = [step for step in GRID if step <= 6000]
    late = [step for step in GRID if step >= 3000]
    train = [*observed(late, lambda s: 1.0, 2), *observed(early, memorizes_at(200))]
    test = [
        *evaluated(early, stairs((0, 0.0), (4000, 1.0))),
        *evaluated(late, stairs((0, 0.0), (9000, 1.0)), 2),
    ]
    seen = label(train, test)
    assert seen.grokking_step == at_least(9000)
    assert seen.train_step == at_least(200)
    assert not seen.collapse


def test_shorter_later_attempt_ends_the_run() -> None:
    train = [*observed(GRID, memorizes_at(200)), *observed([1000, 1100, 1200], lambda s: 1.0, 2)]
    test = [
        *evaluated(GRID, stairs((0, 0.0), (4000, 1.0))),
        *evaluated([1000, 1100, 1200], lambda s: 0.0, 2),
    ]
    seen = label(train, test)
    assert (seen.grokking_step, seen.censored_at) == (None, 1200)


def test_hold_counts_a_step_once_and_starts_over_when_steps_go_back() -> None:
    hold = Hold()
    assert [hold.update(step, passes=True) for step in (100, 110, 110, 120)] == [
        False,
        False,
        False,
        True,
    ]
    assert not hold.update(50, passes=True)
    assert (hold.since, hold.points) == (50, 1)


accuracies = st.one_of(st.none(), st.floats(0, 1), st.just(math.nan))


@given(st.lists(st.tuples(st.integers(1, 10**6), accuracies, accuracies), max_size=60))
def test_any_run_has_a_consistent_label(
    points: list[tuple[int, float | None, float | None]],
) -> None:
    train = [o for step, x, _ in points for o in observed([step], always(x))]
    test = [e for step, _, x in points for e in evaluated([step], always(x))]
    seen = label(train, test)
    steps = [s for s in (seen.onset_step, seen.midpoint_step, seen.grokking_step) if s is not None]
    assert steps == sorted(steps)
    assert (seen.phase is Phase.CONFUSION) == (seen.train_step is None)
    assert seen.collapse or not seen.relapse
    assert seen.grokking_step is not None or not seen.collapse
