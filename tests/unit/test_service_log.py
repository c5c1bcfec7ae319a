import io
import logging
from collections.abc import Iterator

import pytest

from grokwatch.monitor.cli.service_log import set_up

NAME = "a\r\nFAKE \x1b[31m\u202eb\u2028c\ud800"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logging.getLogger("grokwatch").level
    root.handlers = []
    stream = io.StringIO()
    set_up(stream, environment={"GROKWATCH_TOKEN": "canary-token", "HOOK_SECRET": "short"})
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    logging.getLogger("grokwatch").setLevel(own)


def test_one_event_is_one_line_whatever_names_hold(stream: io.StringIO) -> None:
    log = logging.getLogger("grokwatch.monitor.service.test")
    log.info("run %s", NAME)
    try:
        raise ValueError(NAME)
    except ValueError:
        log.exception("failed")
    first, second = stream.getvalue().splitlines()
    assert first.endswith(
        "INFO grokwatch.monitor.service.test: run " + r"a\r\nFAKE \x1b[31m\u202eb\u2028c\ud800"
    )
    assert r"failed\nTraceback" in second
    assert stream.getvalue().count("\n") == 2
    assert first.isprintable()
    assert second.isprintable()


def test_no_line_holds_credentials_or_secrets(stream: io.StringIO) -> None:
    log = logging.getLogger("grokwatch.monitor.service.test")
    log.warning("at https://ann:hunter2@host/x with canary-token, in short")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("at https://host/x with (secret), in short")


@pytest.mark.parametrize("name", ["httpx", "httpcore", "apprise", "alembic.runtime", "uvicorn"])
def test_what_other_libraries_do_is_not_logged_unless_they_warn(
    name: str, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger(name)
    for each in (log, logging.getLogger(name.partition(".")[0])):  # as other tests left them
        monkeypatch.setattr(each, "disabled", False)
        monkeypatch.setattr(each, "propagate", True)
    log.info("asked http://host/path-that-is-secret")
    assert stream.getvalue() == ""
    log.warning("something")
    assert stream.getvalue().endswith(f"WARNING {name}: something\n")
