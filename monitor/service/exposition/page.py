"""The page `/metrics`, put together."""

import threading
import time
from collections.abc import Callable, Mapping

from litestar import Response
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.service.api.routes import reads
from grokwatch.monitor.service.exposition.runs import MOST_SERIES, RunSeries
from grokwatch.monitor.service.exposition.service import (
    hooks_text,
    intake_text,
    totals_text,
    web_text,
)
from grokwatch.monitor.service.ports import Courier, Intake, Reader
from grokwatch.monitor.service.views import RunQuery

CONTENT_TYPE = "text/plain; version=0.0.4"  # Litestar adds the charset


class Exposition:
    """Writes what Prometheus scrapes.

    Args:
        reader: of the store.
        intake: into it.
        courier: to hooks.
        requests: answered so far, by (route, status).
        top: runs with series of their own.
        most_series: of all of them together.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        reader: Reader,
        intake: Intake,
        courier: Courier,
        requests: Mapping[tuple[str, int], int],
        *,
        top: int,
        most_series: int = MOST_SERIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._intake = intake
        self._courier = courier
        self._requests = requests
        self._clock = clock
        self._runs = RunSeries(reader, top=top, most=most_series)
        self._lock = threading.Lock()

    def render(self) -> str:
        """Write the page; one at a time, because runs' labels are kept from one to the next."""
        with self._lock:
            now = self._clock()
            runs = self._runs.text(now)
            return "".join(
                (
                    totals_text(self._reader.totals()),
                    intake_text(self._intake.health()),
                    hooks_text(self._courier.health()),
                    web_text(dict(self._requests), self._ages(now), self._runs.num_truncated),
                    runs,
                )
            )

    def _ages(self, now: float) -> dict[str, float]:
        ages = {}
        for which, is_newest in (("newest", True), ("oldest", False)):
            query = RunQuery(status="running", sort="seen", is_descending=is_newest, limit=1)
            for row in self._reader.runs(query).runs:
                ages[which] = max(0.0, now - row.seen)
        return ages

    def show(self) -> Response[str]:
        """Metrics of the service and its most active runs."""
        return Response(self.render(), media_type=CONTENT_TYPE)

    def handlers(self) -> list[HTTPRouteHandler]:
        """The routes."""
        return [reads("/metrics", "getMetrics", self.show, media_type=CONTENT_TYPE)]
