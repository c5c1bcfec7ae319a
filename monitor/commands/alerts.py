"""`grokwatch alerts`: what was announced, how it was delivered, and sending it again."""

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from grokwatch.monitor.commands import Report, number, table
from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.notice import payload
from grokwatch.monitor.service.announcing import DEAD
from grokwatch.monitor.service.couriers import Couriers
from grokwatch.monitor.service.service import hooks_of, store_of
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.reader import StoreReader
from grokwatch.monitor.service.views import AlertRow, Delivery

_COLUMNS = ("alert", "time", "run", "code", "state", "step", "delivered")
_DELIVERIES = ("hook", "state", "status", "attempts", "error")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries were made due again."""

    alert_id: str
    deliveries: int


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands, and what hooks are told of its newest state."""

    alert: AlertRow
    payload: msgspec.Raw


def listed(
    section: ServiceSection,
    *,
    environment: Mapping[str, str],
    run_id: str | None = None,
    only_dead: bool = False,
    limit: int = 50,
) -> Report:
    """List alerts, the newest first.

    Args:
        section: the service's configuration.
        environment: holds secrets.
        run_id: only of this run.
        only_dead: only those with a delivery that was given up.
        limit: alerts at most.

    Returns:
        A row per alert; `holds` where no delivery was given up.
    """
    with _store(section, environment) as store:
        reader = StoreReader(store)
        wanted = DEAD if only_dead else None
        rows = reader.alerts(run_id=run_id, delivery=wanted, limit=limit).alerts
        num_dead = reader.alerts(run_id=run_id, delivery=DEAD, limit=1).total
    lines = table(_COLUMNS, [_cells(row) for row in rows]) if rows else ("No alerts.",)
    return Report(data=rows, lines=lines, holds=num_dead == 0)


def shown(section: ServiceSection, alert_id: str, *, environment: Mapping[str, str]) -> Report:
    """Show one alert: what hooks are told, and how each delivery stands.

    Args:
        section: the service's configuration.
        alert_id: of the alert, or the beginning of it.
        environment: holds secrets.

    Returns:
        The alert, its deliveries and its payload; `holds` where no delivery was given up.

    Raises:
        ConfigurationError: there is no such alert.
    """
    with _store(section, environment) as store:
        reader = StoreReader(store)
        found = reader.alert(_chosen(reader, alert_id))
    if found is None:
        raise ConfigurationError(_unknown(alert_id))
    row, notice = found
    told = payload(notice)
    text = msgspec.json.format(told, indent=2).decode()
    lines = (
        *table(_COLUMNS, [_cells(row)]),
        "",
        *table(_DELIVERIES, [_delivery(sent) for sent in row.deliveries]),
        "",
        *text.splitlines(),
    )
    data = Shown(alert=row, payload=msgspec.Raw(told))
    return Report(data=data, lines=lines, holds=not _dead(row))


def resent(
    section: ServiceSection,
    alert_id: str,
    *,
    environment: Mapping[str, str],
    hook: str | None = None,
) -> Report:
    """Make an alert's newest state, and what was given up, due again; the running service sends it.

    Args:
        section: the service's configuration.
        alert_id: of the alert, or the beginning of it.
        environment: holds secrets.
        hook: only to this one.

    Returns:
        How many deliveries that makes; `holds` where it makes one.

    Raises:
        ConfigurationError: there is no such alert.
    """
    with _store(section, environment) as store:
        chosen = _chosen(StoreReader(store), alert_id)
        couriers = Couriers(store, hooks_of(section))
        count = couriers.resend(chosen, hook=hook)
    lines = (f"{number(count)} deliveries of alert {chosen} are due now",)
    return Report(data=Sent(alert_id=chosen, deliveries=count), lines=lines, holds=count > 0)


def tried(
    section: ServiceSection, *, environment: Mapping[str, str], hook: str | None = None
) -> Report:
    """Fire a notice that says it is a test, from here.

    Args:
        section: the service's configuration.
        environment: holds secrets.
        hook: only at this one.

    Returns:
        A row per hook; `holds` where all took it.
    """
    with _store(section, environment) as store:
        found = Couriers(store, hooks_of(section)).test(hook=hook)
    cells = [(name, "ok" if error is None else error) for name, error in found.items()]
    holds = bool(found) and all(error is None for error in found.values())
    return Report(data=found, lines=table(("hook", "result"), cells), holds=holds)


@contextmanager
def _store(section: ServiceSection, environment: Mapping[str, str]) -> Iterator[Store]:
    store = store_of(section, environment)
    try:
        yield store
    finally:
        store.close()


def _chosen(reader: StoreReader, beginning: str) -> str:
    """The id that begins so."""
    ids = [row.id for row in reader.alerts(limit=10_000).alerts if row.id.startswith(beginning)]
    if len(ids) != 1:
        raise ConfigurationError(_unknown(beginning))
    return ids[0]


def _unknown(alert_id: str) -> str:
    return f"Expected the id of one alert, got {alert_id!r}. Try `grokwatch alerts list`."


def _dead(row: AlertRow) -> bool:
    return any(sent.status == DEAD for sent in row.deliveries)


def _cells(row: AlertRow) -> tuple[str, ...]:
    made = datetime.datetime.fromtimestamp(row.created).astimezone()
    done = sum(sent.delivered is not None for sent in row.deliveries)
    return (
        row.id[:12],
        f"{made:%Y-%m-%d %H:%M}",
        row.name or row.run_id,
        row.code,
        row.state,
        number(row.step),
        f"{done} of {len(row.deliveries)}",
    )


def _delivery(sent: Delivery) -> tuple[str, ...]:
    return (sent.hook, sent.state, sent.status, number(sent.attempts), sent.error or "-")
