"""Runs of the corpus through predictors, by the same `Watcher` that runs live.

A slice is read once for all predictors that are asked for; what came of it is kept, so that a
second call reads files and replays nothing. Runs of a split that was not asked for are not even
made into records.
"""

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import torch

from grokwatch.experiments.corpus import StoredRun, known_manifest, read_slice
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.validation.keeping import Shelf, signature
from grokwatch.experiments.validation.trace import Curve, Floats, Trace, facts_of
from grokwatch.monitor.records import Alert, Assessment
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Stage
from grokwatch.monitor.watcher import watcher_of

HELD = 3
_STAGES = {stage: place for place, stage in enumerate(Stage)}


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where runs are replayed from and to.

    Attributes:
        corpus: its folder.
        kept: folder of what was replayed before.
        count: shows progress.
        workers: processes at a time.
    """

    corpus: Path
    kept: Path
    count: Counting
    workers: int = 1


@dataclass(frozen=True)
class _Job:
    """One slice and split, and the targets that are missing there."""

    corpus: Path
    name: str
    split: str
    shelf: Shelf
    targets: tuple[str, ...]


def traces_of(
    site: Site, targets: Sequence[str], *, slices: Iterable[str] | None, splits: Iterable[str]
) -> dict[str, list[Trace]]:
    """Replay what is missing, and read all.

    Args:
        site: where.
        targets: of predictors.
        slices: names; None for all of the corpus.
        splits: whose runs are replayed; others are left alone.

    Returns:
        Target -> traces, of the same runs in the same order for each.

    Raises:
        ConfigurationError: no such predictor, or there is no corpus.
        WireError: a file of the corpus is broken.
    """
    known = known_manifest(site.corpus).slices
    names = sorted(known if slices is None else slices)
    signatures = {target: signature(target) for target in targets}
    places = [
        (name, split, Shelf.of(site.kept, known[name].files, name, split))
        for name in names
        for split in sorted(set(splits))
    ]
    jobs = []
    for name, split, shelf in places:
        missing = tuple(t for t in signatures if not shelf.has(signatures[t]))
        if missing:
            jobs.append(_Job(site.corpus, name, split, shelf, missing))
    _work(site, jobs)
    found: dict[str, list[Trace]] = {target: [] for target in targets}
    for _, _, shelf in places:
        for target, traces in found.items():
            traces += shelf.read(signatures[target])
    return found


def replay_run(run: StoredRun, target: str, slice_name: str = "") -> Trace:
    """Judge one run as it would have been judged live.

    Args:
        run: of the corpus.
        target: of the predictor.
        slice_name: where the run is.

    Returns:
        What was said at each look.

    Raises:
        ConfigurationError: no such predictor.
    """
    # The policy is told T_max as the budget that the run is planned for; a predictor never is.
    watcher = watcher_of(target, run.start)
    watcher.start(msgspec.structs.replace(run.start, budget_steps=run.row.steps))
    evaluations = {evaluation.step: evaluation for evaluation in run.evaluations}
    assessments: list[Assessment] = []
    fired: dict[AlertCode, int] = {}
    for observation in run.observations:
        records = list(watcher.consume(observation))
        if observation.step in evaluations:
            records += watcher.confirm(evaluations[observation.step])
        for record in records:
            if isinstance(record, Assessment):
                assessments.append(record)
            elif isinstance(record, Alert) and record.state is AlertState.FIRING:
                fired.setdefault(record.code, record.step)
    bare = _trace(run, target, slice_name, assessments)
    return replace(bare, fired=fired, concerned=_concerned(assessments))


def _work(site: Site, jobs: Sequence[_Job]) -> None:
    """Do all jobs, here where one process is enough."""
    if not jobs:
        return
    with site.count("replaying", len(jobs)) as done:
        if site.workers == 1 or len(jobs) == 1:
            for job in jobs:
                _replay(job)
                done(f"{job.name}, {job.split}")
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(site.workers, context, torch.set_num_threads, (1,))
        try:
            futures = {pool.submit(_replay, job): f"{job.name}, {job.split}" for job in jobs}
            for future in as_completed(futures):
                future.result()
                done(futures[future])
        finally:
            pool.shutdown(cancel_futures=True)


def _replay(job: _Job) -> None:
    """Judge the runs of one slice and split by each target, and keep what came of it."""
    found = read_slice(job.corpus, job.name)
    traces: dict[str, list[Trace]] = {target: [] for target in job.targets}
    for place, row in enumerate(found.rows):
        if row.split == job.split:
            run = found.run(place)
            for target, kept in traces.items():
                kept.append(replay_run(run, target, job.name))
    for target, kept in traces.items():
        job.shelf.write(signature(target), kept)


def _trace(
    run: StoredRun, target: str, slice_name: str, assessments: Sequence[Assessment]
) -> Trace:
    """Assessments as columns."""
    width = max((len(each.chances) for each in assessments), default=0) or 1
    horizons = np.zeros((len(assessments), width), dtype=np.int64)
    chances = np.full((len(assessments), width), np.nan)
    eta = np.full((len(assessments), 2), np.nan)
    for place, each in enumerate(assessments):
        for column, chance in enumerate(each.chances):
            horizons[place, column] = chance.horizon_steps
            chances[place, column] = chance.probability
        if each.eta_steps is not None:
            high = each.eta_steps.high
            eta[place] = each.eta_steps.low, np.inf if high is None else high
    return Trace(
        facts=facts_of(run.row, slice_name),
        predictor=target,
        step=np.array([each.step for each in assessments], dtype=np.int64),
        curve=_curve(run),
        probability=_floats([each.probability for each in assessments]),
        rising=_floats([each.rise_probability for each in assessments]),
        horizons=horizons,
        chances=chances,
        eta=eta,
        stage=np.array([_STAGES[each.stage] for each in assessments], dtype=np.int64),
    )


def _curve(run: StoredRun) -> Curve:
    """What held-out baselines read, at the looks."""
    tests = {evaluation.step: evaluation for evaluation in run.evaluations}
    at_looks = [tests.get(observation.step) for observation in run.observations]
    return Curve(
        train_loss=np.array([observation.train_loss for observation in run.observations]),
        test_loss=_floats([each.test_loss if each else None for each in at_looks]),
        test_accuracy=_floats([each.test_accuracy if each else None for each in at_looks]),
    )


def _concerned(assessments: Sequence[Assessment]) -> dict[AlertCode, int]:
    """Where each concern had first been held for three looks in a row."""
    rows: dict[AlertCode, int] = {}
    found: dict[AlertCode, int] = {}
    for each in assessments:
        codes = {concern.code for concern in each.concerns}
        rows = {code: rows.get(code, 0) + 1 for code in codes}
        for code, held in rows.items():
            if held >= HELD:
                found.setdefault(code, each.step)
    return found


def _floats(found: Sequence[float | None]) -> Floats:
    """Numbers, NaN where there is none."""
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)
