"""All hooks together: started, stopped, tested, told again, and asked how they fare."""

import time
from collections.abc import Mapping, Sequence
from typing import final

from sqlalchemy import Connection, func, select, update

from grokwatch.monitor.errors import HookError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.protocols import AlertHook
from grokwatch.monitor.records import Alert, alert_id
from grokwatch.monitor.service.announcing import DEAD, PENDING
from grokwatch.monitor.service.courier import HookCourier
from grokwatch.monitor.service.outbox import Outbox
from grokwatch.monitor.service.ports import HookHealth
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import alerts, deliveries
from grokwatch.monitor.service.store.upsert import insert_new
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity


@final
class Couriers:
    """Carries messages to hooks.

    Args:
        store: where deliveries are.
        hooks: by name; names hold no credentials.
        retry_seconds: rest after a hook's first failure.
    """

    def __init__(
        self, store: Store, hooks: Mapping[str, AlertHook], *, retry_seconds: float = 5.0
    ) -> None:
        self._store = store
        self._couriers = {
            name: HookCourier(name, hook, Outbox(store, name), retry_seconds=retry_seconds)
            for name, hook in hooks.items()
        }

    def start(self) -> None:
        """Begin to deliver."""
        for courier in self._couriers.values():
            courier.start()

    def notify(self) -> None:
        """Say that there may be something to deliver."""
        for courier in self._couriers.values():
            courier.notify()

    def close(self, deadline_seconds: float = 5.0) -> None:
        """Stop after what is under way; what was not delivered stays in the store."""
        end = time.monotonic() + deadline_seconds
        for courier in self._couriers.values():
            courier.stop()
        for courier in self._couriers.values():
            courier.join(end - time.monotonic())

    def resend(self, alert_id: str, *, hook: str | None = None) -> int:
        """Send an alert's newest state again, and states that were given up, by their own names.

        Args:
            alert_id: of the alert.
            hook: only to this one; to all by default.

        Returns:
            How many deliveries that makes; 0 where there is no such alert or hook.
        """
        names = [name for name in self._couriers if hook in {None, name}]
        with self._store.writing() as connection:
            state = connection.execute(
                select(alerts.c.state).where(alerts.c.id == alert_id)
            ).scalar_one_or_none()
            if state is None or not names:
                return 0
            now = self._store.now(connection)
            keys = {(alert_id, state, name) for name in names} | _given_up(
                connection, alert_id, names
            )
            for key in sorted(keys):
                _queue_again(self._store, connection, key, now)
        self.notify()
        return len(keys)

    def test(self, *, hook: str | None = None) -> dict[str, str | None]:
        """Fire a notice that says it is a test; hook -> error, None where it went."""
        found: dict[str, str | None] = {}
        for name, courier in self._couriers.items():
            if hook in {None, name}:
                try:
                    courier.hook.fire(_test_notice())
                except HookError as error:
                    found[name] = str(error)
                except Exception as error:
                    found[name] = f"Expected {name} to answer, got {type(error).__name__}."
                else:
                    found[name] = None
        return found

    def health(self) -> tuple[HookHealth, ...]:
        """How each hook fares."""
        with self._store.reading() as connection:
            rows = connection.execute(
                select(deliveries.c.hook, func.count().label("number"))
                .where(deliveries.c.status == PENDING)
                .group_by(deliveries.c.hook)
            )
            waiting = {row.hook: row.number for row in rows}
        return tuple(
            courier.health(waiting.get(name, 0)) for name, courier in self._couriers.items()
        )


def _given_up(
    connection: Connection, alert_id: str, names: Sequence[str]
) -> set[tuple[str, str, str]]:
    """Deliveries of an alert to some hooks that nobody tries any more."""
    chosen = select(deliveries.c.state, deliveries.c.hook).where(
        deliveries.c.alert_id == alert_id,
        deliveries.c.hook.in_(names),
        deliveries.c.status == DEAD,
    )
    return {(alert_id, row.state, row.hook) for row in connection.execute(chosen)}


def _queue_again(
    store: Store, connection: Connection, key: tuple[str, str, str], now: float
) -> None:
    """Make a delivery due now, whatever became of it before; one under way is not overtaken."""
    alert, state, hook = key
    named = (
        deliveries.c.alert_id == alert,
        deliveries.c.state == state,
        deliveries.c.hook == hook,
    )
    fresh = {"status": PENDING, "due": now, "created": now, "attempts": 0}
    row = {"alert_id": alert, "state": state, "hook": hook} | fresh
    if connection.execute(update(deliveries).where(*named).values(**fresh)).rowcount == 0:
        connection.execute(insert_new(store, deliveries), row)


def _test_notice() -> Notice:
    """What hooks are shown when they are tried."""
    code = AlertCode.LIKELY_GROKKING
    return Notice(
        alert=Alert(
            run_id="test",
            id=alert_id(f"test {time.time()}", code, 1),
            code=code,
            episode=1,
            severity=Severity.INFO,
            state=AlertState.FIRING,
            step=0,
            time=time.time(),
            message="This is a test of a hook; no run is behind it",
        ),
        name="test",
    )
