"""A small HTTP server for `/metrics`, and the `file_sd` file that tells Prometheus where it is.

Loopback only, and then only for requests that name a loopback host, so that no web page can read it
through a name of its own; any other address needs a bearer token. It knows nothing of metrics.
"""

import contextlib
import errno
import hmac
import json
import logging
import os
import socket
import socketserver
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from grokwatch.monitor.errors import SinkError

_PORTS_TRIED = 100
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """What a request is answered with."""

    status: HTTPStatus
    content_type: str
    body: bytes


class Exporter:
    """Serves one page on one port, from construction to `close`.

    Args:
        host: address to bind.
        port: port to try first; the next free one is taken if it is not free, and said once.
        render: from the request's Accept header to content type and body.
        token: what a request must bear, or "" on loopback.
        targets: folder for the `file_sd` file.

    Attributes:
        port: the port it serves on.
        targets_file: the `file_sd` file.

    Raises:
        SinkError: the address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        render: Callable[[str], tuple[str, bytes]],
        *,
        token: str = "",
        targets: Path,
    ) -> None:
        self._render = render
        self._token = token
        self._hosts = frozenset({host.lower(), "localhost", "127.0.0.1", "::1"})
        self._server = _listen(host, port, self._answer)
        self.port: int = self._server.server_address[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        if port not in {0, self.port}:
            _LOG.warning("Port %d is taken; metrics are at http://%s/metrics", port, self.address)
        self.targets_file = targets / f"targets-{os.getpid()}-{self.port}.json"
        self._announce()
        threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="grokwatch-metrics", daemon=True
        ).start()

    def close(self) -> None:
        """Stop serving, free the port and take the `file_sd` file away."""
        self._server.shutdown()
        self._server.server_close()
        with contextlib.suppress(OSError):
            self.targets_file.unlink()

    def _announce(self) -> None:
        try:
            self.targets_file.parent.mkdir(parents=True, exist_ok=True)
            part = self.targets_file.with_suffix(".part")
            part.write_text(json.dumps([{"targets": [self.address], "labels": {}}]), "utf-8")
            part.replace(self.targets_file)
        except OSError as error:
            _LOG.warning("Prometheus is not told of http://%s/metrics: %s", self.address, error)

    def _answer(self, path: str, headers: Message) -> Page:
        if self._token:
            given = headers.get("Authorization", "").encode("latin-1", "replace")
            if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
                return _refusal(HTTPStatus.UNAUTHORIZED)
        elif _host_names(headers) - self._hosts:
            return _refusal(HTTPStatus.FORBIDDEN)
        if path.partition("?")[0] != "/metrics":
            return _refusal(HTTPStatus.NOT_FOUND)
        return Page(HTTPStatus.OK, *self._render(headers.get("Accept", "")))


def _refusal(status: HTTPStatus) -> Page:
    return Page(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())


def _host_names(headers: Message) -> set[str]:
    """Names in all Host headers, without ports; "" where there is none."""
    names = {host.strip().lower().rpartition(":") for host in headers.get_all("Host", [""])}
    return {
        (name if port.isdigit() else f"{name}{colon}{port}").strip("[]")
        for name, colon, port in names
    }


class _Server(ThreadingHTTPServer):
    """One thread a request; not answering must not keep the process alive."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], answer: Callable[[str, Message], Page], family: int
    ) -> None:
        self.address_family = family
        self.answer = answer
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # `HTTPServer` would look its own name up, which hangs where DNS is down.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        _LOG.debug("A scrape by %s broke off", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers one GET; slow clients are dropped."""

    server: _Server
    timeout = 10.0

    def do_GET(self) -> None:
        page = self.server.answer(self.path, self.headers)
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(page.body)

    def version_string(self) -> str:
        return "grokwatch"

    def log_message(self, format: str, *args: object) -> None:
        pass


def _listen(host: str, port: int, answer: Callable[[str, Message], Page]) -> _Server:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + _PORTS_TRIED, 65536)):
        try:
            server = _Server((host, candidate), answer, family)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                msg = f"Expected to serve metrics at {host}:{port}, got {error}. Try 127.0.0.1."
                raise SinkError(msg) from error
        else:
            _close_in_children(server.socket)
            return server
    msg = (
        f"Expected a free port from {port} on, got none in {_PORTS_TRIED}. "
        "Try another port in 'prometheus:127.0.0.1:<port>'."
    )
    raise SinkError(msg)


def _close_in_children(listener: socket.socket) -> None:
    # A forked data loader that kept it would hold the port after we let go of it.
    listeners = weakref.WeakSet([listener])
    os.register_at_fork(after_in_child=lambda: list(map(socket.socket.close, listeners)))
