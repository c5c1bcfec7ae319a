"""`grokwatch serve` as a process of its own, to be killed; and a receiver of its webhooks."""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

TOKEN = "t" * 40
SECRET = "whsec_" + "c2VjcmV0" * 4
_HEALTHY_SECONDS = 60.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Receiver:
    """Takes webhooks, and checks each signature; `answers` says what it says to the next ones.

    `times` are when messages came, in seconds since 1970.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.times: list[float] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = Webhook(SECRET).verify(body, dict(self.headers.items()))
                receiver.times.append(time.time())
                receiver.messages.append((self.headers["webhook-id"], told))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def ids(self) -> set[str]:
        """Names of the messages that came."""
        return {name for name, _ in self.messages}

    @property
    def hook(self) -> str:
        """Target that leads here."""
        port = self._server.server_address[1]
        return f"webhook:http://127.0.0.1:{port}/hook,secret=env:HOOK_SECRET,allow=private"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class ServiceProcess:
    """A service on a port that it keeps across restarts; its folder holds its store.

    Args:
        folder: for its configuration, store and log.
        port: to listen on.
        settings: keys of `[service]` beside address and store.
    """

    def __init__(self, folder: Path, port: int, **settings: object) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._folder = folder
        lines = {"port": port, "store": f"sqlite:///{folder}/store/service.db", **settings}
        text = "".join(f"{key} = {_toml(value)}\n" for key, value in lines.items())
        (folder / "grokwatch.toml").write_text(f"[service]\n{text}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; seconds until it was healthy."""
        began = time.monotonic()
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grokwatch.monitor.cli", "serve"],
                cwd=self._folder,
                env={**os.environ, "GROKWATCH_TOKEN": TOKEN, "HOOK_SECRET": SECRET},
                stdout=log,
                stderr=log,
            )
        while time.monotonic() - began < _HEALTHY_SECONDS:
            try:
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as answer:
                    if answer.status == 200:
                        return time.monotonic() - began
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self._process.poll() is None, self.log
                time.sleep(0.02)
        raise AssertionError(self.log)

    def kill(self) -> None:
        """SIGKILL it."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM it; its exit code."""
        return self._end(signal.SIGTERM)

    def get(self, path: str) -> Any:
        """JSON of an address below it, or text."""
        request = urllib.request.Request(
            self.address + path, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            body = answer.read().decode()
            is_json = "json" in answer.headers["Content-Type"]
        return json.loads(body) if is_json else body

    @property
    def log(self) -> str:
        return (self._folder / "log.txt").read_text()

    def _end(self, number: signal.Signals) -> int:
        if self._process is None or self._process.poll() is not None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(30)
        self._process = None
        return code


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(value[key])}" for key in value) + "}"
    return json.dumps(value)
