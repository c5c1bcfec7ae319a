"""What a container starts, started here: with its command and settings, ended with its children."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import compose

SERVICES: Mapping[str, Mapping[str, Any]] = compose.read()["services"]
_MODULES = {"grokwatch": "grokwatch.monitor.cli", "mlflow": "mlflow"}
_LONGEST_START_SECONDS = 120.0


def settings(name: str) -> dict[str, str]:
    """The environment of a service, with nothing of the developer's own but where programs are."""
    given = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(compose.ROOT), **given}


def program(words: Sequence[str]) -> list[str]:
    """The same command with the programs of this environment."""
    return [sys.executable, "-m", _MODULES[words[0]], *words[1:]]


def healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> bytes:
    """What it answers there, once it does."""
    end = time.monotonic() + _LONGEST_START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)


@contextlib.contextmanager
def started(
    command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process and its children, ended at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=log.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)
