"""Keeping our failures away from the trainer: one try per hook, counted, logged once."""

import functools
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from grokwatch.monitor.errors import ConfigurationError

_log = logging.getLogger(__name__)


class Guarded(Protocol):
    """What counts its own failures, by the hook in which they happened."""

    failures: Counter[str]


HookT = TypeVar("HookT", bound=Callable[..., None])


def guarded(hook: HookT) -> HookT:
    """Let no exception of a hook reach the trainer, but interrupts and exits.

    Args:
        hook: a method of a class that has `failures`.

    Returns:
        The same hook, safe to call.
    """

    @functools.wraps(hook)
    def call(self: Guarded, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # whatever it is, it is not training's
            contain(self.failures, hook.__name__, error)

    return cast(HookT, call)


def guarded_setup(hook: HookT) -> HookT:
    """Let only bad configuration reach the trainer, where nothing was trained yet.

    Args:
        hook: a method of a class that has `failures`.

    Returns:
        The same hook, raising `ConfigurationError` only.
    """

    @functools.wraps(hook)
    def call(self: Guarded, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except ConfigurationError:
            raise
        except Exception as error:  # as above
            contain(self.failures, hook.__name__, error)

    return cast(HookT, call)


def contain(failures: Counter[str], place: str, error: Exception) -> None:
    """Count a failure, and log the first of each place with its traceback.

    Args:
        failures: the counts.
        place: where it happened.
        error: what happened.
    """
    failures[place] += 1
    if failures[place] == 1:
        _log.error(
            "grokwatch failed in %s; training goes on, further failures there are only counted",
            place,
            exc_info=error,
        )
