import math

from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.report.thinning import strided, thinned

VALUES = st.none() | st.floats()
COLUMNS = st.integers(0, 60).flatmap(
    lambda length: st.dictionaries(
        st.sampled_from("abc"), st.lists(VALUES, min_size=length, max_size=length), max_size=3
    )
)


def told(column: list[float | None]) -> list[float]:
    return [value for value in column if value is not None and not math.isnan(value)]


@given(COLUMNS, st.integers(-1, 70))
def test_fewer_points_still_show_every_columns_lowest_and_highest(
    columns: dict[str, list[float | None]], limit: int
) -> None:
    kept = thinned(columns, limit)
    length = max((len(column) for column in columns.values()), default=0)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(limit, 2 + 2 * len(columns))
    assert not length or {0, length - 1} <= set(kept)
    for column in columns.values():
        values, shown = told(column), told([column[place] for place in kept])
        assert bool(values) == bool(shown)
        assert not values or (min(values), max(values)) == (min(shown), max(shown))


@given(st.lists(st.integers(), unique=True, max_size=60), st.integers(-2, 70))
def test_a_stride_keeps_first_and_last_and_never_more_than_asked(
    items: list[int], limit: int
) -> None:
    kept = strided(items, limit)
    assert len(kept) == min(len(items), max(limit, 0))
    assert kept == [item for item in items if item in set(kept)]
    assert limit < 2 or not items or (kept[0], kept[-1]) == (items[0], items[-1])
