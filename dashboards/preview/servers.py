"""Starts the real servers that a preview looks at, on loopback, and stops them again."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TOKEN = "preview-" * 5
"""Known to everybody, and good for nothing: the service it opens lives for minutes, on loopback."""

SCRAPE_SECONDS = 1.0

_PATIENCE_SECONDS = 60.0
_CONFIGURATION = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: [{rules}]
scrape_configs:
  - job_name: grokwatch-runs
    file_sd_configs: [{{files: ["{targets}/*.json"], refresh_interval: 500ms}}]
  - job_name: grokwatch-service
    authorization: {{credentials_file: "{token}"}}
    static_configs: [{{targets: ["{service}"]}}]
  - job_name: prometheus
    static_configs: [{{targets: ["{own}"]}}]
"""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(folder: Path) -> Iterator[str]:
    """Run `grokwatch serve` with a store of its own.

    Args:
        folder: where its store and its log lie.

    Yields:
        Its host and port.
    """
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "grokwatch.monitor.cli", "serve", "--port", address[10:]]
    settings = {
        "GROKWATCH_TOKEN": TOKEN,
        "GROKWATCH_SERVICE_STORE": f"sqlite:///{folder}/service.db",
    }
    with _running(command, folder / "service.log", settings, f"http://{address}/healthz"):
        yield address


@contextlib.contextmanager
def prometheus(folder: Path, *, configuration: str = "") -> Iterator[str]:
    """Run Prometheus on the data in a folder.

    It looks back four scrapes and not five minutes, as a run here lasts seconds.

    Args:
        folder: where its data lies.
        configuration: what it scrapes; "" for nothing.

    Yields:
        Its address.
    """
    address = f"127.0.0.1:{free_port()}"
    file = folder / "prometheus.yml"
    file.write_text(configuration.replace("OWN", address))
    command = [
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={address}",
        "--query.lookback-delta=4s",
        "--log.level=warn",
    ]
    with _running(command, folder / "prometheus.log", {}, f"http://{address}/-/ready"):
        yield f"http://{address}"


def scraping(folder: Path, service_address: str, rules: Sequence[Path]) -> str:
    """Write what Prometheus scrapes: runs, the service, and itself.

    Args:
        folder: where exporters say their addresses, in `targets`.
        service_address: host and port of the service.
        rules: files of rules that it follows.

    Returns:
        The configuration.
    """
    token = folder / "token"
    token.write_text(TOKEN)
    return _CONFIGURATION.format(
        rules=", ".join(f'"{file.absolute()}"' for file in rules),
        targets=folder / "targets",
        token=token,
        service=service_address,
        own="OWN",
    )


@contextlib.contextmanager
def _running(
    command: Sequence[str], log: Path, settings: Mapping[str, str], ready: str
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **settings}
        )
    try:
        _wait_until_ready(process, ready, log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.1)
    said = log.read_text()[-800:]
    msg = f"Expected an answer from {address}, got none. Try what it said last: {said}"
    raise RuntimeError(msg)
