"""The function hook: calls a function of yours with the notice, in this process.

Target: `function:package.module:name`. The function is imported when the hook is connected, takes a
`grokwatch.monitor.notice.Notice`, and says by an exception that the alert should come again.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import ConfigurationError, HookError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.text import in_one_line


class FunctionHook:
    """Calls a function with each notice.

    Args:
        function: takes a notice; what it returns is let go of.
        name: of the function, for messages.
    """

    repeat_seconds: float | None = None

    def __init__(self, function: Callable[[Notice], object], name: str) -> None:
        self._function = function
        self._name = name

    def fire(self, notice: Notice, /) -> None:
        """Call the function.

        Raises:
            HookError: the function raised; one that it raised itself comes as it is.
        """
        try:
            self._function(notice)
        except HookError:
            raise
        except Exception as error:
            reason = in_one_line(strip_credentials(f"{type(error).__name__}: {error}"), 300)
            msg = f"Expected {self._name} to take the alert, got {reason}. It is tried again."
            raise HookError(msg) from error


def connect(argument: str) -> FunctionHook:
    """Import the function.

    Args:
        argument: `package.module:name`.

    Returns:
        The hook.

    Raises:
        ConfigurationError: there is no such module or function.

    Example:
        >>> type(connect("builtins:repr")).__name__
        'FunctionHook'
    """
    module, _, name = argument.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not all(part.isidentifier() for part in parts):
        msg = f"Expected 'package.module:name', got {argument!r}. Try 'function:alarms:ring'."
        raise ConfigurationError(msg)
    function = _imported(module, name)
    if not callable(function) or inspect.iscoroutinefunction(function):
        msg = (
            f"Expected {argument} to be a plain function of one notice, got {function!r}. "
            "Try a function that is not async."
        )
        raise ConfigurationError(msg)
    return FunctionHook(function, argument)


def _imported(module: str, name: str) -> Any:
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        msg = (
            f"Expected a function {name} in the module {module}, got {error!r}. "
            "Try to import it by hand, from the same directory."
        )
        raise ConfigurationError(msg) from error
    return found
