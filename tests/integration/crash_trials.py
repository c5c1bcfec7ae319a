"""Kill a watched Lightning fit with SIGKILL at random instants, and look for what is lost.

Run as a program: it imports torch and Lightning once and forks every attempt from there. Each run
is killed several times in a row, every next attempt resuming it from its newest checkpoint, and at
last ends in peace; then its sink is drained. What was acknowledged is known from a witness in
shared memory, written as soon as `Journal.append` has returned. Writes one JSON object to standard
output.
"""

import argparse
import hashlib
import json
import mmap
import os
import random
import signal
import string
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytorch_lightning as pl
import torch

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.models import DirectMLP
from grokwatch.experiments.modules import Classifier, FullBatchData, hushed
from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.tasks import ModularAddition
from grokwatch.monitor import presets
from grokwatch.monitor.dispatch import drain
from grokwatch.monitor.journal import Journal, inspect, read
from grokwatch.monitor.records import AnyRecord, Observation, RunEnded, RunStarted
from grokwatch.monitor.schedule import every
from grokwatch.monitor.snapshot import Readings, Signal, Snapshot
from grokwatch.monitor.wire import encode

KILLS_PER_RUN = 5
EARLY_SHARE = 0.3  # of kills: while the fit is set up, resumed, or just begun
LATEST_EARLY_SECONDS = 0.15
LATEST_SECONDS = 0.3
LONGEST_START_SECONDS = 60.0
POLL_SECONDS = 0.001
STEPS_IN_PEACE = 20
STEPS_PER_CHECKPOINT = 5
STEPS_PER_EVALUATION = 15
NAME_LENGTH = 10_000  # large records are the ones that a kill tears
RUN_ID = "killed"

Fact = tuple[int, int, int, int]  # run, attempt, seq, digest of the record's bytes
_FACT = struct.Struct("<QQQQ")
_COUNT = struct.Struct("<Q")


class Witness:
    """A log in memory that survives the process which writes it."""

    def __init__(self, num_facts: int = 200_000) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size + num_facts * _FACT.size)

    def __len__(self) -> int:
        (count,) = _COUNT.unpack_from(self._memory, 0)
        return int(count)

    def watch(self) -> None:
        """From now on, note every record of this process that the journal has acknowledged."""
        append = Journal.append

        def noted(journal: Journal, records: Sequence[AnyRecord]) -> None:
            append(journal, records)
            for record in records:
                self._note(fact(record))

        setattr(Journal, "append", noted)  # noqa: B010 - the type checker forbids the plain form

    def _note(self, noted: Fact) -> None:
        count = len(self)
        _FACT.pack_into(self._memory, _COUNT.size + count * _FACT.size, *noted)
        _COUNT.pack_into(self._memory, 0, count + 1)  # last, so that no half fact is counted

    def facts(self) -> Iterator[Fact]:
        for place in range(len(self)):
            yield _FACT.unpack_from(self._memory, _COUNT.size + place * _FACT.size)


class KeyFile:
    """A sink that appends what it is given to a file, which is what a server would have seen."""

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, records: Sequence[AnyRecord], /) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, size - size % _FACT.size)  # what a kill tore was not taken
        os.write(descriptor, b"".join(_FACT.pack(*fact(record)) for record in records))
        os.close(descriptor)

    def close(self) -> None:
        return

    def facts(self) -> list[Fact]:
        data = self._path.read_bytes() if self._path.exists() else b""
        whole = len(data) - len(data) % _FACT.size
        return [_FACT.unpack_from(data, place) for place in range(0, whole, _FACT.size)]


def fact(record: AnyRecord) -> Fact:
    run = hashlib.blake2b(record.run_id.encode(), digest_size=8).digest()
    digest = hashlib.blake2b(encode(record), digest_size=8).digest()
    return (int.from_bytes(run), record.attempt, record.seq, int.from_bytes(digest))


def bulk(snapshot: Snapshot) -> Readings:
    """Values with long names at every other step: half of the records are of very many pages."""
    names = [f"bulk.{letter * NAME_LENGTH}" for letter in string.ascii_letters]
    return {name: torch.ones(()) for name in names if snapshot.step % 2}


BULK = Signal(name="bulk", read=bulk, bounds=(0.0, 1.0), summary="Nothing.", source="this file")


def newest_checkpoint(root: Path) -> tuple[int, Path | None]:
    """The newest checkpoint's step and file; 0 and None where there is none."""
    saved = {int(file.stem.partition("=")[2]): file for file in (root / "saved").glob("*.ckpt")}
    return max(saved.items()) if saved else (0, None)


def train(root: Path, sink: KeyFile, num_steps: int | None) -> None:
    """Fit a small model, watched, from its newest checkpoint to the end or until killed."""
    step, checkpoint = newest_checkpoint(root)
    tempfile.tempdir = str(root)  # Lightning writes checkpoints there before it moves them
    model = DirectMLP(modulus=11)
    facts = {"resumed_at": step}
    monitor = GrokkingMonitor(
        model.probe("model."),
        sinks=[sink],
        hooks=(),
        directory=root,
        budget=None,
        schedule=every(1),
        signals=[*presets.choose("cheap"), BULK],
        run_id=RUN_ID,
    )
    saving = pl.callbacks.ModelCheckpoint(
        root / "saved", "{step}", every_n_train_steps=STEPS_PER_CHECKPOINT, save_top_k=-1
    )
    trainer = pl.Trainer(
        max_steps=-1 if num_steps is None else step + num_steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[saving, monitor],
    )
    data = FullBatchData(
        ModularAddition(modulus=11).split(),
        range(STEPS_PER_EVALUATION, 100_000, STEPS_PER_EVALUATION),
    )
    trainer.fit(Classifier(model, AdamW(), facts), data, ckpt_path=checkpoint)
    if monitor.failures:
        raise SystemExit(f"Expected no failures, got {monitor.failures}. Try it alone.")


