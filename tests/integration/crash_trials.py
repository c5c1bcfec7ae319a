"""Kill real training with SIGKILL at random instants, again and again, and look for what is lost.

Run as a program: it imports torch and Lightning once and forks every attempt from there. Each run
is killed several times in a row, every next attempt resuming it, and at last ends in peace; then
its sink is drained. What was acknowledged is known from a witness in shared memory, written as soon
as `Journal.append` has returned. Writes one JSON object to standard output.
"""

import argparse
import hashlib
import json
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytorch_lightning  # noqa: F401 - the warm parent imports what every attempt needs
import torch

from grokwatch.monitor.dispatch import Dispatcher, drain
from grokwatch.monitor.journal import Journal, inspect, read
from grokwatch.monitor.records import AnyRecord, Observation, RunStarted, WeightFrame
from grokwatch.monitor.wire import encode

KILLS_PER_RUN = 5
LATEST_KILL_SECONDS = 0.25
STEPS_IN_PEACE = 40
STEPS_PER_FRAME = 10  # large records are the ones that a kill tears

Fact = tuple[int, int, int, int]  # run, attempt, seq, digest of the record's bytes
_FACT = struct.Struct("<QQQQ")
_COUNT = struct.Struct("<Q")


class Witness:
    """A log in memory that survives the process which writes it."""

    def __init__(self, num_facts: int = 200_000) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size + num_facts * _FACT.size)

    def watch(self) -> None:
        """From now on, note every record of this process that the journal has acknowledged."""
        append = Journal.append

        def noted(journal: Journal, records: Sequence[AnyRecord]) -> None:
            append(journal, records)
            for record in records:
                self._note(fact(record))

        setattr(Journal, "append", noted)  # noqa: B010 - the type checker forbids the plain form

    def _note(self, noted: Fact) -> None:
        (count,) = _COUNT.unpack_from(self._memory, 0)
        _FACT.pack_into(self._memory, _COUNT.size + count * _FACT.size, *noted)
        _COUNT.pack_into(self._memory, 0, count + 1)  # last, so that no half fact is counted

    def facts(self) -> Iterator[Fact]:
        (count,) = _COUNT.unpack_from(self._memory, 0)
        for place in range(count):
            yield _FACT.unpack_from(self._memory, _COUNT.size + place * _FACT.size)


class KeyFile:
    """A sink that appends what it is given to a file, which is what a server would have seen."""

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, records: Sequence[AnyRecord], /) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, b"".join(_FACT.pack(*fact(record)) for record in records))
        os.close(descriptor)

    def close(self) -> None:
        return

    def facts(self) -> list[Fact]:
        data = self._path.read_bytes() if self._path.exists() else b""
        return [_FACT.unpack_from(data, place) for place in range(0, len(data), _FACT.size)]


def fact(record: AnyRecord) -> Fact:
    run = hashlib.blake2b(record.run_id.encode(), digest_size=8).digest()
    digest = hashlib.blake2b(encode(record), digest_size=8).digest()
    return (int.from_bytes(run), record.attempt, record.seq, int.from_bytes(digest))


def train(root: Path, sink: KeyFile, num_steps: int | None) -> None:
    """Train a small model and watch it, to the end or until killed.

    This is the one function that knows how training is watched.
    """
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
    optimizer = torch.optim.AdamW(model.parameters())
    dispatcher = Dispatcher(Journal.open(root, "killed"), {"keys:": sink})
    dispatcher.submit([RunStarted(run_id="killed", time=time.time())])
    step = 0
    while num_steps is None or step < num_steps:
        inputs, targets = torch.randn(8, 16), torch.randint(0, 4, (8,))
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        step += 1
        values = {f"signal.part@role{number}": number / step for number in range(step % 60)}
        observation = Observation(
            run_id="killed", step=step, time=time.time(), train_loss=loss.item(), values=values
        )
        dispatcher.submit([observation])
        if step % STEPS_PER_FRAME == 0:
            frame = WeightFrame(
                run_id="killed", step=step, role="input", shape=(256, 256), data=bytes(2**18)
            )
            dispatcher.submit([frame])
    dispatcher.close()


def attempt(root: Path, sink: KeyFile, witness: Witness, kill_after_seconds: float | None) -> None:
    """Fork one attempt and kill it, or let it end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            witness.watch()
            train(root, sink, STEPS_IN_PEACE if kill_after_seconds is None else None)
            status = 0
        finally:
            os._exit(status)
    if kill_after_seconds is not None:
        time.sleep(kill_after_seconds)
        os.kill(child, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    expected = 0 if kill_after_seconds is None else -signal.SIGKILL
    if ended != expected:
        raise SystemExit(f"Expected an attempt to end with {expected}, got {ended}. Try it alone.")


def torn_now(root: Path) -> int:
    """Bytes at the end of journals that a kill tore and no later attempt has moved aside yet."""
    aside = sum(path.stat().st_size for path in root.glob("runs/*/*.torn"))
    return sum(inspect(run).torn_bytes for run in root.glob("runs/*")) - aside


def run_once(root: Path, rng: random.Random, num_kills: int) -> dict[str, int]:
    """Kill one run that many times, let it end, drain it, and count what is wrong."""
    sink, witness = KeyFile(root / "keys"), Witness()
    num_torn = 0
    for _ in range(num_kills):
        attempt(root, sink, witness, rng.uniform(0.0, LATEST_KILL_SECONDS))
        num_torn += torn_now(root) > 0
    attempt(root, sink, witness, None)
    errors = [entry.error for entry in drain(root, lambda _: sink) if entry.error]
    kept = [fact(record) for run in root.glob("runs/*") for record in read(run)]
    acknowledged, fed = list(witness.facts()), sink.facts()
    problems = sum(len(inspect(run).problems) for run in root.glob("runs/*"))
    return {
        "kills": num_kills,
        "acknowledged": len(acknowledged),
        "lost": len(set(acknowledged) - set(kept)),
        "duplicates": len(kept) - len({noted[:3] for noted in kept}),
        "torn_tails": num_torn,
        "problems": problems + len(errors),
        "missed_by_sink": len(set(kept) - set(fed)),
        "invented_by_sink": len(set(fed) - set(kept)),
        "fed_again": len(fed) - len(set(fed)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    totals: dict[str, int] = {}
    for _ in range(-(-arguments.kills // KILLS_PER_RUN)):
        with tempfile.TemporaryDirectory() as root:
            for name, count in run_once(Path(root), rng, KILLS_PER_RUN).items():
                totals[name] = totals.get(name, 0) + count
    bound = {"loss_bound_per_kill": 3 / totals["kills"]}  # rule of three, 95 %
    json.dump({"seed": arguments.seed, **totals, **bound}, sys.stdout)


if __name__ == "__main__":
    main()
