"""Chances at a few horizons, read off at any number of steps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.chances import probability_within
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Assessment, Chance
from grokwatch.monitor.vocabulary import Stage

LAST = 2**63 - 1


@st.composite
def given_chances(draw: st.DrawFn) -> tuple[Chance, ...]:
    """One to five chances, horizons and probabilities ascending."""
    horizons = draw(st.sets(st.integers(1, LAST) | st.integers(1, 50), min_size=1, max_size=5))
    shares = st.floats(0, 1) | st.sampled_from((0.0, 5e-324, 1e-9, 0.5, 1 - 2**-53, 1.0))
    levels = draw(st.lists(shares, min_size=len(horizons), max_size=len(horizons)))
    pairs = zip(sorted(horizons), sorted(levels), strict=True)
    return tuple(Chance(horizon_steps=h, probability=p) for h, p in pairs)


steps = st.integers(-5, 60) | st.integers(-LAST, LAST)


@given(given_chances())
def test_what_was_given_is_read_back_exactly(chances: tuple[Chance, ...]) -> None:
    for chance in chances:
        assert probability_within(chances, chance.horizon_steps) == chance.probability


@given(given_chances(), steps, steps)
def test_more_steps_are_never_less_likely(chances: tuple[Chance, ...], one: int, two: int) -> None:
    fewer, more = (probability_within(chances, count) for count in sorted((one, two)))
    assert 0 <= fewer <= more <= 1


@given(given_chances(), st.integers(-LAST, 0))
def test_no_time_is_no_chance(chances: tuple[Chance, ...], count: int) -> None:
    assert probability_within(chances, count) == 0


@given(given_chances(), st.integers(0, LAST))
def test_beyond_the_last_horizon_it_is_what_the_last_says(
    chances: tuple[Chance, ...], more: int
) -> None:
    beyond = chances[-1].horizon_steps + more
    assert probability_within(chances, beyond) == chances[-1].probability


@pytest.mark.parametrize("count", [1, 10, 250, 999])
def test_below_the_first_horizon_the_hazard_is_in_proportion(count: int) -> None:
    chances = (Chance(horizon_steps=1000, probability=0.9),)
    expected = 1 - 0.1 ** (count / 1000)
    assert probability_within(chances, count) == pytest.approx(expected, rel=1e-12)


def test_between_two_horizons_the_hazard_is_linear_in_the_logarithm() -> None:
    chances = (
        Chance(horizon_steps=100, probability=0.2),
        Chance(horizon_steps=800, probability=0.9),
    )
    third = math.log(0.8) * 2 / 3 + math.log(0.1) / 3
    assert probability_within(chances, 200) == pytest.approx(1 - math.exp(third), rel=1e-12)


def test_without_chances_there_is_nothing_to_read() -> None:
    with pytest.raises(ConfigurationError, match=r"Expected at least one chance, got none\. Try"):
        probability_within((), 10)


@pytest.mark.parametrize(("count", "standard"), [(1, 0), (3, 1), (5, 2)])
def test_the_standard_chance_is_the_middle_one(count: int, standard: int) -> None:
    chances = tuple(Chance(horizon_steps=10**n, probability=n / 10) for n in range(count))
    assessment = Assessment(
        run_id="a", step=1, time=0.0, predictor="p@1", stage=Stage.PLATEAU, chances=chances
    )
    assert assessment.standard == chances[standard]
    assert assessment.probability == standard / 10


def test_an_assessment_that_cannot_tell_has_no_standard_chance() -> None:
    assessment = Assessment(
        run_id="a", step=1, time=0.0, predictor="p@1", stage=Stage.FITTING, reason="too soon"
    )
    assert (assessment.standard, assessment.probability) == (None, None)
