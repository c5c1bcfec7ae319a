"""Prometheus: the present of the runs in this process, at `http://127.0.0.1:9109/metrics`.

Target: `prometheus:<host>:<port>[?option=value&...]`; both may be left out. Options:

- `targets`: folder for the `file_sd` file `targets-<pid>-<port>.json`, by default
  `.grokwatch/prometheus`; the file goes when the exporter closes.
- `grace`: seconds for which the series of an ended run stay, by default 60.
- `runs`, `series`: the most runs (100) and series (10,000) exported; the rest is counted in
  `grokwatch_series_truncated_total`. Runs keep their place until they end.
- `token_file`: a file with a token of at least 32 characters that scrapes must bear. Needed for any
  address but loopback: whoever can read the page sees the names and losses of your runs.

Runs in one process share an exporter; it closes with the last sink that uses it, at once, so a
scrape may miss the very end of the last run (MLflow and the journal do not). Labels are `run`, the
run's name or its id, and `task`; alerts have `code` too, which has four values, and what becomes
of records has `sink`, the run's own few, or `reason`.
"""

import functools
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from grokwatch.monitor.health import Health
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.sinks.exporter import Exporter
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.health_view import HealthView
from grokwatch.monitor.sinks.run_table import RunTable


def connect(argument: str) -> "PrometheusSink":
    """Make the sink for an address, without binding it.

    Args:
        argument: what follows `prometheus:` in a target.

    Returns:
        The sink.

    Example:
        >>> connect("127.0.0.1:9109").live
        True
    """
    return PrometheusSink(Settings.parse(argument))


class PrometheusSink:
    """Shows the present of runs; binds its port at the first `write`.

    Args:
        settings: where and what.
        clock: monotonic seconds.

    Attributes:
        live: True: it shows the present and is not caught up later.
    """

    live = True

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._service: Service | None = None
        self._run_ids: set[str] = set()
        self._watched: dict[str, HealthView] = {}

    def watch(self, run_id: str, health: Callable[[], Health], *, budget: float | None) -> None:
        """Show a run's health beside its records, asked anew at each scrape."""
        self._watched[run_id] = HealthView(health, budget)

    @property
    def exporter(self) -> Exporter | None:
        """The server that shows what was written, None before the first `write`."""
        return self._service.exporter if self._service else None

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Show records.

        Raises:
            SinkError: no port could be bound.
        """
        if self._service is None:
            self._service = services(os.getpid()).acquire(self._settings, self._clock)
        for record in records:
            self._service.table.take(record, self._watched.get(record.run_id))
            self._run_ids.add(record.run_id)

    def close(self) -> None:
        """Let go of the exporter; the last sink that does closes it."""
        if self._service is not None:
            self._service.table.end(self._run_ids)
            self._service = None
            services(os.getpid()).release(self._settings)


@dataclass(frozen=True)
class Service:
    """A table of runs and the server that shows it."""

    table: RunTable
    exporter: Exporter


class Services:
    """The services of one process, one for each settings, each closed by the last that lets go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: dict[Settings, Service] = {}
        self._users: dict[Settings, int] = {}

    def acquire(self, settings: Settings, clock: Callable[[], float]) -> Service:
        """Share the service of these settings; the first to ask starts it.

        Returns:
            The service.
        """
        with self._lock:
            if settings not in self._services:
                self._services[settings] = _start(settings, clock)
            self._users[settings] = self._users.get(settings, 0) + 1
            return self._services[settings]

    def release(self, settings: Settings) -> None:
        """Let go of a service."""
        with self._lock:
            self._users[settings] -= 1
            if self._users[settings] > 0:
                return
            del self._users[settings]
            service = self._services.pop(settings)
        service.exporter.close()


@functools.cache
def services(process: int) -> Services:
    """The services of a process: the one thing here that is shared without being handed over.

    Runs of one process must find one exporter though nothing else connects them. A forked child
    asks with its own number and so never uses its parent's.

    Args:
        process: its number.

    Returns:
        The same object each time.
    """
    return Services()


def _start(settings: Settings, clock: Callable[[], float]) -> Service:
    table = RunTable(settings, clock)
    registry = CollectorRegistry()
    registry.register(table)

    def render(accept: str) -> tuple[str, bytes]:
        encode, content_type = choose_encoder(accept)
        return content_type, encode(registry)

    exporter = Exporter(
        settings.host, settings.port, render, token=settings.token(), targets=settings.targets
    )
    return Service(table, exporter)
