"""Load for the service: observations as a trainer sends them, pushed in process."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import msgspec

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.records import Observation, RunStarted, SignalInfo
from grokwatch.monitor.service.service import Service
from grokwatch.monitor.service.views import Batch

KEYS = tuple(f"signal_{number}" for number in range(20))
_SIGNALS = tuple(SignalInfo(name=key, unit="", summary="") for key in KEYS)
_IN_FLIGHT = 500
_STATM = Path("/proc/self/statm")


@contextmanager
def running(folder: Path, predictor: str, *hooks: str) -> Iterator[Service]:
    """A service without its web side.

    Args:
        folder: for its store.
        predictor: who judges.
        hooks: targets of alerts.

    Yields:
        The service, started.
    """
    store = f"sqlite:///{folder}/service.db"
    section = ServiceSection(store=store, predictor=predictor, hooks=hooks)
    service = Service(section, environment={})
    service.start()
    try:
        yield service
    finally:
        service.close()


def resident_bytes() -> int:
    """Memory of this process that is in use now."""
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()


@final
class Load:
    """Runs that go on and on, each observation 20 values wide.

    Args:
        service: that takes them.
        prefix: of the runs' ids.
    """

    def __init__(self, service: Service, prefix: str = "run") -> None:
        self._service = service
        self._prefix = prefix
        self._seqs: dict[str, int] = {}

    def push(self, *, runs: int, batches: int, size: int) -> float:
        """Push from the wire's bytes on, until all is durable and judged.

        Args:
            runs: how many runs.
            batches: of each run.
            size: observations in a batch.

        Returns:
            Observations per second of processor time.
        """
        bodies = [
            self.body(f"{self._prefix}-{number}", size)
            for _ in range(batches)
            for number in range(runs)
        ]
        began = time.process_time()
        decoder = msgspec.msgpack.Decoder(Batch)
        for start in range(0, len(bodies), _IN_FLIGHT):
            part = bodies[start : start + _IN_FLIGHT]
            futures = [self._service.intake.submit(decoder.decode(body)) for body in part]
            for future in futures:
                future.result()
        return runs * batches * size / (time.process_time() - began)

    def body(self, run_id: str, size: int) -> bytes:
        """The next batch of a run, as bytes; its start comes first of all."""
        after = self._seqs.get(run_id, 0)
        begun = () if after else (RunStarted(run_id=run_id, seq=1, time=0.0, signals=_SIGNALS),)
        first = after + len(begun) + 1
        seen = tuple(_observation(run_id, seq) for seq in range(first, first + size))
        self._seqs[run_id] = first + size - 1
        return msgspec.msgpack.encode(Batch(records=(*begun, *seen), after=after))


def _observation(run_id: str, seq: int) -> Observation:
    """A memorized run that goes nowhere."""
    return Observation(
        run_id=run_id,
        seq=seq,
        step=10 * seq,
        time=float(seq),
        train_loss=1.0 / seq,
        train_accuracy=1.0,
        values={key: seq + 0.5 * place for place, key in enumerate(KEYS)},
    )
