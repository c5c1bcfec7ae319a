"""Reading `prometheus:` targets: where to serve, for how long, and how much.

The options are described in `monitor/sinks/prometheus.py`.
"""

import ipaddress
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grokwatch.monitor.errors import ConfigurationError

_TOKEN_LENGTH = 32


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a target asks for; see `monitor/sinks/prometheus.py`."""

    host: str = "127.0.0.1"
    port: int = 9109
    targets: Path = field(default_factory=lambda: Path(".grokwatch/prometheus").absolute())
    grace: float = 60.0
    runs: int = 100
    series: int = 10_000
    token_file: Path | None = None

    def __post_init__(self) -> None:
        if not _is_loopback(self.host) and self.token_file is None:
            msg = (
                f"Expected a loopback address or a token, got {self.host!r} and none. "
                "Try 127.0.0.1, or add '?token_file=<path>' and give Prometheus the same token."
            )
            raise ConfigurationError(msg)
        if self.token_file is not None and len(self.token()) < _TOKEN_LENGTH:
            msg = (
                f"Expected at least {_TOKEN_LENGTH} characters in {self.token_file}, got fewer. "
                "Try 'openssl rand -hex 32'."
            )
            raise ConfigurationError(msg)
        if not (self.grace >= 0 and self.runs > 0 and self.series > 0):
            msg = (
                f"Expected grace of at least 0, runs and series of at least 1, got {self.grace}, "
                f"{self.runs} and {self.series}. Try leaving them out."
            )
            raise ConfigurationError(msg)

    def token(self) -> str:
        """The token that scrapes must bear, "" for none.

        Returns:
            The content of the token file, without white space around it.

        Raises:
            ConfigurationError: there is no such file.
        """
        if self.token_file is None:
            return ""
        try:
            return self.token_file.read_text("utf-8").strip()
        except OSError as error:
            msg = f"Expected a token in {self.token_file}, got {error}. Write one there first."
            raise ConfigurationError(msg) from error

    @classmethod
    def parse(cls, text: str) -> "Settings":
        """Read `host:port?option=value`.

        Args:
            text: what follows `prometheus:` in a target; may be empty.

        Returns:
            The settings.

        Raises:
            ConfigurationError: a part cannot be read, or cannot work.

        Example:
            >>> Settings.parse(":9200?grace=5").grace
            5.0
        """
        address, _, query = text.partition("?")
        host, _, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
        options = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        try:
            values = {name: _OPTIONS[name](value) for name, value in options.items()}
            number = int(port) if port else cls.port
            if not 0 <= number < 65536:
                raise ValueError(number)
        except (KeyError, ValueError) as error:
            msg = (
                f"Expected '<host>:<port>' and options among {', '.join(_OPTIONS)}, got {text!r}. "
                "Try 'prometheus:127.0.0.1:9109?grace=60'."
            )
            raise ConfigurationError(msg) from error
        return cls(host=host.strip("[]") or cls.host, port=number, **values)


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "targets": lambda text: Path(text).absolute(),
    "grace": float,
    "runs": int,
    "series": int,
    "token_file": lambda text: Path(text).absolute(),
}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
