"""A receiver on this machine that answers as a test tells it to, and remembers what it was sent."""

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from grokwatch.monitor.notice import Moved, Notice
from grokwatch.monitor.records import Alert, Assessment, Chance, Interval, alert_id
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage

FINE = b"HTTP/1.1 204 No Content\r\n\r\n"
JUDGED = Assessment(
    run_id="a",
    step=1660,
    time=1_700_000_000.0,
    predictor="hazard@2",
    stage=Stage.CIRCUIT_FORMATION,
    chances=(Chance(horizon_steps=10_000, probability=0.71),),
    rising=(Chance(horizon_steps=10_000, probability=0.93),),
    eta_steps=Interval(low=900, high=2400),
)
NOTICE = Notice(
    alert=Alert(
        run_id="a",
        id=alert_id("a", AlertCode.LIKELY_GROKKING, 1),
        code=AlertCode.LIKELY_GROKKING,
        episode=1,
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        step=1660,
        time=1_700_000_000.0,
        message="a: likely to generalise if training goes on",
        assessment=JUDGED,
    ),
    name="seed 3",
    moved=(
        Moved(signal="fourier_entropy@embedding", contribution=1.5, since_step=900),
        Moved(signal="weight_norm", contribution=-0.5, since_step=1500),
    ),
    links={"run": "https://watch.example.com/runs/a"},
)


class Request(NamedTuple):
    """What came in one request; names of headers are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Listens on a free port of 127.0.0.1; one request per connection.

    Args:
        answer: what to answer, or what to do with the connection once the request is read.
        tls: speak TLS by this.
    """

    def __init__(
        self,
        answer: bytes | Callable[[socket.socket], None] = FINE,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.num_connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.num_connections += 1
            with connection, contextlib.suppress(OSError, ValueError):  # hung up, or no HTTP
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            line = stream.readline().decode().strip()
            if not line:
                return
            pairs = [text.decode().split(": ", 1) for text in iter(stream.readline, b"\r\n")]
            headers = {name.lower(): value.strip() for name, value in pairs}
            body = stream.read(int(headers["content-length"]))
            self.requests.append(Request(line, headers, body))
            if callable(self.answer):
                self.answer(connection)
            else:
                connection.sendall(self.answer)


class Wires(httpcore.NetworkBackend):
    """Connects really, to `port` of this machine, and writes down where it should have gone."""

    def __init__(self, port: int) -> None:
        self.dialled: list[tuple[str, int]] = []
        self._port = port

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore.NetworkStream:
        self.dialled.append((host, port))
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self._port, timeout)


class Names:
    """A resolver with a list of answers for every name; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.num_asked = 0
        self._answers = answers

    def __call__(self, host: str, port: int) -> Sequence[str]:
        del host, port
        answer = self._answers[min(self.num_asked, len(self._answers) - 1)]
        self.num_asked += 1
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answer


def certificates(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server that is called `host`, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "server.pem"
    file.write_bytes(secret + text)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=text.decode())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
