"""The command hook: starts a program with the notice as JSON on its standard input.

Target: `command:["/usr/bin/notify","--now"]`, a JSON array of the program and its arguments. There
is no shell; nothing of a run is ever an argument. The program finds `PATH` in its environment and
nothing else, stands in an empty directory that is removed after it, and has 30 seconds, children
that hold on to its output included. Then the whole group of processes is killed.
"""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import IO

import msgspec

from grokwatch.monitor.errors import ConfigurationError, HookError
from grokwatch.monitor.notice import Notice, payload
from grokwatch.monitor.text import in_one_line

TIMEOUT_SECONDS = 30.0
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_OUTPUT_BYTES = 4096
_MOST_SHOWN = 300
_EXAMPLE = """command:["/usr/bin/notify","--now"]"""


class CommandHook:
    """Starts a program for each notice.

    Args:
        command: the program's path, and its arguments.
        timeout: seconds that it has.
        clock: seconds that only grow.
    """

    repeat_seconds: float | None = None

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = tuple(command)
        self._timeout = timeout
        self._clock = clock

    def fire(self, notice: Notice, /) -> None:
        """Start the program, give it the notice, wait for its end.

        Raises:
            HookError: it could not be started, did not end in time, or says that it failed.
        """
        with (
            tempfile.TemporaryDirectory(prefix="grokwatch-", ignore_cleanup_errors=True) as empty,
            tempfile.TemporaryFile() as given,
        ):
            given.write(payload(notice))
            given.seek(0)
            process = self._started(given, empty)
            try:
                output, status = self._followed(process)
            finally:
                _end(process)
        if status != 0:
            raise HookError(self._refusal(output, status))

    def _refusal(self, output: bytes, status: int | None) -> str:
        """Say how the program failed, in its own words."""
        said = in_one_line(output.decode(errors="replace"), _MOST_SHOWN) or "nothing"
        name = self._command[0]
        if status is None:
            return (
                f"Expected {name} to end within {self._timeout:g} seconds, got no end: it was "
                f"killed. It is tried again. It said: {said}"
            )
        return (
            f"Expected {name} to take the alert with status 0, got {status}. "
            f"It is tried again. It said: {said}"
        )

    def _started(self, given: IO[bytes], directory: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={"PATH": SEARCH_PATH},
                start_new_session=True,
            )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            msg = f"Expected {self._command[0]} to start, got: {reason}. Try it by hand."
            raise HookError(msg) from error

    def _followed(self, process: subprocess.Popen[bytes]) -> tuple[bytes, int | None]:
        """Read what it says until it is silent; the first of it, and its status or None."""
        assert process.stdout is not None
        end = self._clock() + self._timeout
        kept = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while (left := end - self._clock()) > 0:
                if not selector.select(left):
                    continue
                chunk = os.read(process.stdout.fileno(), 65536)
                kept += chunk[: _MOST_OUTPUT_BYTES - len(kept)]
                if not chunk:
                    return kept, _status(process, end - self._clock())
        return kept, None


def _status(process: subprocess.Popen[bytes], left: float) -> int | None:
    try:
        return process.wait(max(0.0, left))
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what still runs of the group, and let go of it."""
    assert process.stdout is not None
    if process.returncode is None:
        # The program was not waited for yet, so its number still names its own group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()


def connect(argument: str) -> CommandHook:
    """Find the program.

    Args:
        argument: a JSON array of texts: the program and its arguments.

    Returns:
        The hook.

    Raises:
        ConfigurationError: no such array, or no such program.

    Example:
        >>> type(connect('["true"]')).__name__
        'CommandHook'
    """
    try:
        command = msgspec.json.decode(argument, type=list[str])
    except (msgspec.DecodeError, UnicodeEncodeError):
        command = []
    if not command or not command[0] or any("\0" in part for part in command):
        # Arguments may hold a password: they are not repeated.
        msg = (
            "Expected a JSON array of a program and its arguments, got something else. "
            f"Try '{_EXAMPLE}'."
        )
        raise ConfigurationError(msg)
    program = shutil.which(command[0], path=SEARCH_PATH)
    if program is None or ("/" in command[0] and not command[0].startswith("/")):
        msg = (
            f"Expected a program that can be started, got {command[0]!r}. Try its whole path, "
            "and whether it may be executed."
        )
        raise ConfigurationError(msg)
    return CommandHook([program, *command[1:]])
