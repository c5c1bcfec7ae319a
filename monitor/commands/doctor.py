"""`grokwatch doctor`: whether this machine can watch a run, and what is missing if not."""

import re
import socket
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import msgspec

from grokwatch.monitor.commands import Report, table

OLDEST: Mapping[str, str] = {
    "msgspec": "0.22",
    "torch": "2.10",
    "pytorch-lightning": "2.6",
    "mlflow": "3.10.2",
    "prometheus-client": "0.21",
}
WITHDRAWN: Mapping[str, tuple[str, ...]] = {
    "pytorch-lightning": ("2.6.2", "2.6.3"),
    "lightning": ("2.6.2", "2.6.3"),
}
_COLUMNS = ("check", "result", "detail")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at; `detail` says what came, and what to do where it does not hold."""

    name: str
    holds: bool
    detail: str


def doctor(root: Path, *, address: str = "127.0.0.1", port: int = 9109) -> Report:
    """Look at Python, the libraries, the journal directory, and the exporter's port.

    Args:
        root: where journals would be kept.
        address: where the Prometheus exporter would listen.
        port: on which port.

    Returns:
        One row per check; `holds` where all do.
    """
    packages = [check_version(name, _installed(name)) for name in sorted({*OLDEST, *WITHDRAWN})]
    checks = [_check_python(), *packages, check_directory(root), check_port(address, port)]
    cells = [(check.name, "ok" if check.holds else "FAILED", check.detail) for check in checks]
    holds = all(check.holds for check in checks)
    return Report(data=checks, lines=table(_COLUMNS, cells), holds=holds)


def check_version(name: str, found: str | None) -> Check:
    """Compare an installed version with the oldest one that is safe, and the withdrawn ones.

    Args:
        name: distribution.
        found: its version; None where it is not installed.
    """
    oldest = OLDEST.get(name)
    if found is None:
        remedy = "; try: pip install grokwatch[train]" if oldest else ", and not needed"
        return Check(name=name, holds=oldest is None, detail=f"not installed{remedy}")
    if found in WITHDRAWN.get(name, ()):
        return Check(name=name, holds=False, detail=f"{found} was compromised; install another")
    if oldest is not None and _order(found) < _order(oldest):
        return Check(name=name, holds=False, detail=f"{found}, expected {oldest} or newer")
    return Check(name=name, holds=True, detail=found)


def check_directory(root: Path) -> Check:
    """Write a file where journals would be written."""
    nearest = next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest):
            return Check(name="directory", holds=True, detail=f"{root} can be written")
    except OSError as error:
        detail = f"{root} cannot be written ({error.strerror}); try another --directory"
        return Check(name="directory", holds=False, detail=detail)


def check_port(address: str, port: int) -> Check:
    """Try the exporter's port; a taken one is no failure, since the next free one is used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            detail = f"{address}:{port} is taken ({error.strerror}); the next free one is used"
            return Check(name="port", holds=True, detail=detail)
    return Check(name="port", holds=True, detail=f"{address}:{port} is free")


def _check_python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check(name="python", holds=sys.version_info >= (3, 11), detail=found)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
