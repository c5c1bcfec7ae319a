"""The service as one object: store, judges, hooks, sources and janitor, started and stopped."""

import logging
import os
import secrets
import socket
from typing import final

from grokwatch.monitor import alerts
from grokwatch.monitor.config import ServiceSection, resolve
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import StoreError
from grokwatch.monitor.service.announcing import Announcer
from grokwatch.monitor.service.committing import Committer
from grokwatch.monitor.service.couriers import Couriers
from grokwatch.monitor.service.intake import GroupIntake
from grokwatch.monitor.service.janitor import Janitor
from grokwatch.monitor.service.judges import Judges
from grokwatch.monitor.service.leases import Leases
from grokwatch.monitor.service.store.engine import open_store
from grokwatch.monitor.service.store.reader import StoreReader
from grokwatch.monitor.service.turn import Court

_log = logging.getLogger(__name__)


@final
class Service:
    """Everything behind the web side.

    Args:
        section: the configuration.
        retry_seconds: rest after a hook's first failure.
        lease_seconds: how long a run stays this process's after it was last heard of here.

    Attributes:
        reader: answers questions about what is stored.
        intake: takes batches.
        couriers: carry messages to hooks.

    Raises:
        ConfigurationError: a hook, the predictor or the store's address is wrong.
        StoreError: the store cannot be opened.
    """

    def __init__(
        self, section: ServiceSection, *, retry_seconds: float = 5.0, lease_seconds: float = 15.0
    ) -> None:
        hooks = {
            strip_credentials(target): alerts.connect(resolve(target)) for target in section.hooks
        }
        self._store = open_store(resolve_store(section.store))
        self._leases = Leases(self._store, _holder(), seconds=lease_seconds)
        self.couriers = Couriers(self._store, hooks, retry_seconds=retry_seconds)
        announcer = Announcer(self._store, list(hooks), page=section.public_url)
        court = Court(judges=Judges(), announcer=announcer, predictor=section.predictor)
        self.reader = StoreReader(self._store)
        self.intake = GroupIntake(
            Committer(self._store, self._leases, court), on_commit=self.couriers.notify
        )
        self._janitor = Janitor(
            self._store, keep_points=section.keep_points, keep_days=section.keep_days
        )

    def start(self) -> None:
        """Begin to take, judge, deliver and clean."""
        self.intake.start()
        self.couriers.start()
        self._janitor.start()

    def close(self) -> None:
        """Commit what was taken, stop, and give runs back to other processes."""
        self.intake.close()
        self.couriers.close()
        self._janitor.close()
        try:
            self._leases.release()
        except StoreError as error:
            _log.warning("leases were not given back, they end by themselves: %s", error)
        self._store.close()


def resolve_store(address: str) -> str:
    """The store's address, with a secret in the place of `env:NAME`."""
    return resolve(f"store:{address}").removeprefix("store:")


def _holder() -> str:
    """Names this process among all that use the store, and among those before it."""
    return f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(6)}"
