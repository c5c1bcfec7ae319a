from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.records import Evaluation
from grokwatch.monitor.service.line import NOWHERE, WINDOW, Line, Place, Standing

SMALL_WINDOW = 6


class Judged(NamedTuple):
    order: list[Place]
    late: list[Place]


def standing(seq: int, after: int | None, attempt: int = 1) -> Standing:
    record = Evaluation(run_id="a", attempt=attempt, seq=seq, step=seq, time=0.0)
    return Standing(record, after)


def walk(arrivals: Sequence[Standing], window: int) -> Judged:
    """What a line makes of arrivals; repeats are told by their place, as in the store."""
    line, judged = Line(window=window), Judged([], [])
    seen: set[Place] = set()
    for each in arrivals:
        if each.place in seen:
            continue
        seen.add(each.place)
        if line.is_late(each):
            judged.late.append(each.place)
        else:
            judged.order.extend((record.attempt, record.seq) for record in line.admit(each))
    assert line.num_held == len(seen) - len(judged.order) - len(judged.late)
    return judged


def expected(arrivals: Sequence[Standing], window: int) -> Judged:
    """The same from the definition, looking at all that has arrived each time anew."""
    judged, front = Judged([], []), NOWHERE
    waiting: dict[Place, int | None] = {}
    for each in arrivals:
        if each.place in waiting or each.place in judged.order or each.place in judged.late:
            continue
        if each.place <= front:
            judged.late.append(each.place)
            continue
        waiting[each.place] = each.after
        while waiting:
            first, last = min(waiting), max(waiting)
            after = waiting[first]
            has_gap = after is not None and after > front[1]
            if has_gap and len(waiting) <= window and first[0] == last[0]:
                break
            del waiting[first]
            judged.order.append(first)
            front = first
    return judged


@st.composite
def streams(draw: st.DrawFn) -> list[Standing]:
    """A run's records with some lost, some without a word of order, in any order, some again."""
    length = draw(st.integers(1, 40))
    seqs = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=length)))
    attempts = sorted(draw(st.lists(st.integers(1, 3), min_size=len(seqs), max_size=len(seqs))))
    sent = [
        standing(seq, None if draw(st.integers(0, 9)) == 0 else before, attempt)
        for before, seq, attempt in zip([0, *seqs], seqs, attempts, strict=False)
    ]
    again = draw(st.lists(st.sampled_from(sent), max_size=10))
    return draw(st.permutations([*sent, *again]))


@given(streams())
def test_a_line_judges_what_the_definition_says_whatever_comes_when(sent: list[Standing]) -> None:
    assert walk(sent, SMALL_WINDOW) == expected(sent, SMALL_WINDOW)


@given(st.data())
def test_a_shuffle_within_the_window_changes_nothing(data: st.DataObject) -> None:
    sent = [standing(seq, seq - 1) for seq in range(1, 31)]
    blocks = [sent[at : at + SMALL_WINDOW] for at in range(0, len(sent), SMALL_WINDOW)]
    shuffled = [each for block in blocks for each in data.draw(st.permutations(block))]
    repeated = data.draw(st.lists(st.sampled_from(sent), max_size=10))
    judged = walk([*shuffled, *repeated], SMALL_WINDOW)
    assert judged == Judged([each.place for each in sent], [])


def test_a_gap_is_waited_for_until_the_window_is_full() -> None:
    line = Line()
    assert [record.seq for record in line.admit(standing(1, 0))] == [1]
    for seq in range(3, 3 + WINDOW):
        assert line.admit(standing(seq, seq - 1)) == []
    assert line.num_held == WINDOW
    moved = line.admit(standing(3 + WINDOW, 2 + WINDOW))
    assert [record.seq for record in moved] == list(range(3, 4 + WINDOW))
    assert line.num_held == 0
    assert line.is_late(standing(2, 1))


def test_what_a_newer_attempt_has_replaced_waits_for_nobody() -> None:
    line = Line()
    line.admit(standing(1, 0))
    assert line.admit(standing(5, 4)) == []
    moved = line.admit(standing(9, 8, attempt=2))
    assert [record.seq for record in moved] == [5]
    assert [record.seq for record in line.admit(standing(6, 5, attempt=2))] == [6]


def test_without_a_word_of_order_arrival_is_the_order() -> None:
    judged = walk([standing(seq, None) for seq in (2, 1, 5, 4)], SMALL_WINDOW)
    assert judged == Judged([(1, 2), (1, 5)], [(1, 1), (1, 4)])


def test_a_record_at_exactly_the_front_is_late() -> None:
    line = Line((1, 5))
    assert line.is_late(standing(5, 4))
    assert not line.is_late(standing(6, 5))
    assert not line.is_late(standing(1, 0, attempt=2))
