"""From starting the service to its first healthy answer, in fresh processes."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from grokwatch.experiments.bench.service_load import Load, running
from grokwatch.experiments.counting import Done

_MOST_SECONDS = 60.0
_BATCH = 500


def start_seconds(folder: Path, history: int, rounds: int, done: Done) -> list[float]:
    """Seconds from `exec` to 200 from `/healthz`.

    Args:
        folder: for the store.
        history: observations in it.
        rounds: starts.
        done: told of each start.

    Returns:
        One per start; infinity for one that did not come up within a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if history:
        with running(folder, "baseline:after_memorization") as service:
            Load(service).push(runs=10, batches=history // (10 * _BATCH), size=_BATCH)
    found = []
    for number in range(rounds):
        found.append(_start(folder))
        done(f"start {number + 1}")
    return found


def _start(folder: Path) -> float:
    options = ["--port", "0", "--store", f"sqlite:///{folder}/service.db"]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "grokwatch.monitor.cli", "serve", *options],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = process.stderr.readline() if process.stderr else ""
        return _healthy(told.rpartition(" ")[2].strip(), began)
    finally:
        process.kill()
        process.communicate()


def _healthy(address: str, began: float) -> float:
    while time.monotonic() - began < _MOST_SECONDS:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=1) as answer:
                if answer.status == 200:
                    return time.monotonic() - began
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.005)
    return float("inf")
