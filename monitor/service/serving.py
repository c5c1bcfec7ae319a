"""Serves the application with uvicorn: slow clients are let go, streams end before it stops."""

import asyncio
import socket
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.service.app import Application

HEAD_SECONDS = 15.0
"""For a request's line and headers to arrive."""

_BACKLOG = 1024
_MOST_CONNECTIONS = 800
_LARGEST_HEAD = 16 * 1024
_STOP_SECONDS = 5


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for a request's head no longer than `HEAD_SECONDS`; uvicorn does."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take some bytes; part of a head is no reason to wait longer."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        is_waiting = self.conn.their_state is h11.IDLE
        if is_waiting and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)
        elif not is_waiting and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class StoppingServer(uvicorn.Server):
    """A server that tells its application when it stops, so that streams end by themselves.

    Args:
        application: what is served.
        config: how.
    """

    def __init__(self, application: Application, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then everything else."""
        self._application.close()
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """Take an address to listen on.

    Args:
        host: name or address.
        port: port; 0 takes a free one.

    Returns:
        The socket, listening; its name says which port.

    Raises:
        ConfigurationError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # who comes before the server is ready waits
    except OSError as error:
        listener.close()
        msg = (
            f"Expected a free address to serve at, got {host}:{port} ({error}). "
            "Try another port, or 0 for a free one."
        )
        raise ConfigurationError(msg) from error
    return listener


def make_server(application: Application) -> StoppingServer:
    """Make a server; `run(sockets=[bind(host, port)])` serves until it is told to stop.

    Args:
        application: what to serve.

    Returns:
        The server.
    """
    config = uvicorn.Config(
        cast("Any", application),
        loop="asyncio",
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
    )
    return StoppingServer(application, config)
