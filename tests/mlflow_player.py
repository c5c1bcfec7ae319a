"""A small server that plays MLflow for tests, as well or as badly as it is told."""

import json
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Answer = tuple[int, bytes]
Answers = Callable[[str, dict[str, Any]], Answer]


class Player:
    """Answers requests to `/api/2.0/mlflow` as it is told, and keeps what it was asked."""

    def __init__(self, port: int = 0) -> None:
        self.answer: Answers = lambda path, query: (404, b"")
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.headers: dict[str, str] = {}
        self.extra: dict[str, str] = {}
        player = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else {}
                query = dict(urllib.parse.parse_qsl(url.query)) | body
                path = url.path.removeprefix("/api/2.0/mlflow/")
                player.asked.append((path, query))
                player.headers = dict(self.headers)
                status, content = player.answer(path, query)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | player.extra).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *arguments: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.address = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def as_json(content: object) -> Answer:
    return 200, json.dumps(content).encode()


def run_of(run_id: str, *, status: str = "FINISHED", **points: float) -> dict[str, Any]:
    metrics = [
        {"key": key, "value": value, "timestamp": 1, "step": 0} for key, value in points.items()
    ]
    info = {"run_id": run_id, "status": status, "end_time": 2, "experiment_id": "1"}
    return {"info": info, "data": {"metrics": metrics}}


class Tracker:
    """Runs of one point for each metric, in pages of a hundred."""

    def __init__(self, *runs: dict[str, Any]) -> None:
        self.runs = list(runs)

    def __call__(self, path: str, query: dict[str, Any]) -> Answer:
        if path == "experiments/search":
            return as_json({"experiments": [{"experiment_id": "1", "more": [1]}]})
        if path == "runs/search":
            at = int(query["page_token"] or 0)
            wanted = [r for r in self.runs if not query["filter"] or self._goes_on(r)]
            more = {"next_page_token": str(at + 100)} if at + 100 < len(wanted) else {}
            return as_json({"runs": wanted[at : at + 100], **more})
        if path == "runs/get":
            found = [run for run in self.runs if run["info"]["run_id"] == query["run_id"]]
            return as_json({"run": found[0]}) if found else (404, b"")
        (run,) = (run for run in self.runs if run["info"]["run_id"] == query["run_id"])
        return as_json({
            "metrics": [p for p in run["data"]["metrics"] if p["key"] == query["metric_key"]]
        })  # fmt: skip

    def _goes_on(self, run: dict[str, Any]) -> bool:
        return bool(run["info"]["status"] == "RUNNING")
