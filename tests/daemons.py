"""Servers of system packages on free ports of this machine, stopped by their process ids."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service_process import free_port

_READY_SECONDS = 60.0


@contextmanager
def prometheus(folder: Path, configuration: str, *, port: int | None = None) -> Iterator[str]:
    """A Prometheus with this configuration; its address, once it is ready."""
    file = folder / "prometheus.yml"
    file.write_text(configuration)
    port = free_port() if port is None else port
    options = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'prometheus'}"]
    with _daemon("prometheus", [*options, f"--web.listen-address=127.0.0.1:{port}"], folder, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def alertmanager(folder: Path, configuration: str, *, port: int | None = None) -> Iterator[str]:
    """An Alertmanager with this configuration; its address, once it is ready."""
    file = folder / "alertmanager.yml"
    file.write_text(configuration)
    port = free_port() if port is None else port
    options = [f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}"]
    alone = ["--cluster.listen-address=", f"--web.listen-address=127.0.0.1:{port}"]
    with _daemon("prometheus-alertmanager", [*options, *alone], folder, port):
        yield f"http://127.0.0.1:{port}"


def fetch(address: str, **query: object) -> Any:
    """JSON of an address; what a server says of a bad question is JSON too."""
    url = f"{address}?{urllib.parse.urlencode(query)}" if query else address
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


@contextmanager
def _daemon(program: str, options: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    log = folder / f"{program}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([program, *options], stdout=stream, stderr=stream)
    try:
        _wait(f"http://127.0.0.1:{port}/-/ready", process, log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
