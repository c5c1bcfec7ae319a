"""`/v1/events`: tells pages that something changed, so that they ask again (server-sent events)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from grokwatch.monitor.errors import StoreError
from grokwatch.monitor.service.api.parameters import OfRun
from grokwatch.monitor.service.api.routes import reads
from grokwatch.monitor.service.ports import Reader

EVENTS = "text/event-stream"
MOST_STREAMS = 100

_HEARTBEAT = b": still here\n\n"


class Streams:
    """Streams of changes; those that follow the same run share one look at the store.

    Args:
        reader: who knows the revisions.
        most: streams at once.
        poll_seconds: between two looks.
        heartbeat_seconds: of silence, after which something is sent all the same.

    Attributes:
        num_open: streams that are open.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        most: int = MOST_STREAMS,
        poll_seconds: float = 1.0,
        heartbeat_seconds: float = 15.0,
    ) -> None:
        self._reader = reader
        self._most = most
        self._poll_seconds = poll_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stopping = asyncio.Event()
        self._seen: dict[str | None, tuple[float, int | None]] = {}
        self.num_open = 0

    def close(self) -> None:
        """End every stream, soon; called from the server's loop."""
        self._stopping.set()

    async def events(self, run: OfRun = None) -> Stream:
        """Send `changed` with the revision now, and whenever the run, or any, changed."""
        if self.num_open >= self._most:
            raise HTTPException(
                f"Expected at most {self._most} open streams, got one more. Try closing pages.",
                status_code=HTTPStatus.TOO_MANY_REQUESTS,
            )
        headers = {"X-Accel-Buffering": "no"}
        return Stream(self.follow(run), media_type=EVENTS, headers=headers)

    async def follow(self, run: str | None) -> AsyncIterator[bytes]:
        """Events of one stream, until the service stops or the reader goes away.

        Args:
            run: its id; None for all.

        Yields:
            Events and heartbeats, as they go over the wire.
        """
        self.num_open += 1
        try:
            told, spoke = None, self._now()
            while not self._stopping.is_set():
                revision = await self._revision(run)
                if revision not in {None, told}:
                    told, spoke = revision, self._now()
                    yield f"event: changed\ndata: {revision}\n\n".encode()
                elif self._now() - spoke >= self._heartbeat_seconds:
                    spoke = self._now()
                    yield _HEARTBEAT
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self._poll_seconds)
        finally:
            self.num_open -= 1
            if not self.num_open:
                self._seen.clear()

    async def _revision(self, run: str | None) -> int | None:
        """Newest revision, None where the store does not say; asked once for all who follow."""
        when, revision = self._seen.get(run, (-self._poll_seconds, None))
        if self._now() - when < self._poll_seconds:
            return revision
        with contextlib.suppress(StoreError):
            revision = await asyncio.to_thread(self._reader.revision, run)
        self._seen[run] = (self._now(), revision)
        return revision

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def handlers(self) -> list[HTTPRouteHandler]:
        """The routes."""
        return [reads("/v1/events", "followChanges", self.events, media_type=EVENTS)]
