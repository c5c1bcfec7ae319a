"""From an observation to a webhook: how long it takes while half of what can be taken comes in."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from grokwatch.experiments.bench.service_load import Load, running
from grokwatch.experiments.counting import Done
from grokwatch.monitor.service.service import Service
from grokwatch.monitor.service.views import Batch

ALERTS_PER_ROUND = 20

_PREDICTOR = "baseline:always"
_WARNS_AFTER = 3
_TRIAL_SECONDS = 0.5
_MOST_SECONDS = 30.0


def latencies(folder: Path, rounds: int, done: Done) -> list[float]:
    """Seconds from handing over an observation that warns, to the receiver having its webhook.

    Args:
        folder: for the store.
        rounds: of twenty alerts each.
        done: told of each round.

    Returns:
        One per alert; infinity for one that did not come within 30 s.
    """
    with _receiver() as (address, arrivals), running(folder, _PREDICTOR, address) as service:
        load = Load(service, "background")
        capacity = _capacity(load)
        found: list[float] = []
        for number in range(rounds):
            with _background(load, capacity / 2):
                found += [
                    _timed(service, f"alert-{number}-{place}", arrivals)
                    for place in range(ALERTS_PER_ROUND)
                ]
            done(f"round {number + 1}")
    return found


def _capacity(load: Load) -> float:
    """Observations a second that the service takes when nothing else is asked of it."""
    began, taken = time.monotonic(), 0
    while time.monotonic() - began < _TRIAL_SECONDS:
        load.push(runs=10, batches=1, size=100)
        taken += 1_000
    return taken / (time.monotonic() - began)


@contextmanager
def _background(load: Load, rate: float) -> Iterator[None]:
    """So many observations a second, from a thread of its own."""
    stop = threading.Event()

    def push() -> None:
        while not stop.is_set():
            began = time.monotonic()
            load.push(runs=10, batches=1, size=10)
            stop.wait(max(0.0, 100 / rate - (time.monotonic() - began)))

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _timed(service: Service, run_id: str, arrivals: "dict[str, float]") -> float:
    """Push a run up to the observation that warns, and wait for its webhook."""
    load = Load(service)
    quiet = msgspec.msgpack.decode(load.body(run_id, _WARNS_AFTER - 1), type=Batch)
    loud = msgspec.msgpack.decode(load.body(run_id, 10), type=Batch)
    service.intake.submit(quiet).result()
    began = time.monotonic()
    service.intake.submit(loud).result()
    while run_id not in arrivals:
        if time.monotonic() - began > _MOST_SECONDS:
            return float("inf")
        time.sleep(0.0005)
    return arrivals[run_id] - began


@contextmanager
def _receiver() -> Iterator[tuple[str, dict[str, float]]]:
    """A hook's target, and when the first message of each run came."""
    arrivals: dict[str, float] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrivals.setdefault(json.loads(body)["data"]["run_id"], time.monotonic())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"webhook:http://127.0.0.1:{server.server_address[1]}/hook,allow=private", arrivals
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
