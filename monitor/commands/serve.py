"""`grokwatch serve`: watch many runs, keep their history, show a page, tell people once."""

import signal
import socket
from collections.abc import Callable, Mapping

import msgspec

from grokwatch.monitor.commands import Report
from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.secrets import optional_secret
from grokwatch.monitor.service.app import make_app
from grokwatch.monitor.service.guard.tokens import check_token
from grokwatch.monitor.service.pages import make_error_pages, make_pages
from grokwatch.monitor.service.service import Service
from grokwatch.monitor.service.serving import bind, make_server
from grokwatch.monitor.sinks.remote import TOKEN


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service was."""

    address: str


def serve(
    section: ServiceSection, *, environment: Mapping[str, str], show: Callable[[str], None]
) -> Report:
    """Serve until a signal says to stop.

    Args:
        section: the configuration.
        environment: holds secrets.
        show: takes a line now and then.

    Returns:
        Where it was served; `holds` is always True.

    Raises:
        ConfigurationError: something in the configuration cannot work.
        StoreError: the store cannot be opened.
    """
    token = optional_secret(TOKEN, environment)
    check_token(token, section.host)
    with bind(section.host, section.port) as listener:
        address = _address(section.host, listener)
        _serve(section, listener, token, environment=environment, show=show)
    return Report(data=Served(address=address), lines=("stopped; what was taken is stored",))


def _serve(
    section: ServiceSection,
    listener: socket.socket,
    token: str | None,
    *,
    environment: Mapping[str, str],
    show: Callable[[str], None],
) -> None:
    address = _address(section.host, listener)
    section = msgspec.structs.replace(section, public_url=section.public_url or address)
    service = Service(section, environment=environment)
    app = make_app(
        reader=service.reader,
        intake=service.intake,
        courier=service.couriers,
        section=section,
        token=token,
        pages=make_pages(service.reader, service.couriers, section),
        draw_error=make_error_pages(),
    )
    service.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the server raises it again when it has stopped
    try:
        show(f"serving {section.public_url}, listening at {address}")
        if token is None:
            show(f"no token: reads only. To push runs: export {TOKEN}=$(openssl rand -hex 32)")
        make_server(app).run(sockets=[listener])
    finally:
        service.close()


def _address(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
