"""Keeping the lines of other libraries out of the log where they may hold secrets of ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IS_TELLING = ContextVar("is_telling", default=False)


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Silence loggers on this thread alone, and for this while.

    Args:
        names: of loggers; a filter does not reach down to their children, so each is named.
    """
    for name in names:
        logging.getLogger(name).addFilter(_is_heard)  # once, however often it is added
    token = _IS_TELLING.set(True)
    try:
        yield
    finally:
        _IS_TELLING.reset(token)


def _is_heard(record: logging.LogRecord) -> bool:
    del record
    return not _IS_TELLING.get()
