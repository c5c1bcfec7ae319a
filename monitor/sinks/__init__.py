"""Sinks: where records go so that people see them.

A sink is named by a target, `<module>:<argument>`; the module of that name in this folder has
`connect(argument) -> Sink`. There is no registry: to add a sink is to add a file (ADR-0006).
Connecting reads and checks the argument only. No network, no disk and no client library is touched
before the first `write`, so training starts though every server is down.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.protocols import Sink
from grokwatch.monitor.records import AnyRecord


def connect(target: str) -> Sink:
    """Make the sink that a target names.

    Args:
        target: `<module>:<argument>`, such as `mlflow:sqlite:///mlflow.db`.

    Returns:
        The sink, which has not yet contacted anything.

    Raises:
        ConfigurationError: no such sink, or an argument it cannot use.

    Example:
        >>> connect("prometheus:127.0.0.1:9109").live
        True
    """
    name, _, argument = target.partition(":")
    if name not in known():
        msg = (
            f"Expected a sink among {', '.join(known())}, got {strip_credentials(target)!r}. "
            "Try a target such as 'mlflow:sqlite:///mlflow.db' or 'prometheus:127.0.0.1:9109'."
        )
        raise ConfigurationError(msg)
    sink: Sink = importlib.import_module(f"{__name__}.{name}").connect(argument)
    return sink


def known() -> tuple[str, ...]:
    """Names of the sinks there are: the modules of this folder that define `connect`.

    Returns:
        The names, sorted.

    Example:
        >>> known()
        ('mlflow', 'prometheus', 'remote')
    """
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in names if _connects(name)))


def _connects(name: str) -> bool:
    # Read rather than imported: a sink's client library may take seconds, or be absent.
    spec = importlib.util.find_spec(f"{__name__}.{name}")
    return bool(spec and spec.origin and "\ndef connect(" in Path(spec.origin).read_text("utf-8"))


class RecordingSink:
    """Keeps what it was given, in order; the sink for tests and for looking at a run in memory.

    Like every sink it may be given the same records twice; it keeps numbered ones once.

    Attributes:
        live: whether it is shown the present only.
        records: what came, in order.
        closed: whether `close` was called.

    Example:
        >>> sink = RecordingSink()
        >>> sink.write([])
        >>> sink.records
        []
    """

    def __init__(self, *, live: bool = False) -> None:
        self.live = live
        self.records: list[AnyRecord] = []
        self.closed = False
        self._seen: set[tuple[str, int]] = set()

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Keep the records that are new."""
        for record in records:
            key = (record.run_id, record.seq)
            if record.seq == 0 or key not in self._seen:
                self._seen.add(key)
                self.records.append(record)

    def close(self) -> None:
        """Note that it was closed; what it kept stays readable."""
        self.closed = True
