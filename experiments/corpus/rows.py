"""One run of the corpus in one row: what it was, where it belongs, and what became of it."""

from collections.abc import Sequence

import msgspec

from grokwatch.experiments.corpus.folds import (
    architecture_of,
    family_of,
    fold_of,
    has_random_labels,
    twin_of,
)
from grokwatch.experiments.sweep.ends import has_diverged, held_out, outcome_of
from grokwatch.experiments.sweep.runs import Run
from grokwatch.monitor.records import (
    AnyRecord,
    HyperParameter,
    Outcome,
    RunEnded,
    RunStarted,
)

SPLITS = ("train", "calibration", "test")


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        run_id: its name for ever.
        cell: the same for all seeds.
        fold: the same for all that is split alike.
        twin_id: id of the run with the other kind of labels, if anybody trained it.
        split: train, calibration or test.
        family: of its task.
        architecture: of its model.
        seed: of data and weights.
        random_labels: whether there is nothing to learn.
        num_train: examples it trains on.
        num_test: examples held out.
        steps: T_max, the last step that was planned.
        diverged: whether its numbers were no longer finite.
        chunk: name of the chunk it was trained in.
        machine: place of what trained it in the manifest's list of its slice.
        start: how it started; without its id, as that is the row's.
        end: how it ended.
        outcome: the label, from what was measured before any rounding.
    """

    run_id: str
    cell: str
    fold: str
    twin_id: str
    split: str
    family: str
    architecture: str
    seed: int
    random_labels: bool
    num_train: int
    num_test: int
    steps: int
    diverged: bool
    chunk: str
    machine: int
    start: RunStarted
    end: RunEnded
    outcome: Outcome

    @property
    def hyper_parameters(self) -> dict[str, HyperParameter]:
        """All options of the run, its seed and its cell."""
        return self.start.hyper_parameters

    @property
    def generalized(self) -> bool:
        """Whether test accuracy reached .95, held, by the last step trained."""
        return self.outcome.grokking_step is not None


def row_of(
    run: Run, records: Sequence[AnyRecord], *, split: str, chunk: str, machine: int
) -> RunRow:
    """Label a run.

    Args:
        run: what was asked for.
        records: what came of it, in order.
        split: where its fold belongs.
        chunk: name of the chunk it was trained in.
        machine: place of what trained it.

    Returns:
        Its row.
    """
    start = next(record for record in records if isinstance(record, RunStarted))
    end = next(record for record in records if isinstance(record, RunEnded))
    num_test = held_out(start)
    return RunRow(
        run_id=run.id,
        cell=run.cell.id,
        fold=fold_of(run.cell),
        twin_id=twin_of(run),
        split=split,
        family=family_of(run.cell.task.name),
        architecture=architecture_of(run.cell.model.name),
        seed=run.seed,
        random_labels=has_random_labels(run.cell),
        num_train=_count(start, "num_train"),
        num_test=num_test,
        steps=run.cell.steps,
        diverged=has_diverged(records),
        chunk=chunk,
        machine=machine,
        start=msgspec.structs.replace(start, time=0.0),
        end=msgspec.structs.replace(end, time=0.0),
        outcome=outcome_of(records, num_test),
    )


def _count(start: RunStarted, key: str) -> int:
    """A count among the hyper-parameters, where every sweep puts it."""
    found = start.hyper_parameters[key]
    assert isinstance(found, int)
    return found
