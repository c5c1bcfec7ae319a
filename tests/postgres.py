"""A PostgreSQL server of the tests' own: in its own folder, without fsync, on a local socket."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

_SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=")
_LONGEST_START_SECONDS = 60.0
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def programs() -> Path | None:
    """The folder of the newest server that is installed; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server, as the user `postgres` where root may not; give the host to connect to."""
    user = "postgres" if os.geteuid() == 0 else None
    home = tempfile.mkdtemp(prefix="grokwatch-postgres-")  # short, as a socket's name must be
    if user:
        shutil.chown(home, user)
    data = f"{home}/data"
    initialize = [f"{folder}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(initialize, user=user, check=True, capture_output=True, cwd=home)
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    with Path(home, "log").open("wb") as log:
        started = [f"{folder}/postgres", "-D", data, "-k", home, *settings]
        process = subprocess.Popen(started, user=user, cwd=home, stdout=log, stderr=log)
    try:
        _wait_for(home)
        yield home
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(home)


@contextlib.contextmanager
def database(host: str) -> Iterator[str]:
    """Give the address of the database, which is empty now, and is emptied afterwards."""
    yield f"postgresql://postgres@/postgres?host={host}"
    with psycopg.connect(_conninfo(host), autocommit=True) as connection:
        connection.execute(_END_OTHERS)
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def _wait_for(host: str) -> None:
    end = time.monotonic() + _LONGEST_START_SECONDS
    while True:
        try:
            psycopg.connect(_conninfo(host)).close()
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _conninfo(host: str) -> str:
    return f"host={host} user=postgres dbname=postgres"
