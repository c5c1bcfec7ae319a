"""Made-up alerts and deliveries, for stories of the pages."""

from typing import Any

from grokwatch.monitor.service.views import AlertRow, Delivery
from tests.page_stories import NOW


def alert(
    run_id: str,
    code: str,
    *,
    number: int = 1,
    state: str = "firing",
    step: int = 2_000,
    severity: str = "info",
    message: str = "",
    deliveries: tuple[Delivery, ...] = (),
    **changes: Any,
) -> AlertRow:
    """Make up an alert."""
    states = (("firing", step),) if state == "firing" else (("firing", step), (state, step * 3))
    facts: dict[str, Any] = {
        "name": run_id,
        "time": NOW - 60 * number,
        "spared": False,
        "probability": 0.93,
        "states": states,
    }
    return AlertRow(
        id=f"{number:032x}",
        run_id=run_id,
        code=code,
        episode=1,
        severity=severity,
        state=state,
        step=step,
        message=message or f"{run_id}: {code} at step {step:,}",
        deliveries=deliveries,
        **{**facts, **changes},
    )


def delivery(number: int, status: str = "delivered", **changes: Any) -> Delivery:
    """Make up a delivery."""
    facts: dict[str, Any] = {
        "hook": "webhook:https://hooks.example.org/...",
        "state": "firing",
        "attempts": 1,
        "due": NOW + 300,
        "error": None,
        "delivered": NOW - 50 if status == "delivered" else None,
    }
    return Delivery(id=number, status=status, **{**facts, **changes})
