import contextlib
import http.client
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.sinks.exporter import Exporter

pytestmark = pytest.mark.network


def render(accept: str) -> tuple[str, bytes]:
    return "text/plain", f"accepts {accept}".encode()


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    exporter = Exporter("127.0.0.1", 0, render, targets=tmp_path / "deep" / "targets")
    yield exporter
    exporter.close()


def get(exporter: Exporter, path: str = "/metrics", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_it_serves_what_is_rendered_for_the_accept_header(exporter: Exporter) -> None:
    assert get(exporter, Accept="x/y") == (200, b"accepts x/y")
    assert get(exporter, "/metrics?a=b")[0] == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/%2e%2e/metrics", "/favicon.ico"])
def test_there_is_one_page(exporter: Exporter, path: str) -> None:
    assert get(exporter, path) == (404, b"Not Found\n")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:9", "[::1]"])
def test_a_loopback_name_is_served(exporter: Exporter, host: str) -> None:
    assert get(exporter, Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:9109", "192.168.0.1", "", ":9109", "[::2]"]
)
def test_a_page_that_rebinds_its_name_to_loopback_is_refused(exporter: Exporter, host: str) -> None:
    assert get(exporter, Host=host) == (403, b"Forbidden\n")


def test_a_second_host_header_does_not_hide_the_first(exporter: Exporter) -> None:
    with socket.create_connection(("127.0.0.1", exporter.port), timeout=10) as raw:
        raw.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\nHost: evil.test\r\n\r\n")
        assert b" 403 " in raw.makefile("rb").readline()


def test_a_token_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    exporter = Exporter("127.0.0.1", 0, render, token="é" * 32, targets=tmp_path)
    bearer = ("Bearer " + "é" * 32).encode().decode("latin-1")
    assert get(exporter, Authorization=bearer, Host="any.test")[0] == 200
    assert get(exporter, Authorization="Bearer x") == (401, b"Unauthorized\n")
    assert get(exporter) == (401, b"Unauthorized\n")
    exporter.close()


def test_the_next_free_port_is_taken_and_said_once(
    exporter: Exporter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        other = Exporter("127.0.0.1", exporter.port, render, targets=tmp_path)
    assert other.port > exporter.port
    assert caplog.messages == [
        f"Port {exporter.port} is taken; metrics are at http://127.0.0.1:{other.port}/metrics"
    ]
    assert get(other)[0] == get(exporter)[0] == 200
    other.close()


def test_prometheus_is_told_while_it_serves(tmp_path: Path) -> None:
    exporter = Exporter("127.0.0.1", 0, render, targets=tmp_path / "deep")
    assert exporter.targets_file == tmp_path / f"deep/targets-{os.getpid()}-{exporter.port}.json"
    told = json.loads(exporter.targets_file.read_text())
    assert told == [{"targets": [f"127.0.0.1:{exporter.port}"], "labels": {}}]
    exporter.close()
    assert list((tmp_path / "deep").iterdir()) == []


def test_it_serves_though_it_cannot_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    exporter = Exporter("127.0.0.1", 0, render, targets=tmp_path / "file")
    assert "Prometheus is not told of http://127.0.0.1" in caplog.text
    assert get(exporter)[0] == 200
    exporter.close()


def test_the_port_is_free_after_closing(exporter: Exporter, tmp_path: Path) -> None:
    first = Exporter("127.0.0.1", 0, render, targets=tmp_path)
    first.close()
    again = Exporter("127.0.0.1", first.port, render, targets=tmp_path)
    assert again.port == first.port
    again.close()


def test_ipv6_loopback(tmp_path: Path) -> None:
    exporter = Exporter("::1", 0, render, targets=tmp_path)
    assert exporter.address == f"[::1]:{exporter.port}"
    connection = http.client.HTTPConnection("::1", exporter.port, timeout=10)
    connection.request("GET", "/metrics")
    assert connection.getresponse().status == 200
    connection.close()
    exporter.close()


def test_no_free_port_is_a_sink_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # somebody else has it, which does as well
            taken.bind(("127.0.0.1", 65535))
        taken.listen()
        with pytest.raises(SinkError, match="Expected a free port from 65535 on, got none"):
            Exporter("127.0.0.1", 65535, render, targets=tmp_path)


def test_an_address_of_another_machine_is_a_sink_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"Expected to serve metrics at 192\.0\.2\.1:9109, got"):
        Exporter("192.0.2.1", 9109, render, token="x" * 32, targets=tmp_path)


def test_a_client_that_breaks_off_leaves_no_trace(
    exporter: Exporter, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
    raw.close()
    assert get(exporter)[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_port(tmp_path: Path) -> None:
    exporter = Exporter("127.0.0.1", 0, render, targets=tmp_path)
    release, hold = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hold)
        os.read(release, 1)
        os._exit(0)
    exporter.close()
    again = _bound_within(10.0, exporter.port)
    again.close()
    os.close(hold)
    os.close(release)
    os.waitpid(child, 0)


def _bound_within(seconds: float, port: int) -> socket.socket:
    """A listener on a port; the child needs a moment to let go of it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < deadline, "the child holds the port"
            time.sleep(0.01)
