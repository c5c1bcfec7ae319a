"""Reading alerts: with the states they were in and how each message to each hook stands."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, func, select

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.service.store.tables import alerts, deliveries, notices, runs
from grokwatch.monitor.service.views import AlertPage, AlertRow, Delivery

_FIELDS = tuple(
    name for name in AlertRow.__struct_fields__ if name not in {"name", "states", "deliveries"}
)


def page(
    connection: Connection,
    wanted: Mapping[str, str | None],
    *,
    delivery: str | None = None,
    limit: int,
    offset: int,
) -> AlertPage:
    """Some of the alerts, the newest first.

    Args:
        connection: to read through.
        wanted: column -> value; None wants all.
        delivery: status that one of its deliveries must have; None for any or none.
        limit: alerts at most.
        offset: alerts passed over.
    """
    where = [alerts.c[name] == value for name, value in wanted.items() if value is not None]
    if delivery is not None:
        of_status = select(deliveries.c.alert_id).where(deliveries.c.status == delivery)
        where.append(alerts.c.id.in_(of_status))
    total = connection.execute(select(func.count()).select_from(alerts).where(*where)).scalar_one()
    chosen = (
        select(alerts, runs.c.name)
        .join(runs, runs.c.run_id == alerts.c.run_id)
        .where(*where)
        .order_by(alerts.c.created.desc(), alerts.c.id)
        .limit(limit)
        .offset(offset)
    )
    rows = connection.execute(chosen).mappings().all()
    ids = [row["id"] for row in rows]
    states, sent = _states(connection, ids), _deliveries(connection, ids)
    return AlertPage(
        alerts=tuple(
            AlertRow(
                **{name: row[name] for name in _FIELDS},
                name=row["name"],
                states=states.get(row["id"], ()),
                deliveries=sent.get(row["id"], ()),
            )
            for row in rows
        ),
        total=total,
        offset=offset,
    )


def one(connection: Connection, alert_id: str) -> tuple[AlertRow, Notice] | None:
    """One alert, and the notice of its newest state; None where there is none of that id."""
    rows = page(connection, {"id": alert_id}, limit=1, offset=0).alerts
    if not rows:
        return None
    chosen = select(notices.c.payload).where(
        notices.c.alert_id == alert_id, notices.c.state == rows[0].state
    )
    payload = connection.execute(chosen).scalar_one()
    return rows[0], msgspec.msgpack.decode(payload, type=Notice)


def _states(
    connection: Connection, alert_ids: Sequence[str]
) -> dict[str, tuple[tuple[str, int], ...]]:
    chosen = select(notices.c.alert_id, notices.c.state, notices.c.step)
    chosen = chosen.where(notices.c.alert_id.in_(alert_ids))
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    ordered = chosen.order_by(notices.c.created, notices.c.step)
    for alert_id, state, step in connection.execute(ordered):
        found[alert_id].append((state, step))
    return {alert_id: tuple(states) for alert_id, states in found.items()}


def _deliveries(
    connection: Connection, alert_ids: Sequence[str]
) -> dict[str, tuple[Delivery, ...]]:
    chosen = select(deliveries).where(deliveries.c.alert_id.in_(alert_ids))
    found: dict[str, list[Delivery]] = defaultdict(list)
    for row in connection.execute(chosen.order_by(deliveries.c.id)).mappings():
        known = {name: row[name] for name in Delivery.__struct_fields__}
        found[row["alert_id"]].append(Delivery(**known))
    return {alert_id: tuple(sent) for alert_id, sent in found.items()}
