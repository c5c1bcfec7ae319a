"""Polling: sources asked now and then, what they found handed to the intake, piece by piece."""

import logging
import threading
from collections.abc import Mapping
from functools import partial
from typing import final

from sqlalchemy import select, update

from grokwatch.monitor.config import ServiceSection, resolve
from grokwatch.monitor.errors import (
    ConfigurationError,
    ConflictError,
    SourceError,
    StoreError,
    WireError,
)
from grokwatch.monitor.service.intake import GroupIntake
from grokwatch.monitor.service.ports import PUSHED
from grokwatch.monitor.service.sources._fetched import LEFT, Fetched
from grokwatch.monitor.service.sources.mlflow import MlflowSource, connect
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import runs, source_memories
from grokwatch.monitor.service.store.upsert import insert_new

_COMMIT_SECONDS = 60.0

_log = logging.getLogger(__name__)


@final
class Poller:
    """Asks one source, in a thread of its own.

    What was found is committed before more is asked for, together with how far the source was read.

    Args:
        source: to ask.
        poll_seconds: rest between two looks.
    """

    def __init__(self, source: MlflowSource, *, poll_seconds: float) -> None:
        self._source = source
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._is_failing = False
        self._elsewhere: set[str] = set()
        self._thread: threading.Thread | None = None

    def start(self, store: Store, intake: GroupIntake) -> None:
        """Begin to ask.

        Args:
            store: remembers how far the source was read.
            intake: takes what it found.
        """
        self._thread = threading.Thread(
            target=self._run,
            args=(store, intake),
            name=f"grokwatch asks {self._source.target}",
            daemon=True,
        )
        self._thread.start()

    def close(self, deadline_seconds: float = 5.0) -> None:
        """Stop after the piece that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(deadline_seconds)
        self._source.close()

    def poll(self, store: Store, intake: GroupIntake) -> None:
        """Look once, and commit what was found.

        Args:
            store: remembers how far the source was read.
            intake: takes what it found.

        Raises:
            SourceError: the source did not answer.
            StoreError: what it found could not be committed; it is found again.
        """
        pieces = self._source.poll(partial(self._recall, store), partial(self._leave, store))
        try:
            for fetched in pieces:
                self._commit(fetched, intake)
                if self._stop.is_set():
                    return
        finally:
            pieces.close()

    def _run(self, store: Store, intake: GroupIntake) -> None:
        while not self._stop.is_set():
            try:
                self.poll(store, intake)
                self._is_failing = False
            except (SourceError, StoreError, TimeoutError) as error:
                self._say_once(error)
            except Exception:
                _log.exception("%s could not be read", self._source.target)
            self._stop.wait(self._poll_seconds)

    def _commit(self, fetched: Fetched, intake: GroupIntake) -> None:
        if fetched.run_id in self._elsewhere:
            return
        future = intake.submit(
            fetched.batch, source=self._source.target, memory=fetched.memory, link=fetched.link
        )
        try:
            future.result(_COMMIT_SECONDS)
        except WireError as error:
            self._elsewhere.add(fetched.run_id)
            _log.warning("a run of %s cannot be watched: %s", self._source.target, error)
        except ConflictError as error:
            self._elsewhere.add(fetched.run_id)
            _log.warning("a run of %s is watched otherwise already: %s", self._source.target, error)

    def _recall(self, store: Store, run_id: str) -> bytes | None:
        chosen = select(source_memories.c.memory).where(
            source_memories.c.source == self._source.target, source_memories.c.run_id == run_id
        )
        with store.reading() as connection:
            return connection.execute(chosen).scalar_one_or_none()

    def _leave(self, store: Store, ours: str, run_id: str, link: str) -> bool:
        """Whether a run is left to its push, whose page then leads to MLflow's."""
        chosen = runs.c.run_id == ours, runs.c.source == PUSHED
        with store.reading() as connection:
            if connection.execute(select(runs.c.run_id).where(*chosen)).first() is None:
                return False
        left = {"source": self._source.target, "run_id": run_id, "memory": LEFT}
        with store.writing() as connection:
            changed = {"link": link, "revision": runs.c.revision + 1}
            connection.execute(update(runs).where(*chosen, runs.c.link.is_(None)).values(changed))
            # Where the push is forgotten one day, the run is not taken for a new one.
            connection.execute(insert_new(store, source_memories), [left])
        return True

    def _say_once(self, error: Exception) -> None:
        if not self._is_failing:
            _log.warning("%s is asked again: %s", self._source.target, error)
        self._is_failing = True


def pollers(section: ServiceSection, environment: Mapping[str, str]) -> list[Poller]:
    """One for each source of a configuration, none of them contacted yet.

    Args:
        section: the configuration.
        environment: holds secrets.

    Returns:
        The pollers.

    Raises:
        ConfigurationError: a target, or a metric's name, cannot work; or links to several servers
            would begin with the address of one.
    """
    sources = [
        connect(
            resolve(target, environment),
            names=section.metric_names,
            environment=environment,
            public_url=section.mlflow_public_url,
        )
        for target in section.sources
    ]
    servers = sorted({source.address for source in sources})
    if section.mlflow_public_url and len(servers) > 1:
        msg = (
            f"Expected sources of one server beside mlflow_public_url, got {', '.join(servers)}. "
            "Try without it: links to runs then begin with the address that is asked."
        )
        raise ConfigurationError(msg)
    return [Poller(source, poll_seconds=section.poll_seconds) for source in sources]
