"""`POST /v1/records`: takes a batch of one run's records; answers when they are durable."""

import asyncio
from http import HTTPStatus

from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.service.api.answers import AnyRequest
from grokwatch.monitor.service.api.batches import JSON, MESSAGE_PACK, read_batch
from grokwatch.monitor.service.api.routes import writes
from grokwatch.monitor.service.ports import Intake
from grokwatch.monitor.service.views import Batch, Receipt

_PATIENCE_SECONDS = 30.0
_SMALL = 1 << 15  # bytes that are read faster than a thread is woken


class Records:
    """Takes records.

    Args:
        intake: where they go.
        patience: seconds until a sender is told to come again.
    """

    def __init__(self, intake: Intake, *, patience: float = _PATIENCE_SECONDS) -> None:
        self._intake = intake
        self._patience = patience

    async def push(self, request: AnyRequest) -> Receipt:
        """Store a batch of one run's records, judge them, and say what became of them.

        The same records may be sent any number of times: they are stored once.
        """
        batch = await self._read(request)
        storing = asyncio.wrap_future(self._intake.submit(batch))
        storing.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: the intake finishes what it began, whether or not anybody still waits.
        return await asyncio.wait_for(asyncio.shield(storing), self._patience)

    async def _read(self, request: AnyRequest) -> Batch:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {JSON, MESSAGE_PACK}:
            raise HTTPException(
                f"Expected {JSON} or {MESSAGE_PACK}, got {kind[:60]!r}. "
                f"Try 'Content-Type: {JSON}'.",
                status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            )
        body = await request.body()
        if len(body) <= _SMALL:
            return read_batch(kind, body)
        return await asyncio.to_thread(read_batch, kind, body)

    def handlers(self) -> list[HTTPRouteHandler]:
        """The routes."""
        return [writes("/v1/records", "pushRecords", self.push)]
