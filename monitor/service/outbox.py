"""The outbox: deliveries as rows, claimed before a hook is called and marked after it answered."""

from typing import Any, NamedTuple, final

import msgspec
from sqlalchemy import Connection, Select, Update, exists, select, update

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.service.announcing import DEAD, DELIVERED, PENDING, REPEATING
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import deliveries, notices, runs
from grokwatch.monitor.service.summary import RUNNING
from grokwatch.monitor.vocabulary import AlertState

GIVE_UP_SECONDS = 3 * 86_400.0
RESOLVED_SECONDS = 300.0
"""How long a hook that repeats is told that an alert has resolved."""

_ERROR_LENGTH = 500


class Due(NamedTuple):
    """A delivery that was claimed; `since` is when it was last delivered, or made since."""

    id: int
    notice: Notice
    attempts: int
    since: float
    first_sent: float | None


@final
class Outbox:
    """The deliveries of one hook.

    Args:
        store: where they are.
        hook: its name.
        claim_seconds: a claim whose holder died is free after so long.
    """

    def __init__(self, store: Store, hook: str, *, claim_seconds: float = 120.0) -> None:
        self._store = store
        self._hook = hook
        self._claim_seconds = claim_seconds

    def claim(self) -> Due | None:
        """Take the delivery that is due longest, if any is; nobody else takes it meanwhile."""
        with self._store.reading() as connection:
            now = self._store.now(connection)
            if not connection.execute(select(self._is_due(now).exists())).scalar():
                return None
        with self._store.writing() as connection:
            now = self._store.now(connection)
            chosen = self._is_due(now).order_by(deliveries.c.due, deliveries.c.id).limit(1)
            row = connection.execute(chosen.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            connection.execute(_open(row.id).values(claimed_until=now + self._claim_seconds))
            payload = connection.execute(
                select(notices.c.payload).where(
                    notices.c.alert_id == row.alert_id, notices.c.state == row.state
                )
            ).scalar_one()
            try:
                notice = msgspec.msgpack.decode(payload, type=Notice)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                damaged = {"status": DEAD, "error": f"its notice is damaged: {error}"}
                connection.execute(_open(row.id).values(**damaged))
                return None
            since = max(row.delivered or 0.0, row.created)
            return Due(row.id, notice, row.attempts, since, row.first_sent)

    def next_due(self) -> float | None:
        """Seconds until the next delivery is due; None where there is none."""
        with self._store.reading() as connection:
            open_ones = select(deliveries.c.due, deliveries.c.claimed_until).where(
                deliveries.c.hook == self._hook, deliveries.c.status.in_((PENDING, REPEATING))
            )
            rows = connection.execute(open_ones.order_by(deliveries.c.due).limit(100)).all()
            now = self._store.now(connection)
        times = [max(row.due, row.claimed_until) for row in rows]
        return max(0.0, min(times) - now) if times else None

    def succeeded(self, due: Due, *, repeat_seconds: float | None) -> None:
        """Mark a delivery as done; where the hook forgets, as to be said again."""
        with self._store.writing() as connection:
            now = self._store.now(connection)
            first_sent = due.first_sent or now
            values: dict[str, Any] = {
                "attempts": due.attempts + 1,
                "claimed_until": 0.0,
                "delivered": now,
                "first_sent": first_sent,
                "error": None,
            }
            if repeat_seconds is None or self._is_told(connection, due, now - first_sent):
                values["status"] = DELIVERED
            else:
                values |= {"status": REPEATING, "due": now + repeat_seconds}
            connection.execute(_open(due.id).values(**values))

    def failed(self, due: Due, error: str, *, retry_seconds: float, is_gone: bool) -> bool:
        """Mark a failure: to be tried again, or given up.

        Returns:
            Whether it was given up.
        """
        with self._store.writing() as connection:
            now = self._store.now(connection)
            is_dead = is_gone or now + retry_seconds - due.since > GIVE_UP_SECONDS
            values: dict[str, Any] = {
                "attempts": due.attempts + 1,
                "claimed_until": 0.0,
                "error": error[:_ERROR_LENGTH],
                "due": now + retry_seconds,
            }
            if is_dead:
                values["status"] = DEAD
            connection.execute(_open(due.id).values(**values))
        return is_dead

    def release(self, due: Due) -> None:
        """Give a claim back untried."""
        with self._store.writing() as connection:
            connection.execute(_open(due.id).values(claimed_until=0.0))

    def _is_due(self, now: float) -> Select[Any]:
        """Deliveries to make now; of one alert's states the earliest first."""
        earlier = deliveries.alias()
        is_behind = exists().where(
            earlier.c.alert_id == deliveries.c.alert_id,
            earlier.c.hook == deliveries.c.hook,
            earlier.c.id < deliveries.c.id,
            earlier.c.status == PENDING,
        )
        later = deliveries.alias()
        is_outdated = (deliveries.c.status == REPEATING) & exists().where(
            later.c.alert_id == deliveries.c.alert_id,
            later.c.hook == deliveries.c.hook,
            later.c.id > deliveries.c.id,
        )
        return select(deliveries).where(
            deliveries.c.hook == self._hook,
            deliveries.c.status.in_((PENDING, REPEATING)),
            deliveries.c.due <= now,
            deliveries.c.claimed_until <= now,
            ~is_behind,
            ~is_outdated,
        )

    def _is_told(self, connection: Connection, due: Due, told_seconds: float) -> bool:
        """Whether a hook that repeats has heard enough of this state."""
        if due.notice.alert.state is not AlertState.FIRING:
            return told_seconds >= RESOLVED_SECONDS
        chosen = select(runs.c.status, runs.c.firing).where(
            runs.c.run_id == due.notice.alert.run_id
        )
        run = connection.execute(chosen).one()
        is_on = due.notice.alert.code.value in run.firing.split(",")
        return run.status != RUNNING or not is_on


def _open(delivery_id: int) -> Update:
    """A change of a delivery that nothing ended meanwhile."""
    return update(deliveries).where(
        deliveries.c.id == delivery_id, deliveries.c.status.in_((PENDING, REPEATING))
    )
