"""The couriers: one thread per hook, so that a hook that hangs delays no other."""

import logging
import random
import threading
from typing import final

from grokwatch.monitor.backoff import delay
from grokwatch.monitor.errors import HookError, StoreError
from grokwatch.monitor.protocols import AlertHook
from grokwatch.monitor.service.outbox import Due, Outbox
from grokwatch.monitor.service.ports import HookHealth

_LONGEST_REST_SECONDS = 5.0
_LONGEST_ASKED_SECONDS = 86_400.0
_LONGEST_RETRY_SECONDS = 3_600.0

_log = logging.getLogger(__name__)


@final
class HookCourier:
    """Carries the deliveries of one hook, in order of when they are due.

    Args:
        name: of the hook, without credentials.
        hook: who takes notices.
        outbox: its deliveries.
        retry_seconds: rest after the first failure; it doubles with each, up to an hour.
    """

    def __init__(
        self, name: str, hook: AlertHook, outbox: Outbox, *, retry_seconds: float = 5.0
    ) -> None:
        self.name = name
        self.hook = hook
        self._outbox = outbox
        self._retry_seconds = retry_seconds
        self._random = random.Random()
        self._unmarked: dict[int, str] = {}
        self._news = threading.Event()
        self._is_stopped = False
        self._delivered = self._failures = 0
        self._error: str | None = None
        self._is_gone = False
        self._thread = threading.Thread(target=self._run, name=f"grokwatch {name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def notify(self) -> None:
        """Say that there may be something to deliver."""
        self._news.set()

    def stop(self) -> None:
        """Stop after the delivery that is under way."""
        self._is_stopped = True
        self._news.set()

    def join(self, seconds: float) -> None:
        """Wait until it has stopped; a hook that hangs is left behind."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, seconds))

    def health(self, waiting: int) -> HookHealth:
        """How the hook fares."""
        return HookHealth(
            hook=self.name,
            delivered=self._delivered,
            failures=self._failures,
            waiting=waiting,
            error=self._error,
            is_gone=self._is_gone,
        )

    def deliver(self) -> float:
        """Deliver what is due; seconds until the next delivery may be.

        Raises:
            StoreError: the store failed; what is claimed is free again after a while.
        """
        while not self._is_stopped and (due := self._outbox.claim()) is not None:
            self._carry(due)
        next_seconds = self._outbox.next_due()
        longest = _LONGEST_REST_SECONDS
        return longest if next_seconds is None else min(longest, max(0.01, next_seconds))

    def _run(self) -> None:
        while not self._is_stopped:
            self._news.clear()
            try:
                rest_seconds = self.deliver()
            except StoreError as error:
                _log.warning("deliveries of %s wait: %s", self.name, error)
                rest_seconds = _LONGEST_REST_SECONDS
            except Exception:  # this thread must outlive whatever one delivery holds
                _log.exception("deliveries of %s wait", self.name)
                rest_seconds = _LONGEST_REST_SECONDS
            if not self._is_stopped:
                self._news.wait(rest_seconds)

    def _carry(self, due: Due) -> None:
        if self._is_gone:
            self._outbox.failed(due, "its receiver is gone", retry_seconds=0.0, is_gone=True)
            return
        try:
            if self._unmarked.get(due.id) != due.notice.id:
                self.hook.fire(due.notice)
        except HookError as error:
            self._fail(due, error)
        except Exception as error:
            _log.exception("hook %s failed", self.name)
            self._fail(
                due, HookError(f"Expected {self.name} to answer, got {type(error).__name__}.")
            )
        else:
            self._delivered += 1
            self._error = None
            self._unmarked = {due.id: due.notice.id}  # what a store that fails must not fire again
            self._outbox.succeeded(due, repeat_seconds=self.hook.repeat_seconds)
            self._unmarked = {}

    def _fail(self, due: Due, error: HookError) -> None:
        self._failures += 1
        self._error = str(error)
        self._is_gone = self._is_gone or error.is_gone
        asked = error.retry_after_seconds or 0.0
        retry_seconds = min(asked, _LONGEST_ASKED_SECONDS) or delay(
            due.attempts + 1, self._retry_seconds, _LONGEST_RETRY_SECONDS, self._random
        )
        if due.first_sent is not None and self.hook.repeat_seconds is not None:
            retry_seconds = min(retry_seconds, self.hook.repeat_seconds)
        if self._outbox.failed(due, str(error), retry_seconds=retry_seconds, is_gone=self._is_gone):
            _log.error("alert %s was given up for %s: %s", due.notice.alert.id, self.name, error)
