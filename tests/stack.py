"""The stack of `docker-compose.yml` without containers: its files, its servers, on this machine.

The committed configuration is loaded as it is, but for addresses and paths: those are of containers
there and of this machine here. No interval, threshold or route is changed.
"""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.daemons import alertmanager, prometheus
from tests.mlflow_server import Server as MlflowServer
from tests.service_process import TOKEN, Receiver, ServiceProcess, free_port

ROOT = Path(__file__).parent.parent
DASHBOARDS = ROOT / "dashboards"

Configuration = dict[str, Any]


class Pager:
    """Takes what an Alertmanager sends, and notes when it came."""

    def __init__(self) -> None:
        self.alerts: list[tuple[float, dict[str, Any]]] = []
        pager = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                now = time.time()
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                pager.alerts += [(now, alert) for alert in told["alerts"]]
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def named(self, name: str) -> list[tuple[float, dict[str, Any]]]:
        """Alerts of a name, and when each came."""
        return [
            (when, alert) for when, alert in self.alerts if alert["labels"]["alertname"] == name
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs, by address.

    Attributes:
        service: the monitoring service.
        told: takes its own hook's messages.
        pager: takes the Alertmanager's.
        targets: folder of `file_sd` files that Prometheus reads.
    """

    mlflow: str
    prometheus: str
    alertmanager: str
    service: ServiceProcess
    told: Receiver
    pager: Pager
    targets: Path


@contextmanager
def started(folder: Path, say: Callable[[str], None]) -> Iterator[Stack]:
    """Start all of it, and stop all of it."""
    with ExitStack() as stack:
        told, pager = Receiver(), Pager()
        stack.callback(told.close)
        stack.callback(pager.close)
        say("MLflow")
        tracker = MlflowServer(folder)
        stack.callback(tracker.stop)
        tracker.start()
        say("the service")
        service = _service(folder, told)
        stack.callback(service.kill)
        service.start()
        say("Alertmanager and Prometheus")
        ports = {"prometheus": free_port(), "alertmanager": free_port()}
        pages = stack.enter_context(
            alertmanager(folder, paging(pager.address), port=ports["alertmanager"])
        )
        targets = folder / "targets"
        targets.mkdir()
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        addresses["grokwatch"] = service.address.removeprefix("http://")
        text = scraping(folder, targets, addresses)
        metrics = stack.enter_context(prometheus(folder, text, port=ports["prometheus"]))
        yield Stack(
            mlflow=tracker.uri,
            prometheus=metrics,
            alertmanager=pages,
            service=service,
            told=told,
            pager=pager,
            targets=targets,
        )


def scraping(folder: Path, targets: Path, addresses: dict[str, str]) -> str:
    """The committed `prometheus.yml` with addresses and paths of this machine."""
    token = folder / "token"
    token.write_text(TOKEN)
    configuration: Configuration = yaml.safe_load(
        (DASHBOARDS / "prometheus" / "prometheus.yml").read_text()
    )
    for job in configuration["scrape_configs"]:
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(token)
        for part in job.get("static_configs", []):
            part["targets"] = [_here(target, addresses) for target in part["targets"]]
        for part in job.get("file_sd_configs", []):
            part["files"] = [str(targets / Path(file).name) for file in part["files"]]
    for manager in configuration["alerting"]["alertmanagers"]:
        for part in manager["static_configs"]:
            part["targets"] = [_here(target, addresses) for target in part["targets"]]
    rules = DASHBOARDS / "prometheus" / "rules"
    configuration["rule_files"] = [
        str(rules / Path(file).name) for file in configuration["rule_files"]
    ]
    return yaml.safe_dump(configuration)


def paging(address: str) -> str:
    """The committed `alertmanager.yml`, every receiver of which sends to one address."""
    configuration: Configuration = yaml.safe_load(
        (DASHBOARDS / "alertmanager" / "alertmanager.yml").read_text()
    )
    for receiver in configuration["receivers"]:
        receiver["webhook_configs"] = [{"url": address, "send_resolved": True}]
    return yaml.safe_dump(configuration)


def _here(target: str, addresses: dict[str, str]) -> str:
    """Where on this machine a container's `name:port` is."""
    name = target.partition(":")[0]
    return addresses.get("prometheus" if name in {"localhost", "127.0.0.1"} else name, target)


def _service(folder: Path, told: Receiver) -> ServiceProcess:
    place = folder / "service"
    place.mkdir()
    return ServiceProcess(place, free_port(), hooks=[told.hook])
