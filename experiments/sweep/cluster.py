"""A Ray cluster: a chunk goes to whoever has a free core, near or far.

What comes of it is sent back as bytes and kept here, since a far machine shares no disk with this
one. A far machine needs the same version of grokwatch.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from grokwatch.experiments.sweep.chunks import Chunk
from grokwatch.experiments.sweep.jobs import Engine, Job, Shares, Tick, refuse_lost
from grokwatch.experiments.sweep.store import packed
from grokwatch.experiments.sweep.training import train
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.folder import put

TRIES = 2
"""How many workers may die over a chunk."""

_STORE_BYTES = 128 * 2**20
_REMEDY = (
    "Try the same sweep again, which keeps finished chunks; if it says so again, smaller sizes in "
    "[model] or fewer examples in [task]."
)


def on_cluster(address: str | None, workers: int) -> Engine:
    """The engine of a cluster.

    Args:
        address: of one that runs, such as `auto` or `10.0.0.1:6379`; None starts one on this
            machine, which ends with the sweep.
        workers: processes at a time of one that is started; one that runs has its own number.

    Returns:
        An engine, which looks for the cluster when it is called.
    """

    def train_all(jobs: Sequence[Job], tick: Tick) -> None:
        with _own_handler(), _connected(address, workers):
            refuse_lost(_gathered(jobs, Shares(tick)), len(jobs), _REMEDY)

    return train_all


@contextmanager
def _connected(address: str | None, workers: int) -> Iterator[None]:
    """Join a cluster, or start one, and leave it.

    Raises:
        ConfigurationError: there is none at the address.
    """
    # Ray would send figures of its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own: dict[str, Any] = {
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
    }
    try:
        ray.init(
            address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        msg = (
            f"Expected a Ray cluster at {address or 'this machine'}, got {reason}. "
            "Try --address auto beside `ray start --head`, or no --address, which starts one here."
        )
        raise ConfigurationError(msg) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _own_handler() -> Iterator[None]:
    """Put back what this process does on SIGTERM: Ray puts its own there, and leaves it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _gathered(jobs: Sequence[Job], shares: Shares) -> list[Job]:
    """Train all jobs and keep what comes of each as soon as it is there.

    Returns:
        Those that `TRIES` workers died over.

    Raises:
        Exception: as it was raised where a chunk was trained.
    """
    remote = ray.remote(num_cpus=1, max_retries=TRIES - 1)(_trained)
    waiting = {
        remote.options(num_gpus=int(job.device == "cuda")).remote(
            job.chunk, job.signals, job.device
        ): job
        for job in jobs
    }
    lost = []
    while waiting:
        [ready], _ = ray.wait(list(waiting), num_returns=1)
        job = waiting.pop(ready)
        try:
            put(job.path, ray.get(ready))
        except RayTaskError as error:
            error.cause.add_note(f"It was raised in a worker, over {job.name}.")
            raise error.cause from None
        except RayError:
            lost.append(job)
        else:
            shares.finish(job)
    return lost


def _trained(chunk: Chunk, signals: str, device: str) -> bytes:
    """Train a chunk, wherever this is called."""
    logging.getLogger("grokwatch").setLevel(logging.ERROR)
    return packed(train(chunk, signals, device=device))
