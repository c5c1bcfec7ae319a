from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.labels import label
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, Outcome, RunEnded
from grokwatch.monitor.sinks.accuracies import Accuracies, outcome_tags
from grokwatch.monitor.vocabulary import RunStatus

TIME = 1_800_000_000.0
ENDED = RunEnded(run_id="a", step=9, time=TIME, status=RunStatus.FINISHED)


def measured(
    accuracies: Sequence[tuple[float, float]], *, attempt: int = 1, first: int = 0, at: float = TIME
) -> list[AnyRecord]:
    """An observation and an evaluation for each pair of train and test accuracy."""
    records: list[AnyRecord] = []
    for number, (train, test) in enumerate(accuracies):
        about = {"run_id": "a", "attempt": attempt, "step": first + 10 * number}
        time = at + number
        records += [
            Observation(**about, time=time, train_loss=1.0, train_accuracy=train),  # type: ignore[arg-type]
            Evaluation(**about, time=time + 0.5, test_accuracy=test),  # type: ignore[arg-type]
        ]
    return records


def labelled(records: Sequence[AnyRecord]) -> Outcome:
    return label(
        [record for record in records if isinstance(record, Observation)],
        [record for record in records if isinstance(record, Evaluation)],
    )


GROKKED = [(0.5, 0.0)] * 3 + [(1.0, 0.1)] * 12 + [(1.0, 0.99)] * 6


def test_the_label_is_that_of_the_records() -> None:
    records = measured(GROKKED)
    accuracies = Accuracies()
    accuracies.add(records)
    assert accuracies.outcome() == labelled(records)
    assert accuracies.tags_after([ENDED]) == {
        "grokwatch.phase": "grokking",
        "grokwatch.memorized_step": "30",
        "grokwatch.onset_step": "150",
        "grokwatch.grokking_step": "150",
    }


def test_what_a_rewind_replaced_does_not_count() -> None:
    first = measured(GROKKED)
    second = measured([(1.0, 0.1)] * 20, attempt=2, first=100, at=TIME + 1_000)
    accuracies = Accuracies()
    accuracies.add([*first, *second])
    assert accuracies.outcome() == labelled([*first, *second])
    assert accuracies.tags_after([ENDED])["grokwatch.grokking_step"] == "-"


pairs = st.tuples(st.sampled_from([0.5, 0.99, 1.0]), st.sampled_from([0.1, 0.5, 0.95, 1.0]))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.lists(pairs, min_size=1, max_size=30)), max_size=4)
)
def test_attempts_are_told_apart_by_steps_that_go_back(
    drawn: list[tuple[int, list[tuple[float, float]]]],
) -> None:
    records: list[AnyRecord] = []
    for number, (back, accuracies) in enumerate(drawn, 1):
        at = max((r.step for r in records if isinstance(r, Observation)), default=0)
        start = max(0, at - 10 * back)
        records += measured(accuracies, attempt=number, first=start, at=TIME + 1_000 * number)
    found = Accuracies()
    found.add(records)
    assert found.outcome() == labelled(records)


@pytest.mark.parametrize("cut", range(0, 42, 5))
def test_points_read_back_after_a_restart_give_the_same_label(cut: int) -> None:
    records = measured(GROKKED)
    before = records[:cut]
    second = Accuracies()
    second.add(records[cut:])
    second.recall(
        {
            (round(r.time * 1000), r.step): r.train_accuracy or 0.0
            for r in before
            if isinstance(r, Observation)
        },
        {
            (round(r.time * 1000), r.step): r.test_accuracy or 0.0
            for r in before
            if isinstance(r, Evaluation)
        },
    )
    assert second.outcome() == labelled(records)


def test_a_run_is_labelled_at_its_turns_and_as_it_grows_but_not_at_every_record() -> None:
    records = measured([(1.0, 0.1)] * 500)
    accuracies, labelled_times = Accuracies(), 0
    for record in records:
        accuracies.add([record])
        labelled_times += bool(accuracies.tags_after([record]))
    assert 50 < labelled_times < 350
    assert accuracies.tags_after([]) == {}
    assert accuracies.tags_after([ENDED])["grokwatch.memorized_step"] == "0"


def test_nobody_can_name_the_phase_of_a_run_that_was_never_tested() -> None:
    accuracies = Accuracies()
    accuracies.add([r for r in measured([(1.0, 0.0)] * 9) if isinstance(r, Observation)])
    tags = outcome_tags(accuracies.outcome(), is_tested=False)
    assert (tags["grokwatch.phase"], tags["grokwatch.memorized_step"]) == ("-", "0")
