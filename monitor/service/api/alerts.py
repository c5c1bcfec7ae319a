"""`/v1/alerts`: what was told to whom; sends it again, and tries whether hooks work."""

import msgspec
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.service.api.parameters import (
    AlertId,
    AlertState,
    Hook,
    Offset,
    OfRun,
    PageSize,
    Word,
)
from grokwatch.monitor.service.api.routes import reads, writes
from grokwatch.monitor.service.ports import Courier, Reader
from grokwatch.monitor.service.views import AlertPage, AlertRow


class AlertDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands, and what hooks are told of its newest state."""

    alert: AlertRow
    notice: Notice


class Resent(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries a request to send again made."""

    deliveries: int


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a test notice: hook -> error, null where it went."""

    hooks: dict[str, str | None]


class Alerts:
    """Answers questions about alerts.

    Args:
        reader: who knows.
        courier: who sends.
    """

    def __init__(self, reader: Reader, courier: Courier) -> None:
        self._reader = reader
        self._courier = courier

    def page(
        self,
        run: OfRun = None,
        code: Word = None,
        alert_state: AlertState = None,
        limit: PageSize = 50,
        offset: Offset = 0,
    ) -> AlertPage:
        """Some of the alerts, the newest first."""
        return self._reader.alerts(
            run_id=run, code=code, state=alert_state, limit=limit, offset=offset
        )

    def one(self, alert_id: AlertId) -> AlertDetail:
        """One alert, and what hooks are told of it."""
        found = self._reader.alert(alert_id)
        if found is None:
            raise NotFoundException(f"Expected a known alert, got {alert_id!r}. Try /v1/alerts.")
        return AlertDetail(alert=found[0], notice=found[1])

    def resend(self, alert_id: AlertId, hook: Hook = None) -> Resent:
        """Send an alert's newest state again, under the same name."""
        self.one(alert_id)
        self._check_hook(hook)
        return Resent(deliveries=self._courier.resend(alert_id, hook=hook))

    def test(self, hook: Hook = None) -> Tested:
        """Fire a notice that says it is a test."""
        self._check_hook(hook)
        return Tested(hooks=self._courier.test(hook=hook))

    def _check_hook(self, hook: str | None) -> None:
        known = [each.hook for each in self._courier.health()]
        if hook is not None and hook not in known:
            named = ", ".join(known) or "none"
            raise NotFoundException(f"Expected a known hook ({named}), got {hook!r}. Try without.")

    def handlers(self) -> list[HTTPRouteHandler]:
        """The routes."""
        one = "/v1/alerts/{alert_id:str}"
        return [
            reads("/v1/alerts", "listAlerts", self.page),
            reads(one, "getAlert", self.one),
            writes(f"{one}/resend", "resendAlert", self.resend),
            writes("/v1/alerts/test", "testHooks", self.test),
        ]
