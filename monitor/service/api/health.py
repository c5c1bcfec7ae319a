"""`/healthz` and `/readyz`: whether the service lives, and whether it can work."""

import msgspec
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.errors import StoreError
from grokwatch.monitor.service.api.routes import reads
from grokwatch.monitor.service.ports import Intake, Reader


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or `degraded` where it cannot store: it still answers, and recovers by itself."""

    status: str


class Condition:
    """Says how the service is.

    Args:
        reader: of the store.
        intake: into it.
    """

    def __init__(self, reader: Reader, intake: Intake) -> None:
        self._reader = reader
        self._intake = intake

    async def alive(self) -> Health:
        """Whether it is well; asks nothing of the store, and anybody may ask."""
        return Health(status="ok" if self._intake.health().is_writable else "degraded")

    def ready(self) -> Health:
        """Whether it can read and write its store; 503 where it cannot."""
        self._reader.revision()
        if not self._intake.health().is_writable:
            msg = "Expected a store that takes records, got one that does not. Try its disk."
            raise StoreError(msg)
        return Health(status="ok")

    def handlers(self) -> list[HTTPRouteHandler]:
        """The routes."""
        return [
            reads("/healthz", "getHealth", self.alive),
            reads("/readyz", "getReadiness", self.ready),
        ]
