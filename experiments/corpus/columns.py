"""The records of runs as columns, one entry for each look at a run; and records again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from grokwatch.experiments.corpus.coding import Floats
from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation

Mask = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int32]
Text = str | None

_ALMOST = 1e-9


@dataclass(frozen=True)
class Column:
    """Numbers, and where there is none; NaN is a number that was measured.

    Attributes:
        values: `(T,)`, NaN where there is none.
        is_missing: `(T,)`.
    """

    values: Floats
    is_missing: Mask


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What was seen at each look, run by run and step by step.

    Accuracies are counts of right answers, -1 where there is none: nothing of them is rounded.

    Attributes:
        run: `(T,)` place of the run in its slice.
        step: `(T,)`.
        train_right: `(T,)` of the examples trained on.
        test_right: `(T,)` of those held out.
        train_loss: `(T,)`.
        test_loss: `(T,)`.
        values: signal key -> `(T,)`.
        errors: `(T,)` what an observation says of errors, as JSON.
        cadence: `(T,)` what it says of cadence, as JSON.
    """

    run: Whole
    step: Whole
    train_right: Whole
    test_right: Whole
    train_loss: Column
    test_loss: Column
    values: dict[str, Column]
    errors: Sequence[Text]
    cadence: Sequence[Text]


def looks_of(place: int, row: RunRow, records: Sequence[AnyRecord]) -> Looks:
    """The looks at one run.

    Args:
        place: of the run in its slice.
        row: the run.
        records: in order.

    Returns:
        One entry for each observation, with the evaluation at its step.

    Raises:
        WireError: an accuracy is no share of the examples, or an evaluation stands alone.
    """
    seen = [record for record in records if isinstance(record, Observation)]
    tests = {record.step: record for record in records if isinstance(record, Evaluation)}
    alone = sorted(tests.keys() - {o.step for o in seen})
    if alone:
        raise WireError(
            f"Expected an observation at each step that was evaluated of run {row.run_id}, got "
            f"none at {alone[0]}. Try building its slice again."
        )
    tested = [tests.get(o.step) for o in seen]
    keys = sorted({key for o in seen for key in o.values})
    return Looks(
        run=np.full(len(seen), place, dtype=np.int32),
        step=np.array([o.step for o in seen], dtype=np.int32),
        train_right=_right(row, [o.train_accuracy for o in seen], row.num_train),
        test_right=_right(row, [t.test_accuracy if t else None for t in tested], row.num_test),
        train_loss=_column([o.train_loss for o in seen]),
        test_loss=_column([t.test_loss if t else None for t in tested]),
        values={key: _column([o.values.get(key) for o in seen]) for key in keys},
        errors=[_json(o.errors) for o in seen],
        cadence=[_json(o.cadence) for o in seen],
    )


def joined(parts: Sequence[Looks]) -> Looks:
    """The looks at several runs, one after another; a key that a run lacks is missing there."""
    keys = sorted({key for part in parts for key in part.values})
    return Looks(
        run=np.concatenate([part.run for part in parts]),
        step=np.concatenate([part.step for part in parts]),
        train_right=np.concatenate([part.train_right for part in parts]),
        test_right=np.concatenate([part.test_right for part in parts]),
        train_loss=_stacked([part.train_loss for part in parts]),
        test_loss=_stacked([part.test_loss for part in parts]),
        values={key: _stacked([_of(part, key) for part in parts]) for key in keys},
        errors=[text for part in parts for text in part.errors],
        cadence=[text for part in parts for text in part.cadence],
    )


def records_of(
    row: RunRow, looks: Looks, first: int, last: int, *, without_values: bool = False
) -> Iterator[AnyRecord]:
    """The observations and evaluations of a run, as they came; times and costs are not kept.

    Args:
        row: the run.
        looks: of its slice.
        first: its first entry.
        last: one beyond its last.
        without_values: of signals, for whoever reads accuracies alone.

    Yields:
        An observation, and the evaluation at its step where there is one.
    """
    seq = 1
    values = {
        key: (column.values[first:last].tolist(), column.is_missing[first:last].tolist())
        for key, column in looks.values.items()
        if not (without_values or column.is_missing[first:last].all())
    }
    for at in range(first, last):
        step, right = int(looks.step[at]), int(looks.train_right[at])
        seq += 1
        yield Observation(
            run_id=row.run_id,
            seq=seq,
            step=step,
            time=0.0,
            train_loss=float(looks.train_loss.values[at]),
            train_accuracy=None if right < 0 else right / row.num_train,
            values={
                key: floats[at - first]
                for key, (floats, is_missing) in values.items()
                if not is_missing[at - first]
            },
            errors=msgspec.json.decode(looks.errors[at] or "{}", type=dict[str, str]),
            cadence=msgspec.json.decode(looks.cadence[at] or "{}", type=dict[str, int]),
        )
        right = int(looks.test_right[at])
        if right >= 0 or not looks.test_loss.is_missing[at]:
            seq += 1
            loss = looks.test_loss
            yield Evaluation(
                run_id=row.run_id,
                seq=seq,
                step=step,
                time=0.0,
                test_loss=None if loss.is_missing[at] else float(loss.values[at]),
                test_accuracy=None if right < 0 else right / row.num_test,
            )


def _right(row: RunRow, shares: Sequence[float | None], total: int) -> Whole:
    """Shares as counts.

    Raises:
        WireError: one is no share of so many examples.
    """
    given = np.array([-1.0 if share is None else share * total for share in shares])
    counts: Floats = np.rint(given)
    wrong = ~(np.abs(given - counts) <= _ALMOST * max(total, 1))
    if wrong.any():
        raise WireError(
            f"Expected accuracies of run {row.run_id} as shares of {total} examples, got "
            f"{shares[int(wrong.argmax())]}. Try building its slice again."
        )
    found: Whole = counts.astype(np.int32)
    return found


def _column(found: Sequence[float | None]) -> Column:
    """Numbers, None where there is none."""
    is_missing = np.array([value is None for value in found], dtype=np.bool_)
    return Column(np.array(found, dtype=np.float64), is_missing)


def _of(looks: Looks, key: str) -> Column:
    """The column of a key, or nothing throughout."""
    if key in looks.values:
        return looks.values[key]
    count = len(looks.step)
    return Column(np.full(count, np.nan), np.ones(count, dtype=np.bool_))


def _stacked(columns: Sequence[Column]) -> Column:
    return Column(
        np.concatenate([column.values for column in columns]),
        np.concatenate([column.is_missing for column in columns]),
    )


def _json(content: dict[str, str] | dict[str, int]) -> Text:
    return msgspec.json.encode(content, order="sorted").decode() if content else None
