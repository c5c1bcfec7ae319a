"""Announcing: an alert, its notice, and one delivery per hook, in the transaction that judged."""

import math
from collections.abc import Sequence
from typing import final
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection, update

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Alert
from grokwatch.monitor.service.archive import Archive
from grokwatch.monitor.service.moved import moved
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import alerts, deliveries, notices
from grokwatch.monitor.service.store.upsert import insert_new, insert_or_replace
from grokwatch.monitor.service.views import DELIVERY_STATUSES

PENDING, REPEATING, DELIVERED, DEAD, SUPERSEDED = DELIVERY_STATUSES

_LOOK_BACK = 500


@final
class Announcer:
    """Queues what hooks are to be told.

    Args:
        store: where it is queued.
        hooks: names of the hooks.
        page: address of the service's page; nothing where links would lead nowhere.
    """

    def __init__(self, store: Store, hooks: Sequence[str], *, page: str = "") -> None:
        self._store = store
        self._hooks = tuple(hooks)
        self._page = page.rstrip("/")

    def announce(
        self, connection: Connection, alert: Alert, *, name: str, link: str | None, now: float
    ) -> None:
        """Store an alert's state, its notice, and deliveries; what was announced stays as it is.

        Args:
            connection: the transaction in which it was judged.
            alert: as the policy made it; `attempt` and `seq` are those of the record behind it.
            name: display name of the run.
            link: where the run is shown beside our own page.
            now: by the store's clock.
        """
        self._keep(connection, alert, now)
        archive = Archive(connection, alert.run_id)
        before = archive.assessments(before=(alert.attempt, alert.seq), most=_LOOK_BACK)
        notice = Notice(
            alert=alert,
            name=name,
            moved=moved(alert.assessment, before),
            links=self._links(alert.run_id, link),
        )
        state = alert.state.value
        row = {"alert_id": alert.id, "state": state, "step": alert.step, "created": now}
        connection.execute(
            insert_new(self._store, notices), row | {"payload": msgspec.msgpack.encode(notice)}
        )
        self._queue(connection, alert.id, state, now)

    def _keep(self, connection: Connection, alert: Alert, now: float) -> None:
        judged = alert.assessment
        row = {
            "id": alert.id,
            "run_id": alert.run_id,
            "code": alert.code.value,
            "episode": alert.episode,
            "severity": alert.severity.value,
            "state": alert.state.value,
            "step": alert.step,
            "time": alert.time if math.isfinite(alert.time) else now,
            "created": now,
            "spared": alert.spared,
            "message": alert.message,
            "probability": judged.rise_probability if judged else None,
        }
        replaced = ("state", "severity", "message")
        connection.execute(insert_or_replace(self._store, alerts, replaced), row)

    def _queue(self, connection: Connection, alert_id: str, state: str, now: float) -> None:
        """One delivery per hook; a newer state ends what was to be said again of an older one."""
        ended = update(deliveries).where(
            deliveries.c.alert_id == alert_id,
            deliveries.c.state != state,
            deliveries.c.status == REPEATING,
        )
        connection.execute(ended.values(status=SUPERSEDED))
        rows = [
            {
                "alert_id": alert_id,
                "state": state,
                "hook": hook,
                "status": PENDING,
                "created": now,
                "due": now,
            }
            for hook in self._hooks
        ]
        if rows:
            connection.execute(insert_new(self._store, deliveries), rows)

    def _links(self, run_id: str, link: str | None) -> dict[str, str]:
        links = {"run": f"{self._page}/runs/{quote(run_id)}"} if self._page else {}
        return links | ({"mlflow": link} if link else {})
