"""The service as one object: store, judges, hooks, sources and janitor, started and stopped."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from grokwatch.monitor import alerts, predictors
from grokwatch.monitor.config import ServiceSection, resolve
from grokwatch.monitor.errors import StoreError
from grokwatch.monitor.protocols import AlertHook
from grokwatch.monitor.records import RunStarted
from grokwatch.monitor.service.announcing import Announcer
from grokwatch.monitor.service.committing import Committer
from grokwatch.monitor.service.couriers import Couriers
from grokwatch.monitor.service.holder import new_holder
from grokwatch.monitor.service.intake import GroupIntake
from grokwatch.monitor.service.janitor import Janitor
from grokwatch.monitor.service.judges import Judges
from grokwatch.monitor.service.leases import Leases
from grokwatch.monitor.service.store.engine import Store, open_store
from grokwatch.monitor.service.store.reader import StoreReader
from grokwatch.monitor.service.turn import Court

if TYPE_CHECKING:
    from grokwatch.monitor.service.polling import Poller

_log = logging.getLogger(__name__)


@final
class Service:
    """Everything behind the web side.

    Args:
        section: the configuration.
        environment: holds secrets.
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
        self,
        section: ServiceSection,
        *,
        environment: Mapping[str, str],
        retry_seconds: float = 5.0,
        lease_seconds: float = 15.0,
    ) -> None:
        predictors.load(section.predictor, RunStarted(run_id="check", time=0.0))
        hooks = hooks_of(section)
        self._pollers = _pollers(section, environment)
        self._store = store_of(section, environment)
        self._leases = Leases(self._store, new_holder(), seconds=lease_seconds)
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
        self._leases.reclaim()
        self.intake.start()
        self.couriers.start()
        self._janitor.start()
        for poller in self._pollers:
            poller.start(self._store, self.intake)

    def close(self) -> None:
        """Commit what was taken, stop, and give runs back to other processes."""
        for poller in self._pollers:
            poller.close()
        self.intake.close()
        self.couriers.close()
        self._janitor.close()
        try:
            self._leases.release()
        except StoreError as error:
            _log.warning("leases were not given back, they end by themselves: %s", error)
        self._store.close()


def store_of(section: ServiceSection, environment: Mapping[str, str]) -> Store:
    """Open the store that a configuration names, `env:NAME` in its place where that was written.

    Raises:
        ConfigurationError: no such address, or no such variable.
        StoreError: the store cannot be opened.
    """
    return open_store(resolve(f"store:{section.store}", environment).removeprefix("store:"))


def hooks_of(section: ServiceSection) -> dict[str, AlertHook]:
    """The hooks that a configuration names, by their names.

    Raises:
        ConfigurationError: a target cannot work.
    """
    return {alerts.hook_name(target): alerts.connect(target) for target in section.hooks}


def _pollers(section: ServiceSection, environment: Mapping[str, str]) -> "list[Poller]":
    """Connect the sources; their libraries load only where there is one."""
    if not section.sources:
        return []
    from grokwatch.monitor.service.polling import pollers

    return pollers(section, environment)
