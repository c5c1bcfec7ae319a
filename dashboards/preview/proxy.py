"""Serves the page, the dashboards, and what a Prometheus answers, on loopback alone."""

import contextlib
import functools
import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_PREFIXES = ("/api/v1/query?", "/api/v1/query_range?", "/api/v1/label/")
_TIMEOUT_SECONDS = 60.0


class Handler(http.server.SimpleHTTPRequestHandler):
    """Answers one request; files come from the folder of the bundle.

    Args:
        prometheus: address that questions go to.
        dashboards: a dashboard's name -> its JSON.
        rest: what the server gives, and the folder.
    """

    def __init__(
        self, *rest: Any, prometheus: str, dashboards: Mapping[str, bytes], **options: Any
    ) -> None:
        self._prometheus = prometheus
        self._dashboards = dashboards
        super().__init__(*rest, **options)

    def do_GET(self) -> None:
        """Answer from Prometheus, from the dashboards, or from the folder."""
        name = Path(self.path).stem
        if self.path.startswith(_PREFIXES):
            self._answer(*self._asked())
        elif self.path == f"/dashboards/{name}.json" and name in self._dashboards:
            self._answer(200, self._dashboards[name])
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""

    def _asked(self) -> tuple[int, bytes]:
        address = f"{self._prometheus}{self.path}"
        try:
            with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serving(folder: Path, prometheus: str, dashboards: Mapping[str, bytes]) -> Iterator[str]:
    """Serve the page.

    Args:
        folder: the bundle.
        prometheus: its address.
        dashboards: a dashboard's name -> its JSON.

    Yields:
        The address of the page.
    """
    handler = functools.partial(
        Handler, prometheus=prometheus, dashboards=dashboards, directory=str(folder)
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
