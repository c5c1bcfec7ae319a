"""Where a message goes: an address that was read once, and is shown without its secrets."""

import urllib.parse
from dataclasses import dataclass, field

from grokwatch.monitor.addresses import is_loopback, is_plain_host, why_forbidden
from grokwatch.monitor.errors import ConfigurationError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXAMPLE = "https://hooks.example.com/path"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """An HTTP address; its path may be the secret, so it is left out of every text.

    Attributes:
        scheme: `http` or `https`.
        host: in lower case; an IPv6 address has no brackets.
        port: the scheme's own where none was written.
        path: with the query, as it is sent.
        is_private_allowed: whether addresses that are not public are fine.
    """

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    is_private_allowed: bool = False

    @property
    def shown(self) -> str:
        """Scheme and host, for people."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @classmethod
    def parse(
        cls, address: str, *, is_private_allowed: bool = False, is_plain_allowed: bool = False
    ) -> "Destination":
        """Read an address, strictly.

        Args:
            address: `https://host[:port][/path]`.
            is_private_allowed: whether addresses that are not public are fine.
            is_plain_allowed: whether `http` is, where private addresses are; without it only to
                this machine.

        Returns:
            The destination.

        Raises:
            ConfigurationError: an address that is odd, carries credentials, or may not be used.
        """
        parts = _split(address)
        host, port = parts.hostname or "", _port(parts)
        if not is_plain_host(host) or _is_rewritten(parts, host):
            msg = (
                "Expected a host as a name, as four decimal numbers or as IPv6 in brackets, "
                f"got {host!r}. Try {_EXAMPLE!r}."
            )
            raise ConfigurationError(msg)
        if parts.scheme == "http":
            _check_plain(host, is_private_allowed, is_plain_allowed)
        _check_literal(host, is_private_allowed)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port,
            path=path,
            is_private_allowed=is_private_allowed,
        )


def _split(address: str) -> urllib.parse.SplitResult:
    """Take an address apart; what is wrong with it is said without repeating it."""
    fault = ""
    if not address.isascii() or not address.isprintable() or set(address) & set(' \\"<>^`{|}'):
        fault = "one with a character that must be written as %XX"
    try:
        parts = urllib.parse.urlsplit(address)
        has_user = "@" in parts.netloc
    except ValueError:
        fault, has_user, parts = "brackets around no IPv6 address", False, urllib.parse.urlsplit("")
    if not fault and (parts.scheme not in _DEFAULT_PORTS or not parts.netloc):
        fault = "another scheme, or no host"
    if has_user:
        fault = "one with a user or a password"
    if not fault and parts.fragment:
        fault = "one with a fragment"
    if fault:
        msg = f"Expected an address such as {_EXAMPLE!r}, got {fault}. Try that form."
        raise ConfigurationError(msg)
    return parts


def _port(parts: urllib.parse.SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        msg = "Expected a port from 1 to 65535, got none after the colon or another. Try 443."
        raise ConfigurationError(msg)
    return port or _DEFAULT_PORTS[parts.scheme]


def _is_rewritten(parts: urllib.parse.SplitResult, host: str) -> bool:
    """Whether the host was read otherwise than it was written."""
    written = f"[{host}]" if ":" in host else host
    return parts.netloc.lower() not in {written, f"{written}:{parts.port}"}


def _check_plain(host: str, is_private_allowed: bool, is_plain_allowed: bool) -> None:
    if not is_private_allowed or not (is_plain_allowed or is_loopback(host)):
        where = "inside" if is_plain_allowed else "on this machine"
        msg = (
            f"Expected https for {host}, got http. Try https, or ',allow=private' for a receiver "
            f"{where}."
        )
        raise ConfigurationError(msg)


def _check_literal(host: str, is_private_allowed: bool) -> None:
    kind = why_forbidden(host)
    if kind not in {None, "no address"} and not is_private_allowed:
        msg = (
            f"Expected a public address, got {host}, which is {kind}. "
            "Try ',allow=private' if the receiver is yours."
        )
        raise ConfigurationError(msg)
