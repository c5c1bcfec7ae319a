"""The trial of a warning rule: fresh seeds of the demo's recipe, and controls to be silent on.

Training and judging are apart. Runs are trained once and kept as journals, named after everything
that shaped them; judging replays the journals through the same `Watcher` that runs live, so that a
predictor can be compared with the dummies on exactly the same observations.
"""

import hashlib
import logging
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from torch.nn.functional import cross_entropy

from grokwatch.callbacks.loop import LoopMonitor
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import Classifier
from grokwatch.experiments.recipes import ADDITION, Parts, Recipe, build
from grokwatch.experiments.tasks import Split
from grokwatch.monitor import journal
from grokwatch.monitor.labels import Hold
from grokwatch.monitor.records import Alert, Assessment, Outcome, RunEnded
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Cost
from grokwatch.monitor.story import Story, read_story
from grokwatch.monitor.vocabulary import RunStatus
from grokwatch.monitor.watcher import replay

CALIBRATION_SEEDS = range(10)
TRIAL_SEEDS = range(10, 30)

CONDITIONS = {
    "decay 1": ADDITION,
    "decay .03": ADDITION.with_decay(0.03),
    "decay 0": ADDITION.with_decay(0.0),
    "random labels": ADDITION.with_random_labels(),
}
"""What is trained: the recipe itself first, then the controls."""

_GENERALIZED = 0.99
_LONGER = 1.1


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What one predictor said of one run, beside what became of it.

    `lead` is (onset - warning) / (onset - memorization): 1 would be a warning at memorization, 0
    one at the onset, negative one after it; None where the run has no onset or got no warning.
    """

    condition: str
    seed: int
    predictor: str
    outcome: Outcome
    warned_step: int | None
    probability: float | None

    @property
    def generalized(self) -> bool:
        """Whether the run passed 95 % test accuracy within its budget."""
        return self.outcome.grokking_step is not None

    @property
    def lead(self) -> float | None:
        """Share of the way from memorization to onset that the warning left."""
        begin, onset = self.outcome.train_step, self.outcome.onset_step
        if self.warned_step is None or begin is None or onset is None or onset <= begin:
            return None
        return (onset - self.warned_step) / (onset - begin)


def run_name(recipe: Recipe, seed: int) -> str:
    """Name a run after everything that shapes it: another recipe never finds its journal."""
    shape = replace(recipe, seed=0)  # the default seed shapes no run that names its own
    digest = hashlib.sha256(repr(shape).encode()).hexdigest()[:8]
    return f"{recipe.name}-{digest}-seed-{seed}"


def train(root: Path, recipe: Recipe, seed: int) -> None:
    """Train one run under the monitor and keep its journal; one that is complete is left as it is.

    It stops soon after test accuracy has held .99: the label is settled then. Test accuracy decides
    when a run is over, and nothing else.
    """
    name = run_name(recipe, seed)
    if is_complete(root, name):
        return
    torch.set_num_threads(1)
    parts = build(recipe, seed)
    monitor = LoopMonitor(
        parts.module,
        parts.probe,
        steps=recipe.steps,
        sinks=(),
        hooks=(),
        directory=root,
        budget=None,
        signals=[signal for signal in ALL if signal.cost is Cost.CHEAP],
        name=name,
        run_id=name,
        hyper_parameters=recipe.hyper_parameters(seed),
    )
    with monitor:
        _loop(parts, recipe, monitor)


def _loop(parts: Parts, recipe: Recipe, monitor: LoopMonitor) -> None:
    """Train in full batches, and evaluate on the recipe's grid."""
    module, split = parts.module, parts.data.split
    optimizer = module.configure_optimizers()
    batch = (split.train_inputs, split.train_targets)
    due, hold, last_step = set(parts.data.steps), Hold(), float(recipe.steps)
    for step in range(1, recipe.steps + 1):
        optimizer.zero_grad()
        monitor.before_batch(batch)
        loss = module.training_step(batch)
        torch.autograd.backward(loss)
        monitor.before_update()
        optimizer.step()
        monitor.after_update(loss)
        if step in due:
            test_loss, test_accuracy = evaluate(module, split)
            monitor.evaluated(test_loss=test_loss, test_accuracy=test_accuracy)
            if hold.update(step, passes=test_accuracy >= _GENERALIZED):
                last_step = min(last_step, _LONGER * step)
        if step >= last_step:
            return


def evaluate(module: Classifier, split: Split) -> tuple[float, float]:
    """Loss and accuracy on all held-out examples."""
    with torch.no_grad():
        logits = module(split.test_inputs)
    accuracy = (logits.argmax(dim=-1) == split.test_targets).double().mean()
    return cross_entropy(logits.double(), split.test_targets).item(), accuracy.item()


def is_complete(root: Path, name: str) -> bool:
    """Whether a run was trained to its end."""
    directory = journal.run_directory(root, name)
    if not directory.is_dir():
        return False
    ends = (record for record in journal.read(directory) if isinstance(record, RunEnded))
    return any(end.status is RunStatus.FINISHED for end in ends)


def judge(root: Path, condition: str, seed: int, predictor: str) -> Judged:
    """Replay one run's observations through a predictor."""
    recipe = CONDITIONS[condition]
    kept = list(journal.read(journal.run_directory(root, run_name(recipe, seed))))
    told = [r for r in kept if not isinstance(r, Assessment | Alert)]
    judgements = [r for r in replay(told, predictor=predictor) if isinstance(r, Assessment | Alert)]
    story: Story = read_story([*told, *judgements])
    warning = story.warning
    return Judged(
        condition=condition,
        seed=seed,
        predictor=predictor,
        outcome=story.outcome,
        warned_step=warning.step if warning else None,
        probability=warning.assessment.rise_probability if warning and warning.assessment else None,
    )


def train_all(root: Path, seeds: Iterable[int], *, workers: int, counting: Counting) -> None:
    """Train every condition on every seed, in processes of one thread each.

    Args:
        root: where journals are kept; complete ones are not trained again.
        seeds: of data and weights.
        workers: processes at a time.
        counting: told of the runs to train, and of each as it ends.
    """
    wanted = [(name, seed) for seed in seeds for name in CONDITIONS]
    todo = [
        (name, seed)
        for name, seed in wanted
        if not is_complete(root, run_name(CONDITIONS[name], seed))
    ]
    if not todo:
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_hush)
    try:
        futures = {
            pool.submit(train, root, CONDITIONS[name], seed): f"{name}, seed {seed}"
            for name, seed in todo
        }
        with counting("training", len(todo)) as done:
            for future in as_completed(futures):
                future.result()
                done(futures[future])
    finally:
        pool.shutdown(cancel_futures=True)


def _hush() -> None:
    """Keep to errors: what the monitor tells a user of one run is noise in a trial of many."""
    logging.getLogger("grokwatch").setLevel(logging.ERROR)


def judge_all(root: Path, seeds: Sequence[int], predictors: Sequence[str]) -> Iterator[Judged]:
    """Judge every condition on every seed by every predictor."""
    for predictor in predictors:
        for condition in CONDITIONS:
            for seed in seeds:
                yield judge(root, condition, seed, predictor)
