"""The service's log: one line on stderr for each event, whatever names and errors hold."""

import logging
from collections.abc import Mapping
from typing import TextIO

from grokwatch.monitor.alerts.log import one_line
from grokwatch.monitor.credentials import strip_credentials

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LOUD = ("httpx", "httpcore", "apprise", "alembic", "urllib3", "uvicorn", "sqlalchemy", "asyncio")
_SECRETS = ("TOKEN", "PASSWORD", "SECRET")
_SHORTEST = 8


class OneLine(logging.Formatter):
    """Writes an event and its traceback in one line, without credentials.

    Args:
        secrets: texts that no line may hold.
    """

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__(_FORMAT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Write the line."""
        line = strip_credentials(super().format(record))
        for secret in self._secrets:
            line = line.replace(secret, "(secret)")
        return one_line(line)


def set_up(stream: TextIO, *, environment: Mapping[str, str]) -> None:
    """Log to a stream: what we say, and the warnings of others.

    Args:
        stream: takes the lines.
        environment: values of its tokens, passwords and secrets are in no line.
    """
    secrets = tuple(
        value
        for name, value in environment.items()
        if len(value) >= _SHORTEST and name.endswith(_SECRETS)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("grokwatch").setLevel(logging.INFO)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