def fork(root: Path, sink: KeyFile, witness: Witness, num_steps: int | None) -> int:
    """Start an attempt and give its process."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            witness.watch()
            train(root, sink, num_steps)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def expect(child: int, expected: int) -> None:
    """Wait until an attempt has ended, and insist on how."""
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended != expected:
        raise SystemExit(f"Expected an attempt to end with {expected}, got {ended}. Try it alone.")


def kill(root: Path, sink: KeyFile, witness: Witness, rng: random.Random, *, aimed: bool) -> None:
    """Fork an attempt and kill it: early, some time after its first record, or amid a write."""
    num_before = len(witness)
    is_early = not aimed and rng.random() < EARLY_SHARE
    wait_seconds = rng.uniform(0.0, LATEST_EARLY_SECONDS if is_early else LATEST_SECONDS)
    child = fork(root, sink, witness, None)
    give_up = time.monotonic() + LONGEST_START_SECONDS
    while not is_early and len(witness) == num_before and time.monotonic() < give_up:
        time.sleep(POLL_SECONDS)
    time.sleep(wait_seconds)
    if aimed:
        journal = max((root / "runs" / RUN_ID).glob("*.journal"))
        size = journal.stat().st_size
        while journal.stat().st_size == size and time.monotonic() < give_up:
            continue
    os.kill(child, signal.SIGKILL)
    expect(child, -signal.SIGKILL)


def torn_now(root: Path) -> int:
    """Bytes at the end of journals that a kill tore and no later attempt has moved aside yet."""
    aside = sum(path.stat().st_size for path in root.glob("runs/*/*.torn"))
    return sum(inspect(run).torn_bytes for run in root.glob("runs/*")) - aside


def count_misplaced(records: Sequence[AnyRecord]) -> int:
    """Attempts whose observations are not of the steps right after the checkpoint, one by one."""
    num_misplaced = 0
    for _, group in groupby(records, key=lambda record: record.attempt):
        started, *others = group
        steps = [record.step for record in others if isinstance(record, Observation)]
        if not isinstance(started, RunStarted):
            num_misplaced += 1
            continue
        first = int(started.hyper_parameters["resumed_at"] or 0) + 1
        num_misplaced += steps != list(range(first, first + len(steps)))
    return num_misplaced


def run_once(root: Path, rng: random.Random, num_kills: int) -> Counter[str]:
    """Kill one run that many times, then let it end, and count what is wrong."""
    sink, witness = KeyFile(root / "keys"), Witness()
    counts: Counter[str] = Counter(runs=1, kills=num_kills, kills_amid_a_write=1)
    for number in range(num_kills + 1):
        num_before = len(witness)
        kill(root, sink, witness, rng, aimed=number == num_kills)
        counts["kills_at_work"] += len(witness) > num_before
        counts["torn_tails"] += torn_now(root) > 0
    counts["resumed"] += newest_checkpoint(root)[0] > 0
    expect(fork(root, sink, witness, STEPS_IN_PEACE), 0)
    counts.update(count_wrong(root, sink, witness))  # `+` would leave out the zeros
    return counts


def count_wrong(root: Path, sink: KeyFile, witness: Witness) -> Counter[str]:
    """Drain a run that has ended, and compare witness, journal and sink."""
    errors = [entry.error for entry in drain(root, lambda _: sink) if entry.error]
    records = [record for run in root.glob("runs/*") for record in read(run)]
    kept, acknowledged, fed = [fact(record) for record in records], [*witness.facts()], sink.facts()
    problems = sum(len(inspect(run).problems) for run in root.glob("runs/*"))
    return Counter(
        acknowledged=len(acknowledged),
        observations=sum(isinstance(record, Observation) for record in records),
        lost=len(set(acknowledged) - set(kept)),
        duplicates=len(kept) - len({noted[:3] for noted in kept}),
        misplaced=count_misplaced(records),
        unfinished=sum(isinstance(record, RunEnded) for record in records) != 1,
        problems=problems + len(errors),
        missed_by_sink=len(set(kept) - set(fed)),
        invented_by_sink=len(set(fed) - set(kept)),
        fed_again=len(fed) - len(set(fed)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    torch.set_num_threads(1)
    totals: Counter[str] = Counter()
    with hushed():
        for _ in range(-(-arguments.kills // KILLS_PER_RUN)):
            with tempfile.TemporaryDirectory() as root:
                totals.update(run_once(Path(root), rng, KILLS_PER_RUN))
    bound = {"loss_bound_per_kill": 3 / totals["kills"]}  # rule of three, 95 %
    json.dump({"seed": arguments.seed, **totals, **bound}, sys.stdout)


if __name__ == "__main__":
    main()
